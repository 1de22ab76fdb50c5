/* What every value must be, whatever the shape: one msgpack value, bounded, with proper texts and keys. */
#include "protocol/shape.h"
#include "protocol/errors.h"
#include "protocol/limits.h"
#include "protocol/msgpack_codec.h"

#include <string.h>

bool shape_same_text(const char *a, const char *b) {
    return a == b || (a && b && strcmp(a, b) == 0);
}

bool shape_is_id(const char *text) {
    size_t length = text ? strnlen(text, LEDIG_ID_CHARS_MAX + 1) : 0;
    if (length < 1 || length > LEDIG_ID_CHARS_MAX) return false;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        bool fine = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
        if (!fine) return false;
    }
    return true;
}

/* Length of the well-formed sequence that begins at `at` (Unicode 15, table 3-7), or 0. */
static size_t sequence_length(const uint8_t *at, size_t left) {
    uint8_t first = at[0], low = 0x80, high = 0xbf;
    size_t length;
    if (first < 0x80) return 1;
    if (first < 0xc2 || first > 0xf4) return 0;
    if (first < 0xe0) {
        length = 2;
    } else if (first < 0xf0) {
        length = 3;
        if (first == 0xe0) low = 0xa0;
        if (first == 0xed) high = 0x9f;
    } else {
        length = 4;
        if (first == 0xf0) low = 0x90;
        if (first == 0xf4) high = 0x8f;
    }
    if (left < length || at[1] < low || at[1] > high) return 0;
    for (size_t i = 2; i < length; i++)
        if (at[i] < 0x80 || at[i] > 0xbf) return 0;
    return length;
}

long shape_characters(const char *text, size_t length) {
    const uint8_t *at = (const uint8_t *)text;
    long characters = 0;
    for (size_t i = 0; i < length; characters++) {
        size_t step = sequence_length(at + i, length - i);
        if (step == 0) return -1;
        i += step;
    }
    return characters;
}

static int refuse(struct fault *fault, int error, const char *why) {
    *fault = (struct fault){.error = error, .why = why};
    return error;
}

static int check_text(const struct token *text, struct fault *fault) {
    if (shape_characters(text->text, text->count) < 0) return refuse(fault, LEDIG_EBAD_REQUEST, "a text is not UTF-8");
    if (memchr(text->text, 0, text->count)) return refuse(fault, LEDIG_EBAD_REQUEST, "a text has a NUL in it");
    return 0;
}

static int check_value(struct reader *reader, unsigned depth, struct fault *fault);

static int check_key(struct reader *reader, struct token *keys, uint32_t count, struct fault *fault) {
    struct token *key = &keys[count];
    if (reader_next(reader, key)) return refuse(fault, LEDIG_EBAD_REQUEST, "the message ends too early");
    if (key->kind != TOKEN_TEXT) return refuse(fault, LEDIG_EBAD_REQUEST, "a map's key is not a text");
    int error = check_text(key, fault);
    if (error) return error;
    for (uint32_t i = 0; i < count; i++)
        if (keys[i].count == key->count && memcmp(keys[i].text, key->text, key->count) == 0)
            return refuse(fault, LEDIG_EBAD_REQUEST, "a map has the same key twice");
    return 0;
}

static int check_map(struct reader *reader, uint32_t count, unsigned depth, struct fault *fault) {
    struct token keys[LEDIG_FIELDS_COUNT_MAX];
    if (count > LEDIG_FIELDS_COUNT_MAX) return refuse(fault, LEDIG_ETOO_LARGE, "a map has too many fields");
    for (uint32_t i = 0; i < count; i++) {
        int error = check_key(reader, keys, i, fault);
        if (!error) error = check_value(reader, depth, fault);
        if (error) return error;
    }
    return 0;
}

static int check_value(struct reader *reader, unsigned depth, struct fault *fault) {
    struct token token;
    if (reader_next(reader, &token))
        return refuse(fault, LEDIG_EBAD_REQUEST, "the message ends too early, or claims more than it holds");
    if (token.kind == TOKEN_TEXT) return check_text(&token, fault);
    if (token.kind != TOKEN_ARRAY && token.kind != TOKEN_MAP) return 0;

    if (depth == LEDIG_DEPTH_MAX) return refuse(fault, LEDIG_EBAD_REQUEST, "maps and arrays are nested too deep");
    if (token.kind == TOKEN_MAP) return check_map(reader, token.count, depth + 1, fault);
    for (uint32_t i = 0; i < token.count; i++) {
        int error = check_value(reader, depth + 1, fault);
        if (error) return error;
    }
    return 0;
}

int shape_check(const uint8_t *bytes, size_t length, struct fault *fault) {
    static const uint8_t nothing[1];
    struct reader reader = {.at = length ? bytes : nothing, .end = length ? bytes + length : nothing};
    int error = check_value(&reader, 0, fault);
    if (!error && reader.at != reader.end)
        error = refuse(fault, LEDIG_EBAD_REQUEST, "bytes follow after the end of the message");
    return error;
}

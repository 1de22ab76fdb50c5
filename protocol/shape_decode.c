/* Msgpack to structs, as their shape says. The bytes have gone through shape_check before anything is built. */
#include "protocol/errors.h"
#include "protocol/limits.h"
#include "protocol/msgpack_codec.h"

#include <assert.h>
#include <string.h>

struct decoder {
    struct reader reader;
    struct arena *arena;
    struct fault *fault;
};

static int refuse(struct decoder *decoder, int error, const char *field, const char *why) {
    *decoder->fault = (struct fault){.error = error, .field = field, .why = why};
    return error;
}

static int refuse_memory(struct decoder *decoder) {
    return refuse(decoder, LEDIG_ENO_MEMORY, NULL, "out of memory");
}

static int next(struct decoder *decoder, struct token *token) {
    if (reader_next(&decoder->reader, token) == 0) return 0;
    return refuse(decoder, LEDIG_EBAD_REQUEST, NULL, "the message ends too early, or claims more than it holds");
}

static int skip(struct decoder *decoder) {
    if (reader_skip(&decoder->reader) == 0) return 0;
    return refuse(decoder, LEDIG_EBAD_REQUEST, NULL, "the message ends too early, or claims more than it holds");
}

static int decode_map(struct decoder *decoder, const struct shape *shape, uint32_t count, void *to);
static int decode_row(struct decoder *decoder, const struct shape *shape, uint32_t count, void *to);

static int decode_text(struct decoder *decoder, const struct shape_field *field, const struct token *token,
                       bool must_be_id, uint32_t characters_max, const char **to) {
    if (token->kind != TOKEN_TEXT) return refuse(decoder, LEDIG_EBAD_REQUEST, field->name, "must be a text");
    if (!must_be_id && shape_characters(token->text, token->count) > (long)characters_max)
        return refuse(decoder, LEDIG_EBAD_REQUEST, field->name, "is longer than the limit");
    *to = arena_text(decoder->arena, token->text, token->count);
    if (!*to) return refuse_memory(decoder);
    if (must_be_id && !shape_is_id(*to))
        return refuse(decoder, LEDIG_EBAD_REQUEST, field->name, "must be an id: 1 to 64 of a-z 0-9 . _ -");
    return 0;
}

static int decode_integer(struct decoder *decoder, const struct shape_field *field, const struct token *token,
                          int64_t highest, int64_t *to) {
    if (token->kind != TOKEN_INTEGER) return refuse(decoder, LEDIG_EBAD_REQUEST, field->name, "must be an integer");
    if (token->integer < 0 || token->integer > highest)
        return refuse(decoder, LEDIG_EBAD_REQUEST, field->name, "is out of range");
    *to = token->integer;
    return 0;
}

static int check_array(struct decoder *decoder, const struct shape_field *field, const struct token *token) {
    if (token->kind != TOKEN_ARRAY) return refuse(decoder, LEDIG_EBAD_REQUEST, field->name, "must be an array");
    if (token->count > field->max) return refuse(decoder, LEDIG_ETOO_LARGE, field->name, "has too many entries");
    return 0;
}

static int decode_texts(struct decoder *decoder, const struct shape_field *field, const struct token *token,
                        struct texts *to) {
    if (field->kind == SHAPE_IDS_OR_ALL && token->kind == TOKEN_TEXT) {
        if (!token_is(token, "all"))
            return refuse(decoder, LEDIG_EBAD_REQUEST, field->name, "must be \"all\" or an array of ids");
        *to = (struct texts){.present = true, .all = true};
        return 0;
    }
    int error = check_array(decoder, field, token);
    if (error) return error;

    const char **at = arena_take(decoder->arena, token->count * sizeof *at);
    if (!at) return refuse_memory(decoder);
    for (uint32_t i = 0; i < token->count; i++) {
        struct token entry;
        error = next(decoder, &entry);
        if (!error)
            error = decode_text(decoder, field, &entry, field->kind != SHAPE_TEXTS, LEDIG_NAME_CHARS_MAX, &at[i]);
        if (error) return error;
    }
    *to = (struct texts){.at = at, .count = token->count, .present = true};
    return 0;
}

static int decode_list(struct decoder *decoder, const struct shape_field *field, const struct token *token,
                       struct list *to) {
    int error = check_array(decoder, field, token);
    if (error) return error;
    bool rows = field->kind == SHAPE_ROWS;
    char *at = arena_take(decoder->arena, token->count * field->of->size);
    if (!at) return refuse_memory(decoder);
    for (uint32_t i = 0; i < token->count; i++) {
        void *entry = at + i * field->of->size;
        struct token head;
        error = next(decoder, &head);
        if (!error && head.kind != (rows ? TOKEN_ARRAY : TOKEN_MAP))
            error = refuse(decoder, LEDIG_EBAD_REQUEST, field->name,
                           rows ? "must be an array of arrays" : "must be an array of maps");
        if (!error) error = (rows ? decode_row : decode_map)(decoder, field->of, head.count, entry);
        if (error) return error;
    }
    *to = (struct list){.at = at, .count = token->count, .present = true};
    return 0;
}

static int decode_nested(struct decoder *decoder, const struct shape_field *field, const struct token *token,
                         void *to) {
    if (token->kind != TOKEN_MAP) return refuse(decoder, LEDIG_EBAD_REQUEST, field->name, "must be a map");
    void *nested = arena_take(decoder->arena, field->of->size);
    if (!nested) return refuse_memory(decoder);
    memcpy(to, &nested, sizeof nested); /* into a pointer to some struct or other */
    return decode_map(decoder, field->of, token->count, nested);
}

static int decode_value(struct decoder *decoder, const struct shape_field *field, const struct token *token, void *to) {
    void *value = (char *)to + field->offset;
    int64_t integer = 0;
    int error = 0;
    switch (field->kind) {
    case SHAPE_TEXT:
    case SHAPE_ID:
        return decode_text(decoder, field, token, field->kind == SHAPE_ID, field->max, value);
    case SHAPE_COUNT:
        error = decode_integer(decoder, field, token, UINT32_MAX, &integer);
        *(uint32_t *)value = (uint32_t)integer;
        return error;
    case SHAPE_NUMBER:
        return decode_integer(decoder, field, token, INT64_MAX, value);
    case SHAPE_FLAG:
        if (token->kind != TOKEN_FLAG) return refuse(decoder, LEDIG_EBAD_REQUEST, field->name, "must be true or false");
        *(bool *)value = token->flag;
        return 0;
    case SHAPE_TEXTS:
    case SHAPE_IDS:
    case SHAPE_IDS_OR_ALL:
        return decode_texts(decoder, field, token, value);
    case SHAPE_MAP:
        return decode_nested(decoder, field, token, value);
    case SHAPE_MAPS:
    case SHAPE_ROWS:
        return decode_list(decoder, field, token, value);
    case SHAPE_REST:
        break; /* has no value of its own */
    }
    return 0;
}

/* One field; nil is the same as no field. */
static int decode_field(struct decoder *decoder, const struct shape *shape, size_t index, void *to, uint64_t *seen) {
    struct token token;
    int error = next(decoder, &token);
    if (error || token.kind == TOKEN_NIL) return error;
    *seen |= (uint64_t)1 << index;
    return decode_value(decoder, &shape->fields[index], &token, to);
}

static int check_required(struct decoder *decoder, const struct shape *shape, uint64_t seen) {
    for (size_t i = 0; i < shape->count; i++)
        if (shape->fields[i].required && !(seen >> i & 1))
            return refuse(decoder, LEDIG_EBAD_REQUEST, shape->fields[i].name, "is missing");
    return 0;
}

/* Index of the field, or shape->count. Keys mostly come in the order of the shape, so the search begins at `hint`. */
static size_t find_field(const struct shape *shape, const struct token *key, size_t hint) {
    for (size_t step = 0; step < shape->count; step++) {
        size_t i = (hint + step) % shape->count;
        if (shape->fields[i].kind != SHAPE_REST && token_is(key, shape->fields[i].name)) return i;
    }
    return shape->count;
}

/* Copies what the shape does not know of the map whose entries begin at `entries`: `length` bytes in all. */
static int keep_rest(struct decoder *decoder, const struct shape *shape, struct reader entries, uint32_t entry_count,
                     struct rest *rest) {
    uint8_t *bytes = arena_take(decoder->arena, rest->length);
    if (!bytes) return refuse_memory(decoder);
    rest->bytes = bytes;
    for (uint32_t i = 0; i < entry_count; i++) {
        const uint8_t *begin = entries.at;
        struct token key;
        if (reader_next(&entries, &key) || reader_skip(&entries))
            return refuse(decoder, LEDIG_EBAD_REQUEST, NULL, "the message ends too early");
        if (find_field(shape, &key, 0) < shape->count) continue;
        memcpy(bytes, begin, (size_t)(entries.at - begin));
        bytes += entries.at - begin;
    }
    return 0;
}

static struct rest *rest_of(const struct shape *shape, void *to) {
    for (size_t i = shape->count; i-- > 0;)
        if (shape->fields[i].kind == SHAPE_REST) return (void *)((char *)to + shape->fields[i].offset);
    return NULL;
}

static int decode_map(struct decoder *decoder, const struct shape *shape, uint32_t count, void *to) {
    struct reader entries = decoder->reader;
    struct rest unknown = {0};
    uint64_t seen = 0;
    size_t hint = 0;
    assert(shape->count > 0 && shape->count <= 64);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *begin = decoder->reader.at;
        struct token key;
        int error = next(decoder, &key);
        if (error) return error;
        size_t index = find_field(shape, &key, hint);
        if (index < shape->count) {
            error = decode_field(decoder, shape, index, to, &seen);
            hint = index + 1;
        } else {
            error = skip(decoder);
            unknown.length += (uint32_t)(decoder->reader.at - begin);
            unknown.count++;
        }
        if (error) return error;
    }
    int error = check_required(decoder, shape, seen);
    struct rest *rest = rest_of(shape, to);
    if (error || !rest || unknown.count == 0) return error;
    *rest = unknown;
    return keep_rest(decoder, shape, entries, count, rest);
}

static int decode_row(struct decoder *decoder, const struct shape *shape, uint32_t count, void *to) {
    uint64_t seen = 0;
    assert(shape->count <= 64);
    for (uint32_t i = 0; i < count; i++) {
        int error = i < shape->count ? decode_field(decoder, shape, i, to, &seen) : skip(decoder);
        if (error) return error;
    }
    return check_required(decoder, shape, seen);
}

int shape_decode(const struct shape *shape, const uint8_t *bytes, size_t length, struct arena *arena, void *to,
                 struct fault *fault) {
    struct decoder decoder = {.arena = arena, .fault = fault};
    struct token head;
    *fault = (struct fault){0};
    memset(to, 0, shape->size);
    if (length > UINT32_MAX) return refuse(&decoder, LEDIG_ETOO_LARGE, NULL, "is larger than any message");
    int error = shape_check(bytes, length, fault);
    if (error) return error;
    decoder.reader = (struct reader){.at = bytes, .end = bytes + length};
    error = next(&decoder, &head);
    if (error) return error;
    if (head.kind != TOKEN_MAP) return refuse(&decoder, LEDIG_EBAD_REQUEST, NULL, "must be a map");
    return decode_map(&decoder, shape, head.count, to);
}

/* Heads of msgpack values. */
#include "protocol/msgpack_codec.h"
#include "protocol/errors.h"

#include <string.h>

/* Big-endian, `width` bytes. */
static bool take_unsigned(struct reader *reader, size_t width, uint64_t *value) {
    if ((size_t)(reader->end - reader->at) < width) return false;
    *value = 0;
    for (size_t i = 0; i < width; i++)
        *value = *value << 8 | *reader->at++;
    return true;
}

static bool take_body(struct reader *reader, uint64_t length, const uint8_t **body) {
    if (length > (uint64_t)(reader->end - reader->at)) return false;
    *body = reader->at;
    reader->at += length;
    return true;
}

static bool finish_text(struct reader *reader, uint64_t length, struct token *token) {
    const uint8_t *body;
    if (!take_body(reader, length, &body)) return false;
    token->kind = TOKEN_TEXT;
    token->text = (const char *)body;
    token->count = (uint32_t)length;
    return true;
}

/* Each entry takes a byte at least, in a map two. */
static bool finish_container(struct reader *reader, enum token_kind kind, uint64_t count, struct token *token) {
    if (count * (kind == TOKEN_MAP ? 2 : 1) > (uint64_t)(reader->end - reader->at)) return false;
    token->kind = kind;
    token->count = (uint32_t)count;
    return true;
}

static bool finish_other(struct reader *reader, uint64_t length, struct token *token) {
    const uint8_t *body;
    token->kind = TOKEN_OTHER;
    return take_body(reader, length, &body);
}

static bool finish_unsigned(struct reader *reader, size_t width, struct token *token) {
    uint64_t value;
    if (!take_unsigned(reader, width, &value)) return false;
    token->kind = value > INT64_MAX ? TOKEN_OTHER : TOKEN_INTEGER;
    token->integer = value > INT64_MAX ? 0 : (int64_t)value;
    return true;
}

static bool finish_signed(struct reader *reader, size_t width, struct token *token) {
    uint64_t value;
    if (!take_unsigned(reader, width, &value)) return false;
    token->kind = TOKEN_INTEGER;
    switch (width) {
    case 1:
        token->integer = (int8_t)value;
        break;
    case 2:
        token->integer = (int16_t)value;
        break;
    case 4:
        token->integer = (int32_t)value;
        break;
    default:
        token->integer = (int64_t)value;
    }
    return true;
}

/* Heads from 0xc0 to 0xdf, where the first byte names the type alone. */
static bool finish_long(struct reader *reader, uint8_t head, struct token *token) {
    uint64_t length;
    switch (head) {
    case 0xc0:
        token->kind = TOKEN_NIL;
        return true;
    case 0xc2:
    case 0xc3:
        token->kind = TOKEN_FLAG;
        token->flag = head == 0xc3;
        return true;
    case 0xc4: /* bytes */
    case 0xc5:
    case 0xc6:
        return take_unsigned(reader, (size_t)1 << (head - 0xc4), &length) && finish_other(reader, length, token);
    case 0xc7: /* extensions: a byte for their type comes before the body */
    case 0xc8:
    case 0xc9:
        return take_unsigned(reader, (size_t)1 << (head - 0xc7), &length) && finish_other(reader, length + 1, token);
    case 0xca: /* reals */
    case 0xcb:
        return finish_other(reader, head == 0xca ? 4 : 8, token);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        return finish_unsigned(reader, (size_t)1 << (head - 0xcc), token);
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return finish_signed(reader, (size_t)1 << (head - 0xd0), token);
    case 0xd4: /* extensions of fixed length */
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
        return finish_other(reader, ((uint64_t)1 << (head - 0xd4)) + 1, token);
    case 0xd9:
    case 0xda:
    case 0xdb:
        return take_unsigned(reader, (size_t)1 << (head - 0xd9), &length) && finish_text(reader, length, token);
    case 0xdc:
    case 0xdd:
        return take_unsigned(reader, head == 0xdc ? 2 : 4, &length) &&
               finish_container(reader, TOKEN_ARRAY, length, token);
    case 0xde:
    case 0xdf:
        return take_unsigned(reader, head == 0xde ? 2 : 4, &length) &&
               finish_container(reader, TOKEN_MAP, length, token);
    default: /* 0xc1 is not used */
        return false;
    }
}

int reader_next(struct reader *reader, struct token *token) {
    *token = (struct token){0};
    if (reader->at == reader->end) return LEDIG_EBAD_REQUEST;
    uint8_t head = *reader->at++;
    bool whole = true;
    if (head <= 0x7f || head >= 0xe0) {
        token->kind = TOKEN_INTEGER;
        token->integer = (int8_t)head;
    } else if (head <= 0x8f) {
        whole = finish_container(reader, TOKEN_MAP, head & 0x0f, token);
    } else if (head <= 0x9f) {
        whole = finish_container(reader, TOKEN_ARRAY, head & 0x0f, token);
    } else if (head <= 0xbf) {
        whole = finish_text(reader, head & 0x1f, token);
    } else {
        whole = finish_long(reader, head, token);
    }
    return whole ? 0 : LEDIG_EBAD_REQUEST;
}

int reader_skip(struct reader *reader) {
    uint64_t left = 1; /* counts are bounded by the bytes, so this cannot overflow */
    while (left-- > 0) {
        struct token token;
        int error = reader_next(reader, &token);
        if (error) return error;
        if (token.kind == TOKEN_ARRAY) left += token.count;
        if (token.kind == TOKEN_MAP) left += 2 * (uint64_t)token.count;
    }
    return 0;
}

bool token_is(const struct token *token, const char *text) {
    return token->kind == TOKEN_TEXT && token->count == strlen(text) && memcmp(token->text, text, token->count) == 0;
}

static int packer_write(void *out, const char *bytes, size_t length) {
    buffer_append(out, bytes, length);
    return ((struct buffer *)out)->failed ? -1 : 0;
}

void packer_open(msgpack_packer *packer, struct buffer *out) {
    msgpack_packer_init(packer, out, packer_write);
}

void packer_text(msgpack_packer *packer, const char *text) {
    size_t length = strlen(text);
    msgpack_pack_str(packer, length);
    msgpack_pack_str_body(packer, text, length);
}

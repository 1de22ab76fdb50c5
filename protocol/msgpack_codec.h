/* The msgpack bytes under the shapes: a reader of one value's head at a time, and a packer that appends to a buffer.
 *
 * The reader allocates nothing and believes no length that the bytes at hand do not pay for; msgpack-c's own unpacker
 * makes room for an array as soon as it has read its head, and does not keep the bytes of a field that is not known.
 * Format: https://github.com/msgpack/msgpack/blob/master/spec.md. Re-entrant. */
#ifndef LEDIG_PROTOCOL_MSGPACK_CODEC_H
#define LEDIG_PROTOCOL_MSGPACK_CODEC_H

#include "protocol/shape.h"

#include <msgpack/pack.h>

enum token_kind {
    TOKEN_NIL,
    TOKEN_FLAG,
    TOKEN_INTEGER,
    TOKEN_OTHER, /* what no field has: a real, bytes, an extension, an integer above INT64_MAX */
    TOKEN_TEXT,
    TOKEN_ARRAY,
    TOKEN_MAP
};

struct token {
    enum token_kind kind;
    bool flag;
    int64_t integer;
    uint32_t count;   /* bytes of a text, entries of an array or map */
    const char *text; /* in the bytes that are read; not terminated */
};

struct reader {
    const uint8_t *at, *end;
};

/* Reads the head of the next value, with the body of a text; of an array or map only the head. Returns 0, or
 * LEDIG_EBAD_REQUEST where the bytes end too early, claim more than they hold, or begin with the byte that msgpack does
 * not use; the reader is then of no further use. */
int reader_next(struct reader *reader, struct token *token);

/* Passes over one value whole. The bytes have gone through shape_check, which bounds the depth. */
int reader_skip(struct reader *reader);

bool token_is(const struct token *token, const char *text);

/* A packer whose output is appended to `out`; look at out->failed at the end. */
void packer_open(msgpack_packer *packer, struct buffer *out);

void packer_text(msgpack_packer *packer, const char *text);

#endif

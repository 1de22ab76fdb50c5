/* A shape describes a C struct field by field, so that one encoder and one decoder serve every message on the wire and
 * every record in the store. Shapes are constant tables made from messages.def and records.def.
 *
 * A decoded struct and all it points to live in an arena and die with it. Decoding takes untrusted bytes: depth,
 * counts, lengths and UTF-8 are checked before anything is built, and nothing is allocated that the bytes at hand do
 * not pay for. Nothing here does I/O, keeps state between calls, or logs. Re-entrant. */
#ifndef LEDIG_PROTOCOL_SHAPE_H
#define LEDIG_PROTOCOL_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Memory for one decoded thing. Create once, reset between uses. */
struct arena;
struct arena *arena_create(void); /* NULL when out of memory */
void arena_reset(struct arena *arena);
void arena_free(struct arena *arena);                                    /* NULL is fine */
void *arena_take(struct arena *arena, size_t bytes);                     /* aligned, zeroed; NULL when out of memory */
char *arena_text(struct arena *arena, const char *bytes, size_t length); /* a NUL-terminated copy, or NULL */

/* Growing bytes, owned by whoever declares it: start with {0}, end with buffer_free. */
struct buffer {
    uint8_t *bytes;
    size_t length, capacity;
    bool failed; /* an append ran out of memory; nothing was appended since. Check once, at the end. */
};
void buffer_append(struct buffer *buffer, const void *bytes, size_t length);
/* Room for so many bytes behind the others, for the caller to fill; NULL when out of memory. Lent until the next call.
 */
uint8_t *buffer_extend(struct buffer *buffer, size_t length);
void buffer_clear(struct buffer *buffer); /* keeps the capacity */
void buffer_free(struct buffer *buffer);

enum shape_kind {
    SHAPE_TEXT,       /* const char *: UTF-8 without NUL, at most `max` characters; NULL = absent */
    SHAPE_ID,         /* const char *: [a-z0-9._-]{1,64}; NULL = absent */
    SHAPE_COUNT,      /* uint32_t; 0 = absent unless required */
    SHAPE_NUMBER,     /* int64_t ≥ 0: a time in ms, a version; 0 = absent unless required */
    SHAPE_FLAG,       /* bool; false = absent unless required */
    SHAPE_TEXTS,      /* struct texts: at most `max` of them, each at most LEDIG_NAME_CHARS_MAX characters */
    SHAPE_IDS,        /* struct texts: at most `max` ids */
    SHAPE_IDS_OR_ALL, /* struct texts: at most `max` ids, or the text "all" */
    SHAPE_MAP,        /* struct X *: a nested map of shape `of`; NULL = absent */
    SHAPE_MAPS,       /* struct list: an array of maps of shape `of`; at most `max` */
    SHAPE_ROWS,       /* struct list: an array of arrays, whose columns are the fields of `of` in order; trailing
                         absent columns are cut; columns beyond those known are borne */
    SHAPE_REST,       /* struct rest: the fields of a map that the shape does not know, kept as they came. Only in
                         records; a message without it drops them */
};

struct texts {
    const char *const *at;
    uint32_t count;
    bool present; /* tells an empty list from none */
    bool all;     /* SHAPE_IDS_OR_ALL: it was "all" */
};

struct list {
    const void *at; /* an array of structs of the shape `of` */
    uint32_t count;
    bool present;
};

struct rest {
    const uint8_t *bytes; /* `count` msgpack keys and values, one after the other */
    uint32_t length, count;
};

struct shape;

struct shape_field {
    const char *name; /* the key on the wire or in the record */
    enum shape_kind kind;
    bool required;
    uint32_t max; /* characters of a text, entries of a list */
    size_t offset;
    const struct shape *of; /* SHAPE_MAP, SHAPE_MAPS, SHAPE_ROWS */
    const char *meaning;    /* one line for the documents */
};

struct shape {
    const char *name;
    const char *meaning;
    size_t size; /* sizeof the struct */
    const struct shape_field *fields;
    size_t count;
};

/* What was wrong, for the one who sent it. `field` points into the shape (or is NULL), `why` is a constant. */
struct fault {
    int error; /* LEDIG_E… */
    const char *field;
    const char *why;
};

/* Appends the struct as one msgpack map to `out`, fields in the order of the shape. `type`, when not NULL, is put first
 * under the key "t". Returns 0, or LEDIG_ENO_MEMORY. */
int shape_encode(const struct shape *shape, const void *from, const char *type, struct buffer *out);

/* The same as one array of columns. */
int shape_encode_row(const struct shape *shape, const void *from, struct buffer *out);

/* Decodes exactly one map that fills `length` bytes into `*to` (shape->size bytes, overwritten). On failure returns
 * fault->error and `*to` is undefined. `fault` may not be NULL. */
int shape_decode(const struct shape *shape, const uint8_t *bytes, size_t length, struct arena *arena, void *to,
                 struct fault *fault);

/* Checks that the bytes are exactly one msgpack value within depth and counts that the bytes can pay for, with valid
 * UTF-8 and no NUL in texts. 0, LEDIG_EBAD_REQUEST or LEDIG_ETOO_LARGE (then `fault->why` says what). */
int shape_check(const uint8_t *bytes, size_t length, struct fault *fault);

/* Whether the text is [a-z0-9._-]{1,64}. NULL is not. */
bool shape_is_id(const char *text);

/* Whether two optional texts are the same; NULL is the same as NULL alone. */
bool shape_same_text(const char *a, const char *b);

/* Number of characters (code points), or -1 where it is not valid UTF-8. */
long shape_characters(const char *text, size_t length);

#endif

/* The messages of the wire: one struct for each in messages.def, and their coding in msgpack and JSON.
 *
 * Both encodings carry the same maps with the same names. JSON is defined as the transcription of the msgpack form, so
 * the two cannot drift apart. Nothing here does I/O or keeps state. Re-entrant. */
#ifndef LEDIG_PROTOCOL_MESSAGE_H
#define LEDIG_PROTOCOL_MESSAGE_H

#include "protocol/errors.h"
#include "protocol/limits.h"
#include "protocol/shape.h"

enum encoding { ENCODING_MSGPACK, ENCODING_JSON, ENCODING_COUNT };

/* The WebSocket subprotocol of an encoding. */
#define LEDIG_SUBPROTOCOL_MSGPACK "ledig.v1.msgpack"
#define LEDIG_SUBPROTOCOL_JSON "ledig.v1.json"

enum message_side { SIDE_APP, SIDE_BROKER };

enum message_type {
    MESSAGE_NONE,
#define PART(name, meaning)
#define MESSAGE(name, side, meaning) MESSAGE_##name,
#define FIELD(owner, name, kind, required, max, of, meaning)
#define END(owner)
#include "protocol/messages.def"
#undef PART
#undef MESSAGE
#undef FIELD
#undef END
    MESSAGE_TYPE_COUNT
};

/* C types of the shape kinds, for the structs below. */
#define SHAPE_C_TEXT(of) const char *
#define SHAPE_C_ID(of) const char *
#define SHAPE_C_COUNT(of) uint32_t
#define SHAPE_C_NUMBER(of) int64_t
#define SHAPE_C_FLAG(of) bool
#define SHAPE_C_TEXTS(of) struct texts
#define SHAPE_C_IDS(of) struct texts
#define SHAPE_C_IDS_OR_ALL(of) struct texts
#define SHAPE_C_MAP(of) const struct part_##of *
#define SHAPE_C_MAPS(of) struct list
#define SHAPE_C_ROWS(of) struct list
#define SHAPE_C_REST(of) struct rest

/* struct part_device, struct part_member, …; struct message_hello, struct message_set, … */
#define PART(name, meaning) struct part_##name {
#define MESSAGE(name, side, meaning) struct message_##name {
#define FIELD(owner, name, kind, required, max, of, meaning) SHAPE_C_##kind(of) name;
#define END(owner)                                                                                                     \
    }                                                                                                                  \
    ;
#include "protocol/messages.def"
#undef PART
#undef MESSAGE
#undef FIELD
#undef END

struct message {
    enum message_type type;
    union {
#define PART(name, meaning)
#define MESSAGE(name, side, meaning) struct message_##name name;
#define FIELD(owner, name, kind, required, max, of, meaning)
#define END(owner)
#include "protocol/messages.def"
#undef PART
#undef MESSAGE
#undef FIELD
#undef END
    };
};

/* Shapes of the parts (rows above all) and of the messages. */
#define PART(name, meaning) extern const struct shape part_##name##_shape;
#define MESSAGE(name, side, meaning) extern const struct shape message_##name##_shape;
#define FIELD(owner, name, kind, required, max, of, meaning)
#define END(owner)
#include "protocol/messages.def"
#undef PART
#undef MESSAGE
#undef FIELD
#undef END

/* "hello", …; NULL for MESSAGE_NONE and what lies outside of the enumeration. */
const char *message_type_name(enum message_type type);
enum message_side message_type_side(enum message_type type);
const struct shape *message_type_shape(enum message_type type);

/* Decodes one message that `from` has sent. On failure returns fault->error, and `message->type` and `*request_id` hold
 * what could be learned (MESSAGE_NONE and 0 otherwise), so that an `error` can name the request. An unknown type is
 * LEDIG_EUNSUPPORTED; a message of the other side is LEDIG_EBAD_REQUEST. What the message points to lives in `arena`,
 * not in `bytes`. `request_id` may be NULL. */
int message_decode(enum encoding encoding, enum message_side from, const uint8_t *bytes, size_t length,
                   struct arena *arena, struct message *message, uint32_t *request_id, struct fault *fault);

/* Appends the encoded message to `out`. Returns 0 or LEDIG_ENO_MEMORY. */
int message_encode(enum encoding encoding, const struct message *message, struct buffer *out);

/* Appends one row alone, as it stands inside of a `changes` or `answer`. Returns 0 or LEDIG_ENO_MEMORY. */
int message_encode_row(enum encoding encoding, const struct shape *part, const void *row, struct buffer *out);

/* A `changes` or `answer` frame put together from rows that were encoded before: the path of every delivery, so it only
 * copies. Use: begin; add rows in any order; end. The frame counts as at most LEDIG_MESSAGE_BYTES_MAX bytes. */
enum frame_list { FRAME_MEMBERS, FRAME_PROFILES, FRAME_QUEUES, FRAME_REMOVED, FRAME_ROUTES, FRAME_LIST_COUNT };

struct frame {
    enum encoding encoding;
    size_t length; /* of all rows so far, with separators */
    struct {
        struct buffer rows;
        uint32_t count;
    } lists[FRAME_LIST_COUNT];
};

void frame_begin(struct frame *frame, enum encoding encoding); /* keeps the buffers of an earlier use; start with {0} */
void frame_free(struct frame *frame);

/* Whether a further row of `length` bytes still fits under the limit, with room for the rest of the message. */
bool frame_fits(const struct frame *frame, size_t length);

/* Adds a row encoded by message_encode_row in the frame's encoding; for FRAME_REMOVED, a user id encoded with
 * frame_encode_id. */
void frame_add(struct frame *frame, enum frame_list list, const uint8_t *row, size_t length);
int frame_encode_id(enum encoding encoding, const char *id, struct buffer *out);

/* Appends the whole `changes` to `out`: with `more` and no place, or with the place. 0 or LEDIG_ENO_MEMORY. */
int frame_end_changes(const struct frame *frame, bool more, const char *epoch, int64_t to, int64_t now,
                      struct buffer *out);

/* Appends the whole `answer` (FRAME_REMOVED and FRAME_ROUTES are left out) to `out`. 0 or LEDIG_ENO_MEMORY. */
int frame_end_answer(const struct frame *frame, uint32_t id, bool more, int64_t stale_ms, struct buffer *out);

/* Appends the rows of FRAME_ROUTES, and nothing else: as an `answer`, or where `id` is 0 as `routes`. 0 or
 * LEDIG_ENO_MEMORY. */
int frame_end_routes(const struct frame *frame, uint32_t id, bool more, int64_t stale_ms, struct buffer *out);

#endif

/* The tables that messages.def stands for, and the coding of a whole message. */
#include "protocol/message.h"
#include "protocol/json_codec.h"
#include "protocol/msgpack_codec.h"

#include <string.h>

#define OF_TEXT(of) NULL
#define OF_ID(of) NULL
#define OF_COUNT(of) NULL
#define OF_NUMBER(of) NULL
#define OF_FLAG(of) NULL
#define OF_TEXTS(of) NULL
#define OF_IDS(of) NULL
#define OF_IDS_OR_ALL(of) NULL
#define OF_MAP(of) &part_##of##_shape
#define OF_MAPS(of) &part_##of##_shape
#define OF_ROWS(of) &part_##of##_shape

#define COLUMN(owner_struct, name, kind, required, max, of, meaning)                                                   \
    {#name, SHAPE_##kind, required, max, offsetof(struct owner_struct, name), OF_##kind(of), meaning},

/* Fields of the parts, then of the messages. */
#define MESSAGES_PARTS_ONLY
#define PART(name, meaning) static const struct shape_field part_##name##_fields[] = {
#define FIELD(owner, name, kind, required, max, of, meaning)                                                           \
    COLUMN(part_##owner, name, kind, required, max, of, meaning)
#define END(owner)                                                                                                     \
    }                                                                                                                  \
    ;
#include "protocol/messages.def"
#undef MESSAGES_PARTS_ONLY
#undef PART
#undef FIELD

#define MESSAGES_WITHOUT_PARTS
#define MESSAGE(name, side, meaning) static const struct shape_field message_##name##_fields[] = {
#define FIELD(owner, name, kind, required, max, of, meaning)                                                           \
    COLUMN(message_##owner, name, kind, required, max, of, meaning)
#include "protocol/messages.def"
#undef MESSAGES_WITHOUT_PARTS
#undef MESSAGE
#undef FIELD
#undef END

/* Shapes of both. */
#define SHAPE(prefix, name, meaning)                                                                                   \
    const struct shape prefix##_##name##_shape = {#name, meaning, sizeof(struct prefix##_##name),                      \
                                                  prefix##_##name##_fields,                                            \
                                                  sizeof prefix##_##name##_fields / sizeof(struct shape_field)};
#define PART(name, meaning) SHAPE(part, name, meaning)
#define MESSAGE(name, side, meaning) SHAPE(message, name, meaning)
#define FIELD(owner, name, kind, required, max, of, meaning)
#define END(owner)
#include "protocol/messages.def"
#undef PART
#undef MESSAGE

static const struct {
    const char *name;
    enum message_side side;
    const struct shape *shape;
    size_t offset; /* of its struct in struct message */
} types[MESSAGE_TYPE_COUNT] = {
#define PART(name, meaning)
#define MESSAGE(name, side, meaning)                                                                                   \
    [MESSAGE_##name] = {#name, SIDE_##side, &message_##name##_shape, offsetof(struct message, name)},
#include "protocol/messages.def"
#undef PART
#undef MESSAGE
#undef FIELD
#undef END
};

static bool is_type(enum message_type type) {
    return (int)type > MESSAGE_NONE && type < MESSAGE_TYPE_COUNT;
}

const char *message_type_name(enum message_type type) {
    return is_type(type) ? types[type].name : NULL;
}

enum message_side message_type_side(enum message_type type) {
    return is_type(type) ? types[type].side : SIDE_BROKER;
}

const struct shape *message_type_shape(enum message_type type) {
    return is_type(type) ? types[type].shape : NULL;
}

static int refuse(struct fault *fault, int error, const char *field, const char *why) {
    *fault = (struct fault){.error = error, .field = field, .why = why};
    return error;
}

/* Finds the type and the id of a message that has gone through shape_check. */
static int read_envelope(const uint8_t *bytes, size_t length, struct token *type, uint32_t *request_id,
                         struct fault *fault) {
    struct reader reader = {.at = bytes, .end = bytes + length};
    struct token head;
    if (reader_next(&reader, &head) || head.kind != TOKEN_MAP)
        return refuse(fault, LEDIG_EBAD_REQUEST, NULL, "a message must be a map");
    for (uint32_t i = 0; i < head.count; i++) {
        struct token key, value;
        struct reader ahead;
        if (reader_next(&reader, &key)) break;
        ahead = reader;
        if (reader_next(&ahead, &value) || reader_skip(&reader)) break;
        if (token_is(&key, "t")) *type = value;
        if (token_is(&key, "id") && value.kind == TOKEN_INTEGER && value.integer >= 0 && value.integer <= UINT32_MAX)
            *request_id = (uint32_t)value.integer;
    }
    if (type->kind == TOKEN_NIL) return refuse(fault, LEDIG_EBAD_REQUEST, "t", "is missing");
    if (type->kind != TOKEN_TEXT) return refuse(fault, LEDIG_EBAD_REQUEST, "t", "must be a text");
    return 0;
}

static int decode_msgpack(enum message_side from, const uint8_t *bytes, size_t length, struct arena *arena,
                          struct message *message, uint32_t *request_id, struct fault *fault) {
    struct token type = {0};
    int error = shape_check(bytes, length, fault);
    if (!error) error = read_envelope(bytes, length, &type, request_id, fault);
    if (error) return error;

    for (int i = MESSAGE_NONE + 1; i < MESSAGE_TYPE_COUNT; i++)
        if (token_is(&type, types[i].name)) message->type = (enum message_type)i;
    if (message->type == MESSAGE_NONE)
        return refuse(fault, LEDIG_EUNSUPPORTED, "t", "this version does not know that message type");
    if (types[message->type].side != from)
        return refuse(fault, LEDIG_EBAD_REQUEST, "t", "only the other side sends that message type");
    return shape_decode(types[message->type].shape, bytes, length, arena, (char *)message + types[message->type].offset,
                        fault);
}

int message_decode(enum encoding encoding, enum message_side from, const uint8_t *bytes, size_t length,
                   struct arena *arena, struct message *message, uint32_t *request_id, struct fault *fault) {
    uint32_t ignored;
    if (!request_id) request_id = &ignored;
    *request_id = 0;
    *fault = (struct fault){0};
    memset(message, 0, sizeof *message);
    if (length > LEDIG_MESSAGE_BYTES_MAX)
        return refuse(fault, LEDIG_ETOO_LARGE, NULL, "the message is larger than 65536 bytes");
    if (encoding == ENCODING_MSGPACK) return decode_msgpack(from, bytes, length, arena, message, request_id, fault);

    struct buffer transcribed = {0};
    int error = json_codec_read(bytes, length, &transcribed, fault);
    if (!error) error = decode_msgpack(from, transcribed.bytes, transcribed.length, arena, message, request_id, fault);
    buffer_free(&transcribed);
    return error;
}

static int transcribe(int error, struct buffer *packed, struct buffer *out) {
    if (!error) error = json_codec_write(packed->bytes, packed->length, out);
    buffer_free(packed);
    return error;
}

int message_encode(enum encoding encoding, const struct message *message, struct buffer *out) {
    if (!is_type(message->type)) return LEDIG_EBAD_REQUEST;
    const struct shape *shape = types[message->type].shape;
    const void *from = (const char *)message + types[message->type].offset;
    if (encoding == ENCODING_MSGPACK) return shape_encode(shape, from, shape->name, out);

    struct buffer packed = {0};
    return transcribe(shape_encode(shape, from, shape->name, &packed), &packed, out);
}

int message_encode_row(enum encoding encoding, const struct shape *part, const void *row, struct buffer *out) {
    if (encoding == ENCODING_MSGPACK) return shape_encode_row(part, row, out);

    struct buffer packed = {0};
    return transcribe(shape_encode_row(part, row, &packed), &packed, out);
}

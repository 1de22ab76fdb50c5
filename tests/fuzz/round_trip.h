/* What must hold for any bytes that decode: the message encodes, in both encodings, and what was encoded decodes to a
 * message that encodes to the same bytes. */
#ifndef LEDIG_FUZZ_ROUND_TRIP_H
#define LEDIG_FUZZ_ROUND_TRIP_H

#include "protocol/message.h"

#include <stdlib.h>
#include <string.h>

static inline void must(bool holds) {
    if (!holds) abort();
}

static inline void check_again(enum encoding encoding, enum message_side from, const struct message *message,
                               struct arena *arena) {
    struct buffer first = {0}, second = {0};
    struct message again;
    struct fault fault;
    must(message_encode(encoding, message, &first) == 0);
    int error = message_decode(encoding, from, first.bytes, first.length, arena, &again, NULL, &fault);
    if (first.length > LEDIG_MESSAGE_BYTES_MAX) {
        must(error == LEDIG_ETOO_LARGE);
    } else {
        must(error == 0 && again.type == message->type);
        must(message_encode(encoding, &again, &second) == 0);
        must(first.length == second.length && memcmp(first.bytes, second.bytes, first.length) == 0);
    }
    buffer_free(&first);
    buffer_free(&second);
}

static inline void check_round_trip(enum encoding encoding, enum message_side from, const uint8_t *bytes,
                                    size_t length) {
    struct arena *arena = arena_create();
    struct message message;
    struct fault fault;
    uint32_t request_id;
    must(arena != NULL);
    int error = message_decode(encoding, from, bytes, length, arena, &message, &request_id, &fault);
    must(error == fault.error);
    if (error) {
        must(fault.why != NULL && strcmp(ledig_error_name(error), "unavailable") != 0);
    } else {
        check_again(ENCODING_MSGPACK, from, &message, arena);
        check_again(ENCODING_JSON, from, &message, arena);
    }
    arena_free(arena);
}

#endif

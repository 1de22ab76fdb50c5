/* What a `changes` frame says, decoded once for all who receive the same bytes.
 *
 * A fan-out sends one frame to a thousand subscribers. Every copy is compared with the few frames seen last, byte by
 * byte; only a frame that was not seen before is decoded, with the protocol's own decoder. So each subscriber's view is
 * checked in full at the price of a memcmp. */
#ifndef LEDIG_BENCH_DIGEST_H
#define LEDIG_BENCH_DIGEST_H

#include "protocol/message.h"

#define DIGEST_MEMORY 8    /* frames remembered: subscribers are seldom further apart than a few flushes */
#define DIGEST_RUN_CHARS 9 /* a run's mark in the notes, so that an earlier run's rows are told apart */
#define SEQUENCE_NONE (-1) /* nothing of this run was seen */

/* One row of a person who changes in this run. */
struct digest_row {
    uint32_t publisher; /* number of the person in the company */
    int32_t sequence;   /* of the change that the note names, or SEQUENCE_NONE */
    uint64_t hash;      /* of the row's bytes, but for `last_active` */
};

struct digest {
    struct buffer bytes; /* the payload */
    struct digest_row *rows;
    uint32_t count;     /* of `rows` */
    uint32_t all_count; /* rows of every kind in the frame: what a subscriber counts as deliveries */
    uint32_t profiles;
    bool more;
    int64_t version, now_ms; /* the place, where there is no `more` */
};

struct digest_memory {
    struct digest frames[DIGEST_MEMORY];
    uint32_t latest, next;
    const char *run;     /* borrowed */
    uint32_t publishers; /* people u00000 … who change */
};

void digest_memory_free(struct digest_memory *memory);

/* The frame with these bytes, or NULL. */
const struct digest *digest_find(struct digest_memory *memory, const uint8_t *bytes, size_t length);

/* Remembers a decoded frame in place of the oldest one. NULL when out of memory. */
const struct digest *digest_add(struct digest_memory *memory, const uint8_t *bytes, size_t length,
                                const struct message_changes *changes);

/* One member row alone (from an `answer` too). False where the person is none of those who change. */
bool digest_read_row(const struct digest_memory *memory, const struct part_member *member, struct digest_row *row);

#endif

/* How much a peer may take of one worker: token buckets and ceilings, with their settings from limits.def. Knows no
 * time, no socket and no message: who asks says whom it is for, how much, and when. Memory is bounded: addresses, and
 * people who try to get in, stand in tables of a fixed size, by a keyed hash, where the one seen least lately gives
 * way. Nothing else is allocated. Not thread-safe. */
#ifndef LEDIG_LIMITS_H
#define LEDIG_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum limit_name {
#define RATE(name, flag, standard, meaning) LIMIT_##name,
#define CEILING(name, flag, standard, meaning) LIMIT_##name,
#include "broker/limits/limits.def"
#undef RATE
#undef CEILING
    LIMIT_COUNT
};

/* burst 0: no limit. A ceiling has only a burst. */
struct limit {
    uint32_t burst, count, seconds;
};

#define LIMIT_TEXT_BYTES 40

/* Reads BURST:COUNT/SECONDS, or the number of a ceiling, or `off`; says whether it is one. */
bool limit_parse(enum limit_name name, const char *text, struct limit *limit);

/* The same back; returns its length as snprintf does. */
int limit_print(enum limit_name name, const struct limit *limit, char *text, size_t size);

/* "address_messages"; and what the table says of it. */
const char *limit_text(enum limit_name name);

struct limits;

/* When it will be full again: all that a bucket is (GCRA, ITU-T I.371). Zeroed it is full. */
struct limits_bucket {
    uint64_t full_at_ns;
};

#define LIMITS_TRUSTED_MAX 64

/* Whether `text` is a list of addresses (127.0.0.1, 10.0.0.0/8, ::1), with spaces or commas between them. */
bool limits_are_addresses(const char *text);

/* `trusted`: such a list, of those who are not counted. `refused`: the caller's, of LIMIT_COUNT counters; NULL: nobody
 * looks. NULL when out of memory. In all that follows NULL limits are none. */
struct limits *limits_open(const struct limit settings[LIMIT_COUNT], const char *trusted, uint64_t *refused);
void limits_close(struct limits *limits);

/* Takes `amount` from a bucket that the caller keeps. False where that is too much: then nothing is taken, it is
 * counted, and *retry_ms says when it would be granted. */
bool limits_take(struct limits *limits, enum limit_name name, struct limits_bucket *bucket, uint32_t amount,
                 uint64_t now_ms, uint32_t *retry_ms);

/* Whether one more fits; counted where not. */
bool limits_has_room(struct limits *limits, enum limit_name name, size_t count);

/* ---- Addresses ---- */

/* Whom an address is counted as; 0: nobody, as it is trusted. */
uint64_t limits_peer(const struct limits *limits, const struct sockaddr *address);

bool limits_take_peer(struct limits *limits, enum limit_name name, uint64_t peer, uint32_t amount, uint64_t now_ms,
                      uint32_t *retry_ms);

/* A connection begins: takes a handshake, and a place among the open ones. Where it is granted, limits_hang_up
 * follows. */
bool limits_connect(struct limits *limits, uint64_t peer, uint64_t now_ms, uint32_t *retry_ms);
void limits_hang_up(struct limits *limits, uint64_t peer);

/* ---- People who try to get in ---- */

/* Whom a person is counted as, whether or not there is one. */
uint64_t limits_person(const struct limits *limits, const char *company, const char *user);

/* One try. After a burst of wrong ones the waiting doubles from try to try, up to LIMITS_DOUBLINGS times; it ends with
 * a good one, or with rest. */
#define LIMITS_DOUBLINGS 4
bool limits_try(struct limits *limits, uint64_t person, uint64_t now_ms, uint32_t *retry_ms);
void limits_succeed(struct limits *limits, uint64_t person);

#endif

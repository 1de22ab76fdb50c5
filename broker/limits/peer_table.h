/* A table of a fixed size of those whose takings are counted, by a hash that they cannot choose. Where a set of it is
 * full, the one seen least lately gives way, and of those rather one without a connection. */
#ifndef LEDIG_LIMITS_PEER_TABLE_H
#define LEDIG_LIMITS_PEER_TABLE_H

#include "broker/limits/limits.h"

enum peer_bucket { PEER_HANDSHAKES, PEER_MESSAGES, PEER_BYTES, PEER_LOGINS, PEER_REFRESHES, PEER_BUCKETS };

struct peer {
    struct limits_bucket buckets[PEER_BUCKETS];
    uint64_t seen_ms;
    uint32_t connections;
    uint8_t doublings;
};

struct peer_table;

/* `size`: a power of two, 8 or more. NULL when out of memory. */
struct peer_table *peer_table_create(size_t size);
void peer_table_free(struct peer_table *table);

/* Its entry, a fresh one where there was none; valid until the next call. `hash` is not 0. */
struct peer *peer_table_get(struct peer_table *table, uint64_t hash, uint64_t now_ms);

/* NULL where there is none, or it had to give way. */
struct peer *peer_table_find(struct peer_table *table, uint64_t hash);

#endif

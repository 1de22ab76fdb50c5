#include "broker/limits/peer_table.h"

#include <stdlib.h>

#define WAYS 8 /* places that a hash may stand in: one cache line of hashes */

struct peer_table {
    uint64_t (*hashes)[WAYS]; /* 0 = free */
    struct peer (*peers)[WAYS];
    size_t sets;
};

struct peer_table *peer_table_create(size_t size) {
    struct peer_table *table = calloc(1, sizeof *table);
    if (!table) return NULL;
    table->sets = size / WAYS;
    table->hashes = calloc(table->sets, sizeof *table->hashes);
    table->peers = calloc(table->sets, sizeof *table->peers);
    if (table->hashes && table->peers) return table;
    peer_table_free(table);
    return NULL;
}

void peer_table_free(struct peer_table *table) {
    if (!table) return;
    free(table->hashes);
    free(table->peers);
    free(table);
}

struct peer *peer_table_find(struct peer_table *table, uint64_t hash) {
    size_t set = hash & (table->sets - 1);
    for (size_t i = 0; i < WAYS; i++)
        if (table->hashes[set][i] == hash) return &table->peers[set][i];
    return NULL;
}

/* A free place is one that was never seen. */
static bool gives_way_before(const struct peer *a, const struct peer *b) {
    if (!a->connections != !b->connections) return !a->connections;
    return a->seen_ms < b->seen_ms;
}

struct peer *peer_table_get(struct peer_table *table, uint64_t hash, uint64_t now_ms) {
    struct peer *found = peer_table_find(table, hash);
    if (found) {
        found->seen_ms = now_ms;
        return found;
    }
    size_t set = hash & (table->sets - 1), at = 0;
    for (size_t i = 1; i < WAYS && table->hashes[set][at]; i++)
        if (!table->hashes[set][i] || gives_way_before(&table->peers[set][i], &table->peers[set][at])) at = i;
    table->hashes[set][at] = hash;
    table->peers[set][at] = (struct peer){.seen_ms = now_ms};
    return &table->peers[set][at];
}

#include "tests/unit/convergence_store.h"
#include "tests/unit/lease_fixture.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* xorshift64*: https://www.jstatsoft.org/article/view/v008i14 */
uint64_t random_next(struct random *random) {
    random->state ^= random->state >> 12;
    random->state ^= random->state << 25;
    random->state ^= random->state >> 27;
    return random->state * 2685821657736338717u;
}

uint32_t random_below(struct random *random, uint32_t bound) {
    return (uint32_t)((random_next(random) >> 32) % bound);
}

bool random_chance(struct random *random, double share) {
    return random_below(random, 1000000) < share * 1000000;
}

struct bytes_kept {
    struct bytes_kept *next;
    uint8_t bytes[];
};

void test_store_open(struct test_store *store, struct random *random) {
    memset(store, 0, sizeof *store);
    store->random = random;
    store->clock_ms = 1000000;
    store->lineage = 1;
    store->now.head.lineage = 1;
    strcpy(store->now.head.epoch, "e0");
}

void test_store_close(struct test_store *store) {
    while (store->kept != NULL) {
        struct bytes_kept *next = store->kept->next;
        free(store->kept);
        store->kept = next;
    }
}

const uint8_t *test_store_keep(struct test_store *store, const uint8_t *bytes, size_t length) {
    struct bytes_kept *kept = malloc(sizeof *kept + length);
    assert(kept != NULL);
    memcpy(kept->bytes, bytes, length);
    kept->next = store->kept;
    store->kept = kept;
    return kept->bytes;
}

static size_t find(const struct test_store *store, const char *name) {
    size_t i = 0;
    while (i < store->now.count && strcmp(store->now.records[i].name, name) != 0)
        i++;
    return i;
}

const struct stored *test_store_find(const struct test_store *store, const char *name) {
    size_t i = find(store, name);
    return i < store->now.count ? &store->now.records[i] : NULL;
}

static void take_out(struct test_store *store, const char *name) {
    size_t i = find(store, name);
    if (i < store->now.count) store->now.records[i] = store->now.records[--store->now.count];
}

static void remember(struct test_store *store) {
    if (store->past_count == PAST_MAX)
        memmove(store->past, store->past + 1, sizeof store->past[0] * --store->past_count);
    store->past[store->past_count++] = store->now;
}

static void ring(struct test_store *store, const struct doorbell *bell) {
    for (size_t i = 0; i < SUBSCRIBERS_MAX; i++) {
        struct inbox *inbox = store->inboxes[i];
        if (inbox == NULL || random_chance(store->random, .15) || inbox->count == INBOX_MAX) continue; /* lost */
        inbox->bells[(inbox->first + inbox->count++) % INBOX_MAX] = *bell;
    }
}

int test_store_commit(struct test_store *store, uint64_t lineage, const struct test_write *writes, size_t count,
                      bool remove) {
    if (lineage != store->lineage || store->now.head.lineage != lineage) return LEDIG_ELINEAGE;
    for (size_t i = 0; i < count; i++) {
        const struct stored *record = test_store_find(store, writes[i].name);
        if ((record != NULL ? record->revision : 0) != writes[i].expected) return LEDIG_EMOVED_ON;
    }
    remember(store);
    uint64_t version = ++store->now.head.version;
    struct doorbell bell = {.lineage = lineage, .version = version};
    for (size_t i = 0; i < count; i++) {
        struct stored record = {.revision = version, .bytes = writes[i].bytes, .length = writes[i].length};
        snprintf(record.name, sizeof record.name, "%s", writes[i].name);
        bell.records[bell.count++] = record;
        size_t at = find(store, record.name);
        if (remove) {
            take_out(store, record.name);
            continue;
        }
        if (at == store->now.count) store->now.count++;
        assert(store->now.count <= ENTITIES_MAX);
        store->now.records[at] = record;
    }
    if (remove) store->now.head.pruned = version;
    ring(store, &bell);
    return 0;
}

void test_store_prune(struct test_store *store, const char *name) {
    const struct stored *record = test_store_find(store, name);
    if (record == NULL || record->bytes != NULL) return;
    remember(store);
    if (record->revision > store->now.head.pruned) store->now.head.pruned = record->revision;
    take_out(store, name);
}

void test_store_adopt_if_needed(struct test_store *store) {
    struct head *head = &store->now.head;
    if (head->lineage == store->lineage) return;
    remember(store);
    if (head->epoch[0] != '\0') {
        if (head->earlier_count == COMPANY_EPOCHS_MAX)
            memmove(head->earlier, head->earlier + 1, sizeof head->earlier[0] * --head->earlier_count);
        struct company_epoch *earlier = &head->earlier[head->earlier_count++];
        memcpy(earlier->epoch, head->epoch, sizeof earlier->epoch);
        earlier->version = head->version;
    }
    head->lineage = store->lineage;
    snprintf(head->epoch, sizeof head->epoch, "e%llx", (unsigned long long)random_next(store->random));
    uint64_t by_clock = (uint64_t)store->clock_ms * 1024;
    head->version = head->version + 1024 > by_clock ? head->version + 1024 : by_clock;
}

void test_store_restart(struct test_store *store, size_t lose) {
    store->clock_ms += 500;
    store->lineage = random_next(store->random) | 1;
    if (lose > store->past_count) lose = store->past_count;
    if (lose == 0) return;
    store->now = store->past[store->past_count - lose];
    store->past_count = 0;
}

void test_store_flush(struct test_store *store) {
    store->clock_ms += 500;
    memset(&store->now, 0, sizeof store->now); /* the replication id stays */
    store->past_count = 0;
    store->lease_count = 0;
    test_store_take_lease(store);
}

const struct test_lease *test_store_take_lease(struct test_store *store) {
    if (store->lease_count == STORE_LEASES_MAX)
        memmove(store->leases, store->leases + 1, sizeof store->leases[0] * --store->lease_count);
    struct test_lease *lease = &store->leases[store->lease_count++];
    char suffix[24];
    snprintf(suffix, sizeof suffix, "l%zu", store->leases_taken++);
    lease_id(store->clock_ms, suffix, lease->id);
    lease->ended_at_ms = 0;
    return lease;
}

struct test_lease *test_store_pick_lease(struct test_store *store) {
    uint32_t latest = store->lease_count < 4 ? (uint32_t)store->lease_count : 4;
    return &store->leases[store->lease_count - 1 - random_below(store->random, latest)];
}

/* One Redis primary with the entities of one company, in memory: commit, index, doorbell, lineage, leases, and the
 * accidents that befall them. For convergence_test.c only. Bytes live as long as the store. */
#ifndef LEDIG_TESTS_CONVERGENCE_STORE_H
#define LEDIG_TESTS_CONVERGENCE_STORE_H

#include "broker/model/company.h"

#define ENTITIES_MAX 80
#define PAST_MAX 12
#define SUBSCRIBERS_MAX 4
#define INBOX_MAX 256
#define WRITES_MAX 3
#define STORE_LEASES_MAX 64

struct random {
    uint64_t state;
};
uint64_t random_next(struct random *random);
uint32_t random_below(struct random *random, uint32_t bound);
bool random_chance(struct random *random, double share);

struct stored {
    char name[ENTITY_NAME_BYTES_MAX > 64 ? 64 : ENTITY_NAME_BYTES_MAX]; /* names in this test are short */
    uint64_t revision;
    const uint8_t *bytes; /* NULL = tombstone */
    size_t length;
};

struct head {
    char epoch[LEDIG_ID_CHARS_MAX + 1]; /* "" = none */
    uint64_t version, lineage, pruned;  /* lineage 0 = none */
    struct company_epoch earlier[COMPANY_EPOCHS_MAX];
    size_t earlier_count;
};

struct contents {
    struct stored records[ENTITIES_MAX];
    size_t count;
    struct head head;
};

struct doorbell {
    uint64_t lineage, version;
    struct stored records[WRITES_MAX];
    size_t count;
};

struct inbox {
    struct doorbell bells[INBOX_MAX];
    size_t first, count;
};

struct test_lease {
    char id[LEDIG_ID_CHARS_MAX + 1];
    int64_t ended_at_ms;
};

struct test_store {
    struct random *random;
    int64_t clock_ms;
    uint64_t lineage; /* the server's replication id */
    struct contents now;
    struct contents past[PAST_MAX];
    size_t past_count;
    struct inbox *inboxes[SUBSCRIBERS_MAX];
    struct test_lease leases[STORE_LEASES_MAX];
    size_t lease_count, leases_taken;
    struct bytes_kept *kept;
};

void test_store_open(struct test_store *store, struct random *random);
void test_store_close(struct test_store *store);

/* A copy that lives as long as the store. */
const uint8_t *test_store_keep(struct test_store *store, const uint8_t *bytes, size_t length);

const struct stored *test_store_find(const struct test_store *store, const char *name);

/* 0; LEDIG_EMOVED_ON; LEDIG_ELINEAGE where the writer or the head knows another server. `remove` takes the entities
 * out without a trace. */
struct test_write {
    const char *name;
    uint64_t expected;
    const uint8_t *bytes;
    size_t length;
};
int test_store_commit(struct test_store *store, uint64_t lineage, const struct test_write *writes, size_t count,
                      bool remove);
void test_store_prune(struct test_store *store, const char *name); /* a tombstone whose day has passed */
void test_store_adopt_if_needed(struct test_store *store);
void test_store_restart(struct test_store *store, size_t lose); /* a failover that loses so many writes */
void test_store_flush(struct test_store *store);

const struct test_lease *test_store_take_lease(struct test_store *store);
struct test_lease *test_store_pick_lease(struct test_store *store); /* one of the latest */

#endif

/* One replica, the records that are put into it, and what a subscriber sees of it: what the tests of the replica
 * share. */
#ifndef LEDIG_TESTS_COMPANY_FIXTURE_H
#define LEDIG_TESTS_COMPANY_FIXTURE_H

#include "broker/model/company.h"

#define NOW 1800000000000LL
#define DAY_MS 86400000LL

struct bench {
    struct leases *leases;
    struct company *company;
    struct arena *arena;
    struct buffer bytes;
    struct frame frame;
    struct filter *all;
    uint64_t cursor;
    int64_t now;
};

/* ---- What the store would say ---- */

int open_bench(void **state);
int close_bench(void **state);
int write_record(struct bench *bench, const struct record *record, uint64_t revision, bool contiguous, bool compare);
/* The next commit of a gapless sequence. */
void commit(struct bench *bench, const struct record *record);
void commit_tombstone(struct bench *bench, const char *entity); /* as `named` takes it */
/* The store's name of "state:kari", "company", …; lent until the next call. */
const char *named(const char *entity);
struct record profile(const char *user);
struct record free_state(const char *user);
struct record busy_state(const char *user, int64_t until);
void commit_person(struct bench *bench, const char *user);
void read_leases(struct bench *bench, const char *id, int64_t ended_at_ms); /* and looks at all again */

/* ---- What a subscriber would see: decoded, good until the bench is closed ---- */

const struct message_changes *decode_frame(struct bench *bench, enum encoding encoding, bool more);
const struct message_changes *walk_with(struct bench *bench, const struct filter *filter, uint64_t *cursor);
/* What came since the last time, for one who follows all. */
const struct message_changes *news(struct bench *bench);
const struct part_member *member_row(const struct message_changes *changes, const char *user);
const struct part_queue_row *queue_row(const struct message_changes *changes, const char *queue);
void expect_counts(const struct message_changes *changes, uint32_t members, uint32_t profiles, uint32_t queues,
                   uint32_t removed);
struct filter *follow_queue(struct bench *bench, const char *queue);
void expect_queue(const struct message_changes *changes, uint32_t idle, uint32_t busy, uint32_t wrap_up,
                  uint32_t waiting, int64_t oldest_at);

/* A cmocka test with a bench of its own. */
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

#endif

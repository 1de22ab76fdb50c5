/* Workers, clients and what they do, over the store of convergence_store.h. For convergence_test.c only. */
#ifndef LEDIG_TESTS_CONVERGENCE_WORLD_H
#define LEDIG_TESTS_CONVERGENCE_WORLD_H

#include "tests/unit/convergence_store.h"

#define USERS_MAX 8
#define QUEUES 2
#define CALLS 4
#define WORKERS 2
#define CLIENTS 5
#define ROW_MAX 200

extern const char *const world_queues[QUEUES];

struct worker {
    struct test_store *store;
    struct company *company;
    struct leases *leases;
    struct inbox inbox;
    uint64_t lineage; /* of the server that it is connected to */
    int64_t skew_ms;  /* of its clock */
};

struct follow {
    bool all, users[USERS_MAX], queues[QUEUES];
    int number; /* tells one follow from the next */
};

struct client {
    struct follow follow;
    struct filter *filter;
    enum encoding encoding;
    struct worker *worker; /* NULL = cut off */
    uint64_t cursor;
    bool live, more;
    char epoch[LEDIG_ID_CHARS_MAX + 1]; /* the place; "" = none */
    uint64_t version;
    int64_t now_ms;
    int place_follow;
    char members[USERS_MAX][ROW_MAX], profiles[USERS_MAX][ROW_MAX], queues[QUEUES][ROW_MAX];
};

struct world {
    struct random random;
    struct test_store store;
    struct worker *workers[WORKERS];
    struct client clients[CLIENTS];
    char users[USERS_MAX][16];
    uint32_t user_count;
    int follows;
    struct arena *arena;
    struct buffer bytes;
    struct frame frame;
};

/* ---- convergence_worker.c ---- */

int64_t worker_now(const struct worker *worker);
struct worker *worker_open(struct world *world, size_t index);
void worker_close(struct world *world, size_t index);

/* Reads the index behind the worker's version, or compares all. */
void worker_repair(struct worker *worker);
void worker_compare(struct worker *worker);
void worker_read_inbox(struct worker *worker);

/* The verify batch; the repair that it leads to may take its time. */
void worker_verify(struct worker *worker, bool repair_at_once);

/* ---- convergence_commits.c: one random change each, made by a worker ---- */

void world_set_state(struct world *world, struct worker *worker);
void world_touch_state(struct world *world, struct worker *worker);
void world_set_profile(struct world *world, struct worker *worker);
void world_withdraw(struct world *world, struct worker *worker);
void world_remove_person(struct world *world, struct worker *worker);
void world_set_company(struct world *world, struct worker *worker);
void world_set_queue(struct world *world, struct worker *worker);
void world_set_call(struct world *world, struct worker *worker);

/* ---- convergence_client.c ---- */

void client_follow_anew(struct world *world, struct client *client);
void client_forget(struct client *client);
void client_cut(struct client *client);
void client_hello(struct world *world, struct client *client, struct worker *worker);

/* Takes the next frame; false where there is none: it is live, and nothing stands behind its cursor. */
bool client_step(struct world *world, struct client *client);

/* How a member row is noted down. */
void member_text(char text[ROW_MAX], const char *availability, const char *activity, int64_t since, int64_t until,
                 const char *presence);
uint32_t queue_index(const char *queue);

#endif

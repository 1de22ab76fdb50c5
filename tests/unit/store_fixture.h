/* For tests of the store: a real Redis in a directory of its own, stores on it, answers that count themselves, and a
 * proxy between the two that can lose what passes. */
#ifndef LEDIG_TESTS_STORE_FIXTURE_H
#define LEDIG_TESTS_STORE_FIXTURE_H

#include "broker/store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

#define PATIENCE_MS 8000 /* how long a test waits for what must come */

struct server {
    char dir[64], url[128];
    pid_t pid;
};

void server_start(struct server *server); /* makes the directory at the first call; returns when it answers */
void server_kill(struct server *server);  /* -9 */
void server_pause(struct server *server, bool paused);
void server_remove(struct server *server); /* ends it and takes its directory away */
redisContext *server_connect(struct server *server);

/* One command by a connection of its own; the answer as text (numbers in decimal, an array's length, "" for none).
 * Valid until the next call. */
const char *server_tell(struct server *server, const char *format, ...);

struct fixture {
    uv_loop_t loop;
    struct server server;
    unsigned seed;
    int stores; /* open */
};

int fixture_setup(void **state);
int fixture_teardown(void **state);
int fixture_after(void **state); /* where a test failed: its stores are given up, so that the next one has a chance */
#define store_test(name) cmocka_unit_test_setup_teardown(name, NULL, fixture_after)
void fixture_settle(struct fixture *fixture); /* at the end of a test: all handles are closed */

/* The one place that knows which implementation is tested. `url` NULL = the server's own. */
struct store *fixture_open(struct fixture *fixture, const struct store_options *options);
void fixture_close(struct fixture *fixture, struct store *store);
void fixture_begin_close(struct fixture *fixture, struct store *store);
struct store *fixture_open_connected(struct fixture *fixture, const struct store_options *options);

/* Turns the loop until the condition holds; fails the test where it does not in time. */
#define WAIT(fixture, condition)                                                                                       \
    do {                                                                                                               \
        uint64_t wait_until = uv_hrtime() + PATIENCE_MS * UINT64_C(1000000);                                           \
        while (!(condition)) {                                                                                         \
            if (uv_hrtime() > wait_until) fail_msg("waited in vain for: %s", #condition);                              \
            fixture_turn(fixture);                                                                                     \
        }                                                                                                              \
    } while (0)
void fixture_turn(struct fixture *fixture);             /* waits for at most a few ms */
void fixture_run(struct fixture *fixture, uint64_t ms); /* to see that nothing comes */

/* An answer of the store. It fails the test where it comes twice, or from inside of the call that asked. */
struct answer {
    int count, error;
    uint64_t version;
    struct store_head head;
    char text[512]; /* records as "entity@revision=bytes ", in order; a tombstone ends in "=-" */
    size_t records, pages;
    size_t which;
};
#define ASK(call)                                                                                                      \
    do {                                                                                                               \
        answer_asking(1);                                                                                              \
        call;                                                                                                          \
        answer_asking(-1);                                                                                             \
    } while (0)
void answer_asking(int step);
void answer_commit(void *arg, int error, uint64_t version, const struct store_record *moved);
void answer_update(void *arg, int error, uint64_t version);
void answer_done(void *arg, int error);
void answer_page(void *arg, const struct store_record *records, size_t count);
void answer_read(void *arg, int error, const struct store_head *head);
void answer_some(void *arg, int error, const struct store_head *head, const struct store_record *records, size_t count);
void answer_lease(void *arg, int error, const char *id);
void answer_numbers(void *arg, int error, size_t which);
void answer_found(void *arg, int error, const char *const *owners, size_t count);

/* One write, waited for. */
struct answer commit_one(struct fixture *fixture, struct store *store, const char *company, const char *entity,
                         enum store_action action, uint64_t expected, const char *bytes);
struct answer read_one(struct fixture *fixture, struct store *store, const char *company, const char *entity);
struct answer read_since(struct fixture *fixture, struct store *store, const char *company, uint64_t version);

/* An update of one or two entities that appends a text to each, or sets it. */
struct change_asked {
    struct answer answer;
    const char *text; /* what it appends */
    bool set;         /* sets instead; NOTHING where it stands already */
    int fails;        /* what apply returns instead of 0 */
    int applied;
    int64_t not_before_ms;
    const char *kept_id; /* keeps an entry with this id in the log "audit" */
    bool dead;           /* its caller has been told: it must not be applied any more */
};
void update_ask(struct store *store, const char *company, const char *entity, const char *second,
                struct change_asked *change);

/* ---- A proxy ---- */

struct proxy;
struct proxy *proxy_open(struct fixture *fixture, char url[static 128]);
void proxy_close(struct proxy *proxy);
/* From here on, what the server answers is thrown away; with the next answer that held it, the lines are cut. */
void proxy_lose_answers(struct proxy *proxy, const char *that_holds);
void proxy_hold_requests(struct proxy *proxy, bool hold); /* the server gets nothing, and the lines stand */
void proxy_cut(struct proxy *proxy);
int proxy_cuts(const struct proxy *proxy);

#endif

/* A run: one company with its agents and queues, eight routers, two router workers, one Redis, and what befalls them.
 * Everything in it lives on one timeline and draws from one pair of dice. */
#ifndef LEDIG_SIMULATION_WORLD_H
#define LEDIG_SIMULATION_WORLD_H

#include "tests/simulation/broker.h"
#include "tests/simulation/judge.h"

#define WORLD_COMPANY "acme"
#define WORLD_AGENTS 50
#define WORLD_QUEUES 3
#define WORLD_ROUTERS 8
#define WORLD_BROKERS 2
#define CALLER_EXCLUDED_MAX 32

struct world;
struct router;

/* A caller whom a router has put through to a queue, or somebody's own call. */
struct caller {
    UT_hash_handle hh;
    struct caller *prev, *next; /* of its router */
    struct world *world;
    struct router *router;
    struct ask *ask;     /* under way */
    struct event *event; /* what it does next */
    int queue;           /* -1: not a queue's call */
    bool waits;          /* the ask is a claim that may wait */
    bool is_loose;       /* an ask of it ended without an answer, and may still take effect */
    bool has_reported;   /* the claim has become a leg */
    int64_t lease_ms, asked_us, until_us /* the claim is certain until then */;
    int64_t seq;
    int stage, tries;
    char users[32][LEDIG_ID_CHARS_MAX + 1];
    size_t user_count;
    char excluded[CALLER_EXCLUDED_MAX][LEDIG_ID_CHARS_MAX + 1];
    size_t excluded_count;
    char id[64];
};

struct router {
    struct world *world;
    int number, lives;
    bool is_up;
    size_t caller_count;
    struct caller *callers;
    struct event *next_caller, *heartbeat;
    char id[LEDIG_ID_CHARS_MAX + 1];
};

struct world {
    uint64_t seed, operations, operations_max;
    struct dice dice;
    struct timeline timeline;
    struct trace trace;
    struct model_redis redis;
    struct network network;
    struct token_key *key;
    char token[LEDIG_TOKEN_CHARS_MAX + 1];
    struct broker brokers[WORLD_BROKERS];
    struct router routers[WORLD_ROUTERS];
    struct caller *callers; /* uthash by id */
    uint64_t callers_so_far, claims_granted, calls_answered;
    double rush;     /* how busy it is: 0 … 1 */
    bool is_over;    /* nothing new befalls anybody */
    bool is_closing; /* time is not judged any more */
    struct judge judge;
};

extern const char *const world_queues[WORLD_QUEUES];
void world_user(int agent, char user[LEDIG_ID_CHARS_MAX + 1]);

/* Runs it until so many requests and crashes have been, and a while longer. False where the judge found a fault. */
bool world_run(struct world *world, uint64_t seed, uint64_t operations, bool prints);
void world_close(struct world *world);

struct event *world_after(struct world *world, int64_t least_ms, int64_t most_ms, void (*happen)(void *arg), void *arg);
struct ask *world_ask(struct world *world, struct broker *broker, enum http_method method, const char *path,
                      const char *text, ask_done done, void *arg);
struct broker *world_broker(struct world *world, const struct router *router); /* mostly its own */

/* ---- router.c ---- */
void router_start(struct router *router);
void router_crash(struct router *router);
void router_take_new_id(struct router *router); /* its lease has ended, and so have its calls */

/* ---- caller.c ---- */
void caller_begin(struct router *router);
void caller_forget(struct caller *caller); /* as if it had never been: nothing more is said of it */
const struct caller *caller_find(const struct world *world, const char *id);
bool caller_excludes(const struct caller *caller, const char *user);

/* ---- people.c ---- */
void people_set_up(struct world *world);
void people_act(struct world *world); /* one of them pauses, logs out, does not want to be disturbed, … */

#endif

#include "tests/simulation/world.h"

#include "broker/identity/token_key.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BEGAN_MS 1795000000000 /* Redis' clock when a run begins */
#define QUIET_US 50000000      /* at the end: longer than every lease */

/* ---- Asking ---- */

struct event *world_after(struct world *world, int64_t least_ms, int64_t most_ms, void (*happen)(void *arg),
                          void *arg) {
    int64_t after_us = dice_between(&world->dice, least_ms * 1000, most_ms * 1000);
    return timeline_at(&world->timeline, world->timeline.now_us + after_us, happen, arg);
}

struct ask *world_ask(struct world *world, struct broker *broker, enum http_method method, const char *path,
                      const char *text, ask_done done, void *arg) {
    world->operations++;
    return broker_ask(broker, method, path, world->token, text, done, arg);
}

/* The other one where its own is down, and now and then anyhow. */
struct broker *world_broker(struct world *world, const struct router *router) {
    int number = router->number % WORLD_BROKERS;
    if (!broker_is_up(&world->brokers[number]) || dice_chance(&world->dice, .1)) number = (number + 1) % WORLD_BROKERS;
    return &world->brokers[number];
}

/* ---- What befalls them ---- */

static void on_time(void *arg) {
    struct world *world = arg;
    judge_time(&world->judge);
    if (!world->is_closing) world_after(world, JUDGE_LOOK_MS, JUDGE_LOOK_MS, on_time, world);
}

static void on_people(void *arg) {
    struct world *world = arg;
    if (world->is_over) return;
    people_act(world);
    world_after(world, 50, 1200, on_people, world);
}

/* Quiet for a while, then slow answers or lost doorbells for a while. */
static void on_weather(void *arg) {
    struct world *world = arg;
    struct network *network = &world->network;
    if (world->is_over) return;
    uint32_t what = dice_below(&world->dice, 4);
    network->slow_share = what == 2 ? .02 : 0;
    network->slow_us_max = dice_between(&world->dice, 1000, 900000);
    network->lost_share = what == 3 ? .1 : 0;
    world->rush = dice_below(&world->dice, 101) / 100.;
    trace_line(&world->trace, "weather: slow %.2f, lost %.2f, rush %.2f", network->slow_share, network->lost_share,
               world->rush);
    world_after(world, 4000, 30000, on_weather, world);
}

static void on_broker_returns(void *arg) {
    struct broker *broker = arg;
    if (!broker->worker) broker_start(broker);
}

static void on_broker_trouble(void *arg) {
    struct world *world = arg;
    struct broker *broker = &world->brokers[dice_below(&world->dice, WORLD_BROKERS)];
    if (world->is_over) return;
    if (broker->worker && dice_chance(&world->dice, .4)) {
        world->operations++;
        broker_crash(broker);
        world_after(world, 100, 8000, on_broker_returns, broker);
    } else if (broker->worker) {
        int64_t for_us = dice_between(&world->dice, 1000, 900000);
        network_restless(&world->network, for_us + 3 * JUDGE_QUICK_US);
        broker_pause(broker, for_us);
    }
    world_after(world, 2000, 40000, on_broker_trouble, world);
}

static void on_router_returns(void *arg) {
    struct router *router = arg;
    if (!router->is_up && !router->world->is_over) router_start(router);
}

static void on_router_trouble(void *arg) {
    struct world *world = arg;
    struct router *router = &world->routers[dice_below(&world->dice, WORLD_ROUTERS)];
    if (world->is_over) return;
    if (router->is_up) {
        world->operations++;
        router_crash(router);
        world_after(world, 500, 45000, on_router_returns, router);
    }
    world_after(world, 5000, 60000, on_router_trouble, world);
}

static void on_redis_returns(void *arg) {
    struct world *world = arg;
    model_redis_start(&world->redis);
    network_restless(&world->network, 5000000);
    trace_line(&world->trace, "Redis is back");
}

static void on_redis_trouble(void *arg) {
    struct world *world = arg;
    if (world->is_over) return;
    int64_t for_ms = dice_between(&world->dice, 50, 6000);
    trace_line(&world->trace, "Redis is away for %lld ms", (long long)for_ms);
    model_redis_stop(&world->redis);
    network_server_gone(&world->network);
    network_restless(&world->network, for_ms * 1000 + 5000000);
    world_after(world, for_ms, for_ms, on_redis_returns, world);
    world_after(world, 60000, 300000, on_redis_trouble, world);
}

/* ---- The store tells ---- */

static void on_committed(void *arg, const struct model_commit *commit) {
    judge_commit(&((struct world *)arg)->judge, commit);
}

static void on_published(void *arg, const char *channel, const struct buffer *message) {
    network_publish(&((struct world *)arg)->network, channel, message);
}

static void on_leases(void *arg) {
    judge_leases(&((struct world *)arg)->judge);
}

/* ---- A run ---- */

static void make_token(struct world *world) {
    world->key = store_allocate(sizeof *world->key);
    for (size_t i = 0; i < sizeof world->key->bytes; i++)
        world->key->bytes[i] = (unsigned char)dice_below(&world->dice, 256);
    struct token_claims claims = {.user = "switch",
                                  .companies = WORLD_COMPANY,
                                  .role = ROLE_ROUTER,
                                  .issued_at_ms = BEGAN_MS - 60000,
                                  .expires_at_ms = BEGAN_MS + 86400000};
    if (token_mint(world->key, &claims, world->token) != 0) abort();
}

static void begin(struct world *world) {
    for (int i = 0; i < WORLD_BROKERS; i++) {
        world->brokers[i] =
            (struct broker){.network = &world->network, .trace = &world->trace, .key = world->key, .number = i};
        broker_start(&world->brokers[i]);
    }
    for (int i = 0; i < WORLD_ROUTERS; i++) {
        world->routers[i] = (struct router){.world = world, .number = i};
        router_start(&world->routers[i]);
    }
    world_after(world, 0, 0, on_time, world);
    world_after(world, 0, 0, on_people, world);
    world_after(world, 0, 0, on_weather, world);
    world_after(world, 5000, 20000, on_broker_trouble, world);
    world_after(world, 5000, 20000, on_router_trouble, world);
    world_after(world, 20000, 90000, on_redis_trouble, world);
}

/* All routers go, and nothing else befalls anybody, until the last lease has ended. */
static void come_to_rest(struct world *world) {
    world->is_over = true;
    world->network.slow_share = world->network.lost_share = 0;
    for (int i = 0; i < WORLD_ROUTERS; i++)
        if (world->routers[i].is_up) router_crash(&world->routers[i]);
    int64_t until_us = world->timeline.now_us + QUIET_US;
    while (!world->judge.found && world->timeline.now_us < until_us && timeline_step(&world->timeline))
        continue;
    judge_end(&world->judge);
}

bool world_run(struct world *world, uint64_t seed, uint64_t operations, bool prints) {
    *world = (struct world){.seed = seed, .operations_max = operations, .dice = dice_of_seed(seed)};
    timeline_open(&world->timeline, &world->dice);
    trace_open(&world->trace, &world->timeline, prints);
    trace_take_log(&world->trace);
    model_redis_open(&world->redis, &world->timeline, BEGAN_MS);
    network_open(&world->network, &world->timeline, &world->dice, &world->redis);
    judge_open(&world->judge, world);
    world->redis.committed = on_committed;
    world->redis.published = on_published;
    world->redis.leases_changed = on_leases;
    world->redis.arg = world;
    make_token(world);
    people_set_up(world);
    begin(world);
    while (!world->judge.found && world->operations < operations && timeline_step(&world->timeline))
        continue;
    if (!world->judge.found) come_to_rest(world);
    return !world->judge.found;
}

/* What is still under way comes to its end, so that nothing is lost and leaks can be seen. */
void world_close(struct world *world) {
    world->is_over = world->is_closing = true;
    trace_take_log(NULL);
    for (int i = 0; i < WORLD_ROUTERS; i++)
        if (world->routers[i].is_up) router_crash(&world->routers[i]);
    for (int i = 0; i < WORLD_BROKERS; i++)
        if (world->brokers[i].worker) broker_crash(&world->brokers[i]);
    while (timeline_step(&world->timeline))
        for (int i = 0; i < WORLD_BROKERS; i++) /* one that was to come back */
            if (world->brokers[i].worker) broker_crash(&world->brokers[i]);
    network_close(&world->network);
    model_redis_close(&world->redis);
    judge_close(&world->judge);
    trace_close(&world->trace);
    timeline_close(&world->timeline);
    free(world->key);
}

/* A caller's life, as a router drives it: a claim, perhaps a wait, an agent who answers or not, a hang-up. */
#include "tests/simulation/world.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define PATIENCE_MS 35000 /* of a router with an answer */
#define SURE_US 6500000   /* a report that is sent so long before the end of a claim stands before it, or never */
#define TRIES_MAX 6
#define BODY_BYTES 4096

enum stage { CALLER_RINGING = 1, CALLER_ACTIVE, CALLER_HELD, CALLER_ENDED };

static void claim(void *arg);
static void report(void *arg);
static void on_claimed(void *arg, int status, const char *body, size_t length);

const struct caller *caller_find(const struct world *world, const char *id) {
    struct caller *caller;
    HASH_FIND_STR(world->callers, id, caller);
    return caller;
}

bool caller_excludes(const struct caller *caller, const char *user) {
    for (size_t i = 0; i < caller->excluded_count; i++)
        if (strcmp(caller->excluded[i], user) == 0) return true;
    return false;
}

static struct dice *dice_of(const struct caller *caller) {
    return &caller->world->dice;
}

static void next(struct caller *caller, int64_t least_ms, int64_t most_ms, void (*happen)(void *arg)) {
    timeline_cancel(caller->event);
    caller->event = world_after(caller->world, least_ms, most_ms, happen, caller);
}

static void now_happens(struct caller *caller) {
    caller->event = NULL;
}

static void stop_asking(struct caller *caller) {
    if (!caller->ask) return;
    ask_hang_up(caller->ask);
    caller->ask = NULL;
    caller->is_loose = true;
    caller->waits = false;
}

void caller_forget(struct caller *caller) {
    stop_asking(caller);
    timeline_cancel(caller->event);
    HASH_DEL(caller->world->callers, caller);
    DL_DELETE(caller->router->callers, caller);
    caller->router->caller_count--;
    free(caller);
}

static void on_over(void *arg) {
    now_happens(arg);
    caller_forget(arg);
}

/* ---- Reports ---- */

static void add_legs(struct caller *caller, char *body, size_t size, const char *state) {
    size_t length = strlen(body);
    length += (size_t)snprintf(body + length, size - length, ",\"legs\":[");
    size_t count = caller->stage == CALLER_RINGING ? caller->user_count : 1;
    for (size_t i = 0; i < count; i++)
        length += (size_t)snprintf(body + length, size - length, "%s{\"user\":\"%s\",\"state\":\"%s\"}", i ? "," : "",
                                   caller->users[i], state);
    snprintf(body + length, size - length, "]}");
}

static void write_report(struct caller *caller, char *body, size_t size) {
    static const char *const states[] = {"", "ringing", "active", "held", "ended"};
    snprintf(body, size, "{\"seq\":%lld,\"router\":\"%s\"", (long long)caller->seq, caller->router->id);
    if (caller->queue >= 0)
        snprintf(body + strlen(body), size - strlen(body), ",\"queue\":\"%s\",\"direction\":\"in\"",
                 world_queues[caller->queue]);
    if (caller->stage == CALLER_ENDED)
        snprintf(body + strlen(body), size - strlen(body), ",\"state\":\"ended\"}");
    else
        add_legs(caller, body, size, states[caller->stage]);
}

static struct ask *put_call(struct caller *caller, const char *body, ask_done done, void *arg) {
    char path[200];
    snprintf(path, sizeof path, "/v1/companies/" WORLD_COMPANY "/calls/%s", caller->id);
    return world_ask(caller->world, world_broker(caller->world, caller->router), HTTP_PUT, path, body, done, arg);
}

static void ignore(void *arg, int status, const char *body, size_t length) {
    (void)arg;
    (void)status;
    (void)body;
    (void)length;
}

static void go_to(struct caller *caller, enum stage stage, int64_t least_ms, int64_t most_ms) {
    caller->stage = (int)stage;
    caller->seq++;
    caller->tries = 0;
    next(caller, least_ms, most_ms, report);
}

static void hang_up(struct caller *caller) {
    go_to(caller, CALLER_ENDED, 0, 20);
}

static void after_report(struct caller *caller) {
    struct dice *dice = dice_of(caller);
    switch ((enum stage)caller->stage) {
    case CALLER_RINGING:
        caller->has_reported = true;
        if (dice_chance(dice, .15))
            hang_up(caller);
        else
            go_to(caller, CALLER_ACTIVE, 300, 3000);
        return;
    case CALLER_ACTIVE:
        caller->world->calls_answered++;
        go_to(caller, dice_chance(dice, .1) ? CALLER_HELD : CALLER_ENDED, 500, 12000);
        return;
    case CALLER_HELD:
        hang_up(caller);
        return;
    case CALLER_ENDED:
        if (dice_chance(dice, .2) && caller->user_count > 0) { /* one that comes late */
            char body[BODY_BYTES];
            caller->stage = CALLER_RINGING;
            if (caller->seq > 1) caller->seq--;
            write_report(caller, body, sizeof body);
            put_call(caller, body, ignore, NULL);
        }
        caller_forget(caller);
        return;
    }
}

static bool is_expected(int status) {
    return status == 0 || status == 200 || status == 201 || status == 204 || status == 409 || status == 410 ||
           status == 503;
}

/* What a router may not be told: its requests are in order. */
static void check_status(const struct caller *caller, const char *what, int status, const char *body) {
    if (!is_expected(status))
        judge_fault(&caller->world->judge, "%s of %s is answered %d: %.200s", what, caller->id, status, body);
}

static void on_reported(void *arg, int status, const char *body, size_t length) {
    struct caller *caller = arg;
    (void)length;
    caller->ask = NULL;
    check_status(caller, "a report", status, body);
    if (status == 410)
        router_take_new_id(caller->router);
    else if (status == 200)
        after_report(caller);
    else if (++caller->tries > TRIES_MAX)
        caller_forget(caller);
    else
        next(caller, 50, 800, report);
}

static void on_no_answer_to_report(void *arg) {
    struct caller *caller = arg;
    now_happens(caller);
    stop_asking(caller);
    report(caller);
}

static void report(void *arg) {
    struct caller *caller = arg;
    char body[BODY_BYTES];
    now_happens(caller);
    bool needs_claim = caller->queue >= 0 && !caller->has_reported && caller->stage != CALLER_ENDED;
    if (needs_claim && caller->world->timeline.now_us + SURE_US > caller->until_us) {
        next(caller, 10000, 20000, on_over); /* too slow to be sure of the claim: it lapses */
        return;
    }
    write_report(caller, body, sizeof body);
    caller->ask = put_call(caller, body, on_reported, caller);
    next(caller, PATIENCE_MS, PATIENCE_MS, on_no_answer_to_report);
}

/* ---- The claim ---- */

static void on_given_back(void *arg, int status, const char *body, size_t length) {
    struct caller *caller = arg;
    (void)length;
    caller->ask = NULL;
    check_status(caller, "giving back", status, body);
    if (dice_chance(dice_of(caller), .3))
        hang_up(caller);
    else
        caller_forget(caller);
}

static void give_back(void *arg) {
    struct caller *caller = arg;
    char path[200];
    now_happens(caller);
    snprintf(path, sizeof path, "/v1/companies/" WORLD_COMPANY "/claims/%s", caller->id);
    caller->ask = world_ask(caller->world, world_broker(caller->world, caller->router), HTTP_DELETE, path, "",
                            on_given_back, caller);
    next(caller, PATIENCE_MS, PATIENCE_MS, on_over);
}

/* Nobody answers the telephone: the next one. */
static void next_agent(void *arg) {
    struct caller *caller = arg;
    now_happens(caller);
    for (size_t i = 0; i < caller->user_count && caller->excluded_count < CALLER_EXCLUDED_MAX; i++)
        snprintf(caller->excluded[caller->excluded_count++], LEDIG_ID_CHARS_MAX + 1, "%s", caller->users[i]);
    caller->user_count = 0;
    claim(caller);
}

static void read_claims(struct caller *caller, const json_t *answer) {
    const json_t *claims = json_object_get(answer, "claims"), *one;
    size_t i;
    caller->user_count = 0;
    json_array_foreach(claims, i, one) if (i < sizeof caller->users / sizeof *caller->users)
        snprintf(caller->users[caller->user_count++], LEDIG_ID_CHARS_MAX + 1, "%s",
                 json_string_value(json_object_get(one, "user")));
    caller->until_us = caller->asked_us + 1000 * json_integer_value(json_object_get(answer, "lease_ms"));
    for (i = 0; i < caller->user_count && !caller->is_loose; i++)
        if (caller_excludes(caller, caller->users[i]))
            judge_fault(&caller->world->judge, "%s got %s, whom it excludes", caller->id, caller->users[i]);
    if (caller->user_count == 0) judge_fault(&caller->world->judge, "%s got a claim of nobody", caller->id);
    if (caller->user_count > 1 && strcmp(world_queues[caller->queue], "all") != 0)
        judge_fault(&caller->world->judge, "%s got %zu agents", caller->id, caller->user_count);
}

static void got_agents(struct caller *caller) {
    uint32_t fate = dice_below(dice_of(caller), 100);
    if (fate < 8)
        next(caller, 0, 20000, on_over); /* forgotten */
    else if (fate < 22)
        next(caller, 10, 2000, give_back);
    else if (fate < 40)
        next(caller, 200, 4000, next_agent);
    else if (fate < 47)
        next(caller, 0, 2000, claim); /* once more, the same */
    else if (fate < 52)
        hang_up(caller);
    else
        go_to(caller, CALLER_RINGING, 10, 300);
}

/* ---- Nobody is free, or no answer ---- */

static void got_nobody(struct caller *caller, bool waited) {
    struct dice *dice = dice_of(caller);
    if (waited && dice_chance(dice, .6))
        next(caller, 0, 4000, claim);
    else if (dice_chance(dice, .8))
        hang_up(caller);
    else
        caller_forget(caller);
}

static void on_claimed(void *arg, int status, const char *body, size_t length) {
    struct caller *caller = arg;
    json_t *answer = json_loadb(body, length, 0, NULL);
    bool waited = caller->waits, free_told = json_object_get(answer, "free");
    caller->ask = NULL;
    caller->waits = false;
    trace_line(&caller->world->trace, "%s is told %d%s", caller->id, status, free_told ? ": nobody is free" : "");
    check_status(caller, "a claim", status, body);
    if (status == 200 || status == 201) {
        caller->tries = 0;
        read_claims(caller, answer);
        got_agents(caller);
    } else if (status == 410) {
        router_take_new_id(caller->router);
    } else if (status == 409 && free_told) {
        got_nobody(caller, waited);
    } else if (status == 409) {
        caller_forget(caller); /* it was answered, or has ended */
    } else {
        caller->is_loose = true;
        if (++caller->tries > TRIES_MAX)
            caller_forget(caller);
        else
            next(caller, 50, 1000, claim);
    }
    json_decref(answer);
}

/* The caller has had enough, while the request is held. */
static void leave_line(void *arg) {
    struct caller *caller = arg;
    now_happens(caller);
    trace_line(&caller->world->trace, "%s leaves the line", caller->id);
    stop_asking(caller);
    if (dice_chance(dice_of(caller), .7))
        hang_up(caller);
    else
        caller_forget(caller);
}

static void write_claim(const struct caller *caller, uint32_t wait_ms, char *body, size_t size) {
    snprintf(body, size, "{\"call\":\"%s\",\"router\":\"%s\",\"lease_ms\":%lld,\"wait_ms\":%u,\"exclude\":[",
             caller->id, caller->router->id, (long long)caller->lease_ms, wait_ms);
    for (size_t i = 0; i < caller->excluded_count; i++)
        snprintf(body + strlen(body), size - strlen(body), "%s\"%s\"", i ? "," : "", caller->excluded[i]);
    snprintf(body + strlen(body), size - strlen(body), "]}");
}

static void claim(void *arg) {
    static const uint32_t waits_ms[] = {0, 0, 400, 2000, 8000, 30000};
    struct caller *caller = arg;
    struct world *world = caller->world;
    struct dice *dice = &world->dice;
    char body[BODY_BYTES], path[200];
    uint32_t wait_ms = waits_ms[dice_below(dice, sizeof waits_ms / sizeof *waits_ms)];
    now_happens(caller);
    write_claim(caller, wait_ms, body, sizeof body);
    snprintf(path, sizeof path, "/v1/companies/" WORLD_COMPANY "/queues/%s/claims", world_queues[caller->queue]);
    caller->waits = wait_ms > 0;
    caller->asked_us = world->timeline.now_us;
    caller->ask = world_ask(world, world_broker(world, caller->router), HTTP_POST, path, body, on_claimed, caller);
    trace_line(&world->trace, "%s claims in %s, waits %u ms, excludes %zu", caller->id, world_queues[caller->queue],
               wait_ms, caller->excluded_count);
    if (dice_chance(dice, .05)) { /* the same, at the same moment, on each worker */
        caller->is_loose = true;
        for (int i = 0; i < WORLD_BROKERS; i++)
            world_ask(world, &world->brokers[i], HTTP_POST, path, body, ignore, NULL);
    }
    if (wait_ms > 0 && dice_chance(dice, .15))
        next(caller, 0, wait_ms, leave_line);
    else
        next(caller, PATIENCE_MS, PATIENCE_MS, leave_line);
}

void caller_begin(struct router *router) {
    struct world *world = router->world;
    struct dice *dice = &world->dice;
    struct caller *caller = store_allocate(sizeof *caller);
    caller->world = world;
    caller->router = router;
    caller->queue = dice_chance(dice, .06) ? -1 : dice_chance(dice, .12) ? 2 : (int)dice_below(dice, 2);
    caller->lease_ms = dice_chance(dice, .2) ? dice_between(dice, 500, 3000) : dice_between(dice, 9000, 20000);
    snprintf(caller->id, sizeof caller->id, "c%llu", (unsigned long long)++world->callers_so_far);
    HASH_ADD_STR(world->callers, id, caller);
    DL_APPEND(router->callers, caller);
    router->caller_count++;
    if (caller->queue >= 0) {
        claim(caller);
        return;
    }
    world_user((int)dice_below(dice, WORLD_AGENTS), caller->users[0]);
    caller->user_count = 1;
    go_to(caller, dice_chance(dice, .5) ? CALLER_RINGING : CALLER_ACTIVE, 0, 100);
}

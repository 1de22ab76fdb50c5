/* A router: puts callers through, gives a sign of life, dies now and then and comes back under another id. */
#include "tests/simulation/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define HEARTBEAT_MS 10000
#define CALLERS_MAX 16

static void on_next_caller(void *arg) {
    struct router *router = arg;
    struct world *world = router->world;
    router->next_caller = NULL;
    if (router->caller_count < CALLERS_MAX) caller_begin(router);
    int64_t pause_ms = 3000 - (int64_t)(2850 * world->rush);
    router->next_caller = world_after(world, pause_ms / 4, 2 * pause_ms, on_next_caller, router);
}

/* ---- Signs of life ---- */

static void on_heartbeat(void *arg);

struct sign {
    struct router *router;
    int lives;
};

static void on_heard(void *arg, int status, const char *body, size_t length) {
    struct sign sign = *(struct sign *)arg;
    (void)body;
    (void)length;
    free(arg);
    struct router *router = sign.router;
    if (!router->is_up || router->lives != sign.lives || status != 410) return;
    router_take_new_id(router);
}

static void on_heartbeat(void *arg) {
    struct router *router = arg;
    struct world *world = router->world;
    const struct caller *caller;
    struct buffer body = {0};
    char path[160];
    router->heartbeat = world_after(world, HEARTBEAT_MS, HEARTBEAT_MS, on_heartbeat, router);
    buffer_append(&body, "{\"calls\":[", 10);
    DL_FOREACH(router->callers, caller) {
        char item[80];
        snprintf(item, sizeof item, "%s\"%s\"", caller == router->callers ? "" : ",", caller->id);
        buffer_append(&body, item, strlen(item));
    }
    buffer_append(&body, "]}", 3);
    snprintf(path, sizeof path, "/v1/routers/%s", router->id);
    struct sign *sign = store_allocate(sizeof *sign);
    *sign = (struct sign){router, router->lives};
    world_ask(world, world_broker(world, router), HTTP_PUT, path, (const char *)body.bytes, on_heard, sign);
    buffer_free(&body);
}

/* ---- Its life ---- */

static void new_id(struct router *router) {
    router->lives++;
    snprintf(router->id, sizeof router->id, "router-%d-%d", router->number, router->lives);
}

static void forget_callers(struct router *router) {
    while (router->callers)
        caller_forget(router->callers);
}

void router_start(struct router *router) {
    new_id(router);
    router->is_up = true;
    trace_line(&router->world->trace, "%s starts", router->id);
    router->heartbeat = world_after(router->world, 0, 100, on_heartbeat, router);
    router->next_caller = world_after(router->world, 100, 3000, on_next_caller, router);
}

void router_crash(struct router *router) {
    trace_line(&router->world->trace, "%s dies", router->id);
    router->is_up = false;
    timeline_cancel(router->heartbeat);
    timeline_cancel(router->next_caller);
    router->heartbeat = router->next_caller = NULL;
    forget_callers(router);
}

/* Its calls have ended with its lease. It could report those that live under the new id; here they are over. */
void router_take_new_id(struct router *router) {
    trace_line(&router->world->trace, "%s has ended", router->id);
    forget_callers(router);
    new_id(router);
}

#include "broker/service/routers.h"
#include "broker/identity/fingerprint.h"
#include "broker/service/calls.h"
#include "broker/service/http_problem.h"
#include "broker/service/service.h"
#include "broker/service/tenant_state.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

/* ---- Leases ---- */

const struct fault routers_gone = {
    .error = LEDIG_ELEASE_ENDED,
    .field = "router",
    .why = "this router was silent for too long, and its calls have ended: take a new id, and report under it"};

struct router {
    UT_hash_handle hh;
    uint64_t kept_ms; /* the loop's time of the last sign of life that the store knows of */
    char lease[LEDIG_ID_CHARS_MAX + 1];
    char suffix[]; /* of the lease */
};

struct keeping {
    struct service *service;
    routers_done done;
    void *arg;
    char suffix[LEDIG_ID_CHARS_MAX + 1];
};

static struct router *find(const struct service *service, const char *suffix) {
    struct router *router = NULL;
    HASH_FIND_STR(service->routers, suffix, router);
    return router;
}

static void forget(struct service *service, struct router *router) {
    HASH_DEL(service->routers, router);
    free(router);
}

/* What cannot be remembered is asked for again. */
static void remember(struct service *service, const char *suffix, const char *lease) {
    struct router *router = find(service, suffix);
    if (!router) {
        router = calloc(1, sizeof *router + strlen(suffix) + 1);
        if (!router) return;
        strcpy(router->suffix, suffix);
        HASH_ADD_STR(service->routers, suffix, router);
    }
    strcpy(router->lease, lease);
    router->kept_ms = uv_now(service->loop);
}

static void on_kept(void *arg, int error, const char *lease) {
    struct keeping *keeping = arg;
    struct service *service = keeping->service;
    if (!error) remember(service, keeping->suffix, lease);
    struct router *router = error == LEDIG_ELEASE_ENDED ? find(service, keeping->suffix) : NULL;
    if (router) forget(service, router);
    keeping->done(keeping->arg, error, lease);
    free(keeping);
}

void routers_keep(struct service *service, const char *subject, const char *id, routers_done done, void *arg) {
    struct keeping *keeping = malloc(sizeof *keeping);
    char hex[FINGERPRINT_CHARS + 1];
    if (!keeping || fingerprint(subject, id, hex) != 0) {
        free(keeping);
        done(arg, LEDIG_ENO_MEMORY, NULL);
        return;
    }
    *keeping = (struct keeping){.service = service, .done = done, .arg = arg};
    snprintf(keeping->suffix, sizeof keeping->suffix, "router-%s", hex);
    const struct router *router = find(service, keeping->suffix);
    if (router && uv_now(service->loop) - router->kept_ms < service->options.router_lease_ms / ROUTER_KEPT_PART &&
        leases_ended_at(service->leases, router->lease) == 0) {
        done(arg, 0, router->lease);
        free(keeping);
        return;
    }
    store_lease_keep(service->store, keeping->suffix, service->options.router_lease_ms, on_kept, keeping);
}

void routers_sweep(struct service *service) {
    struct router *router, *next;
    HASH_ITER(hh, service->routers, router, next)
    if (uv_now(service->loop) - router->kept_ms > 2 * service->options.router_lease_ms) forget(service, router);
}

void routers_close(struct service *service) {
    struct router *router, *next;
    HASH_ITER(hh, service->routers, router, next) forget(service, router);
}

/* ---- Heartbeats ---- */

struct heartbeat {
    struct service *service;
    struct http_exchange *exchange;
    struct token_claims claims;
    json_t *calls; /* an object with their ids; NULL: it does not say which live */
};

static void answer(struct heartbeat *heartbeat, int error) {
    if (error == LEDIG_ELEASE_ENDED)
        http_fault(heartbeat->exchange, &routers_gone);
    else if (error)
        http_problem(heartbeat->exchange, error, NULL, NULL);
    else
        http_answer_json(heartbeat->exchange, 200,
                         json_pack("{s:i}", "lease_ms", (int)heartbeat->service->options.router_lease_ms));
    json_decref(heartbeat->calls);
    free(heartbeat);
}

struct silence { /* what a heartbeat does not name, in one company */
    struct heartbeat *heartbeat;
    const char *company, *lease;
    int64_t before_ms;
};

static void end_if_unnamed(void *arg, const struct call_record *call) {
    const struct silence *silence = arg;
    bool own = call->router && strcmp(call->router, silence->lease) == 0;
    if (!own || call->ended_at || call->event_at > silence->before_ms) return;
    if (json_object_get(silence->heartbeat->calls, call->id)) return;
    calls_end(silence->heartbeat->service, silence->company, call->id);
}

/* An event that got lost on the way: the router does not know the call any more. */
static void end_others(struct heartbeat *heartbeat, const char *lease) {
    struct service *service = heartbeat->service;
    struct tenant *tenant, *next;
    int64_t before_ms = service_now_ms(service) - service->options.router_lease_ms;
    HASH_ITER(hh, service->tenants, tenant, next) {
        if (!tenant_is_ready(tenant) || !token_covers(&heartbeat->claims, tenant->id)) continue;
        struct silence silence = {heartbeat, tenant->id, lease, before_ms};
        company_each_call(tenant->company, end_if_unnamed, &silence);
    }
}

static void on_heartbeat(void *arg, int error, const char *lease) {
    struct heartbeat *heartbeat = arg;
    if (!error && heartbeat->calls) end_others(heartbeat, lease);
    answer(heartbeat, error);
}

/* The ids as the keys of an object, to be looked up; false after an answer. */
static bool take_calls(struct heartbeat *heartbeat, const json_t *document) {
    const json_t *list = json_object_get(document, "calls"), *one;
    size_t index;
    if (!list) return true;
    if (!json_is_array(list)) {
        http_problem(heartbeat->exchange, LEDIG_EBAD_REQUEST, "calls", "must be a list of ids");
        return false;
    }
    if (json_array_size(list) > ROUTER_CALLS_MAX) {
        http_problem(heartbeat->exchange, LEDIG_ETOO_LARGE, "calls", "more than 10000");
        return false;
    }
    heartbeat->calls = json_object();
    json_array_foreach(list, index, one) {
        if (!json_is_string(one) || json_object_set_new(heartbeat->calls, json_string_value(one), json_true()) != 0) {
            http_problem(heartbeat->exchange, LEDIG_EBAD_REQUEST, "calls", "must be a list of ids");
            return false;
        }
    }
    return true;
}

static bool take_body(struct heartbeat *heartbeat, const struct http_request *request) {
    if (request->length == 0) return true;
    if (request->length > ROUTER_BODY_BYTES_MAX) {
        http_problem(heartbeat->exchange, LEDIG_ETOO_LARGE, NULL, "the body is larger than 2 MiB");
        return false;
    }
    json_t *document = json_loadb((const char *)request->body, request->length, JSON_REJECT_DUPLICATES, NULL);
    bool good = json_is_object(document);
    if (!good) http_problem(heartbeat->exchange, LEDIG_EBAD_REQUEST, NULL, "the body is no JSON object");
    good = good && take_calls(heartbeat, document);
    json_decref(document);
    return good;
}

void routers_heartbeat(struct service *service, const struct token_claims *claims, const char *id,
                       struct http_exchange *exchange, const struct http_request *request) {
    struct heartbeat *heartbeat = calloc(1, sizeof *heartbeat);
    if (!heartbeat) {
        http_problem(exchange, LEDIG_EUNAVAILABLE, NULL, "out of memory");
        return;
    }
    *heartbeat = (struct heartbeat){.service = service, .exchange = exchange, .claims = *claims};
    if (take_body(heartbeat, request)) {
        routers_keep(service, claims->user, id, on_heartbeat, heartbeat);
        return;
    }
    json_decref(heartbeat->calls);
    free(heartbeat);
}

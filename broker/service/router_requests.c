#include "broker/service/router_requests.h"
#include "broker/identity/permissions.h"
#include "broker/service/calls.h"
#include "broker/service/claims.h"
#include "broker/service/json_reader.h"
#include "broker/service/requests.h"
#include "broker/service/route_frames.h"
#include "broker/service/route_watch.h"
#include "broker/service/router_link.h"
#include "broker/service/service.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct router_request {
    struct router_link *link; /* NULL once nobody waits for the answer */
    struct router_request *before, *next;
    uint32_t id;
};

static void refuse(struct router_link *link, uint32_t id, int error, const char *field, const char *why) {
    session_error(link->session, id, error, field, why, error == LEDIG_EUNAVAILABLE ? RETRY_UNAVAILABLE_MS : 0);
}

/* ---- One that waits for its answer ---- */

/* NULL after an answer. */
static struct router_request *begin(struct router_link *link, uint32_t id) {
    if (link->requests_count == ROUTER_REQUESTS_MAX) {
        session_error(link->session, id, LEDIG_ERATE_LIMITED, NULL, "too many open requests", RETRY_RATE_LIMITED_MS);
        return NULL;
    }
    struct router_request *request = calloc(1, sizeof *request);
    if (!request) {
        refuse(link, id, LEDIG_EUNAVAILABLE, NULL, "out of memory");
        return NULL;
    }
    request->link = link;
    request->id = id;
    DL_APPEND2(link->requests, request, before, next);
    link->requests_count++;
    return request;
}

static void end(struct router_request *request) {
    if (request->link) {
        DL_DELETE2(request->link->requests, request, before, next);
        request->link->requests_count--;
    }
    free(request);
}

void router_requests_orphan(struct router_link *link) {
    struct router_request *request, *next;
    DL_FOREACH_SAFE2(link->requests, request, next, next)
    request->link = NULL;
    link->requests = NULL;
}

static void answer_fault(struct router_request *request, const struct fault *fault) {
    struct router_link *link = request->link;
    bool is_gone = fault->error == LEDIG_ELEASE_ENDED; /* which has no name on the wire */
    if (!link) return;
    refuse(link, request->id, is_gone ? LEDIG_ECONFLICT : fault->error, fault->field, fault->why);
    if (is_gone) router_link_end_gone(link);
}

static void answer_ok(struct router_request *request, uint64_t version) {
    struct message message = {.type = MESSAGE_ok, .ok = {.id = request->id, .version = (int64_t)version}};
    if (request->link) session_send(request->link->session, &message);
}

/* What the token does not cover looks as if it did not exist. */
static bool covers(struct router_link *link, uint32_t id, const char *company) {
    if (token_covers(&link->claims, company)) return true;
    refuse(link, id, LEDIG_ENOT_FOUND, "company", "no such company");
    return false;
}

/* ---- route ---- */

static void on_routed(void *arg, int error, const struct part_route_row *rows, size_t count, int64_t stale_ms) {
    struct router_request *request = arg;
    if (error) {
        answer_fault(request, &(struct fault){.error = error});
    } else if (request->link) {
        struct route_frames frames;
        route_frames_begin(&frames, request->link->session, request->id, stale_ms);
        for (size_t i = 0; i < count; i++)
            if (!route_frames_add(&frames, &rows[i])) {
                route_frames_send(&frames, true);
                route_frames_add(&frames, &rows[i]);
            }
        route_frames_send(&frames, false);
        route_frames_end(&frames);
    }
    end(request);
}

static bool take_numbers(const struct texts *texts, struct routing_numbers *numbers) {
    numbers->count = texts->count;
    for (uint32_t i = 0; i < texts->count; i++)
        if (e164_parse(texts->at[i], strlen(texts->at[i]), numbers->at[i]) != 0) return false;
    return true;
}

static void handle_route(struct router_link *link, uint32_t id, const struct message_route *route) {
    struct routing_numbers numbers;
    struct token_claims claims = link->claims;
    if (route->company && !covers(link, id, route->company)) return;
    if (route->company) strcpy(claims.companies, route->company); /* an id */
    if (!take_numbers(&route->numbers, &numbers)) {
        refuse(link, id, LEDIG_EBAD_REQUEST, "numbers", "each is a plus, then 5 to 15 digits");
        return;
    }
    struct router_request *request = begin(link, id);
    if (request) routing_ask(link->service, &claims, &numbers, on_routed, request);
}

/* ---- claim, release ---- */

/* Nobody is claimed for a call whose router is gone. */
static bool is_gone(void *arg) {
    const struct router_request *request = arg;
    return !request->link || request->link->session->stage != SESSION_LIVE;
}

static void answer_nobody(struct router_request *request, const struct claim_result *result) {
    struct message message = {.type = MESSAGE_error,
                              .error = {.id = request->id,
                                        .code = ledig_error_name(result->fault->error),
                                        .message = result->fault->why,
                                        .field = "queue",
                                        .next_free_at = result->next_free_at,
                                        .position = (uint32_t)result->position}};
    if (!request->link) return;
    metrics_error(request->link->service->metrics, result->fault->error);
    session_send(request->link->session, &message);
}

static void answer_claimed(struct router_request *request, const struct claim_result *result) {
    struct part_claim_row rows[CLAIM_AGENTS_MAX];
    for (size_t i = 0; i < result->count; i++)
        rows[i] = (struct part_claim_row){.user = result->agents[i].user, .target = result->agents[i].target};
    struct message message = {.type = MESSAGE_claimed,
                              .claimed = {.id = request->id,
                                          .call = result->call,
                                          .claims = {.at = rows, .count = (uint32_t)result->count, .present = true},
                                          .lease_ms = result->lease_ms}};
    if (request->link) session_send(request->link->session, &message);
}

static void on_claimed(void *arg, const struct claim_result *result) {
    struct router_request *request = arg;
    if (result->is_nobody)
        answer_nobody(request, result);
    else if (result->fault)
        answer_fault(request, result->fault);
    else
        answer_claimed(request, result);
    end(request);
}

static void handle_claim(struct router_link *link, uint32_t id, const struct message_claim *claim) {
    struct claim_request wanted;
    struct fault fault;
    if (!covers(link, id, claim->company)) return;
    if (claim_request_take(claim, link->id, &wanted, &fault) != 0) {
        refuse(link, id, fault.error, fault.field, fault.why);
        return;
    }
    struct router_request *request = begin(link, id);
    struct claim_asker asker = {on_claimed, is_gone, request};
    if (request) claims_take(link->service, link->claims.user, claim->company, &wanted, &asker);
}

static void on_released(void *arg, const struct claim_result *result) {
    struct router_request *request = arg;
    if (result->fault)
        answer_fault(request, result->fault);
    else
        answer_ok(request, 0);
    end(request);
}

static bool is_call(struct router_link *link, uint32_t id, const char *call) {
    if (json_reader_is_call(call)) return true;
    refuse(link, id, LEDIG_EBAD_REQUEST, "call", "must be 1 to 120 characters, none of them a control character");
    return false;
}

static void handle_release(struct router_link *link, uint32_t id, const struct message_release *release) {
    if (!covers(link, id, release->company) || !is_call(link, id, release->call)) return;
    struct router_request *request = begin(link, id);
    struct claim_asker asker = {on_released, is_gone, request};
    if (request) claims_release(link->service, release->company, release->call, &asker);
}

/* ---- call ---- */

static void on_reported(void *arg, const struct fault *fault, uint64_t version) {
    struct router_request *request = arg;
    if (fault)
        answer_fault(request, fault);
    else
        answer_ok(request, version);
    end(request);
}

static void handle_call(struct router_link *link, uint32_t id, const struct message_call *call) {
    struct call_event event;
    struct fault fault;
    if (!covers(link, id, call->company) || !is_call(link, id, call->call)) return;
    if (call_event_take(call, link->id, service_now_ms(link->service), &event, &fault) != 0) {
        refuse(link, id, fault.error, fault.field, fault.why);
        return;
    }
    struct router_request *request = begin(link, id);
    if (request)
        calls_report(link->service, link->claims.user, call->company, call->call, &event, on_reported, request);
}

/* ---- follow ---- */

static void handle_follow(struct router_link *link, uint32_t id, const struct message_follow *follow) {
    struct route_watch *watch = NULL;
    if (!follow->numbers.present) {
        refuse(link, id, LEDIG_EBAD_REQUEST, "numbers", "is missing");
        return;
    }
    int error = route_watch_open(link, &follow->numbers, &watch);
    if (error) {
        refuse(link, id, error, error == LEDIG_EBAD_REQUEST ? "numbers" : NULL,
               error == LEDIG_EBAD_REQUEST ? "each is a plus, then 5 to 15 digits" : "out of memory");
        return;
    }
    route_watch_close(link->watch);
    link->watch = watch;
    struct message message = {.type = MESSAGE_ok, .ok = {.id = id}};
    session_send(link->session, &message);
}

/* ---- token ---- */

/* What is followed and claimed stands by the companies of the token, so another list is another router. */
static void handle_token(struct router_link *link, uint32_t id, const struct message_token *token) {
    struct token_claims claims;
    const struct service *service = link->service;
    if (token_check(service->key, token->token, service_now_ms(service), &claims) != 0) {
        refuse(link, id, LEDIG_EUNAUTHORIZED, "token", NULL);
        return;
    }
    if (strcmp(claims.user, link->claims.user) != 0 || strcmp(claims.companies, link->claims.companies) != 0 ||
        claims.role != link->claims.role) {
        refuse(link, id, LEDIG_EFORBIDDEN, "token", "is of another router, or lists other companies: connect anew");
        return;
    }
    link->claims = claims;
    session_take_claims(link->session, &claims);
    struct message message = {.type = MESSAGE_ok, .ok = {.id = id}};
    session_send(link->session, &message);
}

void router_requests_handle(struct router_link *link, uint32_t id, const struct message *message) {
    if (!permission_allows(permission_of_router(message->type), link->claims.role)) {
        refuse(link, id, LEDIG_EFORBIDDEN, NULL, "a router has no such request; apps do");
        return;
    }
    switch (message->type) {
    case MESSAGE_route:
        handle_route(link, id, &message->route);
        break;
    case MESSAGE_claim:
        handle_claim(link, id, &message->claim);
        break;
    case MESSAGE_release:
        handle_release(link, id, &message->release);
        break;
    case MESSAGE_call:
        handle_call(link, id, &message->call);
        break;
    case MESSAGE_follow:
        handle_follow(link, id, &message->follow);
        break;
    case MESSAGE_token:
        handle_token(link, id, &message->token);
        break;
    case MESSAGE_hello:
        session_end(link->session, LEDIG_EBAD_REQUEST, "hello was said already", DROP_bad_message);
        break;
    default: /* is in no table */
        break;
    }
}

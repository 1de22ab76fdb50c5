#include "broker/service/router_link.h"
#include "broker/identity/permissions.h"
#include "broker/service/claim_line.h"
#include "broker/service/requests.h"
#include "broker/service/route_watch.h"
#include "broker/service/router_requests.h"
#include "broker/service/routers.h"
#include "broker/service/service.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* A router is pinged sooner than an app, so that a line that is dead costs it no lease. */
static uint32_t ping_ms_of(const struct service *service) {
    uint32_t third_ms = service->options.router_lease_ms / ROUTER_RENEWALS;
    return third_ms < service->options.ping_ms ? third_ms : service->options.ping_ms;
}

/* ---- Coming ---- */

static void send_welcome(const struct router_link *link) {
    static const char *const features[] = {"hello", "route", "claim", "release", "call", "follow", "token"};
    const struct service *service = link->service;
    char name[SESSION_ID_BYTES];
    uint64_t random = 0;
    uv_random(NULL, NULL, &random, sizeof random, 0, NULL);
    snprintf(name, sizeof name, "%016llx", (unsigned long long)random);
    struct part_limits limits = {.message_bytes = LEDIG_MESSAGE_BYTES_MAX,
                                 .note_chars = LEDIG_NOTE_CHARS_MAX,
                                 .ask_count = LEDIG_ASK_COUNT_MAX,
                                 .follow_count = LEDIG_FOLLOW_COUNT_MAX,
                                 .route_count = LEDIG_ROUTE_COUNT_MAX,
                                 .request_count = ROUTER_REQUESTS_MAX};
    struct message message = {
        .type = MESSAGE_welcome,
        .welcome = {.user = link->claims.user,
                    .session = name,
                    .now = service_now_ms(service),
                    .ping_ms = ping_ms_of(service),
                    .limits = &limits,
                    .features = {.at = features, .count = sizeof features / sizeof *features, .present = true},
                    .lease_ms = service->options.router_lease_ms}};
    session_send(link->session, &message);
}

/* A router that comes back knows that its old line is dead, be it not so for us. */
static void replace_former(const struct router_link *link) {
    struct router_link *other, *next;
    DL_FOREACH_SAFE2(link->service->links, other, next, next)
    if (other != link && other->session && strcmp(other->id, link->id) == 0 &&
        strcmp(other->claims.user, link->claims.user) == 0)
        session_end(other->session, LEDIG_ECONFLICT, "the router has connected anew", DROP_replaced);
}

void router_link_end_gone(struct router_link *link) {
    struct session *session = link->session;
    if (!session || session->stage == SESSION_ENDING) return;
    session_error(session, 0, LEDIG_ECONFLICT, routers_gone.field, routers_gone.why, 0);
    session_end(session, 0, "the router has ended: it takes a new id", DROP_router_ended);
}

static void on_joined(void *arg, int error, const char *lease) {
    struct router_link *link = arg;
    struct session *session = link->session;
    (void)lease;
    link->keeps = false;
    link->kept_ms = uv_now(link->service->loop);
    if (!session->connection) { /* broken off meanwhile; session_closed left it to us */
        session_free(session);
    } else if (session->ended) { /* for what came behind its hello; the connection goes soon */
        session->stage = SESSION_ENDING;
    } else if (link->service->draining) {
        session->stage = SESSION_NEW;
        session_drain(session);
    } else if (error == LEDIG_ELEASE_ENDED) {
        session->stage = SESSION_NEW;
        router_link_end_gone(link);
    } else if (error) {
        session->stage = SESSION_NEW;
        session_error(session, 0, LEDIG_EUNAVAILABLE, NULL, NULL, RETRY_UNAVAILABLE_MS);
        session_end(session, 0, "unavailable", DROP_unavailable);
    } else {
        session->stage = SESSION_LIVE;
        link->service->metrics->joins[JOIN_NOTHING]++;
        replace_former(link);
        send_welcome(link);
        connection_pause(session->connection, session->outbox != NULL);
    }
}

static bool check(struct session *session, const struct message_hello *hello, struct token_claims *claims) {
    struct service *service = session->service;
    if (token_check(service->key, hello->token, service_now_ms(service), claims) != 0) {
        session_end(session, LEDIG_EUNAUTHORIZED, NULL, DROP_unauthorized);
        return false;
    }
    if (!permission_allows(PERMISSION_router_hello, claims->role)) {
        session_end(session, LEDIG_EFORBIDDEN, "this takes a router's token; apps connect to the other port",
                    DROP_forbidden);
        return false;
    }
    if (hello->router) return true;
    session_error(session, 0, LEDIG_EBAD_REQUEST, "router", "is missing", 0);
    session_end(session, 0, "bad hello", DROP_bad_message);
    return false;
}

void router_link_join(struct session *session, const struct message_hello *hello) {
    struct token_claims claims;
    session_clear_deadline(session);
    if (!check(session, hello, &claims)) return;
    struct router_link *link = calloc(1, sizeof *link);
    if (!link) {
        session_end(session, LEDIG_EUNAVAILABLE, "out of memory", DROP_unavailable);
        return;
    }
    *link = (struct router_link){.session = session, .service = session->service, .claims = claims, .keeps = true};
    strcpy(link->id, hello->router); /* an id */
    DL_APPEND2(session->service->links, link, before, next);
    session->link = link;
    session_take_claims(session, &claims);
    session->stage = SESSION_JOINING;
    connection_pause(session->connection, true);
    routers_keep(session->service, claims.user, link->id, on_joined, link);
}

/* ---- Going ---- */

void router_link_close(struct router_link *link) {
    DL_DELETE2(link->service->links, link, before, next);
    route_watch_close(link->watch);
    link->watch = NULL;
    router_requests_orphan(link);
    claim_line_moved(link->service); /* its calls wait no longer */
    link->session = NULL;
    if (!link->keeps) free(link);
}

void router_link_drain(struct service *service) {
    struct router_link *link, *next;
    DL_FOREACH_SAFE2(service->links, link, next, next)
    if (link->session->stage == SESSION_LIVE) session_drain(link->session);
}

/* ---- Time ---- */

static void on_kept(void *arg, int error, const char *lease) {
    struct router_link *link = arg;
    (void)lease;
    link->keeps = false;
    if (!link->session)
        free(link);
    else if (error == LEDIG_ELEASE_ENDED)
        router_link_end_gone(link);
    else if (!error)
        link->kept_ms = uv_now(link->service->loop);
}

/* A connection of which nothing was heard for too long does not keep a lease alive, even where it still stands. */
static void renew(struct router_link *link, uint64_t now_ms) {
    struct service *service = link->service;
    bool is_heard = session_ms_since(link->session->heard_at_ms, now_ms) < 2 * ping_ms_of(service);
    if (link->keeps || !is_heard || now_ms - link->kept_ms < service->options.router_lease_ms / ROUTER_RENEWALS) return;
    link->keeps = true;
    routers_keep(service, link->claims.user, link->id, on_kept, link);
}

void router_link_sweep(struct service *service) {
    uint64_t now_ms = uv_now(service->loop);
    struct router_link *link, *next;
    DL_FOREACH_SAFE2(service->links, link, next, next) {
        if (link->session->stage != SESSION_LIVE) continue;
        if (!session_sweep_line(link->session, ping_ms_of(service), now_ms)) continue;
        renew(link, now_ms);
        if (link->watch) route_watch_sweep(link->watch);
    }
}

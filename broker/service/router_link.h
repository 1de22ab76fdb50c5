/* A router that keeps one connection open: from its `hello` on, what the session of that connection is for. The
 * connection is its heartbeat: while it lives, so does the router's lease, and with that its calls; they outlive it by
 * the lease. Owned by the session. */
#ifndef LEDIG_SERVICE_ROUTER_LINK_H
#define LEDIG_SERVICE_ROUTER_LINK_H

#include "broker/identity/token.h"
#include "broker/service/session.h"

struct route_watch;
struct router_request;

#define ROUTER_RENEWALS 3        /* in the time of a lease: two may be lost */
#define ROUTER_REQUESTS_MAX 4096 /* open ones of one router; a call that waits is one. Each is some 500 bytes */

struct router_link {
    struct session *session; /* NULL: the connection is gone, and so is this when the renewal has come back */
    struct service *service;
    struct router_link *before, *next; /* of the worker */
    struct token_claims claims;
    char id[LEDIG_ID_CHARS_MAX + 1];
    uint64_t kept_ms; /* the loop's time of the last renewal that was granted */
    bool keeps;       /* a renewal is under way */
    struct router_request *requests;
    uint32_t requests_count;
    struct route_watch *watch; /* owned; NULL: follows no numbers */
};

/* Takes the session from SESSION_NEW to SESSION_LIVE, or ends it. */
void router_link_join(struct session *session, const struct message_hello *hello);

/* The session is freed. */
void router_link_close(struct router_link *link);

/* Says why and closes: the router's lease has ended, and it has to take a new id. */
void router_link_end_gone(struct router_link *link);

/* Pings, renewals, silence: called now and then by the service. */
void router_link_sweep(struct service *service);

/* Says bye to all of them. */
void router_link_drain(struct service *service);

#endif

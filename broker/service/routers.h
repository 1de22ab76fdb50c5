/* Routers that live: each has a lease of router_lease_ms in the store, which its heartbeats and its events renew and on
 * which its calls hang. One that was silent for longer has ended for good, with all of its calls; it comes back under
 * another id. */
#ifndef LEDIG_SERVICE_ROUTERS_H
#define LEDIG_SERVICE_ROUTERS_H

#include "broker/identity/token.h"
#include "broker/service/http_exchange.h"
#include "protocol/shape.h"

struct router;
struct service;

#define ROUTER_KEPT_PART                                                                                               \
    6 /* a sign of life within this part of the lease after the last one asks the store nothing                        \
       */
#define ROUTER_CALLS_MAX 10000 /* that one heartbeat names */
#define ROUTER_BODY_BYTES_MAX (2 * 1024 * 1024)

/* A sign of life of the router `id` of this token. `done` gets its lease, lent for the call; it may be called at once.
 * LEDIG_ELEASE_ENDED: it has ended. LEDIG_ERATE_LIMITED, LEDIG_EUNAVAILABLE. */
typedef void (*routers_done)(void *arg, int error, const char *lease);
void routers_keep(struct service *service, const char *subject, const char *id, routers_done done, void *arg);

/* What is told of a router that has ended: LEDIG_ELEASE_ENDED. */
extern const struct fault routers_gone;

/* PUT /v1/routers/{router}: a heartbeat, which may name the calls that live. */
void routers_heartbeat(struct service *service, const struct token_claims *claims, const char *id,
                       struct http_exchange *exchange, const struct http_request *request);

/* Forgets those that were silent for long; now and then. */
void routers_sweep(struct service *service);
void routers_close(struct service *service);

#endif

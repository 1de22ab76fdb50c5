/* What a router's request about a company stands on: the router's lease, of which the request is a sign of life, and
 * the company, loaded. Part of whoever makes the request; knows nothing of what carries it. */
#ifndef LEDIG_SERVICE_FOOTING_H
#define LEDIG_SERVICE_FOOTING_H

#include "broker/service/service.h"
#include "protocol/shape.h"

/* NULL: it stands. Otherwise LEDIG_EUNAVAILABLE, LEDIG_ENOT_FOUND (no such company), LEDIG_ELEASE_ENDED (of the router)
 * or LEDIG_ERATE_LIMITED. The fault is lent for the call. */
typedef void (*footing_done)(void *arg, const struct fault *fault);

struct footing {
    struct service *service;
    struct tenant *tenant; /* held */
    footing_done done;
    void *arg;
    char router[LEDIG_ID_CHARS_MAX + 1]; /* the lease; "" = none */
};

/* Takes a hold of the company; LEDIG_ENO_MEMORY. */
int footing_take(struct footing *footing, struct service *service, const char *company);
void footing_leave(struct footing *footing);

/* Finds both; `router` is the id that `subject` gave itself, NULL = the request names none. May call back at once, and
 * must not be left before it has. */
void footing_settle(struct footing *footing, const char *subject, const char *router, footing_done done, void *arg);

#endif

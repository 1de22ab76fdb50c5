/* Those connected devices of one company that follow the same: they hear of the same changes, in the same frames.
 *
 * An audience lives as long as a session names it. Whoever is live in it stands in its list; the fan-out walks that
 * list when something has moved that the audience follows, and leaves it alone otherwise. */
#ifndef LEDIG_SERVICE_AUDIENCE_H
#define LEDIG_SERVICE_AUDIENCE_H

#include "broker/model/company.h"

struct session;
struct tenant;

struct audience {
    struct tenant *tenant;
    struct filter *filter;
    struct session **live; /* in no order */
    uint32_t count, capacity;
    uint32_t flush_at;   /* next of them in the flush that is under way */
    uint32_t flush_left; /* how many of them are still to be looked at */
    uint32_t holds;      /* sessions that name it, live or not */
    bool dirty;          /* in the tenant's list of those to be flushed */
    struct audience *dirty_before, *dirty_next;
    struct audience *before, *next; /* of the tenant */
};

/* The audience of those who follow these users and queues; `self` always. The tenant is ready. NULL: no memory. */
struct audience *audience_hold(struct tenant *tenant, const struct texts *users, const struct texts *queues,
                               const char *self);
void audience_release(struct audience *audience);

/* The session joins the list of its audience, or leaves it. LEDIG_ENO_MEMORY. */
int audience_join(struct session *session);
void audience_leave(struct session *session);

/* Everybody in it is to be looked at, from wherever a flush stands. */
void audience_mark(struct audience *audience);
void audience_flushed(struct audience *audience); /* takes it out of the tenant's list of those to be flushed */

#endif

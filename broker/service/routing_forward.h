/* Where a call to a person goes who has forwarded it: each step is derived anew from where the one before points. Pure,
 * on a replica. */
#ifndef LEDIG_SERVICE_ROUTING_FORWARD_H
#define LEDIG_SERVICE_ROUTING_FORWARD_H

#include "broker/model/company.h"

#define FORWARD_STEPS_MAX LEDIG_VIA_COUNT_MAX

struct forwarded {
    enum route_action action;
    const char *target; /* the number or the queue that the call goes to; NULL = none. Lent until the next apply */
    const char *reason; /* why a forward was not followed; NULL = all were. A constant */
    size_t count;       /* people on the way, the first one not counted */
    const char *via[FORWARD_STEPS_MAX];
};

/* A circle, too many steps, and a forward to somebody who has left, are as if nothing was forwarded. A forward to a
 * number outside that the company does not allow (any more) is as if it was not set. */
void routing_follow(const struct company *company, const struct member *first, struct forwarded *forwarded);

#endif

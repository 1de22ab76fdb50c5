/* The rule: facts, clock and leases in; what colleagues and routers see out.
 *
 * Pure: it reads nothing but its arguments, so the same facts give the same view on every worker, now and in a test.
 * It is never stored. */
#ifndef LEDIG_MODEL_AVAILABILITY_H
#define LEDIG_MODEL_AVAILABILITY_H

#include "broker/model/leases.h"
#include "broker/model/record.h"
#include "broker/model/schedule.h"

enum availability {
    AVAILABILITY_UNKNOWN,
    AVAILABILITY_AVAILABLE,
    AVAILABILITY_BUSY,
    AVAILABILITY_DND,
    AVAILABILITY_AWAY
};

enum presence { PRESENCE_NONE, PRESENCE_BACKGROUND, PRESENCE_IDLE, PRESENCE_ACTIVE };

#define SESSION_DECLINE_MS 60000 /* presence goes up at once and down this late */
#define NEVER INT64_MAX

/* Texts point into the record or are constants: a view lives no longer than the record it was derived from. */
struct view {
    enum availability availability;
    const char *activity; /* NULL = none */
    const char *note;     /* NULL = none; only from a manual status */
    const char *forward;  /* for routers; never in a row */
    int64_t since;        /* when what is shown began; 0 = not known */
    int64_t until;        /* return time to show; 0 = not known */
    enum presence presence;
    int64_t last_active; /* 0 = not known */
    int64_t valid_from;  /* the latest time limit that has passed; 0 = none. A view may differ from before only by it */
    int64_t valid_until; /* the next time limit at which it may change; NEVER = none */
};

/* `state` NULL means that the person does not consent (or there is no such person): unknown. `hours` are the person's
 * at that time; NULL: always in hours. `now_ms` is the time of record (see leases.h). */
void availability_derive(const struct state_record *state, const struct hours *hours, int64_t now_ms,
                         const struct leases *leases, struct view *view);

/* "available", …; "active", … or NULL for PRESENCE_NONE. */
const char *availability_name(enum availability availability);
const char *presence_name(enum presence presence);

/* Whether a person may set this by hand. */
bool availability_can_set_status(const char *status);     /* available, busy, dnd, away */
bool availability_can_set_activity(const char *activity); /* a word of [a-z0-9._-], none of the derived ones */

/* Presence from a word on the wire; false where it is none of active, idle, background. */
bool presence_parse(const char *word, enum presence *presence);

/* What a router is told to do with a call to this person. `forward` in the view gives the target of ROUTE_FORWARD. */
enum route_action { ROUTE_RING, ROUTE_FORWARD, ROUTE_BUSY, ROUTE_UNAVAILABLE, ROUTE_QUEUE, ROUTE_UNKNOWN };
enum route_action availability_route(const struct view *view, const struct company_record *company);
const char *route_action_name(enum route_action action);

#endif

/* A call's event, applied to the records: the call, and the states of everybody who was on it or is. Pure but for the
 * clock that it is given, so that it can be applied again when others were faster. */
#ifndef LEDIG_SERVICE_CALL_CHANGE_H
#define LEDIG_SERVICE_CALL_CHANGE_H

#include "broker/model/leases.h"
#include "broker/service/call_event.h"
#include "broker/service/update.h"

#define CALL_LEASE_MS 14400000LL /* four hours after its last event a call ends by itself */

struct call_change {
    const struct call_event *event;
    const char *call;
    int64_t now_ms;
    const struct leases *leases;
    int64_t at_ms;      /* when it happened */
    int64_t day;        /* that was then for the company */
    bool is_lost;       /* the end is not an event of the router's: it has no seq of its own */
    int64_t heard_at;   /* if it is lost: its last event, as far as we know; a later one, and it is not lost */
    int64_t wrap_up_ms; /* of the queue that the call is from */
    const char *router; /* lease of the router; NULL = none */
    const char *const
        *users; /* whose states stand behind the call among the entities, and their profiles behind them */
    size_t user_count;
    struct call_others { /* out, with LEDIG_EMOVED_ON: who was on the call */
        size_t count;
        char users[CALL_LEGS_KEPT_MAX][LEDIG_ID_CHARS_MAX + 1];
    } others;
};

/* Whether the call is over for good. One whose router fell silent is not: the router may come back with it. */
bool call_change_is_over(const struct call_record *call);

/* To be called from an update_apply. entities[0] is the call. LEDIG_EMOVED_ON: somebody was on the
 * call of whom the caller did not know; `others` then tells who all were. */
int call_change_apply(struct call_change *change, struct update_entity *entities, size_t count, struct arena *arena);

#endif

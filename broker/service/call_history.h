/* What a person's own history tells of the calls that they were on. Says which records a commit keeps for them; without
 * consent to that, none. Pure; the records live in the arena and hang on the person's profile (update.h). */
#ifndef LEDIG_SERVICE_CALL_HISTORY_H
#define LEDIG_SERVICE_CALL_HISTORY_H

#include "broker/model/leases.h"
#include "broker/service/call_event.h"
#include "broker/service/update.h"

#define CALL_HISTORY_PURPOSE "call_history"

/* Whether this person's leg of the event talks: it does not while it only waits for another that rings. */
bool call_history_talks(const struct call_event *event, const struct call_event_leg *leg);

/* Fills in what the router did not say of this person's part: the direction and the peer, as the legs show them. */
void call_history_complete(const struct call_event *event, const struct call_event_leg *leg,
                           const struct profile_record *profile, struct own_call *own);

/* This person's part of a call has ended. `by_another`: somebody else answered it. A claim that was never reported to
 * ring leaves a record only then. LEDIG_ENO_MEMORY. */
int call_history_keep(struct update_entity *profile, const struct own_call *own, bool by_another, int64_t ended_at,
                      struct arena *arena);

/* Those parts of other calls than this one (NULL = of all) that are over though nobody told: to be called before they
 * are dropped from the state. LEDIG_ENO_MEMORY. */
int call_history_keep_over(struct update_entity *profile, const struct state_record *state, const char *call,
                           int64_t now_ms, const struct leases *leases, struct arena *arena);

#endif

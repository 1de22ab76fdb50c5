/* The live calls in one person's state: legs that a router reported, and claims. Whoever changes them does it here, so
 * that what is over does not pile up in the record. Pure; lists are made anew in the arena, never changed in place. */
#ifndef LEDIG_SERVICE_OWN_CALLS_H
#define LEDIG_SERVICE_OWN_CALLS_H

#include "broker/model/leases.h"
#include "broker/model/record.h"

/* Whether somebody talks, or has been put on hold, in this state of a leg. */
bool own_calls_is_answered(const char *leg_state);

/* This person's part in the call; NULL = none. Lent until the list changes. */
const struct own_call *own_calls_find(const struct state_record *state, const char *call);

/* When it ended though nobody told: by its own end, or with its router. 0: it has not. */
int64_t own_calls_ended_at(const struct own_call *own, int64_t now_ms, const struct leases *leases);

#define OWN_CALLS_SLACK_MS 2000 /* no two workers' clocks differ by more: half of a store's time-out each */

/* Takes the call out, and all that are over: by their own end, or with their router. `call` NULL: only those that are
 * over. Who names no not_before takes OWN_CALLS_SLACK_MS off `now_ms`, for what is over by this clock alone.
 * LEDIG_ENO_MEMORY. */
int own_calls_drop(struct state_record *state, const char *call, int64_t now_ms, const struct leases *leases,
                   struct arena *arena);

/* This person's part in the call, to be filled in: as it was, or new with nothing but the call's id (lent). Takes out
 * those that are over. LEDIG_ENO_MEMORY, or LEDIG_ECONFLICT where the record holds no more. */
int own_calls_put(struct state_record *state, const char *call, int64_t now_ms, const struct leases *leases,
                  struct arena *arena, struct own_call **own);

/* The latest end of those that are over by their own end; 0 = none. Another worker's clock may not be there yet:
 * whoever gives the person to somebody else names this as not_before. */
int64_t own_calls_lapsed_at(const struct state_record *state, int64_t now_ms);

/* Answered calls of queues on a day, which is the company's (see schedule_day). */
int64_t own_calls_on_day(const struct state_record *state, int64_t day);
void own_calls_count(struct state_record *state, int64_t day);

#endif

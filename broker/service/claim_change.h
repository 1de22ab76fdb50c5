/* A claim, applied to the records: the call, and the states of those who shall be called for it. Asked again for the
 * same call it gives the same answer; whom the router excludes is released in the same step. Pure but for the clock and
 * the leases that it is given. */
#ifndef LEDIG_SERVICE_CLAIM_CHANGE_H
#define LEDIG_SERVICE_CLAIM_CHANGE_H

#include "broker/model/availability.h"
#include "broker/service/agents.h"
#include "broker/service/claim_request.h"
#include "broker/service/update.h"

#define CLAIM_AGENTS_MAX 20 /* that one claim takes: ring_all */
#define CLAIM_PEOPLE_MAX 48 /* whose states one commit looks at: those who come into question, and who were claimed */

struct claim_change {
    const char *call, *queue, *router; /* router: its lease; NULL = none */
    enum strategy strategy;
    uint32_t lease_ms;
    const char *excluded[CLAIM_EXCLUDED_MAX];
    size_t excluded_count;
    const struct company_record *settings; /* lent; NULL = none */
    const struct zone_source *zones;
    const struct leases *leases;
    int64_t now_ms;
    uint32_t wait_ms;        /* where nobody is free, the call waits for so long; 0 = it does not */
    const char *incarnation; /* of the worker where it waits */
    bool has_waited;         /* it stood in the line: where the record knows nothing of that, it was given back */
    const char
        *people[CLAIM_PEOPLE_MAX]; /* in the order of preference; whose profile and state stand behind the call */
    size_t people_count;
    size_t candidate_count; /* of them, from the first: who may be claimed; the others were on the call */
    struct claim_outcome {
        size_t count;
        char users[CLAIM_AGENTS_MAX][LEDIG_ID_CHARS_MAX + 1];   /* who is claimed for the call now */
        char missing[CLAIM_AGENTS_MAX][LEDIG_ID_CHARS_MAX + 1]; /* who was, and is not among the people */
        size_t missing_count;
        char taken_over[CLAIM_AGENTS_MAX][LEDIG_ID_CHARS_MAX + 1]; /* whose claim for another call has just lapsed */
        size_t taken_over_count;
        bool was_answered, has_ended, was_given_back, is_new;
        int64_t arrived_at; /* of the call, where it waits */
        int64_t until_ms;   /* of the claims */
    } outcome;
};

/* To be called from an update_apply: entities[0] is the call, then two for each of the people, profile and state.
 * LEDIG_EMOVED_ON: `missing` must be among them. LEDIG_ECONFLICT: answered, ended, or given back while it waited. The
 * commit ends with LEDIG_ETOO_EARLY where a claim that is over by `now_ms` stands by the store's clock. Where nobody of
 * them is free, the outcome has none, and those excluded are released all the same. */
int claim_change_apply(struct claim_change *change, struct update_entity *entities, struct arena *arena);

/* The call waits no longer; its place is kept for a little while (CALL_WAIT_GRACE_MS of the model). */
int claim_change_leave(struct claim_change *change, struct update_entity *entities);

/* Gives the claims of a call back, or its place in the line. LEDIG_ECONFLICT: it was answered. */
int claim_change_release(struct claim_change *change, struct update_entity *entities, struct arena *arena);

/* Whether a call that stood in the line does so no more, without an agent: given back, or reported elsewhere. */
bool claim_change_waits_no_longer(const struct call_record *call);

#endif

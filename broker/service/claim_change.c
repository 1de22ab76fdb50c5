#include "broker/service/claim_change.h"
#include "broker/service/call_change.h"
#include "broker/service/call_history.h"
#include "broker/service/own_calls.h"

#include <string.h>

static bool is_claimed(const struct leg *leg) {
    return strcmp(leg->state, "claimed") == 0;
}

static bool is_excluded(const struct claim_change *change, const char *user) {
    for (size_t i = 0; i < change->excluded_count; i++)
        if (strcmp(change->excluded[i], user) == 0) return true;
    return false;
}

static size_t find_person(const struct claim_change *change, const char *user) {
    size_t i = 0;
    while (i < change->people_count && strcmp(change->people[i], user) != 0)
        i++;
    return i;
}

/* A leg that stands: of a claim, as long as it has not given itself back. */
static bool stands(const struct claim_change *change, const struct leg *leg) {
    return !is_claimed(leg) || leg->claim_until > change->now_ms;
}

/* ---- One person's part ---- */

static int put_own(const struct claim_change *change, struct update_entity *profile, struct state_record *state,
                   struct arena *arena) {
    struct own_call *own;
    int error = call_history_keep_over(profile, state, change->call, change->now_ms, change->leases, arena);
    if (!error) error = own_calls_put(state, change->call, change->now_ms, change->leases, arena, &own);
    if (error) return error;
    *own = (struct own_call){.call = change->call,
                             .state = "claimed",
                             .since = change->now_ms,
                             .ends_at = change->now_ms + change->lease_ms,
                             .router = change->router,
                             .direction = "in",
                             .queue = change->queue};
    state->claimed_at = change->now_ms;
    return 0;
}

static bool is_free(const struct claim_change *change, const struct update_entity *profile,
                    const struct update_entity *state) {
    struct view view;
    struct hours hours;
    if (!profile->current || !state->current) return false;
    availability_derive(
        &state->current->state,
        schedule_hours_of(change->settings, &profile->current->profile, change->zones, change->now_ms, &hours),
        change->now_ms, change->leases, &view);
    return agent_is_free(&profile->current->profile, &state->current->state, &view, change->queue);
}

/* Whom it rang, and who did not answer, has missed it. */
static int keep_release(const struct claim_change *change, struct update_entity *profile,
                        const struct state_record *state, struct arena *arena) {
    const struct own_call *own = own_calls_find(state, change->call);
    int error = own ? call_history_keep(profile, own, false, change->now_ms, arena) : 0;
    return error ? error
                 : call_history_keep_over(profile, state, change->call, change->now_ms - OWN_CALLS_SLACK_MS,
                                          change->leases, arena);
}

/* ---- The call ---- */

/* Takes those out whose claim is over, or whom the router excludes; the others, and the caller, stay, in `legs`, which
 * has room for all of them. */
static int release(struct claim_change *change, struct update_entity *entities, bool all, struct leg *legs,
                   uint32_t *count, struct arena *arena) {
    struct call_record *call = &entities[0].next.call;
    const struct leg *old = call->legs.at;
    *count = 0;
    for (uint32_t i = 0; i < call->legs.count; i++) {
        bool stays = !all && stands(change, &old[i]) && !is_excluded(change, old[i].user);
        if (stays || old[i].caller) {
            legs[(*count)++] = old[i];
            continue;
        }
        entities[0].action = STORE_WRITE;
        bool lapsed = !all && !is_excluded(change, old[i].user); /* by this clock: the store's own must be there too */
        if (lapsed && old[i].claim_until > entities[0].not_before_ms) entities[0].not_before_ms = old[i].claim_until;
        struct update_entity *state = &entities[2 + 2 * find_person(change, old[i].user)];
        if (!state->current) continue;
        int error = keep_release(change, state - 1, &state->next.state, arena);
        if (!error)
            error = own_calls_drop(&state->next.state, change->call, change->now_ms - OWN_CALLS_SLACK_MS,
                                   change->leases, arena);
        if (error) return error;
        state->action = STORE_WRITE;
    }
    return 0;
}

/* Whether everybody on the call stands among the people; if not, `missing` tells who does not. */
static bool knows_all(struct claim_change *change, const struct call_record *call) {
    const struct leg *legs = call->legs.at;
    change->outcome.missing_count = 0;
    for (uint32_t i = 0; i < call->legs.count && i < CLAIM_AGENTS_MAX; i++)
        if (find_person(change, legs[i].user) == change->people_count)
            strcpy(change->outcome.missing[change->outcome.missing_count++], legs[i].user);
    return change->outcome.missing_count == 0;
}

static void tell(struct claim_change *change, const struct leg *legs, uint32_t count) {
    struct claim_outcome *outcome = &change->outcome;
    outcome->count = 0;
    for (uint32_t i = 0; i < count && i < CLAIM_AGENTS_MAX; i++) {
        if (legs[i].caller) continue;
        strcpy(outcome->users[outcome->count++], legs[i].user);
        if (legs[i].claim_until > outcome->until_ms) outcome->until_ms = legs[i].claim_until;
    }
}

static int check(struct claim_change *change, const struct record *before) {
    const struct leg *legs = before ? before->call.legs.at : NULL;
    if (!before) return 0;
    if (!knows_all(change, &before->call)) return LEDIG_EMOVED_ON;
    change->outcome.has_ended = call_change_is_over(&before->call);
    change->outcome.was_answered = before->call.answered_at != 0;
    for (uint32_t i = 0; i < before->call.legs.count; i++)
        change->outcome.was_answered |= own_calls_is_answered(legs[i].state) && !legs[i].caller;
    return change->outcome.has_ended || change->outcome.was_answered ? LEDIG_ECONFLICT : 0;
}

static uint32_t callers(const struct leg *legs, uint32_t count) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++)
        found += legs[i].caller;
    return found;
}

bool claim_change_waits_no_longer(const struct call_record *call) {
    return !call->incarnation && callers(call->legs.at, call->legs.count) == call->legs.count;
}

static void note_taken_over(struct claim_change *change, const char *user) {
    struct claim_outcome *outcome = &change->outcome;
    if (outcome->taken_over_count < CLAIM_AGENTS_MAX) strcpy(outcome->taken_over[outcome->taken_over_count++], user);
}

/* Adds those claimed to the caller, if any, in `legs`. */
static int claim(struct claim_change *change, struct update_entity *entities, struct leg *legs, uint32_t *count,
                 struct arena *arena) {
    size_t wanted = change->strategy == STRATEGY_RING_ALL ? CLAIM_AGENTS_MAX : *count + 1;
    for (size_t i = 0; i < change->candidate_count && *count < wanted; i++) {
        struct update_entity *state = &entities[2 + 2 * i];
        if (is_excluded(change, change->people[i]) || !is_free(change, &entities[1 + 2 * i], state)) continue;
        state->not_before_ms = own_calls_lapsed_at(&state->next.state, change->now_ms);
        if (state->not_before_ms) note_taken_over(change, change->people[i]);
        int error = put_own(change, &entities[1 + 2 * i], &state->next.state, arena);
        if (error) return error;
        state->action = STORE_WRITE;
        legs[(*count)++] = (struct leg){.user = change->people[i],
                                        .state = "claimed",
                                        .since = change->now_ms,
                                        .claim_until = change->now_ms + change->lease_ms};
    }
    return 0;
}

static void write_call(const struct claim_change *change, struct update_entity *entity, const struct leg *legs,
                       uint32_t count) {
    struct call_record *call = &entity->next.call;
    call->id = change->call;
    call->queue = change->queue;
    if (!call->arrived_at) call->arrived_at = change->now_ms;
    if (change->router) call->router = change->router;
    call->event_at = change->now_ms;
    call->ended_at = 0; /* it may have been taken as lost */
    call->legs = (struct list){legs, count, true};
    call->incarnation = NULL;
    call->poll_until = 0;
    entity->action = STORE_WRITE;
}

/* It keeps the place that it had. */
static void wait(struct claim_change *change, struct call_record *call) {
    call->incarnation = change->incarnation;
    call->poll_until = change->now_ms + change->wait_ms;
    change->outcome.arrived_at = call->arrived_at;
}

int claim_change_apply(struct claim_change *change, struct update_entity *entities, struct arena *arena) {
    change->outcome = (struct claim_outcome){0};
    struct leg *legs = arena_take(arena, 2 * CLAIM_AGENTS_MAX * sizeof *legs);
    uint32_t count = 0;
    int error = legs ? check(change, entities[0].current) : LEDIG_ENO_MEMORY;
    if (!error && change->has_waited && entities[0].current &&
        claim_change_waits_no_longer(&entities[0].current->call)) {
        change->outcome.was_given_back = true;
        return LEDIG_ECONFLICT;
    }
    if (!error) error = release(change, entities, false, legs, &count, arena);
    if (error) return error;
    uint32_t caller_count = callers(legs, count);
    if (count > caller_count) { /* the same claim as before */
        tell(change, legs, count);
        if (entities[0].action != STORE_WRITE) return UPDATE_NOTHING;
        write_call(change, &entities[0], legs, count);
        return 0;
    }
    error = claim(change, entities, legs, &count, arena);
    if (error) return error;
    tell(change, legs, count);
    bool is_new = count > caller_count;
    change->outcome.is_new = is_new;
    bool waits = !is_new && change->wait_ms > 0 && change->incarnation;
    if (!is_new && !waits && entities[0].action != STORE_WRITE)
        return UPDATE_NOTHING; /* nobody, and nobody to release */
    write_call(change, &entities[0], legs, count);
    if (waits) wait(change, &entities[0].next.call);
    return 0;
}

int claim_change_release(struct claim_change *change, struct update_entity *entities, struct arena *arena) {
    change->outcome = (struct claim_outcome){0};
    if (!entities[0].current) return LEDIG_ENOT_FOUND;
    struct leg *legs = arena_take(arena, 2 * CLAIM_AGENTS_MAX * sizeof *legs);
    uint32_t count;
    int error = legs ? check(change, entities[0].current) : LEDIG_ENO_MEMORY;
    if (!error) error = release(change, entities, true, legs, &count, arena);
    if (error) return error;
    struct call_record *call = &entities[0].next.call;
    if (entities[0].action != STORE_WRITE && !call->incarnation) return UPDATE_NOTHING;
    entities[0].action = STORE_WRITE;
    call->legs = (struct list){legs, count, true};
    call->incarnation = NULL;
    call->poll_until = 0;
    call->event_at = change->now_ms;
    return 0;
}

int claim_change_leave(struct claim_change *change, struct update_entity *entities) {
    struct call_record *call = &entities[0].next.call;
    if (!entities[0].current || !shape_same_text(call->incarnation, change->incarnation)) return UPDATE_NOTHING;
    call->poll_until = change->now_ms;
    entities[0].action = STORE_WRITE;
    return 0;
}

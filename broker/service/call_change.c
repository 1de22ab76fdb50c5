#include "broker/service/call_change.h"
#include "broker/service/own_calls.h"

#include <string.h>

static const struct call_event_leg *find_leg(const struct call_event *event, const char *user) {
    for (size_t i = 0; i < event->leg_count; i++)
        if (event->legs[i].user && strcmp(event->legs[i].user, user) == 0) return &event->legs[i];
    return NULL;
}

static bool is_among(const struct call_change *change, const char *user) {
    for (size_t i = 0; i < change->user_count; i++)
        if (strcmp(change->users[i], user) == 0) return true;
    return false;
}

/* ---- One person ---- */

static int put_own(const struct call_change *change, const struct call_event_leg *leg, const struct call_record *call,
                   struct state_record *state, struct arena *arena) {
    struct own_call *own;
    int error = own_calls_put(state, change->call, change->now_ms - OWN_CALLS_SLACK_MS, change->leases, arena, &own);
    if (error) return error;
    if (!own->state || strcmp(own->state, leg->state) != 0) own->since = change->at_ms;
    own->state = leg->state;
    own->ends_at = change->now_ms + CALL_LEASE_MS;
    own->router = change->router;
    if (change->event->direction) own->direction = change->event->direction;
    if (change->event->peer) own->peer = change->event->peer;
    own->queue = call->queue;
    return 0;
}

/* Whoever had answered goes into wrap-up, where it was a queue's call; whom it only rang is just free again. */
static int take_own(const struct call_change *change, const struct own_call *own, const struct call_record *call,
                    struct state_record *state, struct arena *arena) {
    if (own_calls_is_answered(own->state)) {
        state->last_call_ended_at = change->at_ms;
        if (call->queue) own_calls_count(state, change->at_ms);
        if (call->queue && change->wrap_up_ms > 0) state->wrap_up_until = change->at_ms + change->wrap_up_ms;
    }
    return own_calls_drop(state, change->call, change->now_ms - OWN_CALLS_SLACK_MS, change->leases, arena);
}

static int change_person(const struct call_change *change, const char *user, const struct call_record *call,
                         struct update_entity *entity, struct arena *arena) {
    if (!entity->current) return 0; /* without consent nothing is kept */
    struct state_record *state = &entity->next.state;
    const struct call_event_leg *leg = change->event->ended ? NULL : find_leg(change->event, user);
    const struct own_call *own = own_calls_find(state, change->call);
    if (!leg && !own) return 0;
    entity->action = STORE_WRITE;
    return leg ? put_own(change, leg, call, state, arena) : take_own(change, own, call, state, arena);
}

/* ---- The call ---- */

/* Who is on it now, of those who consent; a leg keeps its time as long as its state does. */
static int put_legs(const struct call_change *change, struct call_record *call, const struct update_entity *people,
                    struct arena *arena) {
    const struct leg *old = call->legs.at;
    struct leg *list = arena_take(arena, (change->user_count + 1) * sizeof *list);
    if (!list) return LEDIG_ENO_MEMORY;
    uint32_t count = 0, old_count = call->legs.count;
    for (size_t i = 0; i < change->user_count && !change->event->ended; i++) {
        const struct call_event_leg *leg = find_leg(change->event, change->users[i]);
        if (!leg || !people[i].current) continue;
        list[count] = (struct leg){.user = change->users[i], .state = leg->state, .since = change->at_ms};
        for (uint32_t j = 0; j < old_count; j++)
            if (strcmp(old[j].user, leg->user) == 0 && strcmp(old[j].state, leg->state) == 0) list[count] = old[j];
        list[count].claim_until = 0;
        count++;
    }
    call->legs.at = list;
    call->legs.count = count;
    return 0;
}

static bool anyone_answered(const struct call_event *event) {
    for (size_t i = 0; i < event->leg_count; i++)
        if (own_calls_is_answered(event->legs[i].state)) return true;
    return false;
}

static int change_call(const struct call_change *change, struct call_record *call, const struct update_entity *people,
                       struct arena *arena) {
    const struct call_event *event = change->event;
    call->id = change->call;
    if (!change->is_lost) call->seq = event->seq;
    call->event_at = change->now_ms;
    if (event->queue) call->queue = event->queue;
    if (!call->arrived_at) call->arrived_at = change->at_ms;
    if (!call->answered_at && anyone_answered(event)) call->answered_at = change->at_ms;
    if (event->ended) call->ended_at = change->at_ms;
    call->router = change->router;
    call->incarnation = NULL; /* it waits no longer */
    call->poll_until = 0;
    return put_legs(change, call, people, arena);
}

/* Whether everybody who was on the call stands among the entities; if not, `others` is filled in. */
static bool knows_all(struct call_change *change, const struct call_record *call) {
    const struct leg *legs = call->legs.at;
    bool all = true;
    change->others.count = 0;
    for (uint32_t i = 0; i < call->legs.count && i < CALL_LEGS_MAX; i++) {
        all &= is_among(change, legs[i].user);
        strcpy(change->others.users[change->others.count++], legs[i].user); /* an id */
    }
    return all;
}

int call_change_apply(struct call_change *change, struct update_entity *entities, size_t count, struct arena *arena) {
    const struct record *before = entities[0].current;
    struct call_record *call = &entities[0].next.call;
    (void)count;
    if (before && !knows_all(change, &before->call)) return LEDIG_EMOVED_ON;
    if (change->is_lost && (!before || before->call.ended_at)) return UPDATE_NOTHING;
    if (!change->is_lost && before && before->call.seq >= change->event->seq)
        return UPDATE_NOTHING;                                                           /* late, or the same again */
    if (before && before->call.ended_at && !change->event->ended) return UPDATE_NOTHING; /* nothing revives it */
    int error = change_call(change, call, &entities[1], arena);
    entities[0].action = STORE_WRITE;
    for (size_t i = 0; !error && i < change->user_count; i++)
        error = change_person(change, change->users[i], call, &entities[1 + i], arena);
    return error;
}

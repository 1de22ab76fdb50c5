#include "broker/service/call_change.h"
#include "broker/service/call_history.h"
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

static bool is_claimed(const char *leg_state) {
    return strcmp(leg_state, "claimed") == 0;
}

/* A queue's call on which nobody is but who placed it: it still waits, or an agent was claimed and has not rung yet. */
static bool only_waits(const struct call_event *event, const struct call_record *call) {
    return !event->ended && call->queue && !call->answered_at && event->leg_count == 1 && event->legs[0].caller;
}

/* ---- One person ---- */

struct person {
    const char *user;
    struct update_entity *profile, *state;
};

/* When a part begins to be a leg, and when its person begins to talk, counts for the history. */
static void note_times(const struct call_change *change, const struct call_event_leg *leg, struct own_call *own) {
    bool is_new = !own->state || strcmp(own->state, "claimed") == 0;
    if (!own->state || strcmp(own->state, leg->state) != 0) own->since = change->at_ms;
    if (is_new) own->started_at = change->at_ms;
    if (!own->answered_at && call_history_talks(change->event, leg)) own->answered_at = change->at_ms;
}

static int put_own(const struct call_change *change, const struct call_event_leg *leg, const struct call_record *call,
                   const struct person *person, struct arena *arena) {
    struct own_call *own;
    int error = own_calls_put(&person->state->next.state, change->call, change->now_ms - OWN_CALLS_SLACK_MS,
                              change->leases, arena, &own);
    if (error) return error;
    note_times(change, leg, own);
    own->state = leg->state;
    own->ends_at = change->now_ms + CALL_LEASE_MS;
    own->router = change->router;
    if (change->event->direction) own->direction = change->event->direction;
    if (change->event->peer) own->peer = change->event->peer;
    own->queue = call->queue;
    own->caller = leg->caller;
    call_history_complete(change->event, leg, person->profile->current ? &person->profile->current->profile : NULL,
                          own);
    return 0;
}

static bool rang(const struct call_record *before, const char *user) {
    const struct leg *legs = before ? before->legs.at : NULL;
    for (uint32_t i = 0; before && i < before->legs.count; i++)
        if (strcmp(legs[i].user, user) == 0) return !own_calls_is_answered(legs[i].state);
    return false;
}

/* Whether somebody whom it rang has answered it with this event. */
static bool was_answered(const struct call_change *change, const struct call_record *before) {
    const struct call_event *event = change->event;
    for (size_t i = 0; i < event->leg_count; i++)
        if (event->legs[i].user && own_calls_is_answered(event->legs[i].state) && rang(before, event->legs[i].user))
            return true;
    return false;
}

/* Among the calls of the person's day, once: also where the person comes back to the call. */
static int count_own(const struct call_change *change, const char *user, struct call_record *call,
                     struct state_record *state, struct arena *arena) {
    struct texts *counted = &call->counted;
    for (uint32_t i = 0; i < counted->count; i++)
        if (strcmp(counted->at[i], user) == 0) return 0;
    if (counted->count == LEDIG_QUEUES_COUNT_MAX) return 0; /* nobody looks for so many agents for one call */
    const char **list = arena_take(arena, (counted->count + 1u) * sizeof *list);
    if (!list) return LEDIG_ENO_MEMORY;
    for (uint32_t i = 0; i < counted->count; i++)
        list[i] = counted->at[i];
    list[counted->count] = user;
    *counted = (struct texts){.at = list, .count = counted->count + 1, .present = true};
    own_calls_count(state, change->day);
    return 0;
}

/* Whoever had answered goes into wrap-up, where it was a queue's call; whom it only rang, and who placed it, is just
 * free again. */
static int take_own(const struct call_change *change, const struct own_call *own, struct update_entity *call,
                    const struct person *person, struct arena *arena) {
    struct state_record *state = &person->state->next.state;
    const char *queue = call->next.call.queue;
    int error = 0;
    int64_t over_at = change->is_lost ? own_calls_ended_at(own, change->now_ms, change->leases) : 0;
    if (own_calls_is_answered(own->state)) {
        state->last_call_ended_at = change->at_ms;
        if (queue && !own->caller) error = count_own(change, person->user, &call->next.call, state, arena);
        if (queue && !own->caller && change->wrap_up_ms > 0) state->wrap_up_until = change->at_ms + change->wrap_up_ms;
    }
    bool by_another = was_answered(change, call->current ? &call->current->call : NULL);
    if (!error) error = call_history_keep(person->profile, own, by_another, over_at ? over_at : change->at_ms, arena);
    return error ? error
                 : own_calls_drop(state, change->call, change->now_ms - OWN_CALLS_SLACK_MS, change->leases, arena);
}

static int change_person(const struct call_change *change, size_t which, struct update_entity *entities,
                         struct arena *arena) {
    struct person person = {.user = change->users[which],
                            .state = &entities[1 + which],
                            .profile = &entities[1 + change->user_count + which]};
    if (!person.state->current) return 0; /* without consent nothing is kept */
    struct state_record *state = &person.state->next.state;
    const struct call_event_leg *leg = change->event->ended ? NULL : find_leg(change->event, person.user);
    const struct own_call *own = own_calls_find(state, change->call);
    if (!leg && !own) return 0;
    if (!leg && is_claimed(own->state) && only_waits(change->event, &entities[0].next.call)) return 0;
    person.state->action = STORE_WRITE;
    int error = call_history_keep_over(person.profile, state, change->call, change->now_ms - OWN_CALLS_SLACK_MS,
                                       change->leases, arena);
    if (error) return error;
    return leg ? put_own(change, leg, &entities[0].next.call, &person, arena)
               : take_own(change, own, &entities[0], &person, arena);
}

/* ---- The call ---- */

/* Who is on it now, of those who consent; a leg keeps its time as long as its state does. A claim stands while nobody
 * but the caller is named. */
static int put_legs(const struct call_change *change, struct call_record *call, const struct update_entity *people,
                    struct arena *arena) {
    const struct leg *old = call->legs.at;
    struct leg *list = arena_take(arena, (change->user_count + call->legs.count + 1) * sizeof *list);
    if (!list) return LEDIG_ENO_MEMORY;
    uint32_t count = 0, old_count = call->legs.count;
    for (size_t i = 0; i < change->user_count && !change->event->ended; i++) {
        const struct call_event_leg *leg = find_leg(change->event, change->users[i]);
        if (!leg || !people[i].current) continue;
        list[count] = (struct leg){.user = change->users[i], .state = leg->state, .since = change->at_ms};
        for (uint32_t j = 0; j < old_count; j++)
            if (strcmp(old[j].user, leg->user) == 0 && strcmp(old[j].state, leg->state) == 0) list[count] = old[j];
        list[count].claim_until = 0;
        list[count].caller = leg->caller;
        count++;
    }
    for (uint32_t j = 0; j < old_count && only_waits(change->event, call); j++)
        if (is_claimed(old[j].state) && !find_leg(change->event, old[j].user)) list[count++] = old[j];
    call->legs.at = list;
    call->legs.count = count;
    return 0;
}

static bool anyone_answered(const struct call_event *event) {
    for (size_t i = 0; i < event->leg_count; i++)
        if (own_calls_is_answered(event->legs[i].state) && !event->legs[i].caller) return true;
    return false;
}

bool call_change_is_over(const struct call_record *call) {
    return call->ended_at && call->ended_at != call->lost_at;
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
    call->ended_at = event->ended ? change->at_ms : 0;
    if (change->is_lost && leases_ended_at(change->leases, change->router)) call->lost_at = change->at_ms;
    call->router = change->router;
    if (!only_waits(event, call)) {
        call->incarnation = NULL;
        call->poll_until = 0;
    }
    return put_legs(change, call, people, arena);
}

/* A queue's call counts for the queue as it is answered, and for another queue as it comes there. */
static void count_for_queue(const struct call_change *change, const struct record *before,
                            struct update_entity *entity) {
    const struct call_record *call = &entity->next.call;
    bool counted = before && before->call.answered_at && shape_same_text(before->call.queue, call->queue);
    if (!call->queue || !call->answered_at || counted) return;
    entity->counts_for = call->queue;
    entity->counts_at_ms = change->at_ms;
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
    if (change->is_lost && (!before || before->call.ended_at || before->call.event_at != change->heard_at))
        return UPDATE_NOTHING;
    if (!change->is_lost && before && before->call.seq >= change->event->seq)
        return UPDATE_NOTHING; /* late, or the same again */
    if (before && call_change_is_over(&before->call) && !change->event->ended) return UPDATE_NOTHING;
    int error = change_call(change, call, &entities[1], arena);
    entities[0].action = STORE_WRITE;
    count_for_queue(change, before, &entities[0]);
    for (size_t i = 0; !error && i < change->user_count; i++)
        error = change_person(change, i, entities, arena);
    return error;
}

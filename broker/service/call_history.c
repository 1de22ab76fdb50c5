#include "broker/service/call_history.h"
#include "broker/service/own_calls.h"

#include <string.h>

static bool is_ringing(const struct call_event_leg *leg) {
    return strcmp(leg->state, "ringing") == 0;
}

bool call_history_talks(const struct call_event *event, const struct call_event_leg *leg) {
    bool another_rings = false;
    if (is_ringing(leg)) return false;
    if (strcmp(leg->state, "held") == 0) return true; /* who has been put on hold has talked */
    for (size_t i = 0; i < event->leg_count; i++) {
        const struct call_event_leg *other = &event->legs[i];
        if (other == leg) continue;
        if (!is_ringing(other)) return true;
        another_rings = true;
    }
    return !another_rings;
}

/* ---- Who is at the other end? ---- */

/* Who rings is called by one who does not; others that ring are called with them. NULL: not among the legs. */
static const struct call_event_leg *find_peer(const struct call_event *event, const struct call_event_leg *leg) {
    for (size_t i = 0; i < event->leg_count; i++) {
        const struct call_event_leg *other = &event->legs[i];
        if (other != leg && !(is_ringing(leg) && is_ringing(other))) return other;
    }
    return NULL;
}

/* A router may name one peer for all legs. */
static bool is_oneself(const struct profile_record *profile, const char *peer) {
    if (strcmp(profile->id, peer) == 0) return true;
    for (uint32_t i = 0; i < profile->numbers.count; i++)
        if (strcmp(profile->numbers.at[i], peer) == 0) return true;
    return false;
}

void call_history_complete(const struct call_event *event, const struct call_event_leg *leg,
                           const struct profile_record *profile, struct own_call *own) {
    const struct call_event_leg *peer = find_peer(event, leg);
    if (own->peer && profile && is_oneself(profile, own->peer)) own->peer = NULL;
    if (!peer) {
        if (!own->direction && is_ringing(leg)) own->direction = "in";
        return;
    }
    if (!own->peer) own->peer = peer->user ? peer->user : peer->number;
    if (own->direction) return;
    if (peer->user)
        own->direction = "internal";
    else if (is_ringing(leg))
        own->direction = "in";
    else if (is_ringing(peer))
        own->direction = "out";
}

/* ---- Keeping ---- */

static bool has_rung(const struct own_call *own) {
    return strcmp(own->state, "claimed") != 0;
}

static const char *result_of(const struct own_call *own, bool by_another) {
    if (own->answered_at) return "answered";
    if (by_another) return "elsewhere";
    bool calls_out = own->direction && strcmp(own->direction, "out") == 0;
    return calls_out || own_calls_is_answered(own->state) ? "no_answer" : "missed"; /* by the one who was called */
}

static int64_t latest(int64_t a, int64_t b) {
    return a > b ? a : b;
}

int call_history_keep(struct update_entity *profile, const struct own_call *own, bool by_another, int64_t ended_at,
                      struct arena *arena) {
    if (!profile->current || !profile_consents(&profile->current->profile, CALL_HISTORY_PURPOSE)) return 0;
    if (!has_rung(own) && !by_another) return 0;
    struct update_past_call *past = arena_take(arena, sizeof *past);
    if (!past) return LEDIG_ENO_MEMORY;
    int64_t started_at = own->started_at ? own->started_at : own->since;
    *past = (struct update_past_call){.next = profile->past_calls, .record = {.kind = RECORD_PAST_CALL}};
    past->record.past_call =
        (struct past_call_record){.call = own->call,
                                  .direction = own->direction,
                                  .peer = own->peer,
                                  .queue = own->queue,
                                  .result = result_of(own, by_another),
                                  .started_at = started_at,
                                  .answered_at = own->answered_at,
                                  .ended_at = latest(ended_at, latest(own->answered_at, started_at))};
    profile->past_calls = past;
    return 0;
}

int call_history_keep_over(struct update_entity *profile, const struct state_record *state, const char *call,
                           int64_t now_ms, const struct leases *leases, struct arena *arena) {
    const struct own_call *calls = state->calls.at;
    for (uint32_t i = 0; i < state->calls.count; i++) {
        int64_t ended_at = own_calls_ended_at(&calls[i], now_ms, leases);
        if (!ended_at || (call && strcmp(calls[i].call, call) == 0)) continue;
        int error = call_history_keep(profile, &calls[i], false, ended_at, arena);
        if (error) return error;
    }
    return 0;
}

#include "broker/service/own_calls.h"

#include <string.h>

bool own_calls_is_answered(const char *leg_state) {
    return strcmp(leg_state, "active") == 0 || strcmp(leg_state, "held") == 0;
}

const struct own_call *own_calls_find(const struct state_record *state, const char *call) {
    const struct own_call *calls = state->calls.at;
    for (uint32_t i = 0; i < state->calls.count; i++)
        if (strcmp(calls[i].call, call) == 0) return &calls[i];
    return NULL;
}

int64_t own_calls_ended_at(const struct own_call *own, int64_t now_ms, const struct leases *leases) {
    int64_t with_router = leases_ended_at(leases, own->router), by_itself = own->ends_at <= now_ms ? own->ends_at : 0;
    return with_router && (!by_itself || with_router < by_itself) ? with_router : by_itself;
}

/* A list of those that stay, with room for one more at its end. NULL: no memory. */
static struct own_call *keep_others(struct state_record *state, const char *call, int64_t now_ms,
                                    const struct leases *leases, struct arena *arena) {
    const struct own_call *old = state->calls.at;
    struct own_call *list = arena_take(arena, (state->calls.count + 1u) * sizeof *list);
    uint32_t count = 0;
    for (uint32_t i = 0; list && i < state->calls.count; i++)
        if ((!call || strcmp(old[i].call, call) != 0) && own_calls_ended_at(&old[i], now_ms, leases) == 0)
            list[count++] = old[i];
    if (list) state->calls = (struct list){list, count, true};
    return list;
}

int own_calls_drop(struct state_record *state, const char *call, int64_t now_ms, const struct leases *leases,
                   struct arena *arena) {
    return keep_others(state, call, now_ms, leases, arena) ? 0 : LEDIG_ENO_MEMORY;
}

int own_calls_put(struct state_record *state, const char *call, int64_t now_ms, const struct leases *leases,
                  struct arena *arena, struct own_call **own) {
    const struct own_call *found = own_calls_find(state, call);
    struct own_call before = found ? *found : (struct own_call){.call = call};
    struct own_call *list = keep_others(state, call, now_ms, leases, arena);
    if (!list) return LEDIG_ENO_MEMORY;
    if (state->calls.count == OWN_CALLS_MAX) return LEDIG_ECONFLICT;
    *own = &list[state->calls.count++];
    **own = before;
    return 0;
}

int64_t own_calls_lapsed_at(const struct state_record *state, int64_t now_ms) {
    const struct own_call *calls = state->calls.at;
    int64_t latest_ms = 0;
    for (uint32_t i = 0; i < state->calls.count; i++)
        if (calls[i].ends_at <= now_ms && calls[i].ends_at > latest_ms) latest_ms = calls[i].ends_at;
    return latest_ms;
}

int64_t own_calls_on_day(const struct state_record *state, int64_t day) {
    return state->calls_day == day ? state->calls_today : 0;
}

void own_calls_count(struct state_record *state, int64_t day) {
    state->calls_today = own_calls_on_day(state, day) + 1;
    state->calls_day = day;
}

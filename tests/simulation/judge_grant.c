/* A claim that was given: to whom it may be given, and to which call. */
#include "tests/simulation/judge.h"
#include "tests/simulation/world.h"

#include "broker/service/own_calls.h"

#include <string.h>

/* ---- Whether this agent may be claimed at all ---- */

static void judge_agent_is_free(struct judge *judge, const struct truth_grant *grant, const struct caller *caller) {
    const struct state_record *state = grant->agent->state;
    const struct own_call *own = state ? state->calls.at : NULL;
    for (uint32_t i = 0; state && i < state->calls.count; i++) {
        bool live = judge_is_live(judge, &own[i]), same = strcmp(own[i].call, grant->own->call) == 0;
        if (live && !(same && caller && caller_excludes(caller, grant->agent->user)))
            judge_fault(judge, "%s is claimed for %s, and has %s (%s) for %lld ms more", grant->agent->user,
                        grant->own->call, own[i].call, own[i].state, (long long)(own[i].ends_at - judge_now_ms(judge)));
        judge->takeovers_judged += !live;
    }
    int64_t soon_ms = judge_now_ms(judge) + (judge_is_restless(judge) ? JUDGE_RESTLESS_CLOCK_MS : JUDGE_CLOCK_MS);
    if (!judge_is_free(judge, grant->agent, grant->queue, soon_ms) &&
        !judge_is_free(judge, grant->agent, grant->queue, judge_now_ms(judge)))
        judge_fault(judge, "%s is claimed for %s, and is not free", grant->agent->user, grant->own->call);
}

static void judge_lease(struct judge *judge, const struct truth_grant *grant, const struct caller *caller) {
    int64_t clock_ms = judge_is_restless(judge) ? JUDGE_RESTLESS_CLOCK_MS : JUDGE_CLOCK_MS;
    if (caller && grant->own->ends_at > judge_now_ms(judge) + caller->lease_ms + clock_ms)
        judge_fault(judge, "the claim of %s lasts %lld ms longer than asked", grant->own->call,
                    (long long)(grant->own->ends_at - judge_now_ms(judge) - caller->lease_ms));
}

/* One that stands is not exchanged for another, unless the router does not want it any more; and whom it does not want
 * does not come back. */
static void judge_exchange(struct judge *judge, const struct truth_grant *grant, const struct caller *caller) {
    const struct call_record *call = judge_call(judge, grant->own->call);
    const struct leg *legs = call ? call->legs.at : NULL;
    if (!caller || caller->is_loose) return;
    if (caller_excludes(caller, grant->agent->user))
        judge_fault(judge, "%s is claimed for %s, which excludes the agent", grant->agent->user, caller->id);
    for (uint32_t i = 0; call && i < call->legs.count; i++)
        if (legs[i].claim_until > judge_now_ms(judge) + JUDGE_CLOCK_MS && !judge_is_restless(judge) &&
            !caller_excludes(caller, legs[i].user))
            judge_fault(judge, "%s had %s, and got %s", caller->id, legs[i].user, grant->agent->user);
}

/* ---- The order of the agents ---- */

static int64_t rank(const struct judge *judge, const struct truth_agent *agent, int queue) {
    const struct state_record *state = agent->state;
    const struct log_in *log_ins = state->log_ins.at;
    const char *strategy = judge->queues[queue]->strategy;
    int64_t since = 0;
    if (strategy && strcmp(strategy, "round_robin") == 0) return state->claimed_at;
    for (uint32_t i = 0; i < state->log_ins.count; i++)
        if (strcmp(log_ins[i].queue, judge->queues[queue]->id) == 0) since = log_ins[i].since;
    return state->last_call_ended_at > since ? state->last_call_ended_at : since;
}

/* Whoever came before this agent must be gone soon: claimed by another call that was under way. */
static void judge_rank(struct judge *judge, const struct truth_grant *grant, const struct caller *caller) {
    const char *strategy = judge->queues[grant->queue]->strategy;
    int64_t now_us = judge->world->timeline.now_us, own_rank = rank(judge, grant->agent, grant->queue);
    if (judge_is_restless(judge) || (strategy && strcmp(strategy, "ring_all") == 0)) return;
    judge->ranks_judged++;
    for (size_t i = 0; i < judge->agent_count; i++) {
        struct truth_agent *other = &judge->agents[i];
        if (other == grant->agent || other->passed_over.since_us || now_us - other->changed_us < JUDGE_QUICK_US)
            continue;
        if (!judge_is_free(judge, other, grant->queue, judge_now_ms(judge)) ||
            !judge_is_free(judge, other, grant->queue, judge_now_ms(judge) - JUDGE_CLOCK_MS))
            continue;
        if (rank(judge, other, grant->queue) >= own_rank || (caller && caller_excludes(caller, other->user))) continue;
        other->passed_over.since_us = now_us;
        other->passed_over.revision = other->revision;
        snprintf(other->passed_over.call, sizeof other->passed_over.call, "%s", grant->own->call);
    }
}

/* ---- The order of the calls ---- */

static bool came_before(const struct call_record *a, int64_t arrived_at, const char *id) {
    return a->arrived_at != arrived_at ? a->arrived_at < arrived_at : strcmp(a->id, id) < 0;
}

static void judge_order(struct judge *judge, const struct truth_grant *grant) {
    const struct call_record *own = judge_call(judge, grant->own->call);
    int64_t now_us = judge->world->timeline.now_us, free_us = judge->free_us[grant->queue];
    int64_t arrived_at = own && own->arrived_at && !own->ended_at ? own->arrived_at : INT64_MAX;
    size_t before = 0, free_count = 0;
    if (judge_is_restless(judge)) return;
    const struct truth_call *first = NULL;
    for (const struct truth_call *call = judge->calls; call; call = call->hh.next) {
        if (now_us - call->changed_us <= JUDGE_QUICK_US || strcmp(call->id, grant->own->call) == 0) continue;
        if (!judge_waits(judge, call->record, grant->queue, judge_now_ms(judge) + JUDGE_CLOCK_MS) ||
            !came_before(call->record, arrived_at, grant->own->call))
            continue;
        first = call;
        before++;
    }
    for (size_t i = 0; i < judge->agent_count; i++)
        free_count += judge_is_free(judge, &judge->agents[i], grant->queue, judge_now_ms(judge)) ||
                      judge_is_free(judge, &judge->agents[i], grant->queue, judge_now_ms(judge) + JUDGE_CLOCK_MS) ||
                      now_us - judge->agents[i].changed_us < JUDGE_QUICK_US;
    size_t turns = free_us ? (size_t)((now_us - free_us + JUDGE_QUICK_US + 1000 * JUDGE_LOOK_MS) / JUDGE_TURN_US) : 0;
    turns = turns > 8 ? 1 << 16 : ((1u << 2 * turns) - 1) / 3; /* how many more may come: 1, 5, 21, … */
    judge->orders_judged += before > 0;
    if (before >= free_count + turns)
        judge_fault(judge, "%s got %s, and %zu calls came before it (%zu free, %zu turns), as %s, held until %+lld ms",
                    grant->own->call, grant->agent->user, before, free_count, turns, first ? first->id : "-",
                    first ? (long long)(first->record->poll_until - judge_now_ms(judge)) : 0);
}

void judge_grant(struct judge *judge, const struct truth_grant *grant) {
    const struct caller *caller = caller_find(judge->world, grant->own->call);
    judge->world->claims_granted++;
    judge_agent_is_free(judge, grant, caller);
    if (judge->found || grant->queue < 0) return;
    judge_lease(judge, grant, caller);
    judge_exchange(judge, grant, caller);
    judge_rank(judge, grant, caller);
    judge_order(judge, grant);
}

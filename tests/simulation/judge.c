#include "tests/simulation/judge.h"

#include "broker/service/agents.h"
#include "broker/service/own_calls.h"
#include "tests/simulation/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALL_GRACE_MS 5000 /* a place in the line is kept so long after its request */

void judge_open(struct judge *judge, struct world *world) {
    *judge = (struct judge){.world = world, .leases = leases_create(), .arena = arena_create()};
    if (!judge->leases || !judge->arena) abort();
}

void judge_close(struct judge *judge) {
    struct truth_call *call, *next;
    HASH_ITER(hh, judge->calls, call, next) {
        HASH_DEL(judge->calls, call);
        free(call->record);
        free(call);
    }
    for (size_t i = 0; i < judge->agent_count; i++) {
        free(judge->agents[i].profile);
        free(judge->agents[i].state);
    }
    for (size_t i = 0; i < judge->queue_count; i++)
        free(judge->queues[i]);
    free(judge->settings);
    leases_free(judge->leases);
    arena_free(judge->arena);
}

void judge_fault(struct judge *judge, const char *format, ...) {
    va_list values;
    if (judge->found) return;
    judge->found = true;
    va_start(values, format);
    vsnprintf(judge->fault, sizeof judge->fault, format, values);
    va_end(values);
    trace_line(&judge->world->trace, "FAULT %s", judge->fault);
}

int64_t judge_now_ms(const struct judge *judge) {
    return model_redis_now_ms(&judge->world->redis);
}

bool judge_is_restless(const struct judge *judge) {
    return judge->world->timeline.now_us < judge->world->network.restless_until_us;
}

/* ---- The truth ---- */

static struct truth_agent *find_agent(struct judge *judge, const char *user) {
    for (size_t i = 0; i < judge->agent_count; i++)
        if (strcmp(judge->agents[i].user, user) == 0) return &judge->agents[i];
    if (judge->agent_count == JUDGE_AGENTS_MAX) abort();
    struct truth_agent *agent = &judge->agents[judge->agent_count++];
    snprintf(agent->user, sizeof agent->user, "%s", user);
    return agent;
}

int judge_queue(const struct judge *judge, const char *id) {
    for (size_t i = 0; id && i < judge->queue_count; i++)
        if (strcmp(judge->queues[i]->id, id) == 0) return (int)i;
    return -1;
}

const struct call_record *judge_call(const struct judge *judge, const char *id) {
    struct truth_call *call;
    HASH_FIND_STR(judge->calls, id, call);
    return call ? call->record : NULL;
}

bool judge_is_live(const struct judge *judge, const struct own_call *own) {
    return (own->ends_at == 0 || own->ends_at > judge_now_ms(judge)) &&
           leases_ended_at(judge->leases, own->router) == 0;
}

bool judge_is_free(const struct judge *judge, const struct truth_agent *agent, int queue, int64_t at_ms) {
    struct view view;
    if (!agent->profile || !agent->state || queue < 0 || agent->state->log_ins.count == 0) return false;
    if (!profile_has_queue(agent->profile, judge->queues[queue]->id)) return false;
    availability_derive(agent->state, NULL, at_ms, judge->leases, &view);
    return agent_is_free(agent->profile, agent->state, &view, judge->queues[queue]->id);
}

bool judge_waits(const struct judge *judge, const struct call_record *call, int queue, int64_t at_ms) {
    if (!call || !call->queue || strcmp(call->queue, judge->queues[queue]->id) != 0) return false;
    if (call->legs.count > 0 || call->answered_at || call->ended_at) return false;
    int64_t end_ms = call->poll_until, ended_ms = leases_ended_at(judge->leases, call->incarnation);
    if (ended_ms && ended_ms < end_ms) end_ms = ended_ms;
    return at_ms < end_ms + CALL_GRACE_MS;
}

static bool stands(const struct judge *judge, const struct leg *leg) {
    return strcmp(leg->state, "claimed") != 0 || leg->claim_until > judge_now_ms(judge);
}

void judge_leases(struct judge *judge) {
    struct model_lease *lease, *next;
    leases_reading_begin(judge->leases, judge_now_ms(judge));
    HASH_ITER(hh, judge->world->redis.leases, lease, next)
    leases_reading_put(judge->leases, lease->id, lease->ended_at_ms);
    leases_reading_end(judge->leases);
}

/* ---- A commit ---- */

static const struct own_call *find_own(const struct state_record *state, const char *call) {
    return state ? own_calls_find(state, call) : NULL;
}

static void look_for_grants(struct judge *judge, const struct record *record, const struct truth_agent *agent) {
    const struct own_call *own = record->state.calls.at;
    for (uint32_t i = 0; i < record->state.calls.count; i++) {
        const struct own_call *before = find_own(agent->state, own[i].call);
        if (strcmp(own[i].state, "claimed") != 0) continue;
        bool is_claim = before && strcmp(before->state, "claimed") == 0;
        if (is_claim && before->ends_at == own[i].ends_at) continue;
        if (is_claim && before->since == own[i].since && judge_is_live(judge, before))
            judge_fault(judge, "the claim of %s on %s was made longer", own[i].call, agent->user);
        judge_grant(judge, &(struct truth_grant){agent, &own[i], judge_queue(judge, own[i].queue)});
    }
}

static void take_call(struct judge *judge, const char *id, struct call_record *record) {
    struct truth_call *call;
    HASH_FIND_STR(judge->calls, id, call);
    if (!call) {
        call = store_allocate(sizeof *call + strlen(id) + 1);
        strcpy(call->id, id);
        HASH_ADD_STR(judge->calls, id, call);
    }
    free(call->record);
    call->record = record;
    call->changed_us = judge->world->timeline.now_us;
}

static void take_queue(struct judge *judge, struct queue_record *record) {
    int queue = judge_queue(judge, record->id);
    if (queue < 0 && judge->queue_count == JUDGE_QUEUES_MAX) abort();
    if (queue < 0) queue = (int)judge->queue_count++;
    free(judge->queues[queue]);
    judge->queues[queue] = record;
}

static void take(struct judge *judge, const struct record *record, uint64_t revision) {
    struct truth_agent *agent;
    switch (record->kind) {
    case RECORD_COMPANY:
        free(judge->settings);
        judge->settings = record_keep(record);
        return;
    case RECORD_QUEUE:
        take_queue(judge, record_keep(record));
        return;
    case RECORD_CALL:
        take_call(judge, record_id(record), record_keep(record));
        return;
    case RECORD_PROFILE:
        agent = find_agent(judge, record_id(record));
        free(agent->profile);
        agent->profile = record_keep(record);
        agent->changed_us = judge->world->timeline.now_us;
        return;
    case RECORD_STATE:
        agent = find_agent(judge, record_id(record));
        free(agent->state);
        agent->state = record_keep(record);
        agent->changed_us = judge->world->timeline.now_us;
        agent->revision = revision;
        return;
    default:
        return;
    }
}

/* ---- What must be so after each commit ---- */

static void judge_agent(struct judge *judge, const struct truth_agent *agent) {
    const struct own_call *own = agent->state->calls.at, *first = NULL;
    for (uint32_t i = 0; i < agent->state->calls.count; i++) {
        if (!own[i].queue || !judge_is_live(judge, &own[i])) continue;
        if (first) judge_fault(judge, "%s has two calls of queues: %s and %s", agent->user, first->call, own[i].call);
        first = &own[i];
    }
}

static const struct leg *find_leg(const struct call_record *call, const char *user) {
    const struct leg *legs = call->legs.at;
    for (uint32_t i = 0; i < call->legs.count; i++)
        if (strcmp(legs[i].user, user) == 0) return &legs[i];
    return NULL;
}

static void judge_legs(struct judge *judge, const struct call_record *call) {
    const struct leg *legs = call->legs.at;
    int queue = judge_queue(judge, call->queue);
    size_t claimed = 0, answered = 0, standing = 0;
    for (uint32_t i = 0; i < call->legs.count; i++) {
        claimed += strcmp(legs[i].state, "claimed") == 0 && stands(judge, &legs[i]);
        answered += own_calls_is_answered(legs[i].state);
        standing += stands(judge, &legs[i]);
    }
    bool rings_all =
        queue >= 0 && judge->queues[queue]->strategy && strcmp(judge->queues[queue]->strategy, "ring_all") == 0;
    if (queue >= 0 && standing > 1 && !rings_all) judge_fault(judge, "%s has %zu agents", call->id, standing);
    if (queue >= 0 && answered > 0 && standing > 1)
        judge_fault(judge, "%s was answered, and has %zu agents", call->id, standing);
    if (claimed > 0 && call->ended_at) judge_fault(judge, "%s has ended with a claim", call->id);
}

/* The call names exactly those who have it. */
static void judge_call_of(struct judge *judge, const struct call_record *call) {
    judge_legs(judge, call);
    bool over = call->ended_at || leases_ended_at(judge->leases, call->router) != 0;
    for (size_t i = 0; i < judge->agent_count; i++) {
        const struct truth_agent *agent = &judge->agents[i];
        const struct own_call *own = find_own(agent->state, call->id);
        const struct leg *leg = over ? NULL : find_leg(call, agent->user);
        bool has = own && judge_is_live(judge, own);
        if (has && !leg) judge_fault(judge, "%s is held by %s, which does not name the agent", agent->user, call->id);
        if (has && leg && strcmp(leg->state, own->state) != 0)
            judge_fault(judge, "%s is %s for %s, which says %s", agent->user, own->state, call->id, leg->state);
        if (!has && leg && agent->state && stands(judge, leg))
            judge_fault(judge, "%s names %s, who does not have it", call->id, agent->user);
        if (has && leg && strcmp(leg->state, "claimed") == 0 && leg->claim_until != own->ends_at)
            judge_fault(judge, "the two ends of the claim of %s on %s differ", call->id, agent->user);
    }
}

static void tell(struct judge *judge, const struct record *record, uint64_t version) {
    struct trace *trace = &judge->world->trace;
    const char *id = record_id(record);
    if (record->kind == RECORD_CALL) {
        const struct leg *legs = record->call.legs.at;
        trace_line(trace, "v%llu call %s in %s: %s %s%s%s", (unsigned long long)version % 1000000, id,
                   record->call.queue ? record->call.queue : "-", record->call.legs.count ? legs[0].user : "nobody",
                   record->call.legs.count ? legs[0].state : "", record->call.poll_until ? " waits" : "",
                   record->call.ended_at ? " ended" : "");
    } else if (record->kind == RECORD_STATE) {
        const struct own_call *own = record->state.calls.at;
        uint32_t count = record->state.calls.count;
        trace_line(trace, "v%llu %s: %u calls, %s %s, status %s", (unsigned long long)version % 1000000, id, count,
                   count ? own[count - 1].call : "-", count ? own[count - 1].state : "",
                   record->state.status ? record->state.status : "-");
    }
}

void judge_commit(struct judge *judge, const struct model_commit *commit) {
    struct record *records = store_allocate(commit->count * sizeof *records);
    arena_reset(judge->arena);
    for (size_t i = 0; i < commit->count; i++) {
        const struct model_record *stored = commit->records[i];
        if (!stored->bytes) continue;
        if (record_decode(stored->bytes, stored->length, judge->arena, &records[i]) != 0) abort();
        tell(judge, &records[i], commit->version);
    }
    for (size_t i = 0; i < commit->count; i++)
        if (records[i].kind == RECORD_STATE)
            look_for_grants(judge, &records[i], find_agent(judge, record_id(&records[i])));
    for (size_t i = 0; i < commit->count; i++)
        if (records[i].kind) take(judge, &records[i], commit->version);
    for (size_t i = 0; i < commit->count; i++) {
        if (records[i].kind == RECORD_STATE) judge_agent(judge, find_agent(judge, record_id(&records[i])));
        if (records[i].kind == RECORD_CALL) judge_call_of(judge, judge_call(judge, record_id(&records[i])));
    }
    free(records);
    judge_time(judge);
}

/* ---- Time ---- */

/* Whether somebody waits to whom this agent could be given: the request is held by a worker that lives. */
static bool somebody_waits_for(const struct judge *judge, const struct truth_agent *agent, int queue) {
    const struct caller *caller;
    for (caller = judge->world->callers; caller; caller = caller->hh.next) {
        if (caller->queue != queue || !caller->ask || !caller->waits || caller_excludes(caller, agent->user)) continue;
        const struct call_record *call = judge_call(judge, caller->id);
        if (judge_waits(judge, call, queue, judge_now_ms(judge)) && call->poll_until > judge_now_ms(judge)) return true;
    }
    return false;
}

static void judge_free_agent(struct judge *judge, struct truth_agent *agent, int queue) {
    int64_t now_us = judge->world->timeline.now_us, *left_us = &agent->left_us[queue];
    if (!judge_is_free(judge, agent, queue, judge_now_ms(judge)) || !somebody_waits_for(judge, agent, queue)) {
        *left_us = 0;
        return;
    }
    if (*left_us == 0 || judge_is_restless(judge)) *left_us = now_us;
    if (now_us - *left_us > JUDGE_FREE_US_MAX)
        judge_fault(judge, "%s is free for %s and somebody waits, for %lld ms", agent->user, judge->queues[queue]->id,
                    (long long)(now_us - *left_us) / 1000);
}

static void judge_passed_over(struct judge *judge, struct truth_agent *agent) {
    if (!agent->passed_over.since_us) return;
    bool moved = agent->revision != agent->passed_over.revision || judge_is_restless(judge);
    if (moved)
        agent->passed_over.since_us = 0;
    else if (judge->world->timeline.now_us - agent->passed_over.since_us > JUDGE_FREE_US_MAX)
        judge_fault(judge, "%s came first, but %s got another agent", agent->user, agent->passed_over.call);
}

void judge_time(struct judge *judge) {
    for (size_t q = 0; q < judge->queue_count; q++) {
        size_t count = 0;
        for (size_t i = 0; i < judge->agent_count; i++) {
            count += judge_is_free(judge, &judge->agents[i], (int)q, judge_now_ms(judge)) ||
                     judge_is_free(judge, &judge->agents[i], (int)q, judge_now_ms(judge) + JUDGE_CLOCK_MS);
            judge_free_agent(judge, &judge->agents[i], (int)q);
        }
        if (count == 0)
            judge->free_us[q] = 0;
        else if (!judge->free_us[q])
            judge->free_us[q] = judge->world->timeline.now_us;
    }
    for (size_t i = 0; i < judge->agent_count; i++)
        judge_passed_over(judge, &judge->agents[i]);
}

void judge_end(struct judge *judge) {
    for (size_t i = 0; i < judge->agent_count; i++) {
        const struct state_record *state = judge->agents[i].state;
        const struct own_call *own = state ? state->calls.at : NULL;
        for (uint32_t j = 0; state && j < state->calls.count; j++)
            if (judge_is_live(judge, &own[j]))
                judge_fault(judge, "%s is still held by %s", judge->agents[i].user, own[j].call);
    }
    struct truth_call *call, *next;
    HASH_ITER(hh, judge->calls, call, next)
    for (size_t q = 0; q < judge->queue_count; q++)
        if (judge_waits(judge, call->record, (int)q, judge_now_ms(judge)))
            judge_fault(judge, "%s still waits", call->id);
}

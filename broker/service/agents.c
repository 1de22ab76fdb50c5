#include "broker/service/agents.h"
#include "broker/service/own_calls.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[STRATEGY_COUNT] = {"longest_idle", "round_robin", "fewest_calls", "priority",
                                                  "ring_all"};

bool strategy_parse(const char *name, enum strategy *strategy) {
    *strategy = STRATEGY_LONGEST_IDLE;
    if (!name) return true;
    for (int i = 0; i < STRATEGY_COUNT; i++) {
        if (strcmp(names[i], name) != 0) continue;
        *strategy = (enum strategy)i;
        return true;
    }
    return false;
}

const char *strategy_name(enum strategy strategy) {
    return names[strategy];
}

static const struct log_in *find_log_in(const struct state_record *state, const char *queue) {
    const struct log_in *log_ins = state->log_ins.at;
    for (uint32_t i = 0; i < state->log_ins.count; i++)
        if (strcmp(log_ins[i].queue, queue) == 0) return &log_ins[i];
    return NULL;
}

bool agent_is_free(const struct profile_record *profile, const struct state_record *state, const struct view *view,
                   const char *queue) {
    const struct log_in *log_in = state ? find_log_in(state, queue) : NULL;
    return log_in && !log_in->pause && profile_has_queue(profile, queue) &&
           view->availability == AVAILABILITY_AVAILABLE;
}

/* Idle since the last call ended, or since the log-in where there was none. */
static int64_t rank(const struct state_record *state, const struct log_in *log_in, enum strategy strategy,
                    int64_t today) {
    switch (strategy) {
    case STRATEGY_ROUND_ROBIN:
        return state->claimed_at;
    case STRATEGY_FEWEST_CALLS:
        return own_calls_on_day(state, today);
    case STRATEGY_LONGEST_IDLE:
    case STRATEGY_PRIORITY:
    case STRATEGY_RING_ALL:
    case STRATEGY_COUNT:
        break;
    }
    return state->last_call_ended_at > log_in->since ? state->last_call_ended_at : log_in->since;
}

struct gathering {
    const char *queue;
    enum strategy strategy;
    int64_t today;
    struct agent *agents;
    size_t count;
};

static void gather(void *arg, const struct member *member) {
    struct gathering *gathering = arg;
    const struct state_record *state = member_state(member);
    const struct log_in *log_in = state ? find_log_in(state, gathering->queue) : NULL;
    if (!log_in || gathering->count == AGENTS_MAX || !profile_has_queue(member_profile(member), gathering->queue))
        return;
    const struct view *view = member_view(member);
    gathering->agents[gathering->count++] =
        (struct agent){.member = member,
                       .is_free = agent_is_free(member_profile(member), state, view, gathering->queue),
                       .free_at = view->until,
                       .tier = profile_tier(member_profile(member), gathering->queue),
                       .rank = rank(state, log_in, gathering->strategy, gathering->today)};
}

/* The same on every worker: by id, where the facts are the same. */
static int by_rank(const void *a, const void *b) {
    const struct agent *x = a, *y = b;
    if (x->is_free != y->is_free) return x->is_free ? -1 : 1;
    if (x->rank != y->rank) return x->rank < y->rank ? -1 : 1;
    return strcmp(member_user(x->member), member_user(y->member));
}

static int by_tier(const void *a, const void *b) {
    const struct agent *x = a, *y = b;
    if (x->is_free == y->is_free && x->tier != y->tier) return x->tier < y->tier ? -1 : 1;
    return by_rank(a, b);
}

size_t agents_of(const struct company *company, const char *queue, enum strategy strategy, int64_t now_ms,
                 struct agent agents[static AGENTS_MAX], size_t *free_count) {
    struct gathering gathering = {queue, strategy, company_day(company, now_ms), agents, 0};
    company_each_agent(company, queue, gather, &gathering);
    qsort(agents, gathering.count, sizeof *agents, strategy == STRATEGY_PRIORITY ? by_tier : by_rank);
    *free_count = 0;
    while (*free_count < gathering.count && agents[*free_count].is_free)
        ++*free_count;
    return gathering.count;
}

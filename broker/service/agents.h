/* Who may be called for a queue, and in which order: an order of the agents by their own facts, so that no record of
 * the queue changes with each call. Pure, on a replica. */
#ifndef LEDIG_SERVICE_AGENTS_H
#define LEDIG_SERVICE_AGENTS_H

#include "broker/model/company.h"

#define AGENTS_MAX 4096 /* logged in to one queue; more are passed over */

enum strategy {
    STRATEGY_LONGEST_IDLE, /* whose last call ended longest ago */
    STRATEGY_ROUND_ROBIN,  /* who was claimed longest ago */
    STRATEGY_FEWEST_CALLS, /* who had the fewest of the queues' calls today */
    STRATEGY_PRIORITY,     /* tier by tier, whose last call ended longest ago first */
    STRATEGY_RING_ALL,     /* all who are free */
    STRATEGY_COUNT
};

/* "longest_idle", …; NULL is the default. False where there is no such strategy. */
bool strategy_parse(const char *name, enum strategy *strategy);
const char *strategy_name(enum strategy strategy);

struct agent {
    const struct member *member;
    bool is_free;
    int64_t free_at; /* of one who is not: when, as far as is known; 0 = not known */
    unsigned tier;   /* in the queue */
    int64_t rank;    /* lower ones first; of one tier, where the strategy goes by tiers */
};

/* Those logged in, the free ones first, in the order of the strategy. Lent until the next apply or tick. Returns how
 * many; *free_count of them are free. */
size_t agents_of(const struct company *company, const char *queue, enum strategy strategy, int64_t now_ms,
                 struct agent agents[static AGENTS_MAX], size_t *free_count);

/* Whether this state, as it stands, may be claimed for the queue. */
bool agent_is_free(const struct profile_record *profile, const struct state_record *state, const struct view *view,
                   const char *queue);

#endif

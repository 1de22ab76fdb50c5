/* What the routers of a bench do with calls of queues: each desk claims an agent for a call, and then gives the claim
 * back, or reports that it was answered and has ended, so that the agent is free again; and it is checked that nobody
 * has two calls at once.
 *
 * The scenario is the caller's. A commit is a claim, a claim given back, or a report: each writes the call and the
 * agent's state. */
#ifndef LEDIG_BENCH_CLAIMING_H
#define LEDIG_BENCH_CLAIMING_H

#include "bench/router.h"
#include "bench/scenario.h"

enum step { STEP_CLAIM, STEP_GIVE_BACK, STEP_ANSWER, STEP_END };

struct desk {
    uint32_t company, call, agent;
    enum step step;
    int64_t began_ns;
};

struct claiming {
    struct scenario *scenario;
    struct router router;
    struct desk *desk; /* one for each connection */
    uint8_t *engaged;  /* by agent, of all companies */
    bool goes_on;      /* a desk that is done begins with the next call */
    bool pauses;       /* none goes on to its next step */
    uint64_t claims, commits, nobody, problems, wrong;
    struct histogram latency_us; /* of a claim */
    char what[128];              /* was wrong first */
};

/* After the crowd has gathered and everybody is logged in; it is zeroed, but for router.epoll, which is -1. 0, or an
 * error after a complaint; on failure too, end with claiming_close. */
int claiming_open(struct claiming *claiming, struct scenario *scenario);
void claiming_close(struct claiming *claiming);

/* All desks are at work for that long, and done with their calls when it returns. 0, or an error after a complaint. */
int claiming_play(struct claiming *claiming, int64_t duration_ns);

/* One claim of desk 0, which it keeps: its call, for whoever wants to see the record. claiming_play goes on with it. */
int claiming_begin(struct claiming *claiming, char call[static 32], char user[static EMPLOYER_ID_CHARS]);

/* Whether all agents of all queues are free again, as the broker says; waits for it. 0, or an error after a complaint:
 * LEDIG_ECONFLICT where some stay engaged. */
int claiming_settle(struct claiming *claiming);

#endif

/* One of those who are measured beside each other: Ledig with its crowd, or a peer with its audience. Both are driven
 * by the same two kinds of round, and a round of one leaves nothing under way for the next one's.
 *
 * It owns the peer's audience; the scenario is the caller's. */
#ifndef LEDIG_BENCH_CONTENDER_H
#define LEDIG_BENCH_CONTENDER_H

#include "bench/lead.h"
#include "bench/peers/audience.h"
#include "bench/rounds.h"
#include "bench/scenario.h"

#define CONTENDER_UNDER_WAY 256 /* changes, in a burst: as the scenario `burst` has it */

enum contender_mode { CONTENDER_FANOUT, CONTENDER_BURST, CONTENDER_MODES };

struct contender_round {
    double deliveries_per_s;     /* by the wall clock */
    double deliveries_per_cpu_s; /* by the time that the server was on a core, all of its processes */
    double server, generator;    /* share of the round that each was on a core */
};

/* What has been so far. */
struct contender_count {
    uint64_t changes, deliveries, frames, merged;
    uint64_t outstanding; /* deliveries under way */
    int64_t last_delivery_ns;
};

struct contender;
struct contender_ways {
    struct contender_count (*look)(const struct contender *contender);
    int64_t (*cpu_ns)(const struct contender *contender);  /* of all processes of the server */
    bool (*takes_more)(const struct contender *contender); /* in a burst */
    int (*change)(struct contender *contender);            /* asks for the next one */
    int (*turn)(struct contender *contender, int wait_ms);
    int (*await)(struct contender *contender); /* nothing is under way any more */
};

struct contender {
    const char *name, *key, *transport;
    char version[SERVER_VERSION_CHARS];
    const struct contender_ways *ways;
    struct scenario *scenario;
    struct audience audience; /* of a peer */
    uint32_t turn;            /* Ledig: whose change is next */
    struct lead lead;         /* of a fan-out */
    struct contender_round rounds[CONTENDER_MODES][ROUNDS_MAX];
};

void contender_be_ledig(struct contender *contender, struct scenario *scenario);

/* Starts the peer's server and connects everybody. 0, or an error after a complaint. */
int contender_be_peer(struct contender *contender, struct scenario *scenario, const struct peer *peer,
                      const char *program, size_t payload_bytes);
void contender_close(struct contender *contender); /* {0} too */

/* Fan-out: one change after the other, the next one asked for while the last of the one before are delivered, so late
 * that few frames carry two. Burst: changes as fast as they are taken. 0, or an error after a complaint. */
int contender_play(struct contender *contender, enum contender_mode mode, int64_t duration_ns,
                   struct contender_round *round);

#endif

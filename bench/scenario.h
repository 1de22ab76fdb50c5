/* What every scenario is made of: a plan from the command line, the broker under test, companies with their people
 * brought in, a connected crowd, and at the end the figures that every scenario states. */
#ifndef LEDIG_BENCH_SCENARIO_H
#define LEDIG_BENCH_SCENARIO_H

#include "bench/crowd.h"
#include "bench/generators.h"
#include "bench/plan.h"
#include "bench/plot.h"
#include "bench/report.h"

#define SCENARIO_FURTHER_MAX 3
#define SCENARIO_GROUPS_MAX 3
#define SCENARIO_QUEUE "support" /* of each company, where calls are claimed */

struct scenario {
    struct plan plan;
    struct cores cores;
    struct subject subject;
    struct employer employer;
    struct crowd crowd;
    struct generators generators;
    SSL_CTX *tls;       /* NULL without TLS */
    int64_t rss_before; /* of the broker, before anybody connected */
    struct group groups[SCENARIO_GROUPS_MAX];
    size_t group_count;
    uint32_t wanted_first;                             /* so many connect at first; 0 = all */
    bool draws_itself;                                 /* --svg is the scenario's own business */
    bool tells_itself;                                 /* and so is the table */
    struct plot_latency further[SCENARIO_FURTHER_MAX]; /* drawn with those that all have */
    size_t further_count;
    json_t *report; /* NULL until there are figures */
};

/* The companies of a plan: alike, or of different sizes. Returns how many groups. */
size_t scenario_group(const struct plan *plan, struct group groups[static SCENARIO_GROUPS_MAX]);

/* The broker runs, the people are in, nobody is connected. 0, or an error after a complaint. */
int scenario_open(struct scenario *scenario, const struct plan *plan);

/* Everybody is connected, live, and the publishers have consented. 0, or an error after a complaint. */
int scenario_gather(struct scenario *scenario, uint32_t spare_sockets);
void scenario_close(struct scenario *scenario); /* safe after any failure */

/* Changes on schedule, of the publishers of the first `companies` in turn: an open loop, in which latency counts from
 * when a change should have been sent. Waits for the last ones. Stops early when a connection is lost; the check then
 * says so. 0, or an error after a complaint. */
struct schedule {
    double rate, seconds;
    uint32_t companies;
    uint64_t turn;                              /* whose change is next; goes on over several calls */
    bool (*goes_on)(struct scenario *scenario); /* NULL, or asked at each change: further than `seconds` */
};
int schedule_play(struct scenario *scenario, struct schedule *schedule, const char *what);

/* How long it takes, at best, until those who stall have full sockets: the broker may not drop them before. */
double stall_fill_ms(uint32_t stalled, uint32_t people);

/* The scenarios. Each returns the program's exit code. */
int fanout_run(struct scenario *scenario);
int ask_run(struct scenario *scenario);
int claim_run(struct scenario *scenario);
int against_limit_run(struct scenario *scenario);
int burst_run(struct scenario *scenario);
int grow_run(struct scenario *scenario);
int idle_run(struct scenario *scenario);
int latency_run(struct scenario *scenario);
int mixed_run(struct scenario *scenario);
int peers_run(struct scenario *scenario);
int stall_run(struct scenario *scenario);
int storm_run(struct scenario *scenario);

#endif

/* What every scenario is made of: a plan from the command line, the broker under test, companies with their people
 * brought in, a connected crowd, and at the end the figures that every scenario states. */
#ifndef LEDIG_BENCH_SCENARIO_H
#define LEDIG_BENCH_SCENARIO_H

#include "bench/crowd.h"
#include "bench/report.h"

struct plan {
    const char *scenario;
    uint32_t subscribers, companies;
    uint32_t publishers; /* of each company */
    uint32_t rounds;     /* pairs of rounds, against the limit */
    double rate, seconds;
    double patience_s; /* how long to wait where nothing moves */
    bool against_limit;
    const char *url, *router_url, *data; /* of a broker that runs already, or NULL */
    const char *json;                    /* file, "-", or NULL */
};

struct scenario {
    struct plan plan;
    struct cores cores;
    struct subject subject;
    struct employer employer;
    struct crowd crowd;
    int64_t rss_before; /* of the broker, before anybody connected */
};

struct figures {
    double seconds;
    uint64_t changes;
    struct tally tally;
    int64_t cpu_ns, rss_bytes;   /* of the app workers; -1 = not to be seen */
    double bytes_per_connection; /* NAN = not to be seen */
    struct verdict verdict;
};

/* The broker runs, the people are in, nobody is connected. 0, or an error after a complaint. */
int scenario_open(struct scenario *scenario, const struct plan *plan);

/* Everybody is connected, live, and the publishers have consented. 0, or an error after a complaint. */
int scenario_gather(struct scenario *scenario, uint32_t spare_sockets);
void scenario_close(struct scenario *scenario); /* safe after any failure */

/* Around what is measured: begin; …; end. */
void figures_begin(struct figures *figures, struct scenario *scenario);
void figures_end(struct figures *figures, struct scenario *scenario, int64_t began_ns, int64_t ended_ns);

/* Checks the views, prints the table and writes the report, with the members of `more` (taken; may be NULL) in it.
 * Returns the program's exit code: 0, 1, or 2 where a view is wrong or a change was lost. */
int figures_conclude(struct figures *figures, struct scenario *scenario, json_t *more);

/* The scenarios. Each returns the program's exit code. */
int fanout_run(struct scenario *scenario);
int against_limit_run(struct scenario *scenario);
int idle_run(struct scenario *scenario);

#endif

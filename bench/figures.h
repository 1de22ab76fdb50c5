/* The figures of a run: what every scenario states, from the counts of all processes of the bench and the processor
 * time of everybody who took part. They judge nothing but views: no rate and no time makes a run fail. A scenario adds
 * figures of its own to the report. */
#ifndef LEDIG_BENCH_FIGURES_H
#define LEDIG_BENCH_FIGURES_H

#include "bench/crowd.h"
#include "bench/report.h"

struct scenario;

struct figures {
    double seconds;
    uint64_t changes;
    struct tally tally;
    int64_t cpu_ns, rss_bytes;      /* of the app workers; -1 = not to be seen */
    int64_t generator_ns, redis_ns; /* processor time of the others; of all generators */
    int64_t router_ns;
    int64_t wall_ns; /* from begin to end, whatever it was used for */
    bool failed;
    uint64_t refused, broken; /* of all generators, as the next ones */
    uint32_t gone;
    double bytes_per_connection; /* as if one worker served all; NAN = not to be seen */
    int64_t replica_bytes;       /* of all companies, on one worker; -1 = not measured */
    struct verdict verdict;
    uint64_t wrong_answers;  /* a scenario's own finding, as the next one: they count as a wrong view does */
    uint32_t gone_elsewhere; /* connections lost that are not the crowd's */
};

/* Around what is measured: begin; …; end. What goes wrong with a further generator is said at once, and
 * figures_conclude fails for it. */
void figures_begin(struct figures *figures, struct scenario *scenario);
void figures_end(struct figures *figures, struct scenario *scenario, int64_t began_ns, int64_t ended_ns);

/* Checks the views, prints the table and writes the report, with the members of `more` (taken; may be NULL) in it.
 * Returns the program's exit code: 0, 1, or 2 where a view is wrong or a change was lost. */
int figures_conclude(struct figures *figures, struct scenario *scenario, json_t *more);

#endif

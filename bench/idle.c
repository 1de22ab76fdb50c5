/* idle: what a connection costs that does nothing. Everybody is authenticated, live and consents; then all is quiet
 * until the broker's memory stands still, and what it grew by since before the first connection is divided up. */
#include "bench/figures.h"
#include "bench/scenario.h"
#include "bench/terminal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PING_S 25 /* the broker's default for the longest silence towards a client */
#define LOOK_NS 500000000
#define STILL_LOOKS 3          /* equal readings, one after the other */
#define STILL_NS 10000000000LL /* after the time asked for: longer is not waited for memory to stand still */

static int hold(struct scenario *scenario) {
    const int64_t began_ns = clock_now_ns(), least_ns = (int64_t)(scenario->plan.seconds * 1e9);
    int64_t look_ns = began_ns, before = -1, held_ns;
    int still = 0;
    while ((held_ns = clock_now_ns() - began_ns) < least_ns + STILL_NS && scenario->crowd.gone == 0) {
        if (held_ns >= least_ns && still >= STILL_LOOKS) break;
        if (interrupt_asked()) return complain(LEDIG_EIO, "interrupted");
        if (generators_look(&scenario->generators) != 0) return LEDIG_EIO;
        progress_show("idling, ms", (uint64_t)(held_ns < least_ns ? held_ns : least_ns) / 1000000,
                      (uint64_t)least_ns / 1000000);
        crowd_turn(&scenario->crowd, look_ns);
        if (clock_now_ns() < look_ns) continue;
        look_ns += LOOK_NS;
        int64_t rss = subject_rss_bytes(&scenario->subject);
        still = rss == before ? still + 1 : 0;
        before = rss;
    }
    progress_end();
    return 0;
}

int idle_run(struct scenario *scenario) {
    struct figures figures;
    if (scenario_gather(scenario, 0) != 0) return 1;
    figures_begin(&figures, scenario);
    int64_t began_ns = clock_now_ns();
    if (hold(scenario) != 0) return 1;
    figures_end(&figures, scenario, began_ns, clock_now_ns());
    json_t *more = json_object();
    report_count(more, "broker_rss_before_bytes", scenario->rss_before);
    const double percent = (double)figures.cpu_ns / 1e7 / figures.seconds * 10000 / scenario->plan.subscribers;
    report_number(more, "idle_cpu_percent_per_10000", figures.cpu_ns < 0 ? (double)NAN : percent);
    int code = figures_conclude(&figures, scenario, more);
    if (code != 1 && figures.cpu_ns >= 0 && plan_tells(&scenario->plan))
        printf("  %-22s %14.2f %%     of a core, for 10,000 connections%s\n", "idle processor time", percent,
               figures.seconds < PING_S ? "; shorter than the 25 s between pings, so they are not in it" : "");
    return code;
}

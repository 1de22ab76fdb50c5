/* idle: what a connection costs that does nothing. Everybody is authenticated, live and consents; then all is quiet
 * until the broker's memory stands still, and what it grew by since before the first connection is divided up. */
#include "bench/scenario.h"
#include "bench/terminal.h"

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
    return figures_conclude(&figures, scenario, more);
}

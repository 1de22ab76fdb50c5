/* fanout: changes on schedule, each to every colleague. An open loop: a change that could not be sent in time still
 * counts from when it was due, so that a broker that falls behind cannot hide it. */
#include "bench/scenario.h"
#include "bench/terminal.h"

#include <math.h>

/* Companies in turn, and in each its publishers in turn. */
static struct publisher *whose_turn(struct crowd *crowd, uint64_t change) {
    struct assembly *company = &crowd->company[change % crowd->options.companies];
    return &company->publisher[(change / crowd->options.companies) % company->publishers];
}

/* 0, or an error after a complaint. A connection that is lost ends the run early; the check then says so. */
static int play(struct scenario *scenario, int64_t began_ns) {
    struct crowd *crowd = &scenario->crowd;
    const double gap_ns = 1e9 / scenario->plan.rate;
    const uint64_t changes = (uint64_t)fmax(1, scenario->plan.seconds * scenario->plan.rate);
    for (uint64_t i = 0; i < changes && crowd->gone == 0;) {
        if (interrupt_asked()) return complain(LEDIG_EIO, "interrupted");
        if (crowd->out_of_memory) return complain(LEDIG_ENO_MEMORY, "out of memory");
        int64_t due_ns = began_ns + (int64_t)((double)i * gap_ns);
        if (due_ns > clock_now_ns()) {
            progress_show("changing", i, changes);
            crowd_turn(crowd, due_ns);
            continue;
        }
        int error = publisher_change(whose_turn(crowd, i), due_ns);
        if (error == LEDIG_ENO_MEMORY) return complain(error, "out of memory");
        if (++i % 16 == 0) crowd_turn(crowd, 0); /* behind schedule: read all the same */
    }
    progress_end();
    return 0;
}

int fanout_run(struct scenario *scenario) {
    struct crowd *crowd = &scenario->crowd;
    struct figures figures;
    if (scenario_gather(scenario, 0) != 0) return 1;
    figures_begin(&figures, scenario);
    int64_t began_ns = clock_now_ns();
    if (play(scenario, began_ns) != 0) return 1;
    if (crowd->gone == 0) (void)crowd_await(crowd, "the last changes"); /* what is missing then is found below */
    if (interrupt_asked()) return 1;
    int64_t ended_ns = crowd->last_delivery_ns > began_ns ? crowd->last_delivery_ns : clock_now_ns();
    figures_end(&figures, scenario, began_ns, ended_ns);
    return figures_conclude(&figures, scenario, NULL);
}

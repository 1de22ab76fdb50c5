/* fanout: changes on schedule, each to every colleague. An open loop: a change that could not be sent in time still
 * counts from when it was due, so that a broker that falls behind cannot hide it. */
#include "bench/figures.h"
#include "bench/scenario.h"

int fanout_run(struct scenario *scenario) {
    struct crowd *crowd = &scenario->crowd;
    struct figures figures;
    struct schedule schedule = {scenario->plan.rate, scenario->plan.seconds, scenario->plan.companies, 0, NULL};
    if (scenario_gather(scenario, 0) != 0) return 1;
    figures_begin(&figures, scenario);
    int64_t began_ns = clock_now_ns();
    if (schedule_play(scenario, &schedule, "changing") != 0) return 1;
    int64_t ended_ns = crowd->last_delivery_ns > began_ns ? crowd->last_delivery_ns : clock_now_ns();
    figures_end(&figures, scenario, began_ns, ended_ns);
    return figures_conclude(&figures, scenario, NULL);
}

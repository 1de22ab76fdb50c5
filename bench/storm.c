/* storm: everybody of many companies loses the connection at the same moment and comes back at once, with resume. One
 * person of each company stays, and changes meanwhile, so that a wrong resume shows. A further company of watchers
 * stays too, with changes on schedule: what they hear must not be late. */
#include "bench/figures.h"
#include "bench/scenario.h"
#include "bench/terminal.h"

#include <stdio.h>
#include <string.h>

#define QUIET_PART 3 /* of the time is measured before the storm */

/* All but the first of each company, who publishes. Those in other processes are all that they have. */
static int break_off(struct scenario *scenario) {
    struct crowd *crowd = &scenario->crowd;
    int error = generators_order(&scenario->generators, crowd, ORDER_BREAK_OFF);
    if (error != 0) return error;
    for (uint32_t c = 1; c < crowd->options.companies; c++) {
        struct assembly *company = &crowd->company[c];
        for (uint32_t nth = 1; nth < company->subscribers; nth++)
            crowd_break_off(crowd, &crowd->subscriber[company->first + nth * company->stride]);
    }
    for (uint32_t c = 1; c < crowd->options.companies; c++)
        if (publisher_change(&crowd->company[c].publisher[0], clock_now_ns()) != 0)
            return complain(LEDIG_EIO, "a change was not sent");
    return crowd_await(crowd, NULL);
}

static bool somebody_is_away(struct scenario *scenario) {
    return scenario->crowd.live + generators_live(&scenario->generators) < scenario->crowd.options.subscribers;
}

static json_t *make_report(const struct scenario *scenario, const struct histogram *before_us) {
    json_t *more = json_object(), *before = json_object(), *back = json_object();
    report_latency(before, before_us);
    report_latency(back, &scenario->crowd.return_us);
    json_object_set_new(more, "watchers_before", before);
    json_object_set_new(more, "until_live_again", back);
    report_count(more, "returned", (int64_t)scenario->crowd.return_us.total);
    report_count(more, "resumed", (int64_t)scenario->crowd.resumed);
    report_count(more, "tls_sessions_resumed", (int64_t)scenario->crowd.resumed_sessions);
    return more;
}

static void print(const struct scenario *scenario, const struct histogram *before_us) {
    const struct crowd *crowd = &scenario->crowd;
    char returned[REPORT_GROUPED_CHARS], resumed[REPORT_GROUPED_CHARS];
    printf("the storm\n  %-22s %16s   %s resumed\n", "came back",
           report_grouped((double)crowd->return_us.total, returned), report_grouped((double)crowd->resumed, resumed));
    if (scenario->tls)
        printf("  %-22s %16llu   handshakes made short by a ticket\n", "TLS",
               (unsigned long long)crowd->resumed_sessions);
    printf("  %-22s %13.2f ms\n", "half live after", (double)histogram_at(&crowd->return_us, .5) / 1000);
    printf("  %-22s %13.2f ms\n", "all live after", (double)histogram_at(&crowd->return_us, 1) / 1000);
    printf("  %-22s %13.2f ms   before the storm %.2f ms\n", "watchers' p99",
           (double)histogram_at(&crowd->latency_us, .99) / 1000, (double)histogram_at(before_us, .99) / 1000);
}

static int run(struct scenario *scenario, struct histogram *before_us, struct figures *figures) {
    const struct plan *plan = &scenario->plan;
    struct crowd *crowd = &scenario->crowd;
    struct schedule schedule = {plan->rate, plan->seconds / QUIET_PART, 1, 0, NULL};
    if (scenario_gather(scenario, 0) != 0 || schedule_play(scenario, &schedule, "before the storm") != 0) return 1;
    *before_us = crowd->latency_us;
    if (break_off(scenario) != 0) return 1;
    figures_begin(figures, scenario);
    crowd->resumed = crowd->resumed_sessions = 0;
    crowd->return_us = (struct histogram){0};
    crowd->storm_began_ns = clock_now_ns();
    crowd_reconnect(crowd, CROWD_STORM_AT_ONCE);
    if (generators_order(&scenario->generators, crowd, ORDER_RETURN) != 0) return 1;
    schedule.seconds = 0.1;
    schedule.goes_on = somebody_is_away;
    if (schedule_play(scenario, &schedule, "the storm") != 0) return 1;
    figures_end(figures, scenario, crowd->storm_began_ns, clock_now_ns());
    return 0;
}

int storm_run(struct scenario *scenario) {
    static struct histogram before_us; /* large; one run a process */
    struct figures figures;
    if (run(scenario, &before_us, &figures) != 0) return 1;
    int code = figures_conclude(&figures, scenario, make_report(scenario, &before_us));
    if (code != 1 && plan_tells(&scenario->plan)) print(scenario, &before_us);
    return code;
}

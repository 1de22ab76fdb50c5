/* mixed: a working day in a few seconds, of several companies: one large, some of a few dozen, many small. The evening
 * before, all have been there once; then they come in the morning, set where they are and until when, let devices rest,
 * change network, go home (see day.h), and everybody's view at the end must be what was last set and acknowledged.
 *
 * Who follows whom: a switchboard everybody, of the others half everybody and half 30 people, and of the phones most 30
 * favourites. The broker that is started has its grace and its pause for apps in the background shortened with the day.
 */
#include "bench/figures.h"
#include "bench/scenario.h"
#include "bench/shift.h"
#include "bench/terminal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NIGHT_MS 1500 /* longer than the grace (ledig_bench.c), so that in the morning nobody is there */

/* ---- Telling ---- */

static json_t *make_report(const struct scenario *scenario, const struct shift_count *count) {
    const struct crowd *crowd = &scenario->crowd;
    const struct plan *plan = &scenario->plan;
    json_t *more = json_object(), *back = json_object(), *passed = json_object();
    char mark[17];
    snprintf(mark, sizeof mark, "%016" PRIx64, count->mark);
    report_latency(back, &crowd->return_us);
    report_latency(passed, &crowd->passed_us);
    report_count(more, "seed", plan->seed);
    json_object_set_new(more, "day", json_string(mark));
    report_number(more, "compression", (DAY_ENDS_S - DAY_BEGINS_S) / plan->seconds);
    report_count(more, "events", (int64_t)count->events);
    report_number(more, "events_per_s", (double)count->events / plan->seconds);
    report_count(more, "second_devices", (int64_t)count->phones);
    report_count(more, "following_all", (int64_t)count->following_all);
    report_count(more, "following_few", (int64_t)count->following_few);
    report_count(more, "arrived", (int64_t)count->arrived);
    report_count(more, "changed_network", (int64_t)count->moved);
    report_count(more, "device_states", (int64_t)count->turned);
    report_count(more, "left", (int64_t)count->left);
    report_count(more, "reconnects", (int64_t)crowd->return_us.total);
    report_count(more, "resumed", (int64_t)crowd->resumed);
    json_object_set_new(more, "until_live_again", back);
    json_object_set_new(more, "return_times_passed", passed);
    return more;
}

static void print_pair(const char *name, uint64_t one, uint64_t other, const char *what) {
    char first[REPORT_GROUPED_CHARS], second[REPORT_GROUPED_CHARS];
    printf("  %-22s %16s   %s %s\n", name, report_grouped((double)one, first), report_grouped((double)other, second),
           what);
}

static void print_times(const char *name, const struct histogram *us) {
    if (us->total == 0) return;
    printf("  %-22s %13.2f ms   p99 %.2f, max %.2f\n", name, (double)histogram_at(us, .5) / 1000,
           (double)histogram_at(us, .99) / 1000, (double)histogram_at(us, 1) / 1000);
}

static void print(const struct scenario *scenario, const struct shift_count *count) {
    const struct crowd *crowd = &scenario->crowd;
    const struct plan *plan = &scenario->plan;
    printf("the day of seed %u (%016" PRIx64 "), one hour in %.2f s\n", (unsigned)plan->seed, count->mark,
           plan->seconds * 3600 / (DAY_ENDS_S - DAY_BEGINS_S));
    print_pair("events", count->events, (uint64_t)((double)count->events / plan->seconds), "a second");
    print_pair("devices that follow all", count->following_all, count->following_few, "follow 30 or fewer");
    print_pair("arrived", count->arrived, count->left, "went home");
    print_pair("changed network", count->moved, count->turned, "times a device became active, idle or background");
    print_pair("reconnects", crowd->return_us.total, crowd->resumed, "of them resumed");
    print_times("live again, p50", &crowd->return_us);
    print_times("return seen, p50", &crowd->passed_us);
}

/* ---- The scenario ---- */

static int hold(struct scenario *scenario, int64_t until_ns) {
    while (clock_now_ns() < until_ns && scenario->crowd.gone == 0) {
        if (interrupt_asked()) return complain(LEDIG_EIO, "interrupted");
        crowd_turn(&scenario->crowd, until_ns);
    }
    return generators_look(&scenario->generators);
}

static int play(struct scenario *scenario, struct shift *shift, struct figures *figures) {
    struct generators *generators = &scenario->generators;
    struct crowd *crowd = &scenario->crowd;
    int64_t began_ns, ended_ns = 0;
    figures_begin(figures, scenario);
    crowd->resumed = 0;
    crowd->return_us = crowd->passed_us = (struct histogram){0};
    began_ns = clock_now_ns();
    if (generators_tell(generators, ORDER_DAY) != 0 || shift_play(shift, &ended_ns) != 0 ||
        generators_await(generators, crowd) != 0)
        return LEDIG_EIO;
    figures_end(figures, scenario, began_ns, ended_ns);
    for (uint32_t rank = 1; rank < generators->processes; rank++)
        shift_add(&shift->count, &generators->counts[rank].shift);
    return 0;
}

static int run(struct scenario *scenario, struct shift *shift, struct figures *figures) {
    if (scenario_gather(scenario, CROWD_DEAD_LINES) != 0 ||
        generators_order(&scenario->generators, &scenario->crowd, ORDER_CAST) != 0 ||
        shift_open(shift, &scenario->crowd, scenario->plan.seed, scenario->plan.seconds) != 0 ||
        hold(scenario, clock_now_ns() + NIGHT_MS * INT64_C(1000000)) != 0)
        return LEDIG_EIO;
    return play(scenario, shift, figures);
}

int mixed_run(struct scenario *scenario) {
    struct shift shift = {0};
    struct figures figures;
    int code = run(scenario, &shift, &figures) == 0 ? 0 : 1;
    if (code == 0) {
        scenario->further[scenario->further_count++] =
            (struct plot_latency){"after a return time", &scenario->crowd.passed_us};
        code = figures_conclude(&figures, scenario, make_report(scenario, &shift.count));
        if (code != 1 && plan_tells(&scenario->plan)) print(scenario, &shift.count);
    }
    shift_close(&shift);
    return code;
}

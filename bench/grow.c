/* grow: what a change costs the broker, in processor time, against how many follow the one who changes, and against how
 * many are connected and do not. The first should be a line, the second a constant. */
#include "bench/figures.h"
#include "bench/plot.h"
#include "bench/scenario.h"
#include "bench/terminal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define STEPS 6        /* sizes of each series: halves of halves of the whole */
#define FEW 100        /* followers, while the others grow in number */
#define PASSES 3       /* of each point: the median counts */
#define CHANGES_MIN 20 /* in a pass */

struct point {
    uint32_t connected, followers;
    double us[PASSES]; /* processor time a change, ascending */
};

struct growth {
    struct scenario *scenario;
    struct point by_connected[STEPS], by_followers[STEPS];
    uint64_t turn;
    int64_t measured_ns;
};

static void insert(double values[static PASSES], int count, double value) {
    while (count > 0 && values[count - 1] > value) {
        values[count] = values[count - 1];
        count--;
    }
    values[count] = value;
}

static int measure(struct growth *growth, struct point *point) {
    struct scenario *scenario = growth->scenario;
    const struct plan *plan = &scenario->plan;
    for (int pass = 0; pass < PASSES; pass++) {
        struct schedule schedule = {plan->rate, plan->seconds / (2 * STEPS * PASSES), 1, growth->turn, NULL};
        if (schedule.seconds * plan->rate < CHANGES_MIN) schedule.seconds = CHANGES_MIN / plan->rate;
        uint64_t changes = scenario->crowd.changes;
        int64_t began_ns = clock_now_ns(), cpu_ns = subject_cpu_ns(&scenario->subject);
        int error = schedule_play(scenario, &schedule, "changing");
        if (error != 0) return error;
        cpu_ns = subject_cpu_ns(&scenario->subject) - cpu_ns;
        growth->measured_ns += clock_now_ns() - began_ns;
        growth->turn = schedule.turn;
        insert(point->us, pass, (double)cpu_ns / 1000 / (double)(scenario->crowd.changes - changes));
    }
    return 0;
}

_Static_assert(GROW_PARTS == 1 << (STEPS - 1), "the first part");

static uint32_t part(uint32_t whole, int step) {
    uint32_t size = whole >> (STEPS - 1 - step);
    return size ? size : 1;
}

/* Those who are connected grow in number, a few follow; then all are connected, and more and more follow. */
static int run(struct growth *growth) {
    struct crowd *crowd = &growth->scenario->crowd;
    uint32_t all = crowd->options.subscribers, few = FEW < part(all, 0) ? FEW : part(all, 0);
    for (int step = 0; step < STEPS; step++) {
        progress_show("sizes", (uint64_t)step, 2 * STEPS);
        growth->by_connected[step] = (struct point){.connected = part(all, step), .followers = few};
        crowd->wanted = part(all, step);
        if (crowd_connect(crowd) != 0 || crowd_refollow(crowd, few) != 0 ||
            measure(growth, &growth->by_connected[step]) != 0)
            return LEDIG_EIO;
    }
    for (int step = 0; step < STEPS; step++) {
        progress_show("sizes", (uint64_t)(STEPS + step), 2 * STEPS);
        growth->by_followers[step] = (struct point){.connected = all, .followers = part(all, step)};
        if (crowd_refollow(crowd, part(all, step)) != 0 || measure(growth, &growth->by_followers[step]) != 0)
            return LEDIG_EIO;
    }
    progress_end();
    return 0;
}

static json_t *points_report(const struct point *points) {
    json_t *list = json_array();
    for (int i = 0; i < STEPS; i++) {
        json_t *point = json_object();
        report_count(point, "connected", points[i].connected);
        report_count(point, "followers", points[i].followers);
        report_number(point, "broker_us_per_change", points[i].us[PASSES / 2]);
        report_number(point, "low", points[i].us[0]);
        report_number(point, "high", points[i].us[PASSES - 1]);
        json_array_append_new(list, point);
    }
    return list;
}

static int draw(const struct growth *growth, const json_t *report) {
    struct plot_point connected[STEPS], followers[STEPS];
    for (int i = 0; i < STEPS; i++) {
        const struct point *c = &growth->by_connected[i], *f = &growth->by_followers[i];
        connected[i] = (struct plot_point){c->connected, c->us[PASSES / 2], c->us[0], c->us[PASSES - 1]};
        followers[i] = (struct plot_point){f->followers, f->us[PASSES / 2], f->us[0], f->us[PASSES - 1]};
    }
    char few[64];
    snprintf(few, sizeof few, "%u follow, so many are connected", (unsigned)growth->by_connected[0].followers);
    const struct plot_points series[] = {{"so many follow", followers, STEPS}, {few, connected, STEPS}};
    const struct plot plot = {.title = growth->scenario->plan.title,
                              .subtitle = "median of three passes, and their spread",
                              .x_label = "connections",
                              .y_label = "processor time a change, µs",
                              .x_log = true,
                              .y_log = true,
                              .report = report};
    return plot_write_cost(&plot, series, 2, growth->scenario->plan.svg);
}

static void print(const struct growth *growth) {
    printf("processor time of the broker for one change\n  %10s %10s %13s %13s\n", "connected", "follow", "µs",
           "µs a follower"); /* µ is two bytes */
    const struct point *series[] = {growth->by_connected, growth->by_followers};
    for (int s = 0; s < 2; s++)
        for (int i = 0; i < STEPS; i++)
            printf("  %10u %10u %12.1f %12.2f\n", (unsigned)series[s][i].connected, (unsigned)series[s][i].followers,
                   series[s][i].us[PASSES / 2], series[s][i].us[PASSES / 2] / series[s][i].followers);
}

static int conclude(struct growth *growth, struct figures *figures) {
    const struct plan *plan = &growth->scenario->plan;
    json_t *more = json_object();
    json_object_set_new(more, "by_connected", points_report(growth->by_connected));
    json_object_set_new(more, "by_followers", points_report(growth->by_followers));
    int code = figures_conclude(figures, growth->scenario, more);
    if (code == 1) return code;
    if (plan_tells(plan)) print(growth);
    json_t *source = plan->svg ? report_begin("grow", &growth->scenario->cores) : NULL;
    if (plan->svg && draw(growth, source) != 0) code = 1;
    json_decref(source);
    return code;
}

int grow_run(struct scenario *scenario) {
    struct growth growth = {.scenario = scenario};
    struct figures figures;
    if (scenario->subject.worker_count == 0) return complain(1, "the broker's processes cannot be seen from here");
    scenario->draws_itself = true;
    scenario->wanted_first = part(scenario->plan.subscribers, 0);
    if (scenario_gather(scenario, 0) != 0) return 1;
    figures_begin(&figures, scenario);
    if (run(&growth) != 0) return 1;
    figures_end(&figures, scenario, 0, growth.measured_ns);
    return conclude(&growth, &figures);
}

/* latency: from when somebody's change should have been sent until the last colleague has it, at a rate that loads
 * nobody; beside it, in short rounds that take turns, what cannot be avoided: the raw send() loop's time for as many
 * sends, until the last receiver has its own, and one bare write to the same Redis. */
#include "bench/figures.h"
#include "bench/reference.h"
#include "bench/terminal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define PASSES 20 /* of the loop, and writes to Redis, in each round */
#define ALLOWED 2 /* times the loop's pass and the write: the promise */

struct floor { /* what cannot be avoided, in µs */
    struct histogram pass_us, write_us;
};

static int measure_floor(struct reference *reference, struct floor *floor) {
    for (int i = 0; i < PASSES; i++) {
        int64_t pass_ns = reference_pass_ns(reference);
        if (pass_ns < 0) return (int)pass_ns;
        int64_t write_ns = subject_store_write_ns(&reference->scenario->subject);
        if (write_ns < 0) return complain(LEDIG_EIO, "the broker's Redis is out of reach");
        histogram_record(&floor->pass_us, (uint64_t)pass_ns / 1000);
        histogram_record(&floor->write_us, (uint64_t)write_ns / 1000);
    }
    return 0;
}

static int play(struct reference *reference, struct floor *floor) {
    struct scenario *scenario = reference->scenario;
    const struct plan *plan = &scenario->plan;
    struct schedule schedule = {plan->rate, plan->seconds / plan->rounds, plan->companies, 0, NULL};
    for (uint32_t i = 0; i < plan->rounds; i++) {
        progress_show("rounds", i, plan->rounds);
        int error = measure_floor(reference, floor);
        if (error == 0) error = schedule_play(scenario, &schedule, "changing");
        if (error != 0) return error;
    }
    progress_end();
    return 0;
}

static double ms_at(const struct histogram *us, double share) {
    return (double)histogram_at(us, share) / 1000;
}

static json_t *make_report(const struct floor *floor, const struct histogram *complete_us, double ratio) {
    json_t *more = json_object(), *pass = json_object(), *write = json_object(), *complete = json_object();
    report_latency(pass, &floor->pass_us);
    report_latency(write, &floor->write_us);
    report_latency(complete, complete_us);
    json_object_set_new(more, "until_all_have_it", complete);
    json_object_set_new(more, "loop_pass", pass);
    json_object_set_new(more, "store_write", write);
    report_number(more, "p99_of_the_floor", ratio);
    return more;
}

static int conclude(struct figures *figures, struct scenario *scenario, const struct floor *floor) {
    const struct histogram *complete_us = &scenario->crowd.complete_us;
    double least = ms_at(&floor->pass_us, .5) + ms_at(&floor->write_us, .5);
    double ratio = ms_at(complete_us, .99) / least;
    scenario->further[scenario->further_count++] = (struct plot_latency){"a pass of the loop", &floor->pass_us};
    scenario->further[scenario->further_count++] = (struct plot_latency){"a write to Redis", &floor->write_us};
    int code = figures_conclude(figures, scenario, make_report(floor, complete_us, ratio));
    if (code == 1 || !plan_tells(&scenario->plan)) return code;
    printf("until the last one has it, beside what cannot be avoided (ms)\n  %-22s %8s %8s %8s\n", "", "p50", "p99",
           "max");
    const struct {
        const char *name;
        const struct histogram *us;
    } rows[] = {
        {"change", complete_us}, {"a pass of the loop", &floor->pass_us}, {"a write to Redis", &floor->write_us}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        printf("  %-22s %8.2f %8.2f %8.2f\n", rows[i].name, ms_at(rows[i].us, .5), ms_at(rows[i].us, .99),
               ms_at(rows[i].us, 1));
    printf("  %-22s %8.2f times a median pass and a median write together (at most %d promised)\n", "p99 of a change",
           ratio, ALLOWED);
    return code;
}

static int measure(struct reference *reference, struct floor *floor) {
    struct scenario *scenario = reference->scenario;
    struct crowd *crowd = &scenario->crowd;
    struct figures figures;
    int error = publisher_change(&crowd->company[0].publisher[0], clock_now_ns());
    if (error == 0) error = crowd_await(crowd, NULL);
    if (error == 0) error = reference_copy_frame(reference, 0);
    if (error != 0) return complain(1, "no frame with a single change was seen");
    figures_begin(&figures, scenario);
    int64_t began_ns = clock_now_ns();
    if (play(reference, floor) != 0) return 1;
    figures_end(&figures, scenario, began_ns, clock_now_ns());
    return conclude(&figures, scenario, floor);
}

int latency_run(struct scenario *scenario) {
    if (!scenario->subject.started) return complain(1, "latency starts a broker of its own: it looks at its Redis");
    struct reference reference = {0};
    struct floor *floor = calloc(1, sizeof *floor);
    int code = floor && reference_open(&reference, scenario) == 0 ? measure(&reference, floor) : 1;
    reference_close(&reference);
    free(floor);
    return code;
}

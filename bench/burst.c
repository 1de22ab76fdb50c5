/* burst: changes as fast as they are taken, by everybody who is connected, in a company that may be larger than the
 * crowd; each change reaches everybody. Rounds take turns: the broker, the broker with twice as many changes under way
 * (what is delivered may not fall), and the raw send() loop with frames of the size that the broker's had. */
#include "bench/figures.h"
#include "bench/reference.h"
#include "bench/terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNDER_WAY 256 /* changes that are asked for and not acknowledged */

enum side { SIDE_BURST, SIDE_DOUBLE, SIDE_LIMIT, SIDE_COUNT };

struct rates { /* of one round */
    double bytes_per_s, bytes_per_cpu_s, deliveries_per_s, changes_per_s;
};

struct burst {
    struct scenario *scenario;
    struct reference reference;
    uint32_t turn;
    struct rates rates[SIDE_COUNT][ROUNDS_MAX];
    uint64_t frames, frame_bytes; /* of the broker's rounds so far */
    int64_t measured_ns, cpu_ns;
};

static int broker_round(struct burst *burst, int64_t duration_ns, uint64_t under_way, struct rates *rates) {
    struct crowd *crowd = &burst->scenario->crowd;
    struct assembly *company = &crowd->company[0];
    struct tally before = crowd->tally;
    uint64_t changes = crowd->changes;
    int64_t cpu_ns = subject_cpu_ns(&burst->scenario->subject), began_ns = clock_now_ns();
    while (clock_now_ns() - began_ns < duration_ns) {
        if (interrupt_asked()) return complain(LEDIG_EIO, "interrupted");
        if (crowd->gone > 0) return complain(LEDIG_EIO, "a connection was lost");
        while (crowd->changes_open < under_way)
            if (publisher_change(&company->publisher[burst->turn++ % company->publishers], clock_now_ns()) != 0)
                return complain(LEDIG_EIO, "a change was not sent");
        crowd_turn(crowd, clock_now_ns() + 1000000);
    }
    int error = crowd_await(crowd, NULL);
    if (error != 0) return error;
    int64_t took_ns = crowd->last_delivery_ns - began_ns;
    cpu_ns = subject_cpu_ns(&burst->scenario->subject) - cpu_ns;
    double bytes = (double)(crowd->tally.wire_bytes - before.wire_bytes), seconds = (double)took_ns / 1e9;
    *rates = (struct rates){bytes / seconds, bytes * 1e9 / (double)cpu_ns,
                            (double)(crowd->tally.deliveries - before.deliveries) / seconds,
                            (double)(crowd->changes - changes) / seconds};
    burst->frames += crowd->tally.frames - before.frames;
    burst->frame_bytes += crowd->tally.wire_bytes - before.wire_bytes;
    burst->measured_ns += took_ns;
    burst->cpu_ns += cpu_ns;
    return 0;
}

static int limit_round(struct burst *burst, int64_t duration_ns, struct rates *rates) {
    struct round round;
    size_t mean = (size_t)(burst->frame_bytes / (burst->frames ? burst->frames : 1));
    if (reference_copy_frame(&burst->reference, mean) != 0 && burst->reference.frame.length == 0)
        return complain(LEDIG_ENOT_FOUND, "no frame was seen");
    int error = reference_round(&burst->reference, duration_ns, &round);
    double bytes = (double)burst->reference.frame.length;
    *rates = (struct rates){round.sends_per_s * bytes, round.sends_per_cpu_s * bytes, 0, 0};
    return error;
}

static int play_round(struct burst *burst, enum side side, int64_t duration_ns, struct rates *rates) {
    if (side == SIDE_LIMIT) return limit_round(burst, duration_ns, rates);
    return broker_round(burst, duration_ns, side == SIDE_DOUBLE ? 2 * UNDER_WAY : UNDER_WAY, rates);
}

/* The median of its rounds. */
#define MEDIAN(burst, side, field)                                                                                     \
    spread_of(&(burst)->rates[side][0].field, sizeof(struct rates), (burst)->scenario->plan.rounds).median

static json_t *make_report(const struct burst *burst) {
    json_t *more = json_object();
    double limit = MEDIAN(burst, SIDE_LIMIT, bytes_per_s), limit_cpu = MEDIAN(burst, SIDE_LIMIT, bytes_per_cpu_s);
    report_number(more, "bytes_per_s", MEDIAN(burst, SIDE_BURST, bytes_per_s));
    report_number(more, "bytes_per_s_twice_as_much", MEDIAN(burst, SIDE_DOUBLE, bytes_per_s));
    report_number(more, "limit_bytes_per_s", limit);
    report_number(more, "bytes_of_the_limit", MEDIAN(burst, SIDE_BURST, bytes_per_s) / limit);
    report_number(more, "bytes_of_the_limit_by_cpu", MEDIAN(burst, SIDE_BURST, bytes_per_cpu_s) / limit_cpu);
    report_number(more, "burst_deliveries_per_s", MEDIAN(burst, SIDE_BURST, deliveries_per_s));
    report_number(more, "burst_changes_per_s", MEDIAN(burst, SIDE_BURST, changes_per_s));
    return more;
}

static void print(const struct burst *burst) {
    static const char *const names[] = {"the burst", "twice as much", "raw send() loop"};
    char text[4][REPORT_GROUPED_CHARS];
    printf("medians of %u rounds of each in turn\n  %-18s %12s %15s %12s %16s\n",
           (unsigned)burst->scenario->plan.rounds, "", "MB a second", "MB a core-sec.", "changes/s", "deliveries/s");
    for (enum side side = 0; side < SIDE_COUNT; side++)
        printf("  %-18s %12s %15s %12s %16s\n", names[side],
               report_grouped(MEDIAN(burst, side, bytes_per_s) / 1e6, text[0]),
               report_grouped(MEDIAN(burst, side, bytes_per_cpu_s) / 1e6, text[1]),
               side == SIDE_LIMIT ? "" : report_grouped(MEDIAN(burst, side, changes_per_s), text[2]),
               side == SIDE_LIMIT ? "" : report_grouped(MEDIAN(burst, side, deliveries_per_s), text[3]));
    printf("  of the limit: %.2f by wall, %.2f by the sender's processor time\n",
           MEDIAN(burst, SIDE_BURST, bytes_per_s) / MEDIAN(burst, SIDE_LIMIT, bytes_per_s),
           MEDIAN(burst, SIDE_BURST, bytes_per_cpu_s) / MEDIAN(burst, SIDE_LIMIT, bytes_per_cpu_s));
}

static int measure(struct burst *burst) {
    struct scenario *scenario = burst->scenario;
    const struct plan *plan = &scenario->plan;
    const int64_t duration_ns = (int64_t)(plan->seconds * 1e9 / plan->rounds / SIDE_COUNT);
    struct figures figures;
    struct rates warm_up;
    if (broker_round(burst, duration_ns / 2 + 1, UNDER_WAY, &warm_up) != 0) return 1;
    burst->measured_ns = burst->cpu_ns = 0;
    burst->frames = burst->frame_bytes = 0;
    figures_begin(&figures, scenario);
    for (uint32_t i = 0; i < plan->rounds; i++)
        for (uint32_t s = 0; s < SIDE_COUNT; s++) {
            enum side side = i % 2 && s < SIDE_LIMIT ? (enum side)(SIDE_DOUBLE - s) : (enum side)s;
            progress_show("rounds", i * SIDE_COUNT + s, (uint64_t)plan->rounds * SIDE_COUNT);
            if (play_round(burst, side, duration_ns, &burst->rates[side][i]) != 0) return 1;
        }
    progress_end();
    figures_end(&figures, scenario, 0, burst->measured_ns); /* of the broker's rounds alone */
    figures.cpu_ns = burst->cpu_ns;
    int code = figures_conclude(&figures, scenario, make_report(burst));
    if (code != 1 && plan_tells(plan)) print(burst);
    return code;
}

int burst_run(struct scenario *scenario) {
    if (scenario->subject.worker_count == 0)
        return complain(1, "the broker's processes cannot be seen from here, so its core cannot be compared");
    struct burst *burst = calloc(1, sizeof *burst);
    if (!burst) return complain(1, "out of memory");
    burst->scenario = scenario;
    int code = reference_open(&burst->reference, scenario) == 0 ? measure(burst) : 1;
    reference_close(&burst->reference);
    free(burst);
    return code;
}

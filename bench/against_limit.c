/* fanout --against-limit: what the broker's fan-out reaches of what one core can send at all. Short rounds of both,
 * in turn, with everything connected beforehand; the same frame, the same number of sockets, the same receiver.
 *
 * The broker's rounds are a closed loop on what is under way (see lead.h); and a frame counts once, whatever it
 * carries. */
#include "bench/figures.h"
#include "bench/lead.h"
#include "bench/reference.h"
#include "bench/terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUND_LATE_NS 10000000000LL

struct duel {
    struct scenario *scenario;
    struct reference reference;
    struct lead lead;
    uint32_t turn;                    /* whose change is next */
    uint64_t frames, merged, changes; /* of the broker's rounds */
    int64_t measured_ns, cpu_ns;
    struct rounds rounds;
};

/* ---- The broker's round ---- */

static int broker_round(struct duel *duel, int64_t duration_ns, struct round *round) {
    struct crowd *crowd = &duel->scenario->crowd;
    struct assembly *company = &crowd->company[0];
    struct tally before = crowd->tally;
    int64_t cpu_ns = subject_cpu_ns(&duel->scenario->subject), began_ns = clock_now_ns();
    uint64_t changes = crowd->changes;
    while (clock_now_ns() - began_ns < duration_ns) {
        struct publisher *publisher = &company->publisher[duel->turn++ % company->publishers];
        struct tally last = crowd->tally;
        if (publisher_change(publisher, clock_now_ns()) != 0) return complain(LEDIG_EIO, "a change was not sent");
        int64_t late_ns = clock_now_ns() + ROUND_LATE_NS;
        while (crowd->undelivered > duel->lead.deliveries) {
            if (interrupt_asked()) return complain(LEDIG_EIO, "interrupted");
            if (crowd->gone > 0 || clock_now_ns() > late_ns) return complain(LEDIG_EIO, "a round did not end");
            crowd_turn(crowd, INT64_MAX);
        }
        lead_adjust(&duel->lead, crowd->tally.frames - last.frames, crowd->tally.merged - last.merged);
    }
    int error = crowd_await(crowd, NULL);
    if (error != 0) return error;
    int64_t elapsed_ns = crowd->last_delivery_ns - began_ns;
    cpu_ns = subject_cpu_ns(&duel->scenario->subject) - cpu_ns;
    double frames = (double)(crowd->tally.frames - before.frames);
    duel->frames += crowd->tally.frames - before.frames;
    duel->merged += crowd->tally.merged - before.merged;
    duel->changes += crowd->changes - changes;
    duel->measured_ns += elapsed_ns;
    duel->cpu_ns += cpu_ns;
    *round = (struct round){frames * 1e9 / (double)elapsed_ns, frames * 1e9 / (double)cpu_ns,
                            (double)cpu_ns / (double)elapsed_ns};
    return 0;
}

static int prepare(struct duel *duel) {
    struct scenario *scenario = duel->scenario;
    int error = reference_open(&duel->reference, scenario);
    struct round warm_up;
    lead_open(&duel->lead, scenario->plan.subscribers, /* no two of the same person */
              scenario->crowd.company[0].publishers - 1);
    if (error != 0 || (error = broker_round(duel, 300000000, &warm_up)) != 0) return error; /* finds the point, too */
    struct crowd *crowd = &scenario->crowd;
    if ((error = publisher_change(&crowd->company[0].publisher[0], clock_now_ns())) != 0 ||
        (error = crowd_await(crowd, NULL)) != 0 || (error = reference_copy_frame(&duel->reference, 0)) != 0)
        return complain(error, "no frame with a single change was seen");
    return reference_round(&duel->reference, 300000000, &warm_up);
}

/* ---- Both ---- */

static json_t *make_report(const struct duel *duel) {
    json_t *more = json_object(), *object = rounds_report(&duel->rounds);
    report_count(object, "frame_bytes", (int64_t)duel->reference.frame.length);
    report_number(object, "merged_frames", (double)duel->merged / (double)duel->frames);
    report_number(object, "changes_per_s", (double)duel->changes * 1e9 / (double)duel->measured_ns);
    json_object_set_new(more, "against_limit", object);
    return more;
}

static int play(struct duel *duel) {
    const struct plan *plan = &duel->scenario->plan;
    const int64_t duration_ns = (int64_t)(plan->seconds * 1e9 / plan->rounds);
    struct rounds *rounds = &duel->rounds;
    rounds->count = plan->rounds;
    for (uint32_t i = 0; i < rounds->count; i++) {
        progress_show("rounds", i, rounds->count);
        bool limit_first = i % 2 == 0; /* who begins takes turns as well */
        int error = limit_first ? reference_round(&duel->reference, duration_ns, &rounds->limit[i]) : 0;
        if (error == 0) error = broker_round(duel, duration_ns, &rounds->broker[i]);
        if (error == 0 && !limit_first) error = reference_round(&duel->reference, duration_ns, &rounds->limit[i]);
        if (error != 0) return error;
    }
    progress_end();
    return 0;
}

static int fight(struct duel *duel) {
    struct scenario *scenario = duel->scenario;
    struct figures figures;
    if (prepare(duel) != 0) return 1;
    duel->frames = duel->merged = duel->changes = 0;
    duel->measured_ns = duel->cpu_ns = 0;
    figures_begin(&figures, scenario);
    if (play(duel) != 0) return 1;
    figures_end(&figures, scenario, 0, duel->measured_ns); /* of the broker's rounds alone */
    figures.cpu_ns = duel->cpu_ns;
    int code = figures_conclude(&figures, scenario, make_report(duel));
    if (code != 1 && plan_tells(&scenario->plan)) {
        rounds_print(&duel->rounds);
        printf("  %-22s %8.2f %%\n", "frames of two changes", (double)duel->merged * 100 / (double)duel->frames);
    }
    return code;
}

int against_limit_run(struct scenario *scenario) {
    if (scenario->subject.worker_count == 0)
        return complain(1, "the broker's processes cannot be seen from here, so its core cannot be compared");
    struct duel *duel = calloc(1, sizeof *duel);
    if (!duel) return complain(1, "out of memory");
    duel->scenario = scenario;
    int code = fight(duel);
    reference_close(&duel->reference);
    free(duel);
    return code;
}

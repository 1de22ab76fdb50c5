/* stall: some subscribers stop reading, as phones in a lift do. The others must not notice, the broker's memory must
 * not grow with time, and the stalled ones get only the latest state when they read again, or are cut off after
 * stall_ms.
 *
 * Rounds before, meanwhile; then half of the stalled read again, and the others are left to be dropped. */
#include "bench/figures.h"
#include "bench/scenario.h"
#include "bench/terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FULL_BYTES (6 * 1024 * 1024) /* more than a socket takes */
#define ROW_BYTES 50                 /* a profile takes no less */
#define ROW_NS 150                   /* to send it, and to spare */
#define ASK_GAP_NS 3000000           /* so that each is answered by itself */
#define SLACK_MS 2000                /* after stall_ms */

/* How often each asks for its company until its socket is full, and how long all take for one time. */
static uint32_t fills(uint32_t people) {
    return FULL_BYTES / (people * ROW_BYTES) + 1;
}

static int64_t fill_ns(uint32_t stalled, uint32_t people) {
    return (int64_t)stalled * people * ROW_NS + ASK_GAP_NS;
}

double stall_fill_ms(uint32_t stalled, uint32_t people) {
    return (double)fills(people) * (double)fill_ns(stalled, people) / 1e6;
}

struct stall {
    struct scenario *scenario;
    struct schedule schedule;
    struct histogram before_us, meanwhile_us;
    int64_t stalled_ns;
    int64_t rss_first, rss_last;     /* of the rounds meanwhile */
    uint64_t frames_back, rows_back; /* what the stalled ones got when they read again */
};

static struct subscriber *stalled_one(struct stall *stall, uint32_t nth) {
    const struct plan *plan = &stall->scenario->plan;
    return &stall->scenario->crowd.subscriber[plan->subscribers - 1 - nth];
}

/* On loopback a socket takes megabytes before it is full, so each asks for its company again and again, one at a time,
 * and takes nothing of what comes. */
static int fill_sockets(struct stall *stall) {
    struct scenario *scenario = stall->scenario;
    const uint32_t stalled = scenario->plan.stalled, people = scenario->crowd.company[0].people;
    const uint32_t times = fills(people);
    for (uint32_t n = 0; n < times; n++) {
        int64_t until_ns = clock_now_ns() + fill_ns(stalled, people);
        progress_show("filling sockets", n, times);
        for (uint32_t i = 0; i < stalled; i++)
            if (subscriber_follow(stalled_one(stall, i), FOLLOWS_ALL) != 0)
                return complain(LEDIG_EIO, "a connection was lost before it stalled");
        while (clock_now_ns() < until_ns)
            crowd_turn(&scenario->crowd, until_ns);
    }
    return 0;
}

static int stop_reading(struct stall *stall) {
    for (uint32_t i = 0; i < stall->scenario->plan.stalled; i++) {
        struct subscriber *subscriber = stalled_one(stall, i);
        subscriber->may_go = i % 2 == 1; /* the others come back in time */
        crowd_set_aside(&stall->scenario->crowd, subscriber, true);
        crowd_deafen(&stall->scenario->crowd, subscriber, true);
    }
    return fill_sockets(stall);
}

static int read_again(struct stall *stall) {
    struct crowd *crowd = &stall->scenario->crowd;
    struct tally before = crowd->tally;
    for (uint32_t i = 0; i < stall->scenario->plan.stalled; i += 2) {
        crowd_deafen(crowd, stalled_one(stall, i), false);
        crowd_set_aside(crowd, stalled_one(stall, i), false);
    }
    for (int64_t until_ns = clock_now_ns() + 1000000000; clock_now_ns() < until_ns;)
        crowd_turn(crowd, until_ns);
    stall->frames_back = crowd->tally.frames - before.frames;
    stall->rows_back = crowd->tally.deliveries - before.deliveries;
    return crowd_await(crowd, NULL);
}

static uint64_t not_dropped(struct crowd *crowd) {
    uint64_t left = 0;
    for (uint32_t i = 0; i < crowd->options.subscribers; i++)
        if (crowd->subscriber[i].may_go && crowd->subscriber[i].stage == STAGE_LIVE) left++;
    return left;
}

/* One that does not read does not see either that it was cut off. */
static int look_at_dropped(struct stall *stall) {
    struct crowd *crowd = &stall->scenario->crowd;
    int64_t until_ns = stall->stalled_ns + (strtol(stall->scenario->plan.stall_ms, NULL, 10) + SLACK_MS) * 1000000;
    const int64_t began_ns = clock_now_ns();
    while (clock_now_ns() < until_ns) {
        progress_show("until drops, seconds", (uint64_t)(clock_now_ns() - began_ns) / 1000000000,
                      (uint64_t)(until_ns - began_ns) / 1000000000 + 1);
        if (interrupt_asked()) return complain(LEDIG_EIO, "interrupted");
        crowd_turn(crowd, until_ns);
    }
    progress_end();
    for (uint32_t i = 1; i < stall->scenario->plan.stalled; i += 2)
        if (stalled_one(stall, i)->stage == STAGE_LIVE) crowd_deafen(crowd, stalled_one(stall, i), false);
    int error = crowd_wait(crowd, NULL, 0, not_dropped);
    if (error == 0) return 0;
    uint32_t faults = crowd->gone, all = stall->scenario->plan.stalled / 2;
    return complain(error, "of %u that stalled for good %u were dropped; %u connections were lost that should not be",
                    (unsigned)all, (unsigned)crowd->dropped, (unsigned)faults);
}

static int play(struct stall *stall, struct histogram *into) {
    struct scenario *scenario = stall->scenario;
    scenario->crowd.latency_us = (struct histogram){0};
    int error = schedule_play(scenario, &stall->schedule, "changing");
    *into = scenario->crowd.latency_us;
    return error;
}

static int run(struct stall *stall) {
    struct scenario *scenario = stall->scenario;
    int error = play(stall, &stall->before_us);
    if (error != 0) return error;
    if (stop_reading(stall) != 0) return LEDIG_EIO;
    stall->stalled_ns = clock_now_ns(); /* by now every socket is full */
    struct histogram ignored;
    if ((error = play(stall, &ignored)) != 0) return error; /* their sockets fill up */
    stall->rss_first = subject_rss_bytes(&scenario->subject);
    if ((error = play(stall, &stall->meanwhile_us)) != 0) return error;
    stall->rss_last = subject_rss_bytes(&scenario->subject);
    if ((error = read_again(stall)) != 0) return error;
    return look_at_dropped(stall);
}

static json_t *make_report(const struct stall *stall) {
    json_t *more = json_object(), *before = json_object(), *meanwhile = json_object();
    report_count(more, "stalled", stall->scenario->plan.stalled);
    report_latency(before, &stall->before_us);
    report_latency(meanwhile, &stall->meanwhile_us);
    json_object_set_new(more, "before", before);
    json_object_set_new(more, "meanwhile", meanwhile);
    report_count(more, "rss_growth_bytes", stall->rss_last - stall->rss_first);
    report_count(more, "frames_when_they_read_again", (int64_t)stall->frames_back);
    report_count(more, "rows_when_they_read_again", (int64_t)stall->rows_back);
    return more;
}

static void print(const struct stall *stall) {
    const struct histogram *rows[] = {&stall->before_us, &stall->meanwhile_us};
    static const char *const names[] = {"all read", "meanwhile"};
    char text[REPORT_GROUPED_CHARS], stalled[REPORT_GROUPED_CHARS];
    printf("the others' latency (ms)\n  %-22s %8s %8s %8s\n", "", "p50", "p99", "max");
    for (int i = 0; i < 2; i++)
        printf("  %-22s %8.2f %8.2f %8.2f\n", names[i], (double)histogram_at(rows[i], .5) / 1000,
               (double)histogram_at(rows[i], .99) / 1000, (double)histogram_at(rows[i], 1) / 1000);
    printf("  %-22s %16s   bytes while %s did not read\n", "growth of memory",
           report_grouped((double)(stall->rss_last - stall->rss_first), text),
           report_grouped(stall->scenario->plan.stalled, stalled));
    printf("  %-22s %16s   of them, as was to be; the others read again\n", "dropped",
           report_grouped(stall->scenario->crowd.dropped, text));
}

int stall_run(struct scenario *scenario) {
    struct stall *stall = calloc(1, sizeof *stall);
    const struct plan *plan = &scenario->plan;
    struct figures figures;
    if (!stall) return complain(1, "out of memory");
    stall->scenario = scenario;
    stall->schedule = (struct schedule){plan->rate, plan->seconds / 3, plan->companies, 0, NULL};
    int code = 1;
    if (scenario_gather(scenario, 0) == 0) {
        figures_begin(&figures, scenario);
        int64_t began_ns = clock_now_ns();
        if (run(stall) == 0) {
            figures_end(&figures, scenario, began_ns, clock_now_ns());
            code = figures_conclude(&figures, scenario, make_report(stall));
            if (code != 1 && plan_tells(plan)) print(stall);
        }
    }
    free(stall);
    return code;
}

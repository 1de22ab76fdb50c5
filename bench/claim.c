/* claim: routers claim agents of many queues for calls and let them go again, as fast as they are answered; in rounds
 * that take turns with the bare commit of two entities on the same Redis. Everybody is an agent of the company's queue
 * and logged in; nobody may have two calls at once, and all must be free in the end. */
#include "bench/bare_commit.h"
#include "bench/claiming.h"
#include "bench/figures.h"
#include "bench/terminal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- Setting up ---- */

static uint64_t not_logged_in(struct crowd *crowd) {
    return crowd->devices_open;
}

static uint64_t not_free(struct crowd *crowd) {
    return crowd->changes_open;
}

/* The crowd's first change made them busy. A log-in goes under the id of a device's state: what is counted is that it
 * was answered. */
static int log_in(struct subscriber *subscriber) {
    struct message queue = {.type = MESSAGE_queue, .queue = {.id = DEVICE_ID, .queue = SCENARIO_QUEUE, .member = true}};
    subscriber->devices_open++;
    subscriber->crowd->devices_open++;
    return subscriber_say(subscriber, &queue);
}

static int make_agents(struct scenario *scenario) {
    struct crowd *crowd = &scenario->crowd;
    const struct status status = {.status = "available"};
    int error = crowd_refollow(crowd, 0); /* what colleagues see is not the matter here */
    for (uint32_t c = 0; c < crowd->options.companies && !error; c++)
        for (uint32_t p = 0; p < crowd->company[c].publishers && !error; p++) {
            struct publisher *publisher = &crowd->company[c].publisher[p];
            error = publisher_set(publisher, &status, clock_now_ns());
            if (!error) error = log_in(publisher->subscriber);
            if (!error && crowd->devices_open >= CROWD_REQUESTS_AT_ONCE)
                error = crowd_wait(crowd, NULL, 0, not_logged_in);
        }
    if (!error) error = crowd_wait(crowd, NULL, 0, not_logged_in);
    if (!error) error = crowd_wait(crowd, NULL, 0, not_free);
    if (error || crowd->refused > 0)
        return complain(LEDIG_EIO, "not everybody could log in%s%s", crowd->refused ? ": " : "", crowd->refusal);
    return 0;
}

/* ---- Rounds ---- */

/* By processor time: of the router worker or of Redis, whichever had more to do. */
static int play_claims(struct claiming *claiming, int64_t duration_ns, struct round *round) {
    const struct subject *subject = &claiming->scenario->subject;
    const int64_t began_ns = clock_now_ns(), router_ns = process_cpu_ns(subject->router),
                  redis_ns = process_cpu_ns(subject->redis);
    const uint64_t commits = claiming->commits;
    int error = claiming_play(claiming, duration_ns);
    if (error) return error;
    const double took_ns = (double)(clock_now_ns() - began_ns), made = (double)(claiming->commits - commits);
    const double spent_ns = fmax((double)(process_cpu_ns(subject->router) - router_ns),
                                 (double)(process_cpu_ns(subject->redis) - redis_ns));
    *round = (struct round){made * 1e9 / took_ns, made * 1e9 / spent_ns, spent_ns / took_ns};
    return 0;
}

struct claimed { /* what came of it */
    struct rounds rounds;
    int64_t claims_ns; /* of the rounds with claims */
    size_t record_bytes[2];
    uint32_t in_flight;
};

static int play(struct claiming *claiming, struct bare_commit *bare, struct claimed *claimed) {
    const struct plan *plan = &claiming->scenario->plan;
    const int64_t duration_ns = (int64_t)(plan->seconds * 1e9 / plan->rounds / 2);
    int error = 0;
    for (uint32_t i = 0; i < 2 * plan->rounds && !error; i++) { /* who begins takes turns as well */
        progress_show("rounds", i, 2 * (uint64_t)plan->rounds);
        const int64_t began_ns = clock_now_ns();
        if ((i + i / 2) % 2) {
            error = bare_commit_round(bare, duration_ns, &claimed->rounds.limit[i / 2]);
        } else {
            error = play_claims(claiming, duration_ns, &claimed->rounds.broker[i / 2]);
            claimed->claims_ns += clock_now_ns() - began_ns;
        }
    }
    progress_end();
    claimed->rounds.count = plan->rounds;
    return error;
}

/* ---- Telling ---- */

static json_t *make_report(const struct claiming *claiming, const struct claimed *claimed) {
    json_t *more = json_object(), *claims = json_object(), *against = rounds_report(&claimed->rounds);
    report_count(claims, "count", (int64_t)claiming->claims);
    report_number(claims, "claims_per_s", (double)claiming->claims * 1e9 / (double)claimed->claims_ns);
    report_latency(claims, &claiming->latency_us);
    report_count(against, "call_bytes", (int64_t)claimed->record_bytes[0]);
    report_count(against, "state_bytes", (int64_t)claimed->record_bytes[1]);
    report_count(against, "in_flight", claimed->in_flight);
    json_object_set_new(more, "claims", claims);
    json_object_set_new(more, "against_bare_commit", against);
    report_count(more, "connections", claiming->scenario->plan.connections);
    report_count(more, "commits", (int64_t)claiming->commits);
    report_count(more, "nobody_free", (int64_t)claiming->nobody);
    report_count(more, "problems", (int64_t)claiming->problems);
    report_count(more, "wrong_answers", (int64_t)claiming->wrong);
    json_object_set_new(more, "first_wrong", claiming->wrong ? json_string(claiming->what) : json_null());
    return more;
}

static void print(const struct claiming *claiming, const struct claimed *claimed) {
    const struct histogram *latency_us = &claiming->latency_us;
    char count[REPORT_GROUPED_CHARS], rate[REPORT_GROUPED_CHARS];
    rounds_print(&claimed->rounds);
    printf("  %-22s %zu and %zu bytes, %u under way\n", "bare commits of", claimed->record_bytes[0],
           claimed->record_bytes[1], (unsigned)claimed->in_flight);
    printf("  %-22s %16s   %s a second, over %u connections\n", "claims",
           report_grouped((double)claiming->claims, count),
           report_grouped((double)claiming->claims * 1e9 / (double)claimed->claims_ns, rate),
           (unsigned)claiming->scenario->plan.connections);
    printf("  %-22s %13.2f ms   p99 %.2f, p99.9 %.2f, max %.2f\n", "claim p50",
           (double)histogram_at(latency_us, .5) / 1e3, (double)histogram_at(latency_us, .99) / 1e3,
           (double)histogram_at(latency_us, .999) / 1e3, (double)histogram_at(latency_us, 1) / 1e3);
    printf("  %-22s %16llu   answered that nobody is free\n", "", (unsigned long long)claiming->nobody);
    printf("  %-22s %16llu%s%s\n", "wrong answers", (unsigned long long)claiming->wrong,
           claiming->wrong ? "   first: " : "", claiming->what);
}

/* ---- The scenario ---- */

static int run(struct claiming *claiming, struct bare_commit *bare, struct figures *figures, struct claimed *claimed) {
    struct scenario *scenario = claiming->scenario;
    char call[32], user[EMPLOYER_ID_CHARS];
    if (scenario_gather(scenario, 0) != 0 || make_agents(scenario) != 0 || claiming_open(claiming, scenario) != 0 ||
        claiming_begin(claiming, call, user) != 0 ||
        bare_commit_open(bare, &scenario->subject, scenario->plan.companies, call, user) != 0)
        return LEDIG_EIO;
    claimed->rounds = (struct rounds){.unit = "commits", .other = "the bare commit of two entities"};
    claimed->record_bytes[0] = bare->record_bytes[0];
    claimed->record_bytes[1] = bare->record_bytes[1];
    claimed->in_flight = bare->slots;
    figures_begin(figures, scenario);
    int64_t began_ns = clock_now_ns();
    if (play(claiming, bare, claimed) != 0) return LEDIG_EIO;
    figures_end(figures, scenario, began_ns, clock_now_ns());
    if (claiming_settle(claiming) != 0) return LEDIG_EIO;
    figures->wrong_answers = claiming->wrong + claiming->problems;
    return 0;
}

int claim_run(struct scenario *scenario) {
    if (!scenario->subject.started) return complain(1, "claim starts a broker of its own: it looks at its Redis");
    struct claiming *claiming = calloc(1, sizeof *claiming); /* its histogram is too large for a stack */
    struct claimed *claimed = calloc(1, sizeof *claimed);
    struct bare_commit bare = {.socket = -1};
    struct figures figures;
    int code = 1;
    if (!claiming || !claimed) {
        complain(1, "out of memory");
    } else {
        claiming->scenario = scenario;
        claiming->router.epoll = -1;
        code = run(claiming, &bare, &figures, claimed) == 0 ? 0 : 1;
        if (code == 0) {
            scenario->further[scenario->further_count++] = (struct plot_latency){"each claim", &claiming->latency_us};
            code = figures_conclude(&figures, scenario, make_report(claiming, claimed));
            if (code != 1 && plan_tells(&scenario->plan)) print(claiming, claimed);
        }
        claiming_close(claiming);
    }
    bare_commit_close(&bare);
    free(claimed);
    free(claiming);
    return code;
}

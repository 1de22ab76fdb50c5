/* ask: a router asks what to do with calls, on schedule over kept-alive connections, while people change and their
 * colleagues are told. Questions are the router worker's, changes the app worker's: neither should wait for the other.
 *
 * Each change has a return time of its own, so that every answer tells which change it shows. It must be about the
 * right person, do what the rule says for exactly that change, and never go back behind an answer that was there before
 * it was asked. How far answers lag behind what was acknowledged is a figure; at the end every number must show the
 * last change. */
#include "bench/against_nginx.h"
#include "bench/asking.h"
#include "bench/figures.h"
#include "bench/terminal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BURST 64      /* questions sent before answers are read again */
#define WARM_ROUNDS 3 /* the second question about a company loads it */

/* What ends a loop early: 0, or an error after a complaint. */
static int look_around(struct scenario *scenario) {
    if (interrupt_asked()) return complain(LEDIG_EIO, "interrupted");
    if (scenario->crowd.out_of_memory) return complain(LEDIG_ENO_MEMORY, "out of memory");
    return generators_look(&scenario->generators);
}

static bool is_lost(const struct asking *asking) {
    return asking->router.cut_off > 0 || asking->scenario->crowd.gone > 0;
}

/* One turn of everything; waits `until_ns` at the most. 0, or an error after a complaint, also where no answer has come
 * for so long that none will. */
static int turn(struct asking *asking, int64_t until_ns, int64_t *moved_ns) {
    struct router *router = &asking->router;
    uint64_t answered = router->answered;
    crowd_turn(&asking->scenario->crowd, until_ns);
    router_turn(router);
    int64_t now_ns = clock_now_ns();
    if (router->answered != answered || router_open_questions(router) == 0) *moved_ns = now_ns;
    if (now_ns - *moved_ns > (int64_t)(asking->scenario->plan.patience_s * 1e9))
        return complain(LEDIG_EUNAVAILABLE, "the router worker at %s does not answer any more", router->endpoint->host);
    return look_around(asking->scenario);
}

static int64_t sooner(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Questions and changes, each when it is due; where the answers do not keep up, questions wait, and latency counts from
 * when they should have been sent. Saturated: the next question as soon as a connection is free. */
static int play(struct asking *asking) {
    const struct plan *plan = &asking->scenario->plan;
    const int64_t began_ns = clock_now_ns(), ends_ns = began_ns + (int64_t)(plan->seconds * 1e9);
    const uint64_t changes = (uint64_t)(plan->seconds * plan->changes);
    const double change_gap_ns = 1e9 / plan->changes, gap_ns = plan->saturates ? 0 : 1e9 / plan->rate;
    const uint64_t questions = plan->saturates ? UINT64_MAX : (uint64_t)fmax(1, plan->seconds * plan->rate);
    int64_t moved_ns = began_ns;
    for (;;) {
        int64_t now_ns = clock_now_ns(), next_ns = ends_ns;
        bool more = asking->questions < questions && (!plan->saturates || now_ns < ends_ns);
        if (is_lost(asking) || (!more && asking->changes >= changes && router_open_questions(&asking->router) == 0))
            break;
        for (int i = 0; more && i < BURST && router_can_ask(&asking->router); i++) {
            next_ns = plan->saturates ? clock_now_ns() : began_ns + (int64_t)((double)asking->questions * gap_ns);
            if (next_ns > now_ns && !plan->saturates) break;
            asking_ask_anybody(asking, next_ns);
            more = ++asking->questions < questions;
        }
        int64_t change_ns = began_ns + (int64_t)((double)asking->changes * change_gap_ns);
        if (asking->changes < changes && change_ns <= now_ns && asking_change(asking, change_ns) != 0) return LEDIG_EIO;
        if (!more || !router_can_ask(&asking->router)) next_ns = INT64_MAX; /* an answer wakes it */
        if (asking->changes < changes)
            next_ns = sooner(next_ns, began_ns + (int64_t)((double)asking->changes * change_gap_ns));
        progress_show("asking, ms", (uint64_t)(sooner(now_ns, ends_ns) - began_ns) / 1000000,
                      (uint64_t)(ends_ns - began_ns) / 1000000);
        if (turn(asking, next_ns, &moved_ns) != 0) return LEDIG_EIO;
    }
    progress_end();
    return 0;
}

/* Every number once, with `again` those alone that are not settled. */
static int ask_all(struct asking *asking, const char *what, bool again) {
    const struct crowd *crowd = &asking->scenario->crowd;
    int64_t moved_ns = clock_now_ns();
    for (uint32_t c = 0; c < crowd->options.companies; c++) {
        const struct assembly *company = &crowd->company[c];
        progress_show(what, c, crowd->options.companies);
        for (uint32_t p = 0; p < company->people && !is_lost(asking);) {
            if (again && p < company->publishers && asking->settled[company->on_board + p]) {
                p++;
            } else if (router_can_ask(&asking->router)) {
                asking_ask(asking, c, p++, clock_now_ns());
            } else if (turn(asking, INT64_MAX, &moved_ns) != 0) {
                return LEDIG_EIO;
            }
        }
    }
    while (router_open_questions(&asking->router) > 0 && !is_lost(asking))
        if (turn(asking, INT64_MAX, &moved_ns) != 0) return LEDIG_EIO;
    progress_end();
    return 0;
}

/* Until each number shows the last change, or the patience is over: the router worker may hear of it a little later. */
static int settle(struct asking *asking, const char *what) {
    const struct scenario *scenario = asking->scenario;
    const int64_t deadline_ns = clock_now_ns() + (int64_t)(scenario->plan.patience_s * 1e9);
    memset(asking->settled, 0, crowd_publishers(scenario->groups, scenario->group_count));
    int error = ask_all(asking, what, false);
    while (error == 0 && asking_unsettled(asking) > 0 && !is_lost(asking) && clock_now_ns() < deadline_ns)
        error = ask_all(asking, what, true);
    return error;
}

/* The numbers are found and the companies loaded, as they are for a router that has asked for a while. */
static int warm_up(struct asking *asking) {
    asking->phase = WARMING;
    asking->into = &asking->cold_us;
    int error = ask_all(asking, "asking for the first time", false);
    asking->into = NULL;
    for (int i = 1; i < WARM_ROUNDS && error == 0; i++)
        error = ask_all(asking, "asking again", false);
    return error ? error : settle(asking, "asking again");
}

static int catch_up(struct scenario *scenario) {
    struct crowd *crowd = &scenario->crowd;
    if (crowd->gone > 0) return 0;                /* the check says so */
    (void)crowd_await(crowd, "the last changes"); /* what is missing then is found by the check */
    (void)crowd_catch_up(crowd);
    int error = interrupt_asked() ? LEDIG_EIO : generators_order(&scenario->generators, crowd, ORDER_CATCH_UP);
    return error == LEDIG_EUNAVAILABLE ? 0 : error;
}

/* ---- Telling ---- */

struct asked { /* what came of it */
    double seconds, router_s;
    uint64_t unsettled;
    struct against_nginx against;
};

static double per(double value, double by) {
    return by > 0 ? value / by : 0;
}

static json_t *make_report(const struct asking *asking, const struct asked *asked) {
    json_t *more = json_object(), *answers = json_object(), *cold = json_object(), *behind = json_object();
    const struct plan *plan = &asking->scenario->plan;
    report_count(answers, "count", (int64_t)asking->answers);
    report_number(answers, "answers_per_s", per((double)asking->answers, asked->seconds));
    report_number(answers, "answers_per_router_cpu_s",
                  asked->router_s > 0 ? (double)asking->answers / asked->router_s : (double)NAN);
    report_latency(answers, &asking->latency_us);
    report_latency(cold, &asking->cold_us);
    report_count(behind, "count", (int64_t)asking->behind);
    report_latency(behind, &asking->behind_us);
    json_object_set_new(more, "answers", answers);
    json_object_set_new(more, "first_answers", cold);
    json_object_set_new(more, "behind", behind);
    if (plan->against_nginx) json_object_set_new(more, "against_nginx", against_nginx_report(&asked->against));
    if (plan->finds_rate) report_number(more, "question_rate", plan->rate);
    json_object_set_new(more, "saturate", json_boolean(plan->saturates));
    report_count(more, "connections", plan->connections);
    report_count(more, "seed", plan->seed);
    report_number(more, "change_rate", plan->changes);
    report_number(more, "router_cpu_s", asked->router_s >= 0 ? asked->router_s : (double)NAN);
    report_count(more, "reopened", (int64_t)asking->router.reopened);
    report_count(more, "asked_again", (int64_t)asking->router.asked_again);
    report_count(more, "problems", (int64_t)asking->problems);
    report_count(more, "wrong_answers", (int64_t)(asking->wrong + asked->unsettled));
    json_object_set_new(more, "first_wrong", asking->wrong ? json_string(asking->what) : json_null());
    return more;
}

static void print(const struct asking *asking, const struct asked *asked) {
    const struct plan *plan = &asking->scenario->plan;
    const struct histogram *latency_us = &asking->latency_us;
    char count[REPORT_GROUPED_CHARS], rate[REPORT_GROUPED_CHARS];
    if (plan->against_nginx) against_nginx_print(&asked->against);
    printf("%s, over %u connections\n", plan->saturates ? "the next question at once" : "questions on schedule",
           (unsigned)plan->connections);
    printf("  %-22s %16s   %s a second\n", "answers", report_grouped((double)asking->answers, count),
           report_grouped(per((double)asking->answers, asked->seconds), rate));
    if (asked->router_s > 0)
        printf("  %-22s %14.2f s     %s answers for each second of it\n", "router's time", asked->router_s,
               report_grouped((double)asking->answers / asked->router_s, rate));
    printf("  %-22s %13.2f ms   p99 %.2f, p99.9 %.2f, max %.2f\n", "answer p50",
           (double)histogram_at(latency_us, .5) / 1e3, (double)histogram_at(latency_us, .99) / 1e3,
           (double)histogram_at(latency_us, .999) / 1e3, (double)histogram_at(latency_us, 1) / 1e3);
    printf("  %-22s %13.2f ms   p99 %.2f\n", "a number's first, p50", (double)histogram_at(&asking->cold_us, .5) / 1e3,
           (double)histogram_at(&asking->cold_us, .99) / 1e3);
    printf("  %-22s %16s   without the last change, at most %.2f ms after it was due\n", "answers behind",
           report_grouped((double)asking->behind, count), (double)histogram_at(&asking->behind_us, 1) / 1e3);
    printf("  %-22s %16llu%s%s\n", "wrong answers", (unsigned long long)(asking->wrong + asked->unsettled),
           asking->wrong ? "   first: " : "", asking->what);
}

/* ---- The scenario ---- */

static int run(struct asking *asking, struct figures *figures, struct asked *asked) {
    struct scenario *scenario = asking->scenario;
    if (scenario_gather(scenario, 0) != 0 || asking_open(asking, scenario) != 0 || warm_up(asking) != 0)
        return LEDIG_EIO;
    if (scenario->plan.against_nginx && against_nginx_play(&asked->against, scenario, &asking->router) != 0)
        return LEDIG_EIO;
    if (scenario->plan.finds_rate && !asked->against.skipped)
        scenario->plan.rate = fmax(1, against_nginx_rate(&asked->against) / 2);
    figures_begin(figures, scenario);
    int64_t began_ns = clock_now_ns(), router_ns = process_cpu_ns(scenario->subject.router);
    uint64_t answered = asking->router.answered;
    asking->into = &asking->latency_us;
    asking->phase = PLAYING;
    if (play(asking) != 0) return LEDIG_EIO;
    int64_t ended_ns = clock_now_ns();
    asking->answers = asking->router.answered - answered;
    asked->seconds = (double)(ended_ns - began_ns) / 1e9;
    asked->router_s = router_ns < 0 || !scenario->subject.router
                          ? -1
                          : (double)(process_cpu_ns(scenario->subject.router) - router_ns) / 1e9;
    if (catch_up(scenario) != 0) return LEDIG_EIO;
    figures_end(figures, scenario, began_ns, ended_ns);
    asking->into = NULL;
    asking->phase = SETTLING;
    if (settle(asking, "the last answers") != 0) return LEDIG_EIO;
    asked->unsettled = asking_unsettled(asking);
    figures->wrong_answers = asking->wrong + asked->unsettled;
    figures->gone_elsewhere = asking->router.cut_off;
    return 0;
}

int ask_run(struct scenario *scenario) {
    struct asking *asking = calloc(1, sizeof *asking); /* its histograms are too large for a stack */
    struct figures figures;
    struct asked asked;
    if (!asking) return complain(1, "out of memory");
    asking->scenario = scenario;
    asking->router.epoll = -1;
    int code = run(asking, &figures, &asked) == 0 ? 0 : 1;
    if (code == 0) {
        scenario->further[scenario->further_count++] = (struct plot_latency){"each answer", &asking->latency_us};
        code = figures_conclude(&figures, scenario, make_report(asking, &asked));
        if (code != 1 && plan_tells(&scenario->plan)) print(asking, &asked);
    }
    asking_close(asking);
    free(asking);
    return code;
}

/* ask: a router asks what to do with calls, on schedule over kept-alive connections, while people change and their
 * colleagues are told. Questions are the router worker's, changes the app worker's: neither should wait for the other.
 *
 * Each change has a return time of its own, so that every answer tells which change it shows. It must be about the
 * right person, do what the rule says for exactly that change, and never go back behind an answer that was there before
 * it was asked. How far answers lag behind what was acknowledged is a figure; at the end every number must show the
 * last change. */
#include "bench/router.h"
#include "bench/scenario.h"
#include "bench/terminal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AHEAD_MS (48 * INT64_C(3600000)) /* return times lie beyond every run */
#define BURST 64                         /* questions sent before answers are read again */
#define WARM_ROUNDS 3                    /* the second question about a company loads it */

enum phase {
    WARMING, /* the router worker may still show what was before: asked again, and not judged */
    PLAYING,
    SETTLING /* only the last change is right; what is not is asked again, and what is never so is wrong */
};

struct asking {
    struct scenario *scenario;
    struct router router;
    uint64_t random;
    int64_t first_return_ms; /* of sequence number 0 */
    int32_t *shown;          /* the latest change in an answer, by publisher's number in all */
    int64_t *version;        /* likewise, by company */
    enum phase phase;
    uint8_t *settled; /* by publisher's number: in this phase it was seen to show the last change */
    struct histogram latency_us, cold_us, behind_us;
    struct histogram *into; /* which of them, just now; NULL = none */
    uint64_t wrong, behind, problems;
    uint64_t answers; /* of what is measured */
    uint64_t questions, changes;
    char what[128]; /* was wrong first */
};

/* xorshift64: the same questions for the same seed. */
static uint32_t draw(struct asking *asking, uint32_t below) {
    asking->random ^= asking->random << 13;
    asking->random ^= asking->random >> 7;
    asking->random ^= asking->random << 17;
    return (uint32_t)((asking->random >> 16) % below);
}

/* ---- One answer ---- */

static const char *text_of(const json_t *document, const char *name) {
    const char *text = json_string_value(json_object_get(document, name));
    return text ? text : "";
}

static const char *action_for(const char *status) {
    return strcmp(status, "busy") == 0 ? "busy" : "unavailable"; /* away, dnd; nobody here forwards calls */
}

static void note_wrong(struct asking *asking, const struct question *question, const char *what) {
    if (asking->wrong++ == 0)
        snprintf(asking->what, sizeof asking->what, "bench-%05u/u%05u: %s", (unsigned)question->company,
                 (unsigned)question->person, what);
}

/* Which change it shows; SEQUENCE_NONE where it is none that was ever made. */
static int32_t sequence_in(const struct asking *asking, const struct publisher *publisher, const json_t *document) {
    int64_t until_ms = json_integer_value(json_object_get(document, "until"));
    int64_t sequence = until_ms == 0 ? 0 : until_ms - asking->first_return_ms; /* the first change has none */
    if (sequence < 0 || sequence > publisher->asked) return SEQUENCE_NONE;
    const struct status *status = &publisher->made[sequence].status;
    bool right = status->until_ms == until_ms && strcmp(status->status, text_of(document, "availability")) == 0;
    return right ? (int32_t)sequence : SEQUENCE_NONE;
}

/* What is wrong with it, or NULL. */
static const char *judge_change(struct asking *asking, const struct question *question, const json_t *document) {
    const struct assembly *company = &asking->scenario->crowd.company[question->company];
    const struct publisher *publisher = &company->publisher[question->person];
    const uint32_t number = company->on_board + question->person;
    int32_t sequence = sequence_in(asking, publisher, document);
    if (sequence == SEQUENCE_NONE) return "a state that was never set";
    if (strcmp(action_for(publisher->made[sequence].status.status), text_of(document, "action")) != 0)
        return "an action that the rule does not give";
    if (sequence < question->shown) return "it went back behind an earlier answer";
    if (sequence > asking->shown[number]) asking->shown[number] = sequence;
    if (sequence >= publisher->acknowledged) asking->settled[number] = 1;
    if (asking->phase == PLAYING && sequence < question->acknowledged) {
        int64_t late_ns = question->sent_ns - publisher->made[sequence + 1].due_ns;
        asking->behind++;
        histogram_record(&asking->behind_us, late_ns > 0 ? (uint64_t)late_ns / 1000 : 0);
    }
    return NULL;
}

static const char *judge(struct asking *asking, const struct question *question, const json_t *document) {
    const struct assembly *company = &asking->scenario->crowd.company[question->company];
    char id[EMPLOYER_ID_CHARS];
    employer_company(question->company, id);
    if (strcmp(text_of(document, "company"), id) != 0) return "another company";
    employer_person(question->person, id);
    if (strcmp(text_of(document, "user"), id) != 0) return "another person";
    int64_t version = json_integer_value(json_object_get(document, "version"));
    if (version < question->version) return "an older version than in an earlier answer";
    if (version > asking->version[question->company]) asking->version[question->company] = version;
    if (question->person < company->publishers) return judge_change(asking, question, document);
    bool rings =
        strcmp(text_of(document, "action"), "ring") == 0 && strcmp(text_of(document, "availability"), "unknown") == 0;
    return rings ? NULL : "somebody who never consented is shown";
}

static void hear(void *arg, const struct question *question, const json_t *document) {
    struct asking *asking = arg;
    int64_t late_ns = clock_now_ns() - question->due_ns;
    if (asking->into) histogram_record(asking->into, late_ns > 0 ? (uint64_t)late_ns / 1000 : 0);
    if (!document && asking->phase != WARMING) asking->problems++;
    const char *wrong = document ? judge(asking, question, document) : "no answer but a problem";
    if (wrong && asking->phase != WARMING) note_wrong(asking, question, wrong);
}

/* ---- Asking ---- */

static void ask(struct asking *asking, uint32_t company, uint32_t person, int64_t due_ns) {
    const struct assembly *assembly = &asking->scenario->crowd.company[company];
    struct question question = {.company = company,
                                .person = person,
                                .due_ns = due_ns,
                                .acknowledged = SEQUENCE_NONE,
                                .shown = SEQUENCE_NONE,
                                .version = asking->version[company]};
    if (person < assembly->publishers) {
        question.acknowledged = assembly->publisher[person].acknowledged;
        question.shown = asking->shown[assembly->on_board + person];
    }
    router_ask(&asking->router, &question);
}

/* Anybody; every other time one of those who change. */
static void ask_anybody(struct asking *asking, int64_t due_ns) {
    const struct crowd *crowd = &asking->scenario->crowd;
    uint32_t company = draw(asking, crowd->options.companies);
    const struct assembly *assembly = &crowd->company[company];
    uint32_t among = draw(asking, 2) ? assembly->publishers : assembly->people;
    ask(asking, company, draw(asking, among ? among : 1), due_ns);
}

static int change_next(struct asking *asking, int64_t due_ns) {
    static const char *const statuses[] = {"busy", "away", "dnd"};
    struct crowd *crowd = &asking->scenario->crowd;
    uint64_t turn = asking->changes++;
    struct assembly *company = &crowd->company[turn % crowd->options.companies];
    struct publisher *publisher = &company->publisher[(turn / crowd->options.companies) % company->publishers];
    int32_t next = publisher->asked + 1;
    const struct status status = {.status = statuses[next % 3], .until_ms = asking->first_return_ms + next};
    int error = publisher_set(publisher, &status, due_ns);
    return error == LEDIG_ENO_MEMORY ? complain(error, "out of memory") : 0; /* a lost connection is noticed */
}

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
            ask_anybody(asking, next_ns);
            more = ++asking->questions < questions;
        }
        int64_t change_ns = began_ns + (int64_t)((double)asking->changes * change_gap_ns);
        if (asking->changes < changes && change_ns <= now_ns && change_next(asking, change_ns) != 0) return LEDIG_EIO;
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
                ask(asking, c, p++, clock_now_ns());
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

static uint64_t unsettled(const struct asking *asking) {
    const struct crowd *crowd = &asking->scenario->crowd;
    uint64_t count = 0, publishers = crowd_publishers(crowd->options.groups, crowd->options.group_count);
    for (uint64_t i = 0; i < publishers; i++)
        if (!asking->settled[i]) count++;
    return count;
}

/* Until each number shows the last change, or the patience is over: the router worker may hear of it a little later. */
static int settle(struct asking *asking, const char *what) {
    const struct scenario *scenario = asking->scenario;
    const int64_t deadline_ns = clock_now_ns() + (int64_t)(scenario->plan.patience_s * 1e9);
    memset(asking->settled, 0, crowd_publishers(scenario->groups, scenario->group_count));
    int error = ask_all(asking, what, false);
    while (error == 0 && unsettled(asking) > 0 && !is_lost(asking) && clock_now_ns() < deadline_ns)
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
    printf("  %-22s %16s   at most %.2f ms after the change was due\n", "without a new change",
           report_grouped((double)asking->behind, count), (double)histogram_at(&asking->behind_us, 1) / 1e3);
    printf("  %-22s %16llu%s%s\n", "wrong answers", (unsigned long long)(asking->wrong + asked->unsettled),
           asking->wrong ? "   first: " : "", asking->what);
}

/* ---- The scenario ---- */

static int prepare(struct asking *asking) {
    struct scenario *scenario = asking->scenario;
    char token[LEDIG_TOKEN_CHARS_MAX + 1];
    uint32_t publishers = crowd_publishers(scenario->groups, scenario->group_count);
    asking->random = scenario->plan.seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    asking->first_return_ms = clock_wall_ms() + AHEAD_MS;
    asking->shown = malloc((publishers + 1) * sizeof *asking->shown);
    asking->settled = calloc(publishers + 1, sizeof *asking->settled);
    asking->version = calloc(scenario->plan.companies, sizeof *asking->version);
    if (!asking->shown || !asking->settled || !asking->version) return complain(LEDIG_ENO_MEMORY, "out of memory");
    for (uint32_t i = 0; i < publishers; i++)
        asking->shown[i] = SEQUENCE_NONE;
    int error = employer_router_token(&scenario->employer, token);
    if (error != 0) return complain(error, "no token: %s", ledig_error_meaning(error));
    error = scenario_gather(scenario, 0);
    if (error == 0)
        error =
            router_open(&asking->router, &scenario->subject.routers, token, scenario->plan.connections, hear, asking);
    if (error == 0 && crowd_heed(&scenario->crowd, asking->router.epoll) != 0)
        error = complain(LEDIG_EIO, "an epoll set cannot be watched");
    return error;
}

static int run(struct asking *asking, struct figures *figures, struct asked *asked) {
    struct scenario *scenario = asking->scenario;
    if (prepare(asking) != 0 || warm_up(asking) != 0) return LEDIG_EIO;
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
    asked->unsettled = unsettled(asking);
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
        const char *json = scenario->plan.json;
        if (code != 1 && (!json || strcmp(json, "-") != 0)) print(asking, &asked);
    }
    router_close(&asking->router);
    free(asking->shown);
    free(asking->settled);
    free(asking->version);
    free(asking);
    return code;
}

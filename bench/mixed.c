/* mixed: a working day in a few seconds, of several companies: one large, some of a few dozen, many small. The evening
 * before, all have been there once; then they come in the morning, set where they are and until when, let devices rest,
 * change network, go home (see day.h), and everybody's view at the end must be what was last set and acknowledged.
 *
 * Who follows whom: a switchboard everybody, of the others half everybody and half 30 people, and of the phones most 30
 * favourites. The broker that is started has its grace and its pause for apps in the background shortened with the day.
 */
#include "bench/day.h"
#include "bench/scenario.h"
#include "bench/terminal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAVOURITES 30     /* or as many as there are */
#define NIGHT_MS 1500     /* longer than the grace (ledig_bench.c), so that in the morning nobody is there */
#define ABSENT_MS_MIN 20  /* while a phone changes network, in the day's own compression or not: handshakes are not */
#define ABSENT_MS_MAX 500 /* compressed */
#define RETURN_AHEAD_MS 1000 /* a return time is at least that far away, or it may have passed when it is set */
#define TURNS_BETWEEN 32     /* events, then what has come is read */

enum purpose { /* of day_draw; 0 is the day's own */
               DRAW_KIND = 1,
               DRAW_FOLLOWING,
               DRAW_ABSENCE
};

struct absence {
    int64_t back_ns;
    uint32_t who;
};

struct shift { /* the day while it is played */
    struct scenario *scenario;
    struct day day;
    enum day_kind *kinds;
    size_t next;     /* event */
    size_t *put_off; /* events whose device is not live just now, in order */
    size_t put_off_count;
    struct absence *absent; /* one for each subscriber at most */
    uint32_t absent_count;
    int64_t began_ns;
    double ns_a_second; /* of the day */
    uint32_t people_of_kind[DAY_PHONE + 1], following[FOLLOWS_CIRCLE + 1];
    uint64_t arrived, moved, left, turned;
};

/* ---- Who they are ---- */

static enum day_kind kind_of(const struct plan *plan, const struct assembly *company, uint32_t nth, uint32_t number) {
    if (nth == 0) return DAY_SWITCHBOARD; /* in a small company, whoever takes the calls */
    if (nth >= company->people) return DAY_PHONE;
    return day_draw(plan->seed, number, DRAW_KIND, 4) == 0 ? DAY_MOBILE : DAY_DESK;
}

static void choose_following(const struct plan *plan, const struct assembly *company, enum day_kind kind,
                             struct subscriber *subscriber) {
    const bool has_phone = kind == DAY_PHONE || kind == DAY_MOBILE;
    const uint32_t few_percent = kind == DAY_SWITCHBOARD ? 0 : has_phone ? 70 : 50;
    const uint32_t few = FAVOURITES < company->people ? FAVOURITES : company->people;
    bool follows_few = day_draw(plan->seed, subscriber->number, DRAW_FOLLOWING, 100) < few_percent;
    subscriber->following = follows_few ? FOLLOWS_CIRCLE : FOLLOWS_ALL;
    subscriber->circle = follows_few ? few : 0;
    subscriber->favourites = has_phone ? few : 0;
    subscriber->kind = has_phone ? "mobile" : "desktop";
    subscriber->state = has_phone ? "background" : "active";
    if (follows_few) subscriber->version = 0; /* a place is good only with the same filter */
    if (kind != DAY_SWITCHBOARD) return;
    subscriber->role = ROLE_SWITCHBOARD;
    free(subscriber->token);
    subscriber->token = NULL;
}

static int cast(struct shift *shift) {
    struct crowd *crowd = &shift->scenario->crowd;
    const struct plan *plan = &shift->scenario->plan;
    for (uint32_t c = 0; c < crowd->options.companies; c++) {
        const struct assembly *company = &crowd->company[c];
        for (uint32_t nth = 0; nth < company->subscribers; nth++) {
            uint32_t number = company->first + nth * company->stride;
            enum day_kind kind = kind_of(plan, company, nth, number);
            shift->kinds[number] = kind;
            choose_following(plan, company, kind, &crowd->subscriber[number]);
            shift->people_of_kind[kind]++;
            shift->following[crowd->subscriber[number].following]++;
        }
    }
    if (day_plan(&shift->day, plan->seed, shift->kinds, crowd->options.subscribers) != 0)
        return complain(LEDIG_ENO_MEMORY, "out of memory");
    shift->put_off = calloc(shift->day.count + 1, sizeof *shift->put_off);
    return shift->put_off ? 0 : complain(LEDIG_ENO_MEMORY, "out of memory");
}

/* ---- What they do ---- */

static int64_t at_ns(const struct shift *shift, uint32_t at_s) {
    return shift->began_ns + (int64_t)((double)(at_s - DAY_BEGINS_S) * shift->ns_a_second);
}

static int set(struct shift *shift, struct subscriber *subscriber, const struct day_event *event) {
    static const struct status statuses[] = {[DAY_AVAILABLE] = {.status = "available"},
                                             [DAY_MEETING] = {.status = "busy", .activity = "meeting"},
                                             [DAY_LUNCH] = {.status = "away", .activity = "lunch"},
                                             [DAY_BREAK] = {.status = "away", .activity = "break"},
                                             [DAY_FOCUS] = {.status = "dnd"},
                                             [DAY_GONE_HOME] = {.status = "away"}};
    struct assembly *company = &shift->scenario->crowd.company[subscriber->company];
    int64_t due_ns = at_ns(shift, event->at_s);
    struct status status = statuses[event->what];
    int64_t ahead_ms = (int64_t)(event->for_s * shift->ns_a_second / 1e6);
    if (event->what == DAY_GONE_HOME) ahead_ms = event->for_s * INT64_C(1000); /* tomorrow does not come in this run */
    if (event->for_s > 0) status.until_ms = clock_wall_ms() + (ahead_ms > RETURN_AHEAD_MS ? ahead_ms : RETURN_AHEAD_MS);
    /* Nobody could set it before the device was there. */
    if (due_ns < subscriber->live_from_ns) due_ns = clock_now_ns();
    return publisher_set(&company->publisher[subscriber->person], &status, due_ns);
}

static void go_absent(struct shift *shift, struct subscriber *subscriber, const struct day_event *event) {
    uint32_t absent_ms = ABSENT_MS_MIN + day_draw(shift->scenario->plan.seed, event->who, DRAW_ABSENCE + event->nth,
                                                  ABSENT_MS_MAX - ABSENT_MS_MIN);
    shift->moved++;
    if (event->what == DAY_SILENT)
        crowd_fall_silent(&shift->scenario->crowd, subscriber);
    else
        crowd_break_off(&shift->scenario->crowd, subscriber);
    shift->absent[shift->absent_count++] =
        (struct absence){clock_now_ns() + absent_ms * INT64_C(1000000), subscriber->number};
}

static void arrive(struct shift *shift, struct subscriber *subscriber, bool afresh) {
    if (afresh) subscriber->version = 0;
    shift->arrived++;
    crowd_call_back(&shift->scenario->crowd, subscriber);
}

/* Of somebody who is there, or arrives. 0 or LEDIG_ENO_MEMORY; a lost connection is noticed by the crowd. */
static int act(struct shift *shift, const struct day_event *event) {
    static const char *const states[] = {[DAY_ACTIVE] = "active", [DAY_IDLE] = "idle", [DAY_BACKGROUND] = "background"};
    struct crowd *crowd = &shift->scenario->crowd;
    struct subscriber *subscriber = &crowd->subscriber[event->who];
    switch (event->act) {
    case DAY_ARRIVES:
        arrive(shift, subscriber, event->what == DAY_AFRESH);
        return 0;
    case DAY_SETS:
        return set(shift, subscriber, event) == LEDIG_ENO_MEMORY ? LEDIG_ENO_MEMORY : 0;
    case DAY_TURNS:
        shift->turned++;
        return subscriber_turn(subscriber, states[event->what]) == LEDIG_ENO_MEMORY ? LEDIG_ENO_MEMORY : 0;
    case DAY_MOVES:
        go_absent(shift, subscriber, event);
        return 0;
    default:
        shift->left++;
        crowd_let_go(crowd, subscriber);
        return 0;
    }
}

/* ---- The day's course ---- */

static bool can_act(const struct shift *shift, const struct day_event *event) {
    enum stage stage = shift->scenario->crowd.subscriber[event->who].stage;
    return event->act == DAY_ARRIVES || stage == STAGE_LIVE;
}

/* What could not be done because the device was not there, in order. */
static int catch_up(struct shift *shift) {
    size_t kept = 0;
    int error = 0;
    for (size_t i = 0; i < shift->put_off_count; i++) {
        const struct day_event *event = &shift->day.event[shift->put_off[i]];
        if (error == 0 && can_act(shift, event))
            error = act(shift, event);
        else
            shift->put_off[kept++] = shift->put_off[i];
    }
    shift->put_off_count = kept;
    return error;
}

static void call_back_absent(struct shift *shift, int64_t now_ns) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < shift->absent_count; i++) {
        if (shift->absent[i].back_ns > now_ns)
            shift->absent[kept++] = shift->absent[i];
        else
            crowd_call_back(&shift->scenario->crowd, &shift->scenario->crowd.subscriber[shift->absent[i].who]);
    }
    shift->absent_count = kept;
}

static int do_due(struct shift *shift, int64_t now_ns) {
    int error = catch_up(shift);
    for (int i = 0; error == 0 && i < TURNS_BETWEEN && shift->next < shift->day.count; i++) {
        const struct day_event *event = &shift->day.event[shift->next];
        if (at_ns(shift, event->at_s) > now_ns) break;
        if (can_act(shift, event))
            error = act(shift, event);
        else
            shift->put_off[shift->put_off_count++] = shift->next;
        shift->next++;
    }
    return error;
}

static int64_t next_due_ns(const struct shift *shift) {
    int64_t due_ns = shift->next < shift->day.count ? at_ns(shift, shift->day.event[shift->next].at_s) : INT64_MAX;
    for (uint32_t i = 0; i < shift->absent_count; i++)
        if (shift->absent[i].back_ns < due_ns) due_ns = shift->absent[i].back_ns;
    return due_ns;
}

static int look_around(const struct shift *shift) {
    if (interrupt_asked()) return complain(LEDIG_EIO, "interrupted");
    return shift->scenario->crowd.out_of_memory ? complain(LEDIG_ENO_MEMORY, "out of memory") : 0;
}

/* Everything that was to happen has. Ends early when a connection is lost; the check then says so. */
static int play(struct shift *shift) {
    struct crowd *crowd = &shift->scenario->crowd;
    int64_t moved_ns = clock_now_ns(), now_ns;
    size_t before = 0;
    while (crowd->gone == 0) {
        if (look_around(shift) != 0) return LEDIG_EIO;
        now_ns = clock_now_ns();
        call_back_absent(shift, now_ns);
        if (do_due(shift, now_ns) != 0) return complain(LEDIG_ENO_MEMORY, "out of memory");
        size_t open = shift->day.count - shift->next + shift->put_off_count;
        if (open == 0 && shift->absent_count == 0) break;
        if (open != before || shift->next < shift->day.count) moved_ns = now_ns;
        before = open;
        if (now_ns - moved_ns > crowd->options.patience_ms * INT64_C(1000000))
            return complain(LEDIG_EUNAVAILABLE, "%zu devices did not come back", shift->put_off_count);
        progress_show("the day", shift->day.count - open, shift->day.count);
        crowd_turn(crowd, next_due_ns(shift));
    }
    progress_end();
    return 0;
}

static int hold(struct shift *shift, int64_t until_ns) {
    while (clock_now_ns() < until_ns && shift->scenario->crowd.gone == 0) {
        if (look_around(shift) != 0) return LEDIG_EIO;
        crowd_turn(&shift->scenario->crowd, until_ns);
    }
    return 0;
}

static uint64_t unfinished(struct crowd *crowd) {
    return crowd->connecting + crowd->changes_open + crowd->devices_open;
}

/* Whoever is still there takes a look: an app in the foreground shows what is so now. */
static int look_up(struct shift *shift) {
    struct crowd *crowd = &shift->scenario->crowd;
    (void)crowd_wait(crowd, NULL, 0, unfinished); /* what is missing then is found by the check */
    for (uint32_t i = 0; i < crowd->options.subscribers; i++) {
        struct subscriber *subscriber = &crowd->subscriber[i];
        if (subscriber->stage != STAGE_LIVE || strcmp(subscriber->state, "background") != 0) continue;
        if (subscriber_turn(subscriber, "active") == LEDIG_ENO_MEMORY)
            return complain(LEDIG_ENO_MEMORY, "out of memory");
        if (i % TURNS_BETWEEN == 0) crowd_turn(crowd, 0);
    }
    (void)crowd_wait(crowd, NULL, 0, unfinished);
    return look_around(shift);
}

/* ---- Telling ---- */

static void mark_text(const struct shift *shift, char text[static 17]) {
    snprintf(text, 17, "%016" PRIx64, day_mark(&shift->day));
}

static json_t *make_report(const struct shift *shift) {
    const struct crowd *crowd = &shift->scenario->crowd;
    const struct plan *plan = &shift->scenario->plan;
    json_t *more = json_object(), *back = json_object(), *passed = json_object();
    char mark[17];
    mark_text(shift, mark);
    report_latency(back, &crowd->return_us);
    report_latency(passed, &crowd->passed_us);
    report_count(more, "seed", plan->seed);
    json_object_set_new(more, "day", json_string(mark));
    report_number(more, "compression", (DAY_ENDS_S - DAY_BEGINS_S) / plan->seconds);
    report_count(more, "events", (int64_t)shift->day.count);
    report_number(more, "events_per_s", (double)shift->day.count / plan->seconds);
    report_count(more, "people_with_two_devices", shift->people_of_kind[DAY_PHONE]);
    report_count(more, "following_all", shift->following[FOLLOWS_ALL]);
    report_count(more, "following_few", shift->following[FOLLOWS_CIRCLE]);
    report_count(more, "arrived", (int64_t)shift->arrived);
    report_count(more, "changed_network", (int64_t)shift->moved);
    report_count(more, "turned", (int64_t)shift->turned);
    report_count(more, "left", (int64_t)shift->left);
    report_count(more, "connected_anew", (int64_t)crowd->return_us.total);
    report_count(more, "resumed", (int64_t)crowd->resumed);
    json_object_set_new(more, "until_live_again", back);
    json_object_set_new(more, "return_times_passed", passed);
    return more;
}

static void print_row(const char *name, const struct histogram *us) {
    printf("  %-22s %13.2f ms   p99 %.2f, max %.2f\n", name, (double)histogram_at(us, .5) / 1000,
           (double)histogram_at(us, .99) / 1000, (double)histogram_at(us, 1) / 1000);
}

static void print(const struct shift *shift) {
    const struct crowd *crowd = &shift->scenario->crowd;
    const struct plan *plan = &shift->scenario->plan;
    char mark[17], one[REPORT_GROUPED_CHARS], other[REPORT_GROUPED_CHARS];
    mark_text(shift, mark);
    printf("the day of seed %u (%s), one hour in %.2f s\n", (unsigned)plan->seed, mark,
           plan->seconds * 3600 / (DAY_ENDS_S - DAY_BEGINS_S));
    printf("  %-22s %16s   %s a second\n", "events", report_grouped((double)shift->day.count, one),
           report_grouped((double)shift->day.count / plan->seconds, other));
    printf("  %-22s %16s   %s follow 30 or fewer\n", "follow all", report_grouped(shift->following[FOLLOWS_ALL], one),
           report_grouped(shift->following[FOLLOWS_CIRCLE], other));
    printf("  %-22s %16s   %s went home\n", "arrived", report_grouped((double)shift->arrived, one),
           report_grouped((double)shift->left, other));
    printf("  %-22s %16s   %s times a device became active, idle or background\n", "changed network",
           report_grouped((double)shift->moved, one), report_grouped((double)shift->turned, other));
    printf("  %-22s %16s   %s of them resumed\n", "connected anew", report_grouped((double)crowd->return_us.total, one),
           report_grouped((double)crowd->resumed, other));
    print_row("live again, p50", &crowd->return_us);
    if (crowd->passed_us.total > 0) print_row("return seen, p50", &crowd->passed_us);
}

/* ---- The scenario ---- */

static int prepare(struct shift *shift) {
    struct scenario *scenario = shift->scenario;
    const uint32_t subscribers = scenario->plan.subscribers;
    shift->kinds = calloc(subscribers, sizeof *shift->kinds);
    shift->absent = calloc(subscribers, sizeof *shift->absent);
    if (!shift->kinds || !shift->absent) return complain(LEDIG_ENO_MEMORY, "out of memory");
    if (scenario_gather(scenario, CROWD_DEAD_LINES) != 0) return LEDIG_EIO;
    for (uint32_t i = 0; i < subscribers; i++)
        crowd_break_off(&scenario->crowd, &scenario->crowd.subscriber[i]);
    int error = cast(shift);
    return error ? error : hold(shift, clock_now_ns() + NIGHT_MS * INT64_C(1000000));
}

static int run(struct shift *shift, struct figures *figures) {
    struct scenario *scenario = shift->scenario;
    struct crowd *crowd = &scenario->crowd;
    if (prepare(shift) != 0) return LEDIG_EIO;
    figures_begin(figures, scenario);
    crowd->resumed = 0;
    crowd->return_us = crowd->passed_us = (struct histogram){0};
    shift->ns_a_second = scenario->plan.seconds * 1e9 / (DAY_ENDS_S - DAY_BEGINS_S);
    shift->began_ns = clock_now_ns();
    if (play(shift) != 0) return LEDIG_EIO;
    int64_t ended_ns = clock_now_ns();
    if (look_up(shift) != 0) return LEDIG_EIO;
    figures_end(figures, scenario, shift->began_ns, ended_ns);
    return 0;
}

int mixed_run(struct scenario *scenario) {
    struct shift *shift = calloc(1, sizeof *shift);
    struct figures figures;
    if (!shift) return complain(1, "out of memory");
    shift->scenario = scenario;
    int code = run(shift, &figures) == 0 ? 0 : 1;
    if (code == 0) {
        scenario->further[scenario->further_count++] =
            (struct plot_latency){"a return time that passed", &scenario->crowd.passed_us};
        code = figures_conclude(&figures, scenario, make_report(shift));
        const char *json = scenario->plan.json;
        if (code != 1 && (!json || strcmp(json, "-") != 0)) print(shift);
    }
    day_free(&shift->day);
    free(shift->kinds);
    free(shift->put_off);
    free(shift->absent);
    free(shift);
    return code;
}

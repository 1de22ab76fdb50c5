#include "bench/shift.h"
#include "bench/terminal.h"

#include <stdlib.h>
#include <string.h>

#define FAVOURITES 30    /* or as many as there are */
#define ABSENT_MS_MIN 20 /* while a phone changes network: handshakes take their time on a short day, too */
#define ABSENT_MS_MAX 500
#define RETURN_AHEAD_MS 1000 /* a return time is at least that far away, or it may have passed when it is set */
#define TURNS_BETWEEN 32     /* events, then what has come is read */

enum purpose { /* of day_draw; 0 is the day's own */
               DRAW_KIND = 1,
               DRAW_FOLLOWING,
               DRAW_ABSENCE
};

struct absence {
    int64_t back_ns; /* when the device comes back */
    uint32_t who;
};

/* ---- Who they are ---- */

static enum day_kind kind_of(uint32_t seed, const struct assembly *company, uint32_t nth, uint32_t number) {
    if (nth == 0) return DAY_SWITCHBOARD; /* in a small company, whoever takes the calls */
    if (nth >= company->people) return DAY_PHONE;
    return day_draw(seed, number, DRAW_KIND, 4) == 0 ? DAY_MOBILE : DAY_DESK;
}

static void choose_following(uint32_t seed, const struct assembly *company, enum day_kind kind,
                             struct subscriber *subscriber) {
    const bool has_phone = kind == DAY_PHONE || kind == DAY_MOBILE;
    const uint32_t few_percent = kind == DAY_SWITCHBOARD ? 0 : has_phone ? 70 : 50;
    const uint32_t few = FAVOURITES < company->people ? FAVOURITES : company->people;
    bool follows_few = day_draw(seed, subscriber->number, DRAW_FOLLOWING, 100) < few_percent;
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

static void cast_one(struct shift *shift, const struct assembly *company, uint32_t nth) {
    uint32_t number = company->first + nth * company->stride;
    struct subscriber *subscriber = &shift->crowd->subscriber[number];
    if (subscriber->stage == STAGE_ELSEWHERE) return; /* cast in its own process */
    enum day_kind kind = kind_of(shift->seed, company, nth, number);
    shift->kinds[number] = kind;
    choose_following(shift->seed, company, kind, subscriber);
    if (kind == DAY_PHONE) shift->count.phones++;
    if (subscriber->following == FOLLOWS_CIRCLE)
        shift->count.following_few++;
    else
        shift->count.following_all++;
}

static int cast(struct shift *shift) {
    struct crowd *crowd = shift->crowd;
    for (uint32_t c = 0; c < crowd->options.companies; c++) {
        const struct assembly *company = &crowd->company[c];
        for (uint32_t nth = 0; nth < company->subscribers; nth++)
            cast_one(shift, company, nth);
    }
    if (day_plan(&shift->day, shift->seed, shift->kinds, crowd->options.subscribers) != 0)
        return complain(LEDIG_ENO_MEMORY, "out of memory");
    shift->count.events = shift->day.count;
    shift->count.mark = day_mark(&shift->day);
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
    struct assembly *company = &shift->crowd->company[subscriber->company];
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
    uint32_t absent_ms =
        ABSENT_MS_MIN + day_draw(shift->seed, event->who, DRAW_ABSENCE + event->nth, ABSENT_MS_MAX - ABSENT_MS_MIN);
    shift->count.moved++;
    if (event->what == DAY_SILENT)
        crowd_fall_silent(shift->crowd, subscriber);
    else
        crowd_break_off(shift->crowd, subscriber);
    shift->absent[shift->absent_count++] =
        (struct absence){clock_now_ns() + absent_ms * INT64_C(1000000), subscriber->number};
}

static void arrive(struct shift *shift, struct subscriber *subscriber, bool afresh) {
    if (afresh) subscriber->version = 0;
    shift->count.arrived++;
    crowd_call_back(shift->crowd, subscriber);
}

/* Of somebody who is there, or arrives. 0 or LEDIG_ENO_MEMORY; a lost connection is noticed by the crowd. */
static int act(struct shift *shift, const struct day_event *event) {
    static const char *const states[] = {[DAY_ACTIVE] = "active", [DAY_IDLE] = "idle", [DAY_BACKGROUND] = "background"};
    struct crowd *crowd = shift->crowd;
    struct subscriber *subscriber = &crowd->subscriber[event->who];
    switch (event->act) {
    case DAY_ARRIVES:
        arrive(shift, subscriber, event->what == DAY_AFRESH);
        return 0;
    case DAY_SETS:
        return set(shift, subscriber, event) == LEDIG_ENO_MEMORY ? LEDIG_ENO_MEMORY : 0;
    case DAY_TURNS:
        shift->count.turned++;
        return subscriber_turn(subscriber, states[event->what]) == LEDIG_ENO_MEMORY ? LEDIG_ENO_MEMORY : 0;
    case DAY_MOVES:
        go_absent(shift, subscriber, event);
        return 0;
    default:
        shift->count.left++;
        crowd_let_go(crowd, subscriber);
        return 0;
    }
}

/* ---- The day's course ---- */

static bool can_act(const struct shift *shift, const struct day_event *event) {
    enum stage stage = shift->crowd->subscriber[event->who].stage;
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
            crowd_call_back(shift->crowd, &shift->crowd->subscriber[shift->absent[i].who]);
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
    return shift->crowd->out_of_memory ? complain(LEDIG_ENO_MEMORY, "out of memory") : 0;
}

/* Everything that was to happen has. Ends early when a connection is lost; the check then says so. */
static int play(struct shift *shift) {
    struct crowd *crowd = shift->crowd;
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
        if (now_ns - moved_ns > crowd->options.patience_ms * INT64_C(1000000)) break; /* the check finds who is away */
        progress_show("the day", shift->day.count - open, shift->day.count);
        crowd_turn(crowd, next_due_ns(shift));
    }
    progress_end();
    return 0;
}

static uint64_t unfinished(struct crowd *crowd) {
    return crowd->connecting + crowd->changes_open + crowd->devices_open;
}

/* Whoever is still there takes a look: an app in the foreground shows what is so now. */
static int look_up(struct shift *shift) {
    struct crowd *crowd = shift->crowd;
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

/* ---- The whole ---- */

int shift_open(struct shift *shift, struct crowd *crowd, uint32_t seed, double seconds) {
    const uint32_t subscribers = crowd->options.subscribers;
    *shift = (struct shift){.crowd = crowd, .seed = seed, .ns_a_second = seconds * 1e9 / (DAY_ENDS_S - DAY_BEGINS_S)};
    shift->kinds = calloc(subscribers, sizeof *shift->kinds);
    shift->absent = calloc(subscribers, sizeof *shift->absent);
    if (!shift->kinds || !shift->absent) return complain(LEDIG_ENO_MEMORY, "out of memory");
    for (uint32_t i = 0; i < subscribers; i++)
        crowd_break_off(crowd, &crowd->subscriber[i]); /* those elsewhere are not live here */
    return cast(shift);
}

void shift_close(struct shift *shift) {
    day_free(&shift->day);
    free(shift->kinds);
    free(shift->put_off);
    free(shift->absent);
    *shift = (struct shift){0};
}

int shift_play(struct shift *shift, int64_t *ended_ns) {
    shift->began_ns = clock_now_ns();
    int error = play(shift);
    *ended_ns = clock_now_ns();
    return error ? error : look_up(shift);
}

void shift_add(struct shift_count *sum, const struct shift_count *more) {
    sum->events += more->events;
    sum->mark += more->mark;
    sum->phones += more->phones;
    sum->following_all += more->following_all;
    sum->following_few += more->following_few;
    sum->arrived += more->arrived;
    sum->moved += more->moved;
    sum->turned += more->turned;
    sum->left += more->left;
}

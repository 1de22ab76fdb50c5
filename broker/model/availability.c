#include "broker/model/availability.h"

#include <string.h>

/* Time limits that were looked at on the way to a view. Each rule adds its own, and the first rule that applies ends
 * the way: a limit behind it cannot influence the view as long as that rule stands, and that rule's own end is a limit.
 */
struct limits {
    int64_t now, passed, next;
};

/* Whether the limit has passed. */
static bool limit(struct limits *limits, int64_t at) {
    if (at <= limits->now) {
        if (at > limits->passed) limits->passed = at;
        return true;
    }
    if (at < limits->next) limits->next = at;
    return false;
}

static int64_t later(int64_t at, int64_t by_ms) {
    return at > NEVER - by_ms ? NEVER : at + by_ms;
}

static bool is(const char *text, const char *other) {
    return text != NULL && strcmp(text, other) == 0;
}

/* ---- What was set by hand ---- */

/* Available by hand means something only with an end: without one it only takes back what was set before. */
static enum availability manual_status(const struct state_record *state) {
    if (is(state->status, "dnd")) return AVAILABILITY_DND;
    if (is(state->status, "busy")) return AVAILABILITY_BUSY;
    if (is(state->status, "away")) return AVAILABILITY_AWAY;
    if (is(state->status, "available") && state->until != 0) return AVAILABILITY_AVAILABLE;
    return AVAILABILITY_UNKNOWN;
}

static bool has_passed(int64_t until, struct limits *limits) {
    return until != 0 && limit(limits, until);
}

/* Health, and why one is away, is nobody's business: unless the person says so. */
static bool is_private(const char *activity) {
    return is(activity, "sick") || is(activity, "vacation");
}

static void show_manual(const struct state_record *state, enum availability status, struct view *view) {
    bool hidden = is_private(state->activity) && !state->open;
    view->availability = hidden && status != AVAILABILITY_AVAILABLE ? AVAILABILITY_AWAY : status;
    view->activity = hidden ? NULL : state->activity;
    view->note = hidden ? NULL : state->note; /* the words may say what the activity does not */
    view->since = state->set_at;
    view->until = state->until;
}

/* ---- Calls ---- */

static int64_t call_end(const struct own_call *call, const struct leases *leases) {
    int64_t end = call->ends_at != 0 ? call->ends_at : NEVER;
    int64_t router_ended = leases_ended_at(leases, call->router);
    return router_ended != 0 && router_ended < end ? router_ended : end;
}

/* Whether a call in either of two states counts, and since when the first of them. */
static bool on_call(const struct state_record *state, const char *one, const char *other, const struct leases *leases,
                    struct limits *limits, int64_t *since) {
    const struct own_call *calls = state->calls.at;
    bool found = false;
    for (uint32_t i = 0; i < state->calls.count; i++) {
        if (!is(calls[i].state, one) && !is(calls[i].state, other)) continue;
        if (limit(limits, call_end(&calls[i], leases))) continue;
        if (!found || calls[i].since < *since) *since = calls[i].since;
        found = true;
    }
    return found;
}

static void show_busy(struct view *view, const char *activity, int64_t since, int64_t until) {
    view->availability = AVAILABILITY_BUSY;
    view->activity = activity;
    view->since = since;
    view->until = until;
}

/* ---- Hours of work ---- */

static int64_t latest(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* Rules 8 and 9: nothing of the person's own stands. It began when the last of that ended, or with the hours. */
static void show_hours(const struct state_record *state, const struct hours *hours, struct limits *limits,
                       struct view *view) {
    static const struct hours always = {.is_open = true, .since = 0, .until = NEVER};
    if (hours == NULL) hours = &always;
    int64_t own_ended = latest(limits->passed, state->last_call_ended_at);
    if (manual_status(state) == AVAILABILITY_UNKNOWN) own_ended = latest(own_ended, state->set_at);
    limit(limits, hours->since);
    limit(limits, hours->until);
    view->availability = hours->is_open ? AVAILABILITY_AVAILABLE : AVAILABILITY_AWAY;
    view->activity = hours->is_open ? NULL : "off_work";
    view->since = latest(own_ended, hours->since);
    view->until = hours->is_open || hours->until == NEVER ? 0 : hours->until;
}

/* ---- The rule ---- */

static void show(const struct state_record *state, const struct hours *hours, const struct leases *leases,
                 struct limits *limits, struct view *view) {
    enum availability status = manual_status(state);
    int64_t since = 0;
    if (status == AVAILABILITY_DND && !has_passed(state->until, limits))
        show_manual(state, status, view);
    else if (on_call(state, "active", "held", leases, limits, &since))
        show_busy(view, "in_call", since, 0);
    else if (on_call(state, "ringing", "claimed", leases, limits, &since))
        show_busy(view, "ringing", since, 0);
    else if ((status == AVAILABILITY_BUSY || status == AVAILABILITY_AWAY) && !has_passed(state->until, limits))
        show_manual(state, status, view);
    else if (state->wrap_up_until != 0 && !limit(limits, state->wrap_up_until))
        show_busy(view, "wrap_up", state->last_call_ended_at, state->wrap_up_until);
    else if (status == AVAILABILITY_AVAILABLE && !has_passed(state->until, limits))
        show_manual(state, status, view);
    else
        show_hours(state, hours, limits, view);
}

/* ---- Presence ---- */

static enum presence session_presence(const struct own_session *session, struct limits *limits) {
    enum presence shown = PRESENCE_BACKGROUND, before = PRESENCE_NONE; /* a word of a later version is at least there */
    presence_parse(session->state, &shown);
    presence_parse(session->before, &before);
    if (before > shown && !limit(limits, later(session->state_at, SESSION_DECLINE_MS))) shown = before;
    return shown;
}

static enum presence best_presence(const struct state_record *state, const struct leases *leases,
                                   struct limits *limits) {
    const struct own_session *sessions = state->sessions.at;
    enum presence best = PRESENCE_NONE;
    for (uint32_t i = 0; i < state->sessions.count; i++) {
        int64_t ended_at = leases_ended_at(leases, sessions[i].incarnation);
        if (ended_at != 0 && limit(limits, later(ended_at, leases_grace_ms(leases)))) continue;
        enum presence shown = session_presence(&sessions[i], limits);
        if (shown > best) best = shown;
    }
    return best;
}

void availability_derive(const struct state_record *state, const struct hours *hours, int64_t now_ms,
                         const struct leases *leases, struct view *view) {
    *view = (struct view){.availability = AVAILABILITY_UNKNOWN, .valid_until = NEVER};
    if (state == NULL) return;
    struct limits limits = {.now = now_ms, .passed = 0, .next = NEVER};
    show(state, hours, leases, &limits, view);
    if (state->forward != NULL && !has_passed(state->until, &limits)) view->forward = state->forward;
    view->presence = best_presence(state, leases, &limits);
    view->last_active = state->last_active;
    view->valid_from = limits.passed;
    view->valid_until = limits.next;
}

/* The rule, as a table: each rule, each pair of rules, each time limit; and as a property of random facts. */
#include "broker/model/availability.h"
#include "tests/unit/lease_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first
#include <cmocka.h>

#define NOW 1000000000LL
#define MINUTE 60000LL

/* Facts are put together one by one, so that a pair of them can be added in either order. */
struct facts {
    struct state_record state;
    struct company_record company;
    struct own_call calls[8];
    struct own_session sessions[8];
    struct hours hours;
    bool has_hours;
    bool no_consent;
    int64_t ends; /* when the fact added last ends by the clock; 0 = never */
};

static void add_call(struct facts *facts, const char *state, int64_t since, int64_t ends_at, const char *router) {
    facts->state.calls.at = facts->calls;
    facts->state.calls.present = true;
    facts->calls[facts->state.calls.count++] =
        (struct own_call){.call = "c", .state = state, .since = since, .ends_at = ends_at, .router = router};
}

static void add_session(struct facts *facts, const char *state, int64_t state_at, const char *before,
                        const char *incarnation) {
    facts->state.sessions.at = facts->sessions;
    facts->state.sessions.present = true;
    facts->sessions[facts->state.sessions.count++] = (struct own_session){.session = "s",
                                                                          .device = "d",
                                                                          .incarnation = incarnation,
                                                                          .state = state,
                                                                          .state_at = state_at,
                                                                          .before = before};
}

static void set_hours(struct facts *facts, bool is_open, int64_t since, int64_t until) {
    facts->hours = (struct hours){is_open, since, until};
    facts->has_hours = true;
}

/* As a schedule gives them, one stretch after the other. */
static const struct hours *hours_at(const struct facts *facts, int64_t now_ms, struct hours *hours) {
    if (!facts->has_hours) return NULL;
    *hours = facts->hours;
    if (now_ms >= facts->hours.until)
        *hours = (struct hours){!facts->hours.is_open, facts->hours.until, NEVER};
    else if (now_ms < facts->hours.since)
        *hours = (struct hours){!facts->hours.is_open, 0, facts->hours.since};
    return hours;
}

static void set_manual(struct facts *facts, const char *status, const char *activity, int64_t until) {
    facts->state.status = status;
    facts->state.activity = activity;
    facts->state.note = "Tilbake snart";
    facts->state.until = until;
    facts->state.set_at = NOW - 7 * MINUTE;
    facts->state.forward = "ola";
}

static struct view derive_at(const struct facts *facts, const struct leases *leases, int64_t now_ms) {
    struct view view;
    struct hours hours;
    availability_derive(facts->no_consent ? NULL : &facts->state, hours_at(facts, now_ms, &hours), now_ms, leases,
                        &view);
    return view;
}

static int open_leases(void **state) {
    *state = leases_create();
    return *state == NULL;
}

static int close_leases(void **state) {
    leases_free(*state);
    return 0;
}

static void expect_text(const char *found, const char *expected) {
    if (expected == NULL)
        assert_null(found);
    else
        assert_string_equal(found, expected);
}

/* ---- The rules ---- */

static void no_consent(struct facts *facts) {
    facts->no_consent = true;
}
static void dnd(struct facts *facts) {
    set_manual(facts, "dnd", "meeting", facts->ends = NOW + 5 * MINUTE);
}
static void active_call(struct facts *facts) {
    add_call(facts, "active", NOW - 3 * MINUTE, facts->ends = NOW + 4 * MINUTE, NULL);
}
static void held_call(struct facts *facts) {
    add_call(facts, "held", NOW - 2 * MINUTE, facts->ends = NOW + 3 * MINUTE, NULL);
}
static void ringing_call(struct facts *facts) {
    add_call(facts, "ringing", NOW - MINUTE, facts->ends = NOW + 2 * MINUTE, NULL);
}
static void claimed_call(struct facts *facts) {
    add_call(facts, "claimed", NOW - 10, facts->ends = NOW + 20, NULL);
}
static void busy(struct facts *facts) {
    set_manual(facts, "busy", "focus", facts->ends = NOW + 6 * MINUTE);
}
static void away(struct facts *facts) {
    set_manual(facts, "away", "lunch", facts->ends = NOW + 8 * MINUTE);
}
static void wrap_up(struct facts *facts) {
    facts->state.last_call_ended_at = NOW - 30;
    facts->state.wrap_up_until = facts->ends = NOW + 30;
}
static void overtime(struct facts *facts) {
    set_manual(facts, "available", NULL, facts->ends = NOW + 9 * MINUTE);
}
static void off_work(struct facts *facts) {
    set_hours(facts, false, NOW - 20 * MINUTE, facts->ends = NOW + 900 * MINUTE);
}
static void at_work(struct facts *facts) {
    set_hours(facts, true, NOW - 100 * MINUTE, facts->ends = NOW + 300 * MINUTE);
}
static void nothing_set(struct facts *facts) {
    facts->ends = 0;
}

static const struct rule {
    const char *name;
    int number; /* in the order of precedence */
    void (*add)(struct facts *facts);
    char field; /* two that share one exclude each other: m, what was set by hand; s, the schedule */
    enum availability availability;
    const char *activity, *note;
    int64_t since, until;
    enum route_action route; /* with a forward target where it was set by hand */
} rules[] = {
    {"no consent", 1, no_consent, 0, AVAILABILITY_UNKNOWN, NULL, NULL, 0, 0, ROUTE_RING},
    {"dnd", 2, dnd, 'm', AVAILABILITY_DND, "meeting", "Tilbake snart", NOW - 7 * MINUTE, NOW + 5 * MINUTE,
     ROUTE_FORWARD},
    {"active", 3, active_call, 0, AVAILABILITY_BUSY, "in_call", NULL, NOW - 3 * MINUTE, 0, ROUTE_BUSY},
    {"held", 3, held_call, 0, AVAILABILITY_BUSY, "in_call", NULL, NOW - 2 * MINUTE, 0, ROUTE_BUSY},
    {"ringing", 4, ringing_call, 0, AVAILABILITY_BUSY, "ringing", NULL, NOW - MINUTE, 0, ROUTE_BUSY},
    {"claimed", 4, claimed_call, 0, AVAILABILITY_BUSY, "ringing", NULL, NOW - 10, 0, ROUTE_BUSY},
    {"busy", 5, busy, 'm', AVAILABILITY_BUSY, "focus", "Tilbake snart", NOW - 7 * MINUTE, NOW + 6 * MINUTE,
     ROUTE_FORWARD},
    {"away", 5, away, 'm', AVAILABILITY_AWAY, "lunch", "Tilbake snart", NOW - 7 * MINUTE, NOW + 8 * MINUTE,
     ROUTE_FORWARD},
    {"wrap-up", 6, wrap_up, 0, AVAILABILITY_BUSY, "wrap_up", NULL, NOW - 30, NOW + 30, ROUTE_RING},
    {"overtime", 7, overtime, 'm', AVAILABILITY_AVAILABLE, NULL, "Tilbake snart", NOW - 7 * MINUTE, NOW + 9 * MINUTE,
     ROUTE_RING},
    {"off work", 8, off_work, 's', AVAILABILITY_AWAY, "off_work", NULL, NOW - 20 * MINUTE, NOW + 900 * MINUTE,
     ROUTE_UNAVAILABLE},
    {"at work", 9, at_work, 's', AVAILABILITY_AVAILABLE, NULL, NULL, NOW - 100 * MINUTE, 0, ROUTE_RING},
    {"nothing", 9, nothing_set, 0, AVAILABILITY_AVAILABLE, NULL, NULL, 0, 0, ROUTE_RING},
};
#define RULES (sizeof rules / sizeof rules[0])

static void expect_rule(const struct view *view, const struct rule *rule) {
    assert_int_equal(view->availability, rule->availability);
    expect_text(view->activity, rule->activity);
    expect_text(view->note, rule->note);
    assert_int_equal(view->since, rule->since);
    assert_int_equal(view->until, rule->until);
}

static void each_rule_shows_what_it_says(void **state) {
    for (size_t i = 0; i < RULES; i++) {
        struct facts facts = {0};
        rules[i].add(&facts);
        struct view view = derive_at(&facts, *state, NOW);
        expect_rule(&view, &rules[i]);
        assert_int_equal(availability_route(&view, &facts.company), rules[i].route);
    }
}

static void the_first_rule_that_applies_wins_whatever_the_order(void **state) {
    int pairs = 0;
    for (size_t i = 0; i < RULES; i++) {
        for (size_t j = 0; j < RULES; j++) {
            if (rules[i].number >= rules[j].number || (rules[i].field != 0 && rules[i].field == rules[j].field))
                continue;
            struct facts forth = {0}, back = {0};
            rules[i].add(&forth);
            rules[j].add(&forth);
            rules[j].add(&back);
            rules[i].add(&back);
            struct view view = derive_at(&forth, *state, NOW);
            expect_rule(&view, &rules[i]);
            view = derive_at(&back, *state, NOW);
            expect_rule(&view, &rules[i]);
            pairs++;
        }
    }
    assert_int_equal(pairs, 68);
}

/* One millisecond before, at, and after: what stands, then the other one of the pair. */
static void each_limit_counts_as_passed_at_once(void **state) {
    int limits = 0;
    for (size_t i = 0; i < RULES; i++) {
        for (size_t j = i + 1; j < RULES; j++) {
            if (rules[i].number >= rules[j].number || (rules[i].field != 0 && rules[i].field == rules[j].field))
                continue;
            struct facts facts = {0};
            rules[i].add(&facts);
            int64_t end = facts.ends;
            if (end == 0) continue;
            rules[j].add(&facts);
            if (facts.ends != 0 && facts.ends <= end)
                continue; /* the other one would have gone before; it has its turn with others */
            struct view view = derive_at(&facts, *state, end - 1);
            expect_rule(&view, &rules[i]);
            assert_int_equal(view.valid_until, end);
            assert_true(view.valid_from < end);
            for (int64_t now = end; now <= end + 1; now++) {
                view = derive_at(&facts, *state, now);
                assert_int_equal(view.availability, rules[j].availability);
                expect_text(view.activity, rules[j].activity);
                assert_int_equal(view.valid_from, end);
                assert_true(view.valid_until > now);
            }
            limits++;
        }
    }
    assert_in_range(limits, 25, 68);
}

static void a_call_ends_with_its_time_or_its_router(void **state) {
    struct leases *leases = *state;
    char router[LEDIG_ID_CHARS_MAX + 1];
    lease_id(NOW - MINUTE, "r1", router);
    static const struct {
        int64_t ends_at, router_ended_at, end; /* 0 = none */
    } cases[] = {
        {0, 0, 0},
        {NOW + 10, 0, NOW + 10},
        {0, NOW + 20, NOW + 20},
        {NOW + 10, NOW + 20, NOW + 10},
        {NOW + 20, NOW + 10, NOW + 10},
    };
    static const char *const states[] = {"claimed", "ringing", "active", "held"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        leases_reading_begin(leases, NOW);
        assert_int_equal(leases_reading_put(leases, router, cases[i].router_ended_at), 0);
        leases_reading_end(leases);
        for (size_t s = 0; s < 4; s++) {
            struct facts facts = {0};
            add_call(&facts, states[s], NOW - 100, cases[i].ends_at, router);
            int64_t end = cases[i].end;
            struct view view = derive_at(&facts, leases, end != 0 ? end - 1 : NOW + 100 * MINUTE);
            assert_int_equal(view.availability, AVAILABILITY_BUSY);
            assert_int_equal(view.since, NOW - 100);
            assert_int_equal(view.valid_until, end != 0 ? end : NEVER);
            if (end == 0) continue;
            for (int64_t now = end; now <= end + 1; now++) {
                view = derive_at(&facts, leases, now);
                assert_int_equal(view.availability, AVAILABILITY_AVAILABLE);
                assert_int_equal(view.since, end);
                assert_int_equal(view.valid_from, end);
                assert_int_equal(view.valid_until, NEVER);
            }
        }
    }
}

static void the_oldest_of_several_calls_tells_since_when(void **state) {
    struct facts facts = {0};
    add_call(&facts, "active", NOW - 10, 0, NULL);
    add_call(&facts, "held", NOW - 50, NOW + 5, NULL);
    add_call(&facts, "ringing", NOW - 90, 0, NULL);
    add_call(&facts, "parked", NOW - 99, 0, NULL); /* a word of a later version */
    struct view view = derive_at(&facts, *state, NOW);
    assert_string_equal(view.activity, "in_call");
    assert_int_equal(view.since, NOW - 50);
    view = derive_at(&facts, *state, NOW + 5);
    assert_int_equal(view.since, NOW - 10);
    assert_int_equal(view.valid_from, NOW + 5);
}

static void a_status_by_hand_without_an_end_stands(void **state) {
    static const char *const words[] = {"dnd", "busy", "away"};
    for (size_t i = 0; i < 3; i++) {
        struct facts facts = {0};
        set_manual(&facts, words[i], NULL, 0);
        struct view view = derive_at(&facts, *state, NOW + 1000 * MINUTE);
        assert_string_equal(availability_name(view.availability), words[i]);
        assert_int_equal(view.until, 0);
        assert_int_equal(view.valid_until, NEVER);
    }
}

static void available_by_hand_needs_an_end(void **state) {
    struct facts facts = {0};
    set_manual(&facts, "available", NULL, 0);
    off_work(&facts);
    struct view view = derive_at(&facts, *state, NOW);
    assert_string_equal(view.activity, "off_work");
    assert_null(view.note);
    assert_int_equal(view.since, NOW - 7 * MINUTE);
}

static void an_unknown_status_is_as_none(void **state) {
    struct facts facts = {0};
    set_manual(&facts, "dreaming", NULL, 0);
    struct view view = derive_at(&facts, *state, NOW);
    assert_int_equal(view.availability, AVAILABILITY_AVAILABLE);
    assert_null(view.note);
}

static void health_is_shown_as_plain_away_with_the_return_time(void **state) {
    static const char *const words[] = {"sick", "vacation"};
    static const char *const statuses[] = {"away", "busy", "dnd"};
    for (size_t i = 0; i < 6; i++) {
        struct facts facts = {0};
        set_manual(&facts, statuses[i % 3], words[i / 3], NOW + MINUTE);
        struct view view = derive_at(&facts, *state, NOW);
        assert_int_equal(view.availability, AVAILABILITY_AWAY);
        assert_null(view.activity);
        assert_int_equal(view.until, NOW + MINUTE);
    }
}

static void health_is_shown_to_colleagues_where_the_person_says_so(void **state) {
    struct facts facts = {0};
    set_manual(&facts, "away", "vacation", NOW + MINUTE);
    facts.state.note = "hos mor";
    assert_null(derive_at(&facts, *state, NOW).note);
    facts.state.open = true;
    struct view view = derive_at(&facts, *state, NOW);
    assert_string_equal(view.activity, "vacation");
    assert_string_equal(view.note, "hos mor");
}

static void without_consent_nothing_else_is_shown(void **state) {
    struct facts facts = {0};
    active_call(&facts);
    add_session(&facts, "active", NOW, NULL, NULL);
    facts.state.last_active = NOW;
    set_manual(&facts, "busy", "focus", 0);
    facts.no_consent = true;
    struct view view = derive_at(&facts, *state, NOW);
    assert_int_equal(view.availability, AVAILABILITY_UNKNOWN);
    assert_null(view.activity);
    assert_null(view.note);
    assert_null(view.forward);
    assert_int_equal(view.since, 0);
    assert_int_equal(view.presence, PRESENCE_NONE);
    assert_int_equal(view.last_active, 0);
    assert_int_equal(view.valid_from, 0);
    assert_int_equal(view.valid_until, NEVER);
}

/* ---- Since when ---- */

static void free_since_whatever_ended_last(void **state) {
    struct facts facts = {0};
    facts.state.last_call_ended_at = NOW - 50;
    assert_int_equal(derive_at(&facts, *state, NOW).since, NOW - 50);
    facts.state.wrap_up_until = NOW - 40;
    assert_int_equal(derive_at(&facts, *state, NOW).since, NOW - 40);
    facts.state.set_at = NOW - 35; /* cleared by hand */
    assert_int_equal(derive_at(&facts, *state, NOW).since, NOW - 35);
    set_manual(&facts, "busy", NULL, NOW - 30);
    assert_int_equal(derive_at(&facts, *state, NOW).since, NOW - 30);
    add_call(&facts, "claimed", NOW - 60, NOW - 20, NULL);
    assert_int_equal(derive_at(&facts, *state, NOW).since, NOW - 20);
    set_hours(&facts, true, NOW - 10, NOW + 10);
    assert_int_equal(derive_at(&facts, *state, NOW).since, NOW - 10);
    assert_int_equal(derive_at(&facts, *state, NOW + 10).since, NOW + 10);
}

/* ---- Hours ---- */

static void without_hours_always_at_work(void **state) {
    struct view view;
    const struct state_record nobody = {.id = "kari"};
    availability_derive(&nobody, NULL, NOW, *state, &view);
    assert_int_equal(view.availability, AVAILABILITY_AVAILABLE);
    assert_int_equal(view.valid_until, NEVER);
}

static void hours_without_an_end_stand(void **state) {
    struct facts facts = {0};
    set_hours(&facts, false, 0, NEVER);
    struct view view = derive_at(&facts, *state, NOW);
    assert_string_equal(view.activity, "off_work");
    assert_int_equal(view.since, 0);
    assert_int_equal(view.until, 0);
    assert_int_equal(view.valid_until, NEVER);
}

/* ---- Presence ---- */

static void the_best_device_is_shown(void **state) {
    struct facts facts = {0};
    assert_int_equal(derive_at(&facts, *state, NOW).presence, PRESENCE_NONE);
    add_session(&facts, "background", NOW - 10 * MINUTE, NULL, NULL);
    assert_int_equal(derive_at(&facts, *state, NOW).presence, PRESENCE_BACKGROUND);
    add_session(&facts, "active", NOW, NULL, NULL);
    add_session(&facts, "idle", NOW, NULL, NULL);
    assert_int_equal(derive_at(&facts, *state, NOW).presence, PRESENCE_ACTIVE);
}

static void presence_goes_down_late_and_up_at_once(void **state) {
    struct facts facts = {0};
    add_session(&facts, "background", NOW, "active", NULL);
    struct view view = derive_at(&facts, *state, NOW + SESSION_DECLINE_MS - 1);
    assert_int_equal(view.presence, PRESENCE_ACTIVE);
    assert_int_equal(view.valid_until, NOW + SESSION_DECLINE_MS);
    for (int64_t now = NOW + SESSION_DECLINE_MS; now <= NOW + SESSION_DECLINE_MS + 1; now++) {
        view = derive_at(&facts, *state, now);
        assert_int_equal(view.presence, PRESENCE_BACKGROUND);
        assert_int_equal(view.valid_from, NOW + SESSION_DECLINE_MS);
    }
    struct facts up = {0};
    add_session(&up, "active", NOW, "background", NULL);
    view = derive_at(&up, *state, NOW);
    assert_int_equal(view.presence, PRESENCE_ACTIVE);
    assert_int_equal(view.valid_until, NEVER);
}

static void a_session_ends_with_its_worker_and_grace(void **state) {
    struct leases *leases = *state;
    char worker[LEDIG_ID_CHARS_MAX + 1];
    lease_id(NOW - MINUTE, "w1", worker);
    struct facts facts = {0};
    add_session(&facts, "active", NOW - 10 * MINUTE, NULL, worker);
    leases_reading_begin(leases, NOW);
    assert_int_equal(leases_reading_put(leases, worker, 0), 0);
    leases_reading_end(leases);
    assert_int_equal(derive_at(&facts, leases, NOW + 1000 * MINUTE).presence, PRESENCE_ACTIVE);
    leases_reading_begin(leases, NOW + 5);
    assert_int_equal(leases_reading_put(leases, worker, NOW), 0);
    leases_reading_end(leases);
    struct view view = derive_at(&facts, leases, NOW + SESSION_GRACE_MS - 1);
    assert_int_equal(view.presence, PRESENCE_ACTIVE);
    assert_int_equal(view.valid_until, NOW + SESSION_GRACE_MS);
    for (int64_t now = NOW + SESSION_GRACE_MS; now <= NOW + SESSION_GRACE_MS + 1; now++) {
        view = derive_at(&facts, leases, now);
        assert_int_equal(view.presence, PRESENCE_NONE);
        assert_int_equal(view.valid_from, NOW + SESSION_GRACE_MS);
        assert_int_equal(view.availability, AVAILABILITY_AVAILABLE); /* presence is not availability */
    }
}

static void a_word_for_presence_that_is_not_known_is_at_least_there(void **state) {
    struct facts facts = {0};
    add_session(&facts, "asleep", NOW, NULL, NULL);
    assert_int_equal(derive_at(&facts, *state, NOW).presence, PRESENCE_BACKGROUND);
}

/* ---- Routers ---- */

static void a_forward_holds_as_long_as_what_was_set_by_hand(void **state) {
    struct facts facts = {0};
    set_manual(&facts, "away", NULL, NOW + 10);
    active_call(&facts);
    struct view view = derive_at(&facts, *state, NOW + 9);
    assert_string_equal(view.forward, "ola");
    assert_int_equal(availability_route(&view, NULL), ROUTE_FORWARD);
    assert_int_equal(view.valid_until, NOW + 10);
    view = derive_at(&facts, *state, NOW + 10);
    assert_null(view.forward);
    assert_int_equal(availability_route(&view, NULL), ROUTE_BUSY);
}

static void what_a_router_is_told_without_a_forward(void **state) {
    (void)state;
    static const struct {
        enum availability availability;
        const char *activity;
        enum route_action route;
    } cases[] = {
        {AVAILABILITY_UNKNOWN, NULL, ROUTE_RING},           {AVAILABILITY_AVAILABLE, NULL, ROUTE_RING},
        {AVAILABILITY_BUSY, "wrap_up", ROUTE_RING},         {AVAILABILITY_BUSY, "in_call", ROUTE_BUSY},
        {AVAILABILITY_BUSY, "ringing", ROUTE_BUSY},         {AVAILABILITY_BUSY, NULL, ROUTE_BUSY},
        {AVAILABILITY_DND, "meeting", ROUTE_UNAVAILABLE},   {AVAILABILITY_AWAY, NULL, ROUTE_UNAVAILABLE},
        {AVAILABILITY_AWAY, "off_work", ROUTE_UNAVAILABLE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct view view = {.availability = cases[i].availability, .activity = cases[i].activity};
        assert_int_equal(availability_route(&view, NULL), cases[i].route);
    }
    struct view off = {.availability = AVAILABILITY_AWAY, .activity = "off_work"};
    assert_int_equal(availability_route(&off, &(struct company_record){.off_work = "ring"}), ROUTE_RING);
    assert_int_equal(availability_route(&off, &(struct company_record){.off_work = "unavailable"}), ROUTE_UNAVAILABLE);
    assert_string_equal(route_action_name(ROUTE_FORWARD), "forward");
}

static void only_some_words_can_be_set_by_hand(void **state) {
    (void)state;
    assert_true(availability_can_set_status("dnd"));
    assert_true(availability_can_set_status("available"));
    assert_false(availability_can_set_status("unknown"));
    assert_false(availability_can_set_status(NULL));
    assert_true(availability_can_set_activity("sick"));
    assert_true(availability_can_set_activity("kurs.2"));
    static const char *const refused[] = {"none",     "ringing",   "in_call", "wrap_up",
                                          "off_work", "Two words", "",        "abcdefghijklmnopqrstuvwxyzabcdefg"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        assert_false(availability_can_set_activity(refused[i]));
    assert_false(availability_can_set_activity(NULL));
}

/* ---- The property ---- */

static int64_t near_now(void) {
    return NOW + rand() % 41 - 20;
}

static const char *one_of(const char *const *words, int count) {
    return words[rand() % count];
}

static void make_up_facts(struct facts *facts, char routers[3][LEDIG_ID_CHARS_MAX + 1]) {
    static const char *const statuses[] = {"dnd", "busy", "away", "available", NULL};
    static const char *const activities[] = {"lunch", "sick", NULL};
    static const char *const states[] = {"claimed", "ringing", "active", "held"};
    static const char *const presences[] = {"active", "idle", "background", NULL};
    *facts = (struct facts){.no_consent = rand() % 50 == 0};
    facts->state.status = one_of(statuses, 5);
    facts->state.activity = one_of(activities, 3);
    facts->state.forward = rand() % 2 ? "ola" : NULL;
    facts->state.until = rand() % 3 ? near_now() : 0;
    facts->state.set_at = near_now();
    facts->state.wrap_up_until = rand() % 3 ? near_now() : 0;
    facts->state.last_call_ended_at = rand() % 2 ? near_now() : 0;
    for (int n = rand() % 4; n > 0; n--)
        add_call(facts, one_of(states, 4), near_now(), rand() % 4 ? near_now() : 0,
                 rand() % 2 ? routers[rand() % 3] : NULL);
    for (int n = rand() % 4; n > 0; n--)
        add_session(facts, one_of(presences, 3), near_now() - (rand() % 2 ? SESSION_DECLINE_MS : 0),
                    one_of(presences, 4), routers[rand() % 3]);
    int64_t since = near_now();
    if (rand() % 3) set_hours(facts, rand() % 2, since, rand() % 3 ? since + 1 + rand() % 30 : NEVER);
}

static void read_leases(struct leases *leases, char routers[3][LEDIG_ID_CHARS_MAX + 1]) {
    leases_reading_begin(leases, NOW);
    for (int i = 0; i < 3; i++) {
        int64_t ended_at = near_now() - (i == 2 ? SESSION_GRACE_MS : 0);
        assert_int_equal(leases_reading_put(leases, routers[i], rand() % 2 ? ended_at : 0), 0);
    }
    leases_reading_end(leases);
}

static bool same_text(const char *a, const char *b) {
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_view(const struct view *a, const struct view *b) {
    return a->availability == b->availability && same_text(a->activity, b->activity) && same_text(a->note, b->note) &&
           same_text(a->forward, b->forward) && a->since == b->since && a->until == b->until &&
           a->presence == b->presence && a->valid_from == b->valid_from && a->valid_until == b->valid_until;
}

static unsigned seed_of_the_run(void) {
    const char *given = getenv("LEDIG_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : 1905;
    print_message("LEDIG_SEED=%u\n", seed);
    srand(seed);
    return seed;
}

static void a_view_stands_from_valid_from_until_valid_until(void **state) {
    seed_of_the_run();
    char routers[3][LEDIG_ID_CHARS_MAX + 1];
    for (int i = 0; i < 3; i++)
        lease_id(NOW - MINUTE, (const char *[]){"a", "b", "c"}[i], routers[i]);
    for (int round = 0; round < 20000; round++) {
        struct facts facts;
        read_leases(*state, routers);
        make_up_facts(&facts, routers);
        struct view view = derive_at(&facts, *state, NOW - 30);
        for (int64_t now = NOW - 30; now <= NOW + 30; now++) {
            struct view next = derive_at(&facts, *state, now);
            assert_true(next.valid_from <= now);
            assert_true(next.valid_until > now);
            if (now < view.valid_until)
                assert_true(same_view(&view, &next));
            else
                assert_true(next.valid_from >= view.valid_until);
            view = next;
        }
    }
}

static void turn_round(void *at, uint32_t count, size_t size) {
    char spare[sizeof(struct own_session) + sizeof(struct own_call)];
    char *bytes = at;
    for (uint32_t i = 0; i < count / 2; i++) {
        memcpy(spare, bytes + i * size, size);
        memcpy(bytes + i * size, bytes + (count - 1 - i) * size, size);
        memcpy(bytes + (count - 1 - i) * size, spare, size);
    }
}

static void the_order_of_facts_does_not_matter(void **state) {
    seed_of_the_run();
    char routers[3][LEDIG_ID_CHARS_MAX + 1];
    for (int i = 0; i < 3; i++)
        lease_id(NOW - MINUTE, (const char *[]){"a", "b", "c"}[i], routers[i]);
    for (int round = 0; round < 20000; round++) {
        struct facts facts;
        read_leases(*state, routers);
        make_up_facts(&facts, routers);
        int64_t now = near_now();
        struct view view = derive_at(&facts, *state, now);
        turn_round(facts.calls, facts.state.calls.count, sizeof facts.calls[0]);
        turn_round(facts.sessions, facts.state.sessions.count, sizeof facts.sessions[0]);
        struct view turned = derive_at(&facts, *state, now);
        assert_true(same_view(&view, &turned));
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_leases, close_leases)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(each_rule_shows_what_it_says),
        CASE(the_first_rule_that_applies_wins_whatever_the_order),
        CASE(each_limit_counts_as_passed_at_once),
        CASE(a_call_ends_with_its_time_or_its_router),
        CASE(the_oldest_of_several_calls_tells_since_when),
        CASE(a_status_by_hand_without_an_end_stands),
        CASE(available_by_hand_needs_an_end),
        CASE(an_unknown_status_is_as_none),
        CASE(health_is_shown_as_plain_away_with_the_return_time),
        CASE(health_is_shown_to_colleagues_where_the_person_says_so),
        CASE(without_consent_nothing_else_is_shown),
        CASE(free_since_whatever_ended_last),
        CASE(without_hours_always_at_work),
        CASE(hours_without_an_end_stand),
        CASE(the_best_device_is_shown),
        CASE(presence_goes_down_late_and_up_at_once),
        CASE(a_session_ends_with_its_worker_and_grace),
        CASE(a_word_for_presence_that_is_not_known_is_at_least_there),
        CASE(a_forward_holds_as_long_as_what_was_set_by_hand),
        CASE(what_a_router_is_told_without_a_forward),
        CASE(only_some_words_can_be_set_by_hand),
        CASE(a_view_stands_from_valid_from_until_valid_until),
        CASE(the_order_of_facts_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

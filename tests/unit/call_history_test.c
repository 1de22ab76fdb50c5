/* What an event of a call leaves in the histories of those who were on it. */
#include "broker/service/call_change.h"
#include "broker/service/call_history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1764000000000LL

/* A call with kari and ola, who consent to everything, with their states and profiles. */
struct bench {
    struct arena *arena;
    struct leases *leases;
    struct call_event event;
    struct call_change change;
    struct consent consents[2];
    struct own_call owns[2];
    struct record call, states[2], profiles[2];
    struct update_entity entities[5];
};

static const char *const users[] = {"kari", "ola"};

static int open_bench(void **state) {
    struct bench *bench = test_calloc(1, sizeof *bench);
    bench->arena = arena_create();
    bench->leases = leases_create();
    bench->consents[0] = (struct consent){.purpose = "presence", .granted = true};
    bench->consents[1] = (struct consent){.purpose = "call_history", .granted = true};
    for (size_t i = 0; i < 2; i++) {
        bench->states[i] = (struct record){.kind = RECORD_STATE, .state = {.id = users[i]}};
        bench->profiles[i] = (struct record){.kind = RECORD_PROFILE,
                                             .profile = {.id = users[i], .consents = {bench->consents, 2, true}}};
    }
    bench->change = (struct call_change){.event = &bench->event,
                                         .call = "c1",
                                         .now_ms = NOW,
                                         .at_ms = NOW,
                                         .leases = bench->leases,
                                         .users = users,
                                         .user_count = 2};
    bench->event.seq = 1;
    *state = bench;
    return 0;
}

static int close_bench(void **state) {
    struct bench *bench = *state;
    arena_free(bench->arena);
    leases_free(bench->leases);
    test_free(bench);
    return 0;
}

static void set_leg(struct bench *bench, size_t i, const char *user, const char *leg_state) {
    bench->event.legs[i] = (struct call_event_leg){.user = user, .state = leg_state};
    if (bench->event.leg_count <= i) bench->event.leg_count = i + 1;
}

/* Applies the event to what stands, and lets that stand. */
static void apply(struct bench *bench) {
    struct record *records[] = {&bench->call, &bench->states[0], &bench->states[1], &bench->profiles[0],
                                &bench->profiles[1]};
    for (size_t i = 0; i < 5; i++) {
        bool stands = records[i]->kind != RECORD_NONE;
        struct record copy = *records[i];
        if (!stands) copy.kind = RECORD_CALL;
        struct record *current = arena_take(bench->arena, sizeof *current);
        *current = copy;
        bench->entities[i] = (struct update_entity){.current = stands ? current : NULL, .next = copy};
    }
    assert_int_equal(call_change_apply(&bench->change, bench->entities, 5, bench->arena), 0);
    for (size_t i = 0; i < 5; i++)
        if (bench->entities[i].action == STORE_WRITE) *records[i] = bench->entities[i].next;
    bench->event.seq++;
}

static const struct past_call_record *past(const struct bench *bench, size_t person) {
    const struct update_past_call *kept = bench->entities[3 + person].past_calls;
    return kept ? &kept->record.past_call : NULL;
}

static void other_calls_that_are_over_are_kept_as_they_are_dropped(void **state) {
    struct bench *bench = *state;
    bench->owns[0] = (struct own_call){.call = "old",
                                       .state = "active",
                                       .since = NOW - 9000,
                                       .started_at = NOW - 9500,
                                       .answered_at = NOW - 9000,
                                       .ends_at = NOW - 3000};
    bench->owns[1] = (struct own_call){
        .call = "lives", .state = "active", .since = NOW - 9000, .started_at = NOW - 9000, .ends_at = NOW + 1000};
    bench->states[0].state.calls = (struct list){bench->owns, 2, true};
    set_leg(bench, 0, "kari", "ringing");
    apply(bench);
    assert_int_equal(bench->states[0].state.calls.count, 2);
    assert_non_null(past(bench, 0));
    assert_null(bench->entities[3].past_calls->next);
    assert_string_equal(past(bench, 0)->call, "old");
    assert_string_equal(past(bench, 0)->result, "answered");
    assert_int_equal(past(bench, 0)->started_at, NOW - 9500);
    assert_int_equal(past(bench, 0)->ended_at, NOW - 3000);
    assert_null(past(bench, 1));
}

static void claims_that_are_over_leave_nothing(void **state) {
    struct bench *bench = *state;
    bench->owns[0] = (struct own_call){.call = "old", .state = "claimed", .since = NOW - 9000, .ends_at = NOW - 3000};
    bench->states[0].state.calls = (struct list){bench->owns, 1, true};
    set_leg(bench, 0, "kari", "ringing");
    apply(bench);
    assert_int_equal(bench->states[0].state.calls.count, 1);
    assert_null(past(bench, 0));
}

static void who_only_waits_for_another_to_answer_does_not_talk(void **state) {
    struct bench *bench = *state;
    struct call_event *event = &bench->event;
    set_leg(bench, 0, "kari", "ringing");
    set_leg(bench, 1, "ola", "active");
    assert_false(call_history_talks(event, &event->legs[0]));
    assert_false(call_history_talks(event, &event->legs[1]));
    event->legs[0].state = "active";
    assert_true(call_history_talks(event, &event->legs[1]));
    event->legs[0].state = "ringing";
    event->legs[1].state = "held";
    assert_true(call_history_talks(event, &event->legs[1]));
    event->leg_count = 1;
    event->legs[0].state = "active"; /* with somebody outside whom the router does not name */
    assert_true(call_history_talks(event, &event->legs[0]));
}

static void the_time_to_the_answer_and_the_other_side_come_from_the_legs(void **state) {
    struct bench *bench = *state;
    set_leg(bench, 0, "kari", "ringing");
    set_leg(bench, 1, "ola", "active");
    apply(bench);
    bench->event.legs[0].state = "active";
    bench->change.at_ms = NOW + 5000;
    apply(bench);
    bench->event.ended = true;
    bench->change.at_ms = NOW + 9000;
    apply(bench);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(past(bench, i)->direction, "internal");
        assert_string_equal(past(bench, i)->peer, users[1 - i]);
        assert_string_equal(past(bench, i)->result, "answered");
        assert_int_equal(past(bench, i)->started_at, NOW);
        assert_int_equal(past(bench, i)->answered_at, NOW + 5000);
        assert_int_equal(past(bench, i)->ended_at, NOW + 9000);
    }
}

static void a_peer_that_is_oneself_is_not_the_other_side(void **state) {
    struct bench *bench = *state;
    static const char *const numbers[] = {"+4722334455"};
    bench->profiles[0].profile.numbers = (struct texts){.at = numbers, .count = 1, .present = true};
    bench->event.peer = numbers[0]; /* whom ola calls */
    set_leg(bench, 0, "kari", "ringing");
    set_leg(bench, 1, "ola", "active");
    apply(bench);
    bench->event.ended = true;
    apply(bench);
    assert_string_equal(past(bench, 0)->peer, "ola");
    assert_string_equal(past(bench, 0)->result, "missed");
    assert_string_equal(past(bench, 1)->peer, numbers[0]);
    assert_string_equal(past(bench, 1)->result, "no_answer");
}

/* A router's clock that goes backwards makes no call that ends before it began. */
static void times_never_run_backwards(void **state) {
    struct bench *bench = *state;
    set_leg(bench, 0, "kari", "active");
    apply(bench);
    bench->event.ended = true;
    bench->change.at_ms = NOW - 60000;
    apply(bench);
    assert_int_equal(past(bench, 0)->ended_at, past(bench, 0)->answered_at);
}

static void without_consent_to_it_nothing_is_kept(void **state) {
    struct bench *bench = *state;
    bench->consents[1].granted = false;
    set_leg(bench, 0, "kari", "active");
    apply(bench);
    bench->event.ended = true;
    apply(bench);
    assert_int_equal(bench->states[0].state.last_call_ended_at, NOW);
    assert_null(past(bench, 0));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(other_calls_that_are_over_are_kept_as_they_are_dropped),
        CASE(claims_that_are_over_leave_nothing),
        CASE(who_only_waits_for_another_to_answer_does_not_talk),
        CASE(the_time_to_the_answer_and_the_other_side_come_from_the_legs),
        CASE(a_peer_that_is_oneself_is_not_the_other_side),
        CASE(times_never_run_backwards),
        CASE(without_consent_to_it_nothing_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Leases as read: who lives, who ended when, and what is said of one that stands in no reading. */
#include "broker/model/leases.h"
#include "protocol/errors.h"
#include "tests/unit/lease_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
// cmocka wants the headers above first
#include <cmocka.h>

#define T 1000000

struct lease_fact {
    const char *id;
    int64_t ended_at_ms;
};

static bool take_reading(struct leases *leases, int64_t read_at_ms, const struct lease_fact *facts, size_t count) {
    leases_reading_begin(leases, read_at_ms);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(leases_reading_put(leases, facts[i].id, facts[i].ended_at_ms), 0);
    return leases_reading_end(leases);
}

static int open_leases(void **state) {
    *state = leases_create();
    return *state == NULL;
}

static int close_leases(void **state) {
    leases_free(*state);
    return 0;
}

static void an_id_tells_when_it_was_taken(void **state) {
    struct leases *leases = *state;
    take_reading(leases, T, NULL, 0);
    assert_int_equal(leases_ended_at(leases, "ff-worker-1"), 255);
}

static void before_the_first_reading_everything_lives(void **state) {
    struct leases *leases = *state;
    assert_int_equal(leases_read_at(leases), 0);
    assert_int_equal(leases_ended_at(leases, "1-w"), 0);
    assert_int_equal(leases_ended_at(leases, NULL), 0);
}

static void a_lease_ends_when_a_reading_says_so(void **state) {
    struct leases *leases = *state;
    char id[LEDIG_ID_CHARS_MAX + 1];
    lease_id(T - 500, "w", id);
    take_reading(leases, T, &(struct lease_fact){id, 0}, 1);
    assert_int_equal(leases_read_at(leases), T);
    assert_int_equal(leases_ended_at(leases, id), 0);
    assert_false(take_reading(leases, T + 10, &(struct lease_fact){id, 0}, 1));
    assert_true(take_reading(leases, T + 20, &(struct lease_fact){id, T + 15}, 1));
    assert_int_equal(leases_ended_at(leases, id), T + 15);
    assert_false(take_reading(leases, T + 30, &(struct lease_fact){id, T + 15}, 1));
}

static void a_reading_counts_only_when_it_is_whole(void **state) {
    struct leases *leases = *state;
    char id[LEDIG_ID_CHARS_MAX + 1];
    lease_id(T - 500, "w", id);
    take_reading(leases, T, &(struct lease_fact){id, 0}, 1);
    leases_reading_begin(leases, T + 10);
    assert_int_equal(leases_ended_at(leases, id), 0);
    assert_int_equal(leases_read_at(leases), T);
    assert_true(leases_reading_end(leases));
    assert_int_equal(leases_ended_at(leases, id), T - 500);
}

static void a_lease_taken_after_the_reading_lives(void **state) {
    struct leases *leases = *state;
    char id[LEDIG_ID_CHARS_MAX + 1];
    take_reading(leases, T, NULL, 0);
    lease_id(T, "w", id);
    assert_int_equal(leases_ended_at(leases, id), 0);
    lease_id(T + 1, "w", id);
    assert_int_equal(leases_ended_at(leases, id), 0);
}

static void a_lease_taken_before_and_not_read_ended_long_ago(void **state) {
    struct leases *leases = *state;
    char id[LEDIG_ID_CHARS_MAX + 1];
    take_reading(leases, T, NULL, 0);
    lease_id(T - 1, "w", id);
    assert_int_equal(leases_ended_at(leases, id), T - 1);
    assert_int_equal(leases_ended_at(leases, "not of that form"), 1);
}

static void a_lease_that_vanishes_alive_is_a_change(void **state) {
    struct leases *leases = *state;
    char id[LEDIG_ID_CHARS_MAX + 1];
    lease_id(T - 500, "w", id);
    take_reading(leases, T, &(struct lease_fact){id, 0}, 1);
    assert_true(take_reading(leases, T + 10, NULL, 0));
    assert_int_equal(leases_ended_at(leases, id), T - 500);
}

static void a_lease_that_is_forgotten_after_its_end_is_no_change(void **state) {
    struct leases *leases = *state;
    char id[LEDIG_ID_CHARS_MAX + 1];
    lease_id(T - 500, "w", id);
    take_reading(leases, T, &(struct lease_fact){id, T - 100}, 1);
    assert_false(take_reading(leases, T + 10, NULL, 0));
    assert_int_not_equal(leases_ended_at(leases, id), 0);
}

/* What was derived with it must be derived anew, since the next reading may not have it: a failover lost it. */
static void a_lease_taken_for_alive_makes_the_next_reading_a_change(void **state) {
    struct leases *leases = *state;
    char id[LEDIG_ID_CHARS_MAX + 1];
    take_reading(leases, T, NULL, 0);
    assert_false(take_reading(leases, T + 10, NULL, 0));
    lease_id(T + 15, "w", id);
    assert_int_equal(leases_ended_at(leases, id), 0);
    assert_true(take_reading(leases, T + 20, NULL, 0));
    assert_int_equal(leases_ended_at(leases, id), T + 15);
    assert_false(take_reading(leases, T + 30, NULL, 0));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_leases, close_leases)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(an_id_tells_when_it_was_taken),
        CASE(before_the_first_reading_everything_lives),
        CASE(a_lease_ends_when_a_reading_says_so),
        CASE(a_reading_counts_only_when_it_is_whole),
        CASE(a_lease_taken_after_the_reading_lives),
        CASE(a_lease_taken_before_and_not_read_ended_long_ago),
        CASE(a_lease_that_vanishes_alive_is_a_change),
        CASE(a_lease_that_is_forgotten_after_its_end_is_no_change),
        CASE(a_lease_taken_for_alive_makes_the_next_reading_a_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

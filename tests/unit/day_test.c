/* A working day that is drawn from a seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

#include "bench/day.h"

#define PEOPLE 400

static void fill(enum day_kind kinds[static PEOPLE]) {
    for (uint32_t i = 0; i < PEOPLE; i++)
        kinds[i] = i == 0 ? DAY_SWITCHBOARD : i % 3 == 0 ? DAY_PHONE : i % 3 == 1 ? DAY_MOBILE : DAY_DESK;
}

static void same_seed_gives_the_same_day_and_another_another(void **state) {
    (void)state;
    enum day_kind kinds[PEOPLE];
    struct day one, same, other;
    fill(kinds);
    assert_int_equal(day_plan(&one, 7, kinds, PEOPLE), 0);
    assert_int_equal(day_plan(&same, 7, kinds, PEOPLE), 0);
    assert_int_equal(day_plan(&other, 8, kinds, PEOPLE), 0);
    assert_int_equal(one.count, same.count);
    assert_true(day_mark(&one) == day_mark(&same));
    assert_true(day_mark(&one) != day_mark(&other));
    day_free(&one);
    day_free(&same);
    day_free(&other);
}

static void parts_of_a_day_are_the_day(void **state) {
    (void)state;
    enum day_kind kinds[PEOPLE], first[PEOPLE], second[PEOPLE];
    struct day whole, half, rest;
    fill(kinds);
    for (uint32_t i = 0; i < PEOPLE; i++) {
        first[i] = i % 2 == 0 ? kinds[i] : DAY_ELSEWHERE;
        second[i] = i % 2 == 1 ? kinds[i] : DAY_ELSEWHERE;
    }
    assert_int_equal(day_plan(&whole, 3, kinds, PEOPLE), 0);
    assert_int_equal(day_plan(&half, 3, first, PEOPLE), 0);
    assert_int_equal(day_plan(&rest, 3, second, PEOPLE), 0);
    assert_int_equal(whole.count, half.count + rest.count);
    assert_true(day_mark(&whole) == day_mark(&half) + day_mark(&rest));
    day_free(&whole);
    day_free(&half);
    day_free(&rest);
}

static void day_goes_forward_and_nobody_acts_before_arriving_or_after_leaving(void **state) {
    (void)state;
    enum day_kind kinds[PEOPLE];
    bool is_there[PEOPLE] = {false}, has_left[PEOPLE] = {false};
    struct day day;
    fill(kinds);
    assert_int_equal(day_plan(&day, 1, kinds, PEOPLE), 0);
    uint32_t before_s = DAY_BEGINS_S;
    for (size_t i = 0; i < day.count; i++) {
        const struct day_event *event = &day.event[i];
        assert_true(event->at_s >= before_s && event->at_s <= DAY_ENDS_S);
        before_s = event->at_s;
        assert_false(has_left[event->who]);
        assert_true(is_there[event->who] == (event->act != DAY_ARRIVES));
        if (event->act == DAY_ARRIVES) is_there[event->who] = true;
        if (event->act == DAY_LEAVES) has_left[event->who] = true;
    }
    for (uint32_t i = 0; i < PEOPLE; i++)
        assert_true(is_there[i]);
    assert_false(has_left[0]);
    day_free(&day);
}

static void each_kind_does_what_it_can(void **state) {
    (void)state;
    enum day_kind kinds[PEOPLE];
    struct day day;
    fill(kinds);
    assert_int_equal(day_plan(&day, 1, kinds, PEOPLE), 0);
    for (size_t i = 0; i < day.count; i++) {
        const struct day_event *event = &day.event[i];
        enum day_kind kind = kinds[event->who];
        if (event->act == DAY_MOVES) assert_true(kind == DAY_PHONE || kind == DAY_MOBILE);
        if (event->act == DAY_SETS) assert_true(kind != DAY_PHONE);
        if (event->act == DAY_LEAVES) assert_true(kind == DAY_DESK || kind == DAY_MOBILE);
    }
    assert_int_equal(day.acts[DAY_ARRIVES], PEOPLE);
    assert_true(day.acts[DAY_MOVES] > 0 && day.acts[DAY_LEAVES] > 0 && day.acts[DAY_TURNS] > 0);
    day_free(&day);
}

static void draws_stay_below_their_limit_and_differ(void **state) {
    (void)state;
    bool found[4] = {false};
    for (uint32_t who = 0; who < 200; who++) {
        uint32_t drawn = day_draw(1, who, 5, 4);
        assert_true(drawn < 4);
        assert_int_equal(drawn, day_draw(1, who, 5, 4));
        found[drawn] = true;
    }
    assert_true(found[0] && found[1] && found[2] && found[3]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_gives_the_same_day_and_another_another),
        cmocka_unit_test(parts_of_a_day_are_the_day),
        cmocka_unit_test(day_goes_forward_and_nobody_acts_before_arriving_or_after_leaving),
        cmocka_unit_test(each_kind_does_what_it_can),
        cmocka_unit_test(draws_stay_below_their_limit_and_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

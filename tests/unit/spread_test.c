/* The middle of several rounds, and how far they lie apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bench/spread.h"

struct pair {
    double other, value;
};

static void the_middle_of_an_odd_number_is_one_of_them(void **state) {
    (void)state;
    const struct pair rounds[] = {{9, 3}, {9, 100}, {9, 2}};
    struct spread spread = spread_of(&rounds[0].value, sizeof *rounds, 3);
    assert_float_equal(spread.median, 3, 1e-9);
    assert_float_equal(spread.low, 2, 1e-9);
    assert_float_equal(spread.high, 100, 1e-9);
}

static void the_middle_of_an_even_number_lies_between_two(void **state) {
    (void)state;
    const double values[] = {4, 1, 2, 1000};
    assert_float_equal(spread_of(values, sizeof *values, 4).median, 3, 1e-9);
}

static void a_single_round_is_all_of_it(void **state) {
    (void)state;
    const double value = 7;
    struct spread spread = spread_of(&value, sizeof value, 1);
    assert_true(spread.median == spread.low && spread.low == spread.high);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_middle_of_an_odd_number_is_one_of_them),
        cmocka_unit_test(the_middle_of_an_even_number_lies_between_two),
        cmocka_unit_test(a_single_round_is_all_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

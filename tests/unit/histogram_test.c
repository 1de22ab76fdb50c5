#include "bench/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct histogram *fresh(void) {
    struct histogram *histogram = calloc(1, sizeof *histogram);
    assert_non_null(histogram);
    return histogram;
}

static void empty_histogram_has_no_times(void **state) {
    (void)state;
    struct histogram *histogram = fresh();
    assert_int_equal(histogram_at(histogram, 0.5), 0);
    assert_int_equal(histogram_at(histogram, 1), 0);
    free(histogram);
}

static void small_values_are_exact(void **state) {
    (void)state;
    struct histogram *histogram = fresh();
    for (uint64_t value = 1; value <= 1000; value++)
        histogram_record(histogram, value);
    assert_int_equal(histogram_at(histogram, 0.001), 1);
    assert_int_equal(histogram_at(histogram, 0.5), 500);
    assert_int_equal(histogram_at(histogram, 0.99), 990);
    assert_int_equal(histogram_at(histogram, 1), 1000);
    free(histogram);
}

static void every_value_is_told_within_three_digits_and_never_too_small(void **state) {
    (void)state;
    struct histogram *histogram = fresh();
    uint64_t random = UINT64_C(88172645463325252); /* xorshift64: the same values in every run */
    for (int i = 0; i < 20000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        uint64_t value = random >> (28 + i % 36);
        *histogram = (struct histogram){0};
        histogram_record(histogram, value);
        histogram_record(histogram, HISTOGRAM_VALUE_MAX); /* so that the maximum does not hide the slot */
        uint64_t told = histogram_at(histogram, 0.5);
        assert_true(told >= value);
        assert_true(told - value <= value / 1000);
    }
    free(histogram);
}

static void neighbours_of_each_power_of_two_keep_their_order(void **state) {
    (void)state;
    struct histogram *histogram = fresh();
    for (unsigned bit = 1; bit < 37; bit++) {
        uint64_t middle = UINT64_C(1) << bit;
        *histogram = (struct histogram){0};
        histogram_record(histogram, middle - 1);
        histogram_record(histogram, middle);
        histogram_record(histogram, HISTOGRAM_VALUE_MAX);
        assert_int_equal(histogram_at(histogram, 0.3), middle - 1);
        assert_true(histogram_at(histogram, 0.6) >= middle);
        assert_int_equal(histogram->total, 3);
    }
    free(histogram);
}

static void a_single_outlier_shows_in_the_maximum_alone(void **state) {
    (void)state;
    struct histogram *histogram = fresh();
    for (int i = 0; i < 9999; i++)
        histogram_record(histogram, 100);
    histogram_record(histogram, 5000001);
    assert_int_equal(histogram_at(histogram, 0.999), 100);
    assert_int_equal(histogram_at(histogram, 1), 5000001);
    assert_int_equal(histogram->max, 5000001);
    free(histogram);
}

static void a_value_beyond_the_range_counts_as_the_largest(void **state) {
    (void)state;
    struct histogram *histogram = fresh();
    histogram_record(histogram, UINT64_MAX);
    assert_int_equal(histogram->total, 1);
    assert_int_equal(histogram_at(histogram, 0.5), HISTOGRAM_VALUE_MAX);
    free(histogram);
}

static void two_histograms_add_up_to_what_one_would_have_seen(void **state) {
    (void)state;
    struct histogram *one = fresh(), *other = fresh(), *both = fresh();
    for (uint64_t value = 1; value <= 1000; value++) {
        histogram_record(value % 3 ? one : other, value * value);
        histogram_record(both, value * value);
    }
    histogram_add(one, other);
    assert_memory_equal(one, both, sizeof *both);
    free(one);
    free(other);
    free(both);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_histogram_has_no_times),
        cmocka_unit_test(small_values_are_exact),
        cmocka_unit_test(every_value_is_told_within_three_digits_and_never_too_small),
        cmocka_unit_test(neighbours_of_each_power_of_two_keep_their_order),
        cmocka_unit_test(a_single_outlier_shows_in_the_maximum_alone),
        cmocka_unit_test(a_value_beyond_the_range_counts_as_the_largest),
        cmocka_unit_test(two_histograms_add_up_to_what_one_would_have_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

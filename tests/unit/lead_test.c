/* How early the next change of a closed loop is asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bench/lead.h"

static void it_grows_while_few_frames_carry_two_changes_and_has_a_limit(void **state) {
    (void)state;
    struct lead lead;
    lead_open(&lead, 1000, 3);
    assert_int_equal(lead.deliveries, 500);
    lead_adjust(&lead, 1000, 100);
    assert_true(lead.deliveries > 500);
    for (int i = 0; i < 1000; i++)
        lead_adjust(&lead, 1000, 0);
    assert_int_equal(lead.deliveries, 3000);
}

static void it_shrinks_faster_where_more_do_and_not_below_nothing(void **state) {
    (void)state;
    struct lead lead;
    lead_open(&lead, 1000, 3);
    lead_adjust(&lead, 1000, 0);
    const uint64_t up = lead.deliveries - 500;
    lead_adjust(&lead, 1000, 101);
    assert_true(lead.deliveries + up < 500);
    for (int i = 0; i < 100; i++)
        lead_adjust(&lead, 1000, 1000);
    assert_int_equal(lead.deliveries, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_grows_while_few_frames_carry_two_changes_and_has_a_limit),
        cmocka_unit_test(it_shrinks_faster_where_more_do_and_not_below_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What a run was bounded by. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bench/bound.h"
#include <string.h>

/* Two cores, and nobody does much. */
static const struct bound_use quiet = {
    .broker = 0.3, .generator = 0.4, .redis = 0.1, .router = 0, .broker_is_seen = true, .others_squeeze = true};

static void expect(struct bound_use use, const char *wanted) {
    char text[BOUND_CHARS];
    assert_ptr_equal(bound_tell(&use, text), text);
    assert_memory_equal(text, wanted, strlen(wanted));
}

static void a_quiet_run_is_bounded_by_its_schedule(void **state) {
    (void)state;
    expect(quiet, "no processor: the schedule");
}

static void a_full_core_is_named_with_its_share(void **state) {
    (void)state;
    struct bound_use use = quiet;
    use.broker = 0.97;
    expect(use, "the broker's core (97 %)");
    use = quiet;
    use.generator = 0.99;
    expect(use, "the generator's core (99 %): the broker could have done more");
    use = quiet;
    use.redis = 0.95;
    expect(use, "Redis (95 % of a core)");
    use = quiet;
    use.router = 0.91;
    expect(use, "the router worker (91 % of a core)");
}

static void a_full_broker_counts_before_a_full_generator(void **state) {
    (void)state;
    struct bound_use use = quiet;
    use.broker = 0.95;
    use.generator = 0.99;
    expect(use, "the broker's core (95 %)");
}

static void redis_squeezes_the_generator_where_there_are_but_two_cores(void **state) {
    (void)state;
    struct bound_use use = quiet;
    use.generator = 0.6;
    use.redis = 0.35;
    expect(use, "the generator's core (60 %), where Redis mostly runs too (35 %)");
    use.router = 0.4;
    expect(use, "the generator's core (60 %), where the router worker mostly runs too (40 %)");
    use.others_squeeze = false;
    expect(use, "no processor");
}

static void one_core_for_all_is_said_to_be_the_only_one(void **state) {
    (void)state;
    struct bound_use use = quiet;
    use.shares_core = true;
    use.broker = 0.5;
    use.generator = 0.45;
    expect(use, "the only core (broker 50 %, generator 45 %)");
}

static void a_broker_that_cannot_be_seen_is_not_judged(void **state) {
    (void)state;
    struct bound_use use = {.generator = 0.99, .redis = -1, .router = -1};
    expect(use, "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quiet_run_is_bounded_by_its_schedule),
        cmocka_unit_test(a_full_core_is_named_with_its_share),
        cmocka_unit_test(a_full_broker_counts_before_a_full_generator),
        cmocka_unit_test(redis_squeezes_the_generator_where_there_are_but_two_cores),
        cmocka_unit_test(one_core_for_all_is_said_to_be_the_only_one),
        cmocka_unit_test(a_broker_that_cannot_be_seen_is_not_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

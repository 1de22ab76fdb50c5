/* When a client comes back, and when it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "clients/c/retry.h"
#include "protocol/errors.h"

static struct retry fresh(void) {
    return (struct retry){.base_ms = 500, .max_ms = 30000, .fault_ms = 60000};
}

static void waits_are_random_below_a_bound_that_doubles_to_its_maximum(void **state) {
    (void)state;
    static const uint32_t bounds[] = {500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000};
    struct retry retry = fresh();
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        struct retry probe = retry;
        assert_int_equal(retry_after(&probe, 0, 0, 0).wait_ms, 0);
        probe = retry;
        assert_int_equal(retry_after(&probe, 0, 0, bounds[i]).wait_ms, bounds[i]); /* the highest */
        struct retry_verdict verdict = retry_after(&retry, 0, 0, UINT64_MAX);
        assert_int_equal(verdict.action, RETRY_LATER);
        assert_int_equal(verdict.error, LEDIG_EUNAVAILABLE);
        assert_true(verdict.wait_ms <= bounds[i]);
    }
    retry_settled(&retry);
    assert_int_equal(retry_after(&retry, 0, 0, 501).wait_ms, 0); /* the bound is the first again */
}

static void what_the_broker_told_is_waited_exactly(void **state) {
    (void)state;
    static const uint16_t codes[] = {0, 1000, 1001, 1011, 4408, 4429};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        struct retry retry = fresh();
        assert_int_equal(retry_after(&retry, codes[i], 7123, 99999).wait_ms, 7123);
    }
    struct retry retry = fresh();
    assert_int_equal(retry_after(&retry, 1001, UINT32_MAX, 0).wait_ms, RETRY_TOLD_MS_MAX);
}

static void a_refused_token_is_renewed_once_then_it_is_over(void **state) {
    (void)state;
    struct retry retry = fresh();
    assert_int_equal(retry_after(&retry, 4401, 0, 0).action, RETRY_WITH_TOKEN);
    assert_int_equal(retry_after(&retry, 0, 0, 0).action, RETRY_LATER); /* a lost network in between changes nothing */
    struct retry_verdict verdict = retry_after(&retry, 4401, 0, 0);
    assert_int_equal(verdict.action, RETRY_NEVER);
    assert_int_equal(verdict.error, LEDIG_EUNAUTHORIZED);
    retry_accepted(&retry);
    assert_int_equal(retry_after(&retry, 4401, 0, 0).action, RETRY_WITH_TOKEN);
}

static void who_is_forbidden_or_replaced_stays_away(void **state) {
    (void)state;
    struct retry retry = fresh();
    assert_int_equal(retry_after(&retry, 4403, 100, 0).action, RETRY_NEVER);
    assert_int_equal(retry_after(&retry, 4409, 100, 0).action, RETRY_NEVER);
}

static void a_fault_of_the_protocol_waits_a_minute_and_a_little(void **state) {
    (void)state;
    static const uint16_t codes[] = {1002, 1003, 1007, 1008, 1009};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        struct retry retry = fresh();
        struct retry_verdict verdict = retry_after(&retry, codes[i], 0, 123456789);
        assert_int_equal(verdict.action, RETRY_LATER);
        assert_in_range(verdict.wait_ms, 60000, 66000);
        assert_true(verdict.error == LEDIG_EBAD_REQUEST || verdict.error == LEDIG_ETOO_LARGE);
    }
    struct retry retry = fresh();
    assert_int_equal(retry_after(&retry, 1008, 90000, 0).wait_ms, 90000);
}

static void an_unknown_close_code_is_borne(void **state) {
    (void)state;
    struct retry retry = fresh();
    assert_int_equal(retry_after(&retry, 4499, 0, 3).action, RETRY_LATER);
    assert_int_equal(retry_after(&retry, 65535, 0, 3).action, RETRY_LATER);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_are_random_below_a_bound_that_doubles_to_its_maximum),
        cmocka_unit_test(what_the_broker_told_is_waited_exactly),
        cmocka_unit_test(a_refused_token_is_renewed_once_then_it_is_over),
        cmocka_unit_test(who_is_forbidden_or_replaced_stays_away),
        cmocka_unit_test(a_fault_of_the_protocol_waits_a_minute_and_a_little),
        cmocka_unit_test(an_unknown_close_code_is_borne),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

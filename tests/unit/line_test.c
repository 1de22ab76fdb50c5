/* Why there is no line, in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "clients/cli/line.h"

static void expect_reason(struct ledig_status status, const char *wanted) {
    char reason[LINE_REASON_BYTES];
    line_reason(&status, reason);
    assert_string_equal(reason, wanted);
}

static void a_line_that_breaks_off_says_nothing_of_requests(void **state) {
    (void)state;
    expect_reason((struct ledig_status){.error = LEDIG_EUNAVAILABLE}, "the connection broke off");
    expect_reason((struct ledig_status){.error = LEDIG_EUNAVAILABLE, .close_code = 1001},
                  "the broker closed it (1001)");
    expect_reason((struct ledig_status){.error = LEDIG_EUNAVAILABLE, .reason = "drain", .close_code = 1001},
                  "the broker stops, or starts anew");
}

static void a_broker_without_its_store_is_told_from_a_broken_line(void **state) {
    (void)state;
    struct ledig_status away = {.error = LEDIG_EUNAVAILABLE, .reason = ledig_error_meaning(LEDIG_EUNAVAILABLE)};
    struct ledig_status broken = {.error = LEDIG_EUNAVAILABLE};
    assert_true(line_store_is_away(&away));
    assert_false(line_store_is_away(&broken));
    expect_reason(away, "the broker's store does not answer now");
}

static void the_brokers_own_words_are_made_harmless(void **state) {
    (void)state;
    expect_reason((struct ledig_status){.error = LEDIG_ECONFLICT, .reason = "taken\x1b[2J"}, "taken\\x1b[2J");
    expect_reason((struct ledig_status){.error = LEDIG_EUNAUTHORIZED}, ledig_error_meaning(LEDIG_EUNAUTHORIZED));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_that_breaks_off_says_nothing_of_requests),
        cmocka_unit_test(a_broker_without_its_store_is_told_from_a_broken_line),
        cmocka_unit_test(the_brokers_own_words_are_made_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

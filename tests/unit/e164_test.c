/* Numbers as people write them become E.164, and nothing else does. */
#include "broker/service/e164.h"
#include "protocol/errors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_becomes(const char *text, const char *expected) {
    char number[E164_BYTES];
    assert_int_equal(e164_parse(text, strlen(text), number), 0);
    assert_string_equal(number, expected);
}

static void ways_to_write_a_number_are_one(void **state) {
    (void)state;
    const char *const same[] = {"+4710000001",       "004710000001",        "+47 10 00 00 01", "00 47 1000-0001",
                                "(+47) 10 00 00 01", "\t+47-1-0-0-0-0-001", "0047(10)000001"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        assert_becomes(same[i], "+4710000001");
}

static void shortest_and_longest_are_taken(void **state) {
    (void)state;
    assert_becomes("+12345", "+12345");
    assert_becomes("+123456789012345", "+123456789012345");
    assert_becomes("00123456789012345", "+123456789012345");
}

static void anything_else_is_refused(void **state) {
    (void)state;
    const char *const wrong[] = {"",
                                 "+",
                                 "00",
                                 "+1234",
                                 "+1234567890123456",
                                 "0012345678901234567890",
                                 "10000001",
                                 "4710000001",
                                 "+47a0000001",
                                 "++4710000001",
                                 "47+10000001",
                                 "+0012345",
                                 "0000471000",
                                 "+47.1000.0001",
                                 ("+47\xC2\xA0"
                                  "10000001"),
                                 "tel:+4710000001"};
    char number[E164_BYTES];
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(e164_parse(wrong[i], strlen(wrong[i]), number), LEDIG_EBAD_REQUEST);
    assert_int_equal(e164_parse("+47\0"
                                "10000001",
                                12, number),
                     LEDIG_EBAD_REQUEST);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ways_to_write_a_number_are_one),
        cmocka_unit_test(shortest_and_longest_are_taken),
        cmocka_unit_test(anything_else_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

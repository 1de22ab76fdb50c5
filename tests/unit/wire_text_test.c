/* What the broker would not take is told before it is sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "clients/cli/wire_text.h"
#include "protocol/errors.h"

static void expect_fault(const char *text, size_t chars_max, const char *wanted) {
    char fault[WIRE_TEXT_FAULT_BYTES];
    assert_int_equal(wire_text_check(text, chars_max, fault), LEDIG_EBAD_REQUEST);
    assert_string_equal(fault, wanted);
}

static void expect_good(const char *text, size_t chars_max) {
    char fault[WIRE_TEXT_FAULT_BYTES];
    assert_int_equal(wire_text_check(text, chars_max, fault), 0);
}

static void characters_are_counted_and_not_bytes(void **state) {
    (void)state;
    expect_good("", 5);
    expect_good("møter", 5);
    expect_good("会议室在三", 5);
    expect_fault("møtet ", 5, "is longer than 5 characters: it has 6");
}

static void what_is_no_utf8_is_told(void **state) {
    (void)state;
    expect_fault("\xff\xfe", 5, "is not valid UTF-8");
    expect_fault("a\xc3", 5, "is not valid UTF-8");
    expect_fault("\xed\xa0\x80", 5, "is not valid UTF-8"); /* a surrogate */
}

static void control_characters_are_told(void **state) {
    (void)state;
    expect_fault("a\nb", 5, "has a control character in it: U+000A");
    expect_fault("\x1b[2J", 5, "has a control character in it: U+001B");
    expect_fault("\x7f", 5, "has a control character in it: U+007F");
    expect_fault("\xc2\x9b", 5, "has a control character in it: U+009B");
    expect_good("\xc2\xa0å☕", 5); /* no-break space, and letters whose last byte looks like a control */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_are_counted_and_not_bytes),
        cmocka_unit_test(what_is_no_utf8_is_told),
        cmocka_unit_test(control_characters_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

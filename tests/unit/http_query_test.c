/* Parameters of a URL: each is decoded by itself, once, and what cannot be decoded is refused. */
#include "broker/service/http_exchange.h"
#include "protocol/errors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static char value[16];

static int ask(const char *query, const char *name) {
    struct http_request request = {.query = query};
    memset(value, 'x', sizeof value);
    return http_query(&request, name, value, sizeof value);
}

static void assert_value(const char *query, const char *name, const char *expected) {
    assert_int_equal(ask(query, name), 0);
    assert_string_equal(value, expected);
}

static void parameter_is_found_wherever_it_stands(void **state) {
    (void)state;
    assert_value("to=1", "to", "1");
    assert_value("a=2&to=1", "to", "1");
    assert_value("to=1&a=2", "to", "1");
    assert_value("&&a&to=1&", "to", "1");
    assert_value("t%6F=1", "to", "1");
}

static void value_is_decoded_once(void **state) {
    (void)state;
    assert_value("to=%2B47", "to", "+47");
    assert_value("to=+47", "to", " 47");
    assert_value("to=%252B", "to", "%2B");
    assert_value("to=a%26b%3Dc", "to", "a&b=c");
    assert_value("to=k%C3%A5re", "to", "k\xC3\xA5re");
    assert_value("to=a=b", "to", "a=b");
}

static void value_may_be_empty(void **state) {
    (void)state;
    assert_value("to=", "to", "");
    assert_value("to", "to", "");
    assert_value("to=&a=1", "to", "");
}

static void missing_parameter_is_not_found(void **state) {
    (void)state;
    assert_int_equal(ask("", "to"), LEDIG_ENOT_FOUND);
    assert_int_equal(ask("too=1&t=2&a=to", "to"), LEDIG_ENOT_FOUND);
    assert_int_equal(ask("t%00o=1", "to"), LEDIG_ENOT_FOUND);
}

static void what_cannot_be_decoded_is_refused(void **state) {
    (void)state;
    const char *const queries[] = {"to=%",    "to=%2",  "to=%2&a=b", "to=%zz",      "to=%00",
                                   "to=a%00", "to=%ff", "to=%C3",    "to=%ED%A0%80"};
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++)
        assert_int_equal(ask(queries[i], "to"), LEDIG_EBAD_REQUEST);
}

static void parameter_given_twice_is_refused(void **state) {
    (void)state;
    assert_int_equal(ask("to=1&to=1", "to"), LEDIG_EBAD_REQUEST);
}

static void value_that_does_not_fit_is_too_large(void **state) {
    (void)state;
    assert_value("to=123456789012345", "to", "123456789012345");
    assert_int_equal(ask("to=1234567890123456", "to"), LEDIG_ETOO_LARGE);
    assert_value("to=%31%32%33%34%35%36%37%38%39%30%31%32%33%34%35", "to", "123456789012345");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameter_is_found_wherever_it_stands),
        cmocka_unit_test(value_is_decoded_once),
        cmocka_unit_test(value_may_be_empty),
        cmocka_unit_test(missing_parameter_is_not_found),
        cmocka_unit_test(what_cannot_be_decoded_is_refused),
        cmocka_unit_test(parameter_given_twice_is_refused),
        cmocka_unit_test(value_that_does_not_fit_is_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

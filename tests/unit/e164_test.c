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
    const char *const same[] = {"+4710000001",     "004710000001",      "+47 10 00 00 01",
                                "00 47 1000-0001", "(+47) 10 00 00 01", "\t+47-1-0-0-0-0-001",
                                "0047(10)000001",  "+47.1000.0001",     "+47 (0) 10000001"};
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
                                 "+47,1000,0001",
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

/* How people write their own country's numbers, one line a country: what its plan makes of them. */
static void national_numbers_become_international_ones(void **state) {
    (void)state;
    static const struct {
        const char *country, *text, *expected; /* NULL = none */
    } cases[] = {
        {"NO", "22 33 44 55", "+4722334455"},
        {"NO", "0046 70 123 45 67", "+46701234567"},
        {"NO", "4722334455", NULL}, /* is the calling code meant? */
        {"NO", "02233445", NULL},
        {"NO", "2233445", NULL},
        {"NO", "223344556", NULL},
        {"SE", "070-123 45 67", "+46701234567"},
        {"SE", "08-12 34 56 78", "+46812345678"},
        {"SE", "70-123 45 67", NULL}, /* without its area, it is a local number */
        {"DK", "32 12 34 56", "+4532123456"},
        {"FI", "(09) 1234 567", "+35891234567"},
        {"FI", "045 7123 4567", "+3584571234567"},
        {"IS", "555 1234", "+3545551234"},
        {"GB", "020 7946 0000", "+442079460000"},
        {"GB", "+44 (0)20 7946 0000", "+442079460000"},
        {"GB", "7946 0000", NULL},
        {"IE", "(01) 234 5678", "+35312345678"},
        {"DE", "030/123456", "+4930123456"},
        {"DE", "0151 12345678", "+4915112345678"},
        {"NL", "020-1234567", "+31201234567"},
        {"BE", "02 123 45 67", "+3221234567"},
        {"BE", "0470 12 34 56", "+32470123456"},
        {"FR", "01.23.45.67.89", "+33123456789"},
        {"FR", "+33 (0)1 23 45 67 89", "+33123456789"},
        {"ES", "912 345 678", "+34912345678"},
        {"PT", "21 234 5678", "+351212345678"},
        {"IT", "06 1234 5678", "+390612345678"}, /* keeps its zero */
        {"IT", "+39 (0)6 1234 5678", "+390612345678"},
        {"IT", "347 123 4567", "+393471234567"},
        {"CH", "044 668 18 00", "+41446681800"},
        {"AT", "01 7123456", "+4317123456"},
        {"PL", "22 123 45 67", "+48221234567"},
        {"EE", "612 3456", "+3726123456"},
        {"LV", "67 123 456", "+37167123456"},
        {"LT", "(0 5) 212 3456", "+37052123456"},
        {"US", "(212) 555-0123", "+12125550123"},
        {"US", "1-212-555-0123", "+12125550123"},
        {"US", "011 47 22 33 44 55", "+4722334455"},
        {"US", "555-0123", NULL},
        {"US", "112-555-0123", NULL},
        {"CA", "416.555.0123", "+14165550123"},
        {"NO", "011 47 22334455", NULL},
        {"NO", "112", NULL},
        {"DE", "0", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char number[E164_BYTES] = "none";
        int error = e164_parse_in(numbering_plan_of(cases[i].country), cases[i].text, strlen(cases[i].text), number);
        if ((cases[i].expected == NULL) != (error != 0) || (!error && strcmp(number, cases[i].expected) != 0))
            fail_msg("%s: “%s” became %s", cases[i].country, cases[i].text, error ? "nothing" : number);
    }
    assert_null(numbering_plan_of("XX"));
    assert_null(numbering_plan_of("no"));
    assert_string_equal(numbering_plan_of(NULL)->country, "NO");
}

static void dear_numbers_are_known(void **state) {
    (void)state;
    static const struct {
        const char *number, *code;
        size_t dear;
    } cases[] = {{"+4722334455", "+47", 0},   {"+4782912345", "+47", 5},   {"+46900123456", "+46", 6},
                 {"+35312345678", "+353", 0}, {"+35315345678", "+353", 0}, {"+3531534567890", "+353", 6},
                 {"+12125550123", "+1", 0},   {"+18765550123", "+1", 5},   {"+19005550123", "+1", 5},
                 {"+77011234567", "+7", 0},   {"+8821312345", "+882", 0},  {"+39899123456", "+39", 5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char code[NUMBERING_CODE_BYTES];
        numbering_code(cases[i].number, code);
        assert_string_equal(code, cases[i].code);
        assert_int_equal(numbering_premium(cases[i].number), cases[i].dear);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ways_to_write_a_number_are_one), cmocka_unit_test(shortest_and_longest_are_taken),
        cmocka_unit_test(anything_else_is_refused),       cmocka_unit_test(national_numbers_become_international_ones),
        cmocka_unit_test(dear_numbers_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

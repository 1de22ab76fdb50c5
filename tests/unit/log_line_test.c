/* No value makes a line of the log say what it does not: it ends no line, no quotes, and begins no field. */
#include "broker/log_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define ROOM 400

static const char *line_of(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *line_of(const char *format, ...) {
    static char text[ROOM + 1];
    struct log_line line = {.text = text, .size = ROOM};
    va_list values;
    va_start(values, format);
    log_line_append(&line, format, values);
    va_end(values);
    assert_true(line.length <= ROOM);
    text[line.length] = '\0';
    return text;
}

static void numbers_and_text_stand_as_printf_has_them(void **state) {
    (void)state;
    assert_string_equal(line_of("a=%d b=%u c=%ld d=%lu", -1, 4000000000u, -5000000000L, 5000000000UL),
                        "a=-1 b=4000000000 c=-5000000000 d=5000000000");
    assert_string_equal(line_of("a=%lld b=%llu c=%zu d=%x", -7LL, UINT64_MAX + 0ULL, sizeof(int), 0xbeefu),
                        "a=-7 b=18446744073709551615 c=4 d=beef");
    assert_string_equal(line_of("a=%s b=\"%.*s\" c=%.3s %d%%", "x", 2, "yyyy", "zzzz", 5), "a=x b=\"yy\" c=zzz 5%");
}

static void a_value_ends_neither_its_line_nor_its_quotes(void **state) {
    (void)state;
    assert_string_equal(line_of("why=\"%s\"", "a\nlevel=error event=forged"), "why=\"a?level=error event=forged\"");
    assert_string_equal(line_of("why=\"%s\"", "a\" event=\"forged"), "why=\"a\\\" event=\\\"forged\"");
    assert_string_equal(line_of("why=\"%s\" n=%d", "ends in \\", 1), "why=\"ends in \\\\\" n=1");
    assert_string_equal(line_of("why=\"%s\"", "\r\x1b[31m\x7f\t"), "why=\"??[31m??\"");
}

static void a_value_without_quotes_begins_no_field(void **state) {
    (void)state;
    assert_string_equal(line_of("company=%s n=%d", "acme role=operator", 1), "company=acme?role?operator n=1");
    assert_string_equal(line_of("a=\"%s\" b=%s", "x y", "\" c"), "a=\"x y\" b=??c");
}

static void what_steers_a_terminal_or_is_no_text_is_left_out(void **state) {
    (void)state;
    assert_string_equal(line_of("a=\"%s\"", "bl\xc3\xa5 \xf0\x9f\x93\x9e"), "a=\"bl\xc3\xa5 \xf0\x9f\x93\x9e\"");
    assert_string_equal(line_of("a=\"%s\"", "\xc2\x85|\xc2\x9b|\xe2\x80\xa8|\xe2\x80\xae"),
                        "a=\"\?\?|\?\?|\?\?\?|\?\?\?\"");
    assert_string_equal(line_of("a=\"%s\"", "\xff\xc3"), "a=\"\?\?\"");
    assert_string_equal(line_of("a=\"%s\"", "\xc0\x8a|\xe0\x80\x8a|\xed\xa0\x80"), "a=\"\?\?|\?\?\?|\?\?\?\"");
}

static void a_line_that_is_full_ends_before_a_character(void **state) {
    (void)state;
    char text[9];
    struct log_line line = {.text = text, .size = 8};
    va_list none;
    memset(&none, 0, sizeof none);
    log_line_append(&line, "1234567", none);
    log_line_append(&line, "\xc3\xa5", none);
    log_line_append(&line, "8", none);
    assert_int_equal(line.length, 7);
    char much[3 * ROOM];
    memset(much, 'x', sizeof much - 1);
    much[sizeof much - 1] = '\0';
    assert_int_equal(strlen(line_of("a=%s", much)), ROOM);
}

/* Whatever stands in a quoted value, reading the quotes as logfmt does gives one field. */
static void random_bytes_stay_one_field(void **state) {
    (void)state;
    const char *given = getenv("LEDIG_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    printf("LEDIG_SEED=%u\n", seed);
    for (int round = 0; round < 20000; round++) {
        char value[24];
        for (size_t i = 0; i < sizeof value - 1; i++) {
            seed = seed * 1103515245u + 12345u;
            value[i] = (char)("\n\r\"\\ =\x1b\x7f\xc2\x85\xe2\x80\xa8xyz\xc3\xa5"[(seed >> 16) % 18]);
        }
        value[sizeof value - 1] = '\0';
        const char *line = line_of("a=\"%s\"", value);
        const char *at = line + strlen("a=\"");
        while (*at && *at != '"')
            at += *at == '\\' ? 2 : 1;
        assert_string_equal(at, "\"");
        for (const char *c = line; *c; c++)
            assert_true((unsigned char)*c >= ' ' && *c != 127);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_text_stand_as_printf_has_them),
        cmocka_unit_test(a_value_ends_neither_its_line_nor_its_quotes),
        cmocka_unit_test(a_value_without_quotes_begins_no_field),
        cmocka_unit_test(what_steers_a_terminal_or_is_no_text_is_left_out),
        cmocka_unit_test(a_line_that_is_full_ends_before_a_character),
        cmocka_unit_test(random_bytes_stay_one_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

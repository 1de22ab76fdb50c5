/* Comma-separated values: what a spreadsheet writes is read, what is wrong is told with its line, and the rest is read
 * on. */
#include "broker/service/csv.h"
#include "protocol/errors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct csv csv;

/* From a heap block of exactly this size, so that a read beyond it is found. */
static uint8_t *open_text(const char *text, size_t length) {
    uint8_t *bytes = malloc(length + (length == 0));
    memcpy(bytes, text, length);
    csv_open(&csv, bytes, length);
    return bytes;
}

/* Records as "a|b|c;", faults as "!reason@line;". */
static void assert_reads(const char *text, size_t length, const char *expected) {
    char read[4096] = "";
    uint8_t *bytes = open_text(text, length);
    int result;
    while ((result = csv_next(&csv)) != 0) {
        size_t used = strlen(read);
        if (result < 0) {
            assert_int_equal(result, LEDIG_EBAD_REQUEST);
            snprintf(read + used, sizeof read - used, "!%s@%u;", csv.why, csv.record_line);
            continue;
        }
        for (size_t i = 0; i < csv.count; i++) {
            assert_int_equal(csv.lengths[i], strlen(csv.fields[i]));
            snprintf(read + strlen(read), sizeof read - strlen(read), "%s%s", i ? "|" : "", csv.fields[i]);
        }
        snprintf(read + strlen(read), sizeof read - strlen(read), "@%u;", csv.record_line);
    }
    assert_string_equal(read, expected);
    free(bytes);
}

#define READS(text, expected) assert_reads(text, sizeof(text) - 1, expected)

static void lines_end_in_lf_or_crlf_or_with_the_file(void **state) {
    (void)state;
    READS("", "");
    READS("a", "a@1;");
    READS("a,b\nc,d\n", "a|b@1;c|d@2;");
    READS("a,b\r\nc,d\r\n", "a|b@1;c|d@2;");
    READS("a,b\r\nc,d", "a|b@1;c|d@2;");
    READS("a\rb,c\n", "a\rb|c@1;");
    READS("a\r", "a\r@1;");
}

static void empty_lines_are_passed_over_and_counted(void **state) {
    (void)state;
    READS("\n\na\n\r\n\nb\n\n", "a@3;b@6;");
    READS("\n", "");
}

static void empty_fields_are_fields(void **state) {
    (void)state;
    READS(",\n,,\n\"\",x\n", "|@1;||@2;|x@3;");
}

static void byte_order_mark_is_no_part_of_the_first_field(void **state) {
    (void)state;
    READS("\xEF\xBB\xBFuser,name\n", "user|name@1;");
    READS("\xEF\xBB\xBF", "");
    READS("a\n\xEF\xBB\xBF", "a@1;\xEF\xBB\xBF@2;");
}

static void quoted_field_holds_commas_quotes_and_lines(void **state) {
    (void)state;
    READS("\"a,b\",c\n", "a,b|c@1;");
    READS("\"say \"\"hi\"\"\",\"\"\"\"\n", "say \"hi\"|\"@1;");
    READS("\"a\nb\r\nc\",d\ne\n", "a\nb\r\nc|d@1;e@4;");
    READS("\"a\"", "a@1;");
}

static void quotes_in_the_wrong_place_are_told_and_the_next_line_is_read(void **state) {
    (void)state;
    READS("a\"b,c\nd\n", "!a quote stands inside of a field that is not quoted@1;d@2;");
    READS("\"a\"b,c\nd\n", "!something follows a closing quote@1;d@2;");
    READS("x\n\"open,a\nd\n", "x@1;!a quote is not closed@2;d@3;");
    READS("\"", "!a quote is not closed@1;");
}

static void invalid_utf8_and_nul_are_told(void **state) {
    (void)state;
    READS("k\xC3\xA5re\n\xFF\xFE\nb\n", "k\xC3\xA5re@1;!not valid UTF-8@2;b@3;");
    READS("a\0b\nc\n", "!a NUL character@1;c@2;");
    READS("\xC3", "!not valid UTF-8@1;");
}

static void too_many_columns_and_too_long_lines_are_told(void **state) {
    (void)state;
    char text[CSV_RECORD_BYTES_MAX + 64];
    memset(text, ',', CSV_FIELDS_MAX);
    memcpy(text + CSV_FIELDS_MAX, "\nb\n", 3);
    assert_reads(text, CSV_FIELDS_MAX - 1, "|||||||||||||||||||||||||||||||@1;");
    assert_reads(text, CSV_FIELDS_MAX + 3, "!too many columns@1;b@2;");
    memset(text, 'x', CSV_RECORD_BYTES_MAX + 1);
    memcpy(text + CSV_RECORD_BYTES_MAX + 1, "\nb\n", 3);
    assert_reads(text, CSV_RECORD_BYTES_MAX + 4, "!the line is too long@1;b@2;");
    text[0] = '"';
    assert_reads(text, CSV_RECORD_BYTES_MAX + 4, "!too long, or a quote is not closed@1;b@2;");
}

static void line_of_the_greatest_length_is_read(void **state) {
    (void)state;
    char text[CSV_RECORD_BYTES_MAX + 8];
    memset(text, 'x', CSV_RECORD_BYTES_MAX);
    memcpy(text + CSV_RECORD_BYTES_MAX, ",,,\n", 4);
    uint8_t *bytes = open_text(text, CSV_RECORD_BYTES_MAX + 4);
    assert_int_equal(csv_next(&csv), 1);
    assert_int_equal(csv.count, 4);
    assert_int_equal(csv.lengths[0], CSV_RECORD_BYTES_MAX);
    assert_int_equal(csv.lengths[3], 0);
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_end_in_lf_or_crlf_or_with_the_file),
        cmocka_unit_test(empty_lines_are_passed_over_and_counted),
        cmocka_unit_test(empty_fields_are_fields),
        cmocka_unit_test(byte_order_mark_is_no_part_of_the_first_field),
        cmocka_unit_test(quoted_field_holds_commas_quotes_and_lines),
        cmocka_unit_test(quotes_in_the_wrong_place_are_told_and_the_next_line_is_read),
        cmocka_unit_test(invalid_utf8_and_nul_are_told),
        cmocka_unit_test(too_many_columns_and_too_long_lines_are_told),
        cmocka_unit_test(line_of_the_greatest_length_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

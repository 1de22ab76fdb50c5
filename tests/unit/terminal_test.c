/* Other people's words on a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "clients/cli/terminal.h"
#include <stdlib.h>
#include <string.h>

static void expect_harmless(const char *text, const char *wanted) {
    char shown[256];
    text_harmless(text, shown, sizeof shown);
    assert_string_equal(shown, wanted);
}

static void what_a_terminal_would_obey_is_made_visible(void **state) {
    (void)state;
    expect_harmless("a\x1b[31mb", "a\\x1b[31mb");
    expect_harmless("\a\b\r\n\t\x7f", "\\x07\\x08\\x0d\\x0a\\x09\\x7f");
    expect_harmless("\xc2\x9b"
                    "2J",
                    "\\x9b2J"); /* CSI as one character */
    expect_harmless("\xe2\x80\xae"
                    "txt.exe",
                    "\\u202etxt.exe");
    expect_harmless("\xe2\x81\xa6x\xe2\x81\xa9", "\\u2066x\\u2069");
}

static void broken_utf8_is_replaced(void **state) {
    (void)state;
    expect_harmless("a\xff"
                    "b",
                    "a\xef\xbf\xbd"
                    "b");
    expect_harmless("\xc3", "\xef\xbf\xbd");
    expect_harmless("\xe0\x80\x9b[", "\\x1b["); /* an escape written the long way round */
}

static void letters_of_all_kinds_stay(void **state) {
    (void)state;
    expect_harmless("Ærlig Øyvind Åse “møte” – 会议 ☕", "Ærlig Øyvind Åse “møte” – 会议 ☕");
}

static void a_text_that_does_not_fit_is_cut_at_a_character(void **state) {
    (void)state;
    char shown[4];
    text_harmless("ååå", shown, sizeof shown);
    assert_string_equal(shown, "å");
    text_harmless("ab\x1b", shown, sizeof shown);
    assert_string_equal(shown, "ab");
}

/* What terminal_put writes, with these columns and this fill. */
static void expect_put(const char *text, size_t columns, size_t fill, const char *wanted) {
    char *written = NULL;
    size_t length = 0;
    struct terminal terminal;
    FILE *file = open_memstream(&written, &length);
    assert_non_null(file);
    terminal_open(&terminal, stdout); /* for its locale */
    terminal = (struct terminal){.file = file};
    terminal_put(&terminal, TINT_RED, text, columns, fill);
    fclose(file);
    assert_string_equal(written, wanted);
    free(written);
}

static void columns_are_counted_as_the_eye_does(void **state) {
    (void)state;
    expect_put("Øyvind", 0, 8, "Øyvind  ");
    expect_put("会议", 0, 6, "会议  ");
    expect_put("Øyvind", 4, 0, "Øyv…");
    expect_put("Øyvind", 6, 0, "Øyvind");
    expect_put("会议室", 4, 0, "会…");
}

static void there_is_colour_only_where_it_was_asked_for(void **state) {
    (void)state;
    char *written = NULL;
    size_t length = 0;
    FILE *file = open_memstream(&written, &length);
    assert_non_null(file);
    struct terminal terminal = {.file = file, .colour = true};
    terminal_put(&terminal, TINT_RED, "busy", 0, 0);
    terminal_put(&terminal, TINT_NONE, "x", 0, 0);
    fclose(file);
    assert_string_equal(written, "\x1b[31mbusy\x1b[0mx");
    free(written);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_terminal_would_obey_is_made_visible),
        cmocka_unit_test(broken_utf8_is_replaced),
        cmocka_unit_test(letters_of_all_kinds_stay),
        cmocka_unit_test(a_text_that_does_not_fit_is_cut_at_a_character),
        cmocka_unit_test(columns_are_counted_as_the_eye_does),
        cmocka_unit_test(there_is_colour_only_where_it_was_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What the command line makes of a slip of the finger. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "clients/cli/arguments.h"
#include <string.h>

static const char *const words[] = {"watch", "set", "ask", "consent", "route", "token", "import"};

static const char *nearest(const char *word) {
    return arguments_nearest(word, words, sizeof words / sizeof words[0]);
}

static void a_slip_is_understood(void **state) {
    (void)state;
    assert_string_equal(nearest("wacth"), "watch");
    assert_string_equal(nearest("wach"), "watch");
    assert_string_equal(nearest("sett"), "set");
    assert_string_equal(nearest("konsent"), "consent");
    assert_string_equal(nearest("imprt"), "import");
}

static void what_is_like_nothing_gets_no_suggestion(void **state) {
    (void)state;
    assert_null(nearest("frobnicate"));
    assert_null(nearest("xyz"));
    char long_word[4000];
    memset(long_word, 'w', sizeof long_word - 1);
    long_word[sizeof long_word - 1] = 0;
    assert_null(nearest(long_word));
}

/* Reads a line as the `set` command would, with one flag of its own. */
static bool read(int argc, char **argv, const char **note, struct arguments *arguments, enum exit_code *code) {
    const struct flag own[] = {{"note", note, NULL}, {NULL, NULL, NULL}};
    return arguments_read(&set_command, argc, argv, own, arguments, code);
}

static void flags_stand_anywhere(void **state) {
    (void)state;
    char *argv[] = {(char[]){"set"},    (char[]){"--as"}, (char[]){"ola"},    (char[]){"busy"},
                    (char[]){"--note"}, (char[]){"x y"},  (char[]){"--json"}, NULL};
    struct arguments arguments;
    const char *note = NULL;
    enum exit_code code = EXIT_DONE;
    assert_true(read(7, argv, &note, &arguments, &code));
    assert_string_equal(arguments.as, "ola");
    assert_string_equal(note, "x y");
    assert_true(arguments.json);
    assert_int_equal(arguments.rest_count, 1);
    assert_string_equal(arguments.rest[0], "busy");
}

static void a_wrong_flag_is_a_wrong_command_line(void **state) {
    (void)state;
    char *wrong[][4] = {{(char[]){"set"}, (char[]){"--note"}, NULL, NULL},
                        {(char[]){"set"}, (char[]){"--json=1"}, NULL, NULL},
                        {(char[]){"set"}, (char[]){"--nosuch"}, NULL, NULL},
                        {(char[]){"set"}, (char[]){"--not=x"}, NULL, NULL}, /* flags are written out */
                        {(char[]){"set"}, (char[]){"-x"}, NULL, NULL}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct arguments arguments;
        const char *note = NULL;
        enum exit_code code = EXIT_DONE;
        assert_false(read(2, wrong[i], &note, &arguments, &code));
        assert_int_equal(code, EXIT_USAGE);
    }
}

static void what_stands_behind_a_flag_is_its_value_whatever_it_looks_like(void **state) {
    (void)state;
    char *argv[] = {(char[]){"set"}, (char[]){"--note"}, (char[]){"--nosuch"},
                    (char[]){"--"},  (char[]){"--busy"}, NULL};
    struct arguments arguments;
    const char *note = NULL;
    enum exit_code code = EXIT_DONE;
    assert_true(read(5, argv, &note, &arguments, &code));
    assert_string_equal(note, "--nosuch");
    assert_int_equal(arguments.rest_count, 1);
    assert_string_equal(arguments.rest[0], "--busy");
}

static void a_command_that_comes_to_no_broker_has_no_flags_for_it(void **state) {
    (void)state;
    char *argv[] = {(char[]){"token"}, (char[]){"--url"}, (char[]){"ws://x"}, NULL};
    struct arguments arguments;
    enum exit_code code = EXIT_DONE;
    assert_false(arguments_read(&token_command, 3, argv, NULL, &arguments, &code));
    assert_int_equal(code, EXIT_USAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slip_is_understood),
        cmocka_unit_test(what_is_like_nothing_gets_no_suggestion),
        cmocka_unit_test(flags_stand_anywhere),
        cmocka_unit_test(a_wrong_flag_is_a_wrong_command_line),
        cmocka_unit_test(what_stands_behind_a_flag_is_its_value_whatever_it_looks_like),
        cmocka_unit_test(a_command_that_comes_to_no_broker_has_no_flags_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The lines of `ledig watch`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "clients/cli/people.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NOON_MS 1795606264000LL /* 2026-11-25 11:31:04 UTC */

struct screen {
    struct people *people;
    struct terminal terminal;
    char *written;
    size_t length;
};

static struct screen *screen_open(void) {
    struct screen *screen = calloc(1, sizeof *screen);
    assert_non_null(screen);
    setenv("TZ", "UTC0", 1);
    tzset();
    screen->people = people_create();
    terminal_open(&screen->terminal, stdout);
    screen->terminal = (struct terminal){.file = open_memstream(&screen->written, &screen->length)};
    assert_non_null(screen->terminal.file);
    return screen;
}

static void screen_close(struct screen *screen) {
    fclose(screen->terminal.file);
    free(screen->written);
    people_free(screen->people);
    free(screen);
}

/* What was written since the last call. */
static void expect_written(struct screen *screen, const char *wanted) {
    fflush(screen->terminal.file);
    assert_string_equal(screen->written, wanted);
    rewind(screen->terminal.file);
    memset(screen->written, 0, strlen(screen->written));
}

static void take(struct screen *screen, struct ledig_member member) {
    assert_true(people_take(screen->people, &(struct ledig_change){.kind = LEDIG_MEMBER, .member = member}));
}

static void name(struct screen *screen, const char *user, const char *text) {
    assert_true(people_take(screen->people,
                            &(struct ledig_change){.kind = LEDIG_PROFILE, .profile = {.user = user, .name = text}}));
}

static void remove_user(struct screen *screen, const char *user) {
    assert_true(people_take(screen->people, &(struct ledig_change){.kind = LEDIG_REMOVED, .removed = user}));
}

static void a_change_is_a_line_with_the_name_and_all_that_matters(void **state) {
    (void)state;
    struct screen *screen = screen_open();
    name(screen, "ola", "Ola Nordmann");
    take(screen, (struct ledig_member){.user = "ola",
                                       .availability = "busy",
                                       .activity = "meeting",
                                       .until = NOON_MS + 3 * 3600000 - 64000,
                                       .note = "Styremøte",
                                       .presence = "idle"});
    people_print(screen->people, "ola", &screen->terminal, NOON_MS);
    expect_written(screen, "11:31:04  Ola Nordmann  busy · meeting  until 14:30  “Styremøte”  [idle]\n");
    screen_close(screen);
}

static void what_looks_the_same_is_not_said_twice(void **state) {
    (void)state;
    struct screen *screen = screen_open();
    take(screen, (struct ledig_member){.user = "ola", .availability = "busy", .last_active = 1});
    people_print(screen->people, "ola", &screen->terminal, NOON_MS);
    expect_written(screen, "11:31:04  ola  busy\n");
    take(screen, (struct ledig_member){.user = "ola", .availability = "busy", .last_active = 2});
    people_print(screen->people, "ola", &screen->terminal, NOON_MS + 1000);
    expect_written(screen, "");
    screen_close(screen);
}

static void a_snapshot_is_sorted_by_name_and_says_since_when(void **state) {
    (void)state;
    struct screen *screen = screen_open();
    take(screen, (struct ledig_member){.user = "b", .availability = "away", .activity = "off_work", .since = NOON_MS});
    take(screen, (struct ledig_member){.user = "a", .availability = "dnd", .since = NOON_MS - 86400000});
    name(screen, "b", "Berit");
    name(screen, "a", "Åse"); /* by bytes: after Z, as Norwegian has it */
    name(screen, "c", "Cecilie");
    assert_int_equal(people_settle(screen->people, &screen->terminal, NOON_MS + 1000, true), 3);
    expect_written(screen, "11:31:04  Berit    away · off work\n"
                           "          Cecilie  unknown\n"
                           "24.11.26  Åse      dnd\n");
    screen_close(screen);
}

static void after_a_fresh_start_only_what_differs_is_shown(void **state) {
    (void)state;
    struct screen *screen = screen_open();
    take(screen, (struct ledig_member){.user = "a", .availability = "available"});
    take(screen, (struct ledig_member){.user = "b", .availability = "available"});
    take(screen, (struct ledig_member){.user = "c", .availability = "available"});
    people_settle(screen->people, &screen->terminal, NOON_MS, true);
    fflush(screen->terminal.file);
    expect_written(screen, "          a  available\n          b  available\n          c  available\n");
    people_doubt(screen->people);
    take(screen, (struct ledig_member){.user = "a", .availability = "available"});
    take(screen, (struct ledig_member){.user = "b", .availability = "busy"});
    assert_int_equal(people_settle(screen->people, &screen->terminal, NOON_MS, false), 2);
    expect_written(screen, "11:31:04  b  busy\n11:31:04  c  has left\n");
    screen_close(screen);
}

static void one_who_leaves_is_said_to_have_left(void **state) {
    (void)state;
    struct screen *screen = screen_open();
    name(screen, "ola", "Ola");
    take(screen, (struct ledig_member){.user = "ola", .availability = "busy"});
    people_print(screen->people, "ola", &screen->terminal, NOON_MS);
    expect_written(screen, "11:31:04  Ola  busy\n");
    remove_user(screen, "ola");
    people_print(screen->people, "ola", &screen->terminal, NOON_MS);
    expect_written(screen, "11:31:04  Ola  has left\n");
    remove_user(screen, "nobody");
    people_print(screen->people, "nobody", &screen->terminal, NOON_MS);
    expect_written(screen, "");
    screen_close(screen);
}

static void a_note_cannot_command_the_terminal(void **state) {
    (void)state;
    struct screen *screen = screen_open();
    name(screen, "ola", "Ola\x1b]0;x\a");
    take(screen, (struct ledig_member){.user = "ola", .availability = "busy\n", .note = "\x1b[2J\nroot# "});
    people_print(screen->people, "ola", &screen->terminal, NOON_MS);
    expect_written(screen, "11:31:04  Ola\\x1b]0;x\\x07  busy\\x0a  “\\x1b[2J\\x0aroot# ”\n");
    screen_close(screen);
}

static void a_line_ends_at_the_edge_of_the_terminal(void **state) {
    (void)state;
    struct screen *screen = screen_open();
    screen->terminal.columns = 30;
    take(screen, (struct ledig_member){.user = "ola", .availability = "busy", .note = "en ganske lang merknad"});
    people_print(screen->people, "ola", &screen->terminal, NOON_MS);
    expect_written(screen, "11:31:04  ola  busy  “en gans…\n");
    screen_close(screen);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_is_a_line_with_the_name_and_all_that_matters),
        cmocka_unit_test(what_looks_the_same_is_not_said_twice),
        cmocka_unit_test(a_snapshot_is_sorted_by_name_and_says_since_when),
        cmocka_unit_test(after_a_fresh_start_only_what_differs_is_shown),
        cmocka_unit_test(one_who_leaves_is_said_to_have_left),
        cmocka_unit_test(a_note_cannot_command_the_terminal),
        cmocka_unit_test(a_line_ends_at_the_edge_of_the_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

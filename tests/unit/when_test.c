/* Times as people write them, in the time zone of Norway, where the clock jumps in March and October. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "clients/cli/when.h"
#include "protocol/errors.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Written out, so that no zone files are needed. */
#define NORWAY "CET-1CEST,M3.5.0,M10.5.0/3"

static int64_t universal(int year, int month, int day, int hour, int minute) {
    struct tm tm = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day, .tm_hour = hour, .tm_min = minute};
    return (int64_t)timegm(&tm) * 1000;
}

static int in_norway(void **state) {
    (void)state;
    setenv("TZ", NORWAY, 1);
    tzset();
    return 0;
}

/* Wednesday, 2026-11-25 at 12:30 in Norway, which is an hour ahead of universal time then. */
static int64_t wednesday_noon(void) {
    return universal(2026, 11, 25, 11, 30);
}

static void expect(const char *text, int64_t now_ms, int64_t wanted_ms) {
    int64_t at_ms = 0;
    int error = when_parse(text, now_ms, &at_ms);
    if (error) fail_msg("\"%s\" was refused: %d", text, error);
    if (at_ms != wanted_ms)
        fail_msg("\"%s\" is %lld min from what was meant", text, (long long)((at_ms - wanted_ms) / 60000));
}

static void expect_error(const char *text, int64_t now_ms, int wanted) {
    int64_t at_ms = 0;
    int error = when_parse(text, now_ms, &at_ms);
    if (error != wanted) fail_msg("\"%s\" gave %d", text, error);
}

static void a_time_of_day_is_the_next_such(void **state) {
    (void)state;
    int64_t now_ms = wednesday_noon();
    expect("14:30", now_ms, universal(2026, 11, 25, 13, 30));
    expect("14.30", now_ms, universal(2026, 11, 25, 13, 30));
    expect(" kl 14:30 ", now_ms, universal(2026, 11, 25, 13, 30));
    expect("9:05", now_ms, universal(2026, 11, 26, 8, 5));
    expect("12:30", now_ms, universal(2026, 11, 26, 11, 30));
    expect("12:31", now_ms, universal(2026, 11, 25, 11, 31));
}

static void a_duration_counts_from_now(void **state) {
    (void)state;
    int64_t now_ms = wednesday_noon() + 123;
    expect("45m", now_ms, now_ms + 45 * 60000);
    expect("45 min", now_ms, now_ms + 45 * 60000);
    expect("2h", now_ms, now_ms + 2 * 3600000);
    expect("1h30m", now_ms, now_ms + 90 * 60000);
    expect("1t 30m", now_ms, now_ms + 90 * 60000);
    expect("3d", now_ms, now_ms + 3 * 86400000LL);
    expect_error("0m", now_ms, LEDIG_EBAD_REQUEST);
    expect_error("1h30", now_ms, LEDIG_EBAD_REQUEST);
    expect_error("999999999999h", now_ms, LEDIG_EBAD_REQUEST);
}

static void a_day_means_its_morning_unless_a_time_is_given(void **state) {
    (void)state;
    int64_t now_ms = wednesday_noon();
    expect("tomorrow", now_ms, universal(2026, 11, 26, 7, 0));
    expect("i morgen", now_ms, universal(2026, 11, 26, 7, 0));
    expect("Tomorrow 10:00", now_ms, universal(2026, 11, 26, 9, 0));
    expect("today 18:00", now_ms, universal(2026, 11, 25, 17, 0));
    expect_error("today 10:00", now_ms, LEDIG_ECONFLICT);
    expect_error("today", now_ms, LEDIG_EBAD_REQUEST);
}

static void a_weekday_is_the_next_such_in_english_and_norwegian(void **state) {
    (void)state;
    int64_t now_ms = wednesday_noon();
    expect("monday", now_ms, universal(2026, 11, 30, 7, 0));
    expect("mandag", now_ms, universal(2026, 11, 30, 7, 0));
    expect("man 10:00", now_ms, universal(2026, 11, 30, 9, 0));
    expect("Lørdag 12:00", now_ms, universal(2026, 11, 28, 11, 0));
    expect("SØNDAG", now_ms, universal(2026, 11, 29, 7, 0));
    expect("wednesday 14:00", now_ms, universal(2026, 11, 25, 13, 0)); /* still ahead today */
    expect("onsdag", now_ms, universal(2026, 12, 2, 7, 0));            /* this morning is past */
    expect("tuesday", now_ms, universal(2026, 12, 1, 7, 0));           /* into the next month */
}

static void a_date_is_local_unless_it_says_otherwise(void **state) {
    (void)state;
    int64_t now_ms = wednesday_noon();
    expect("2026-12-01T14:30", now_ms, universal(2026, 12, 1, 13, 30));
    expect("2026-12-01 14:30:00", now_ms, universal(2026, 12, 1, 13, 30));
    expect("2026-12-01", now_ms, universal(2026, 12, 1, 7, 0));
    expect("2027-07-01T14:30", now_ms, universal(2027, 7, 1, 12, 30));
    expect("2026-12-01T14:30Z", now_ms, universal(2026, 12, 1, 14, 30));
    expect("2026-12-01T14:30+05:30", now_ms, universal(2026, 12, 1, 9, 0));
    expect("2028-02-29", now_ms, universal(2028, 2, 29, 7, 0));
    expect_error("2026-02-29", now_ms, LEDIG_EBAD_REQUEST);
    expect_error("2026-13-01", now_ms, LEDIG_EBAD_REQUEST);
    expect_error("2026-11-24T14:30", now_ms, LEDIG_ECONFLICT);
}

static void a_time_that_spring_jumps_over_is_taken_as_if_it_had_not(void **state) {
    (void)state;
    int64_t evening_before_ms = universal(2026, 3, 28, 20, 0);
    expect("2026-03-29T01:59", evening_before_ms, universal(2026, 3, 29, 0, 59));
    expect("2026-03-29T02:30", evening_before_ms, universal(2026, 3, 29, 1, 30)); /* shown as 03:30 */
    expect("2026-03-29T03:00", evening_before_ms, universal(2026, 3, 29, 1, 0));
    expect("tomorrow", evening_before_ms, universal(2026, 3, 29, 6, 0)); /* 08:00 in summer time */
}

static void a_time_that_autumn_has_twice_is_the_first_that_lies_ahead(void **state) {
    (void)state;
    int64_t evening_before_ms = universal(2026, 10, 24, 20, 0);
    expect("02:30", evening_before_ms, universal(2026, 10, 25, 0, 30));
    int64_t between_ms = universal(2026, 10, 25, 0, 45); /* 02:45 for the first time */
    expect("02:30", between_ms, universal(2026, 10, 25, 1, 30));
    expect("tomorrow", evening_before_ms, universal(2026, 10, 25, 7, 0)); /* 08:00 in winter time */
    expect("24h", evening_before_ms, evening_before_ms + 86400000);       /* a duration knows no clock */
}

static void what_is_no_time_is_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "",  " ", "soon",           "25:00",  "12:60",   "1430",      "14:3",        "14:305",           "-5m",
        "5", "m", "14:30 tomorrow", "morgen", "mondayy", "2026-1-1T", "2026-12-01T", "2026-12-01T1:00+", "14:30 x"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        expect_error(wrong[i], wednesday_noon(), LEDIG_EBAD_REQUEST);
    char long_text[4096];
    memset(long_text, '1', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = 0;
    expect_error(long_text, wednesday_noon(), LEDIG_EBAD_REQUEST);
}

static void a_moment_is_shown_as_short_as_can_be_understood(void **state) {
    (void)state;
    char text[WHEN_FORMATTED_BYTES];
    int64_t now_ms = wednesday_noon();
    static const struct {
        int day, hour;
        const char *shown;
    } cases[] = {{25, 13, "14:30"}, {26, 7, "tomorrow 08:30"}, {30, 7, "Mon 08:30"}, {24, 7, "2026-11-24 08:30"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        when_format(universal(2026, 11, cases[i].day, cases[i].hour, 30), now_ms, text);
        assert_string_equal(text, cases[i].shown);
    }
    when_format(universal(2027, 7, 1, 12, 0), now_ms, text);
    assert_string_equal(text, "2027-07-01 14:00");
}

static void expect_stale(int64_t age_ms, const char *wanted) {
    char text[WHEN_STALE_BYTES];
    assert_true(when_stale(age_ms, text));
    assert_string_equal(text, wanted);
}

static void an_answer_that_is_old_says_how_old(void **state) {
    (void)state;
    char text[WHEN_STALE_BYTES];
    assert_false(when_stale(0, text));
    assert_false(when_stale(WHEN_STALE_MS, text));
    expect_stale(WHEN_STALE_MS + 1, "(as of 3 s ago: the broker's store is away)");
    expect_stale(119999, "(as of 119 s ago: the broker's store is away)");
    expect_stale(120000, "(as of 2 min ago: the broker's store is away)");
    expect_stale(7200000, "(as of 2 h ago: the broker's store is away)");
    expect_stale(INT64_MAX - 1, "(as of 2562047788015 h ago: the broker's store is away)");
    expect_stale(INT64_MAX, "(nobody knows how old this is: the broker's store is away)");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_of_day_is_the_next_such),
        cmocka_unit_test(a_duration_counts_from_now),
        cmocka_unit_test(a_day_means_its_morning_unless_a_time_is_given),
        cmocka_unit_test(a_weekday_is_the_next_such_in_english_and_norwegian),
        cmocka_unit_test(a_date_is_local_unless_it_says_otherwise),
        cmocka_unit_test(a_time_that_spring_jumps_over_is_taken_as_if_it_had_not),
        cmocka_unit_test(a_time_that_autumn_has_twice_is_the_first_that_lies_ahead),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(a_moment_is_shown_as_short_as_can_be_understood),
        cmocka_unit_test(an_answer_that_is_old_says_how_old),
    };
    return cmocka_run_group_tests(tests, in_norway, NULL);
}

/* Zones of the system's files, compared with what the C library makes of the same files; and files that are wrong. */
#include "broker/model/date.h"
#include "broker/model/zone.h"
#include "protocol/errors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
// cmocka wants the headers above first
#include <cmocka.h>

#define FOLDER "/usr/share/zoneinfo/"
#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

static uint8_t file_bytes[ZONE_BYTES_MAX + 1];

static size_t read_file(const char *name) {
    char path[128];
    snprintf(path, sizeof path, FOLDER "%s", name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) fail_msg("no %s: is the package tzdata installed?", path);
    size_t length = fread(file_bytes, 1, sizeof file_bytes, file);
    fclose(file);
    return length;
}

static struct zone *open_zone(const char *name) {
    struct zone *zone;
    assert_int_equal(zone_parse(file_bytes, read_file(name), &zone), 0);
    return zone;
}

static int64_t utc(int year, int month, int day, int hour, int minute) {
    return date_day(year, month, day) * 24 * HOUR + hour * HOUR + minute * MINUTE;
}

static void expect_local(const struct zone *zone, int64_t at_ms, int64_t day, int64_t of_day_ms) {
    struct zone_time local = zone_local(zone, at_ms);
    assert_int_equal(local.day, day);
    assert_int_equal(local.ms, of_day_ms);
}

/* ---- The calendar ---- */

static void days_have_numbers_and_back(void **state) {
    (void)state;
    int64_t day = date_day(1969, 12, 30);
    assert_int_equal(day, -2);
    for (int64_t year = 1970; year < 2500; year++)
        for (int month = 1; month <= 12; month++)
            for (int of_month = 1; of_month <= date_month_days(year, month); of_month++) {
                char text[64], again[DATE_BYTES];
                int64_t parsed;
                day = date_day(year, month, of_month);
                struct tm tm = {.tm_year = (int)year - 1900, .tm_mon = month - 1, .tm_mday = of_month};
                assert_int_equal(timegm(&tm), day * 86400);
                assert_int_equal((tm.tm_wday + 6) % 7, date_weekday(day));
                assert_int_equal(date_year(day), year);
                snprintf(text, sizeof text, "%04d-%02d-%02d", (int)year, month, of_month);
                date_print(day, again);
                assert_string_equal(text, again);
                assert_true(date_parse(text, &parsed));
                assert_int_equal(parsed, day);
            }
    date_print(DATE_DAY_MAX, (char[DATE_BYTES]){0});
    assert_int_equal(date_day(9999, 12, 31), DATE_DAY_MAX);
}

static void only_dates_that_there_are(void **state) {
    (void)state;
    static const char *const wrong[] = {"2026-02-29", "2026-13-01", "2026-00-01", "2026-01-00",  "2026-04-31",
                                        "2026-1-01",  "26-01-01",   "",           "2026-01-01 ", "2026/01/01",
                                        "2100-02-29", "1969-12-31", "2026-01-0a", "-026-01-01"};
    int64_t day;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(date_parse(wrong[i], &day));
    assert_true(date_parse("2028-02-29", &day));
    assert_true(date_parse("9999-12-31", &day));
}

/* ---- Against the C library ---- */

static const char *const names[] = {"Europe/Oslo",
                                    "America/New_York",
                                    "Asia/Kolkata",
                                    "Australia/Lord_Howe",
                                    "Australia/Sydney",
                                    "America/Sao_Paulo",
                                    "Pacific/Auckland",
                                    "Europe/Dublin",
                                    "Africa/Casablanca",
                                    "America/Nuuk",
                                    "Pacific/Apia",
                                    "America/St_Johns",
                                    "Asia/Kathmandu",
                                    "Africa/Cairo",
                                    "Asia/Tehran",
                                    "Pacific/Kiritimati",
                                    "Asia/Gaza",
                                    "America/Santiago",
                                    "UTC",
                                    "Pacific/Chatham"};
#define NAMES (sizeof names / sizeof *names)

static int64_t clock_s(int64_t at_s) { /* as if what the clock shows were UTC */
    struct tm tm;
    time_t at = at_s;
    assert_non_null(localtime_r(&at, &tm));
    return at_s + tm.tm_gmtoff;
}

static void set_zone(const char *name) {
    char value[80];
    snprintf(value, sizeof value, ":%s", name);
    setenv("TZ", value, 1);
    tzset();
}

static int64_t shown_s(const struct zone *zone, int64_t at_s) {
    struct zone_time local = zone_local(zone, at_s * SECOND);
    assert_in_range(local.ms, 0, 24 * HOUR - 1);
    assert_int_equal(local.ms % SECOND, 0);
    return local.day * 86400 + local.ms / SECOND;
}

static int64_t random_s(int from_year, int to_year) {
    int64_t from = date_day(from_year, 1, 1) * 86400, to = date_day(to_year, 1, 1) * 86400;
    return from + (int64_t)((((uint64_t)rand() << 31) ^ (uint64_t)rand()) % (uint64_t)(to - from));
}

static void clocks_show_what_the_c_library_says(void **state) {
    (void)state;
    const char *given = getenv("LEDIG_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : 1905;
    print_message("LEDIG_SEED=%u\n", seed);
    srand(seed);
    for (size_t n = 0; n < NAMES; n++) {
        struct zone *zone = open_zone(names[n]);
        set_zone(names[n]);
        for (int i = 0; i < 10000; i++) {
            int64_t at_s = random_s(1971, i % 2 ? 2035 : 2200);
            if (shown_s(zone, at_s) != clock_s(at_s))
                fail_msg("%s at %lld: %lld and not %lld", names[n], (long long)at_s, (long long)shown_s(zone, at_s),
                         (long long)clock_s(at_s));
        }
        zone_close(zone);
    }
}

#define STEP_S 43200 /* no two switches lie so close */

static void every_switch_comes_at_its_second(void **state) {
    (void)state;
    for (size_t n = 0; n < NAMES; n++) {
        struct zone *zone = open_zone(names[n]);
        set_zone(names[n]);
        int switches = 0;
        for (int64_t at_s = date_day(1990, 1, 1) * 86400; at_s < date_day(2060, 1, 1) * 86400; at_s += STEP_S) {
            if (clock_s(at_s + STEP_S) - clock_s(at_s) == STEP_S) continue;
            int64_t low = at_s, high = at_s + STEP_S; /* the last moment before, and the first after */
            while (high - low > 1) {
                int64_t middle = (low + high) / 2;
                if (clock_s(middle) - middle == clock_s(low) - low)
                    low = middle;
                else
                    high = middle;
            }
            for (int64_t second = low - 2; second <= high + 2; second++)
                assert_int_equal(shown_s(zone, second), clock_s(second));
            switches++;
        }
        if (strcmp(names[n], "Europe/Oslo") == 0) assert_int_equal(switches, 140);
        if (strcmp(names[n], "Asia/Kolkata") == 0) assert_int_equal(switches, 0);
        zone_close(zone);
    }
}

/* What is defined as the first moment at which the clock shows a time or a later one is looked for in the C library. */
static void a_local_time_is_the_first_moment_that_shows_it(void **state) {
    (void)state;
    for (size_t n = 0; n < NAMES; n++) {
        struct zone *zone = open_zone(names[n]);
        set_zone(names[n]);
        int64_t before = INT64_MIN;
        for (int64_t day = date_day(2026, 1, 1); day < date_day(2027, 1, 1); day++) {
            for (int minute = 0; minute < 1440; minute += 30) {
                int64_t wanted_s = day * 86400 + minute * 60, at_s = zone_instant(zone, day, minute) / SECOND;
                assert_true(clock_s(at_s) >= wanted_s);
                for (int64_t earlier_s = at_s - 1; earlier_s > at_s - 2 * 3600; earlier_s -= 1799)
                    assert_true(clock_s(earlier_s) < wanted_s);
                assert_true(at_s >= before);
                before = at_s;
            }
        }
        zone_close(zone);
    }
}

/* ---- By hand ---- */

static void oslo_skips_an_hour_in_march_and_repeats_one_in_october(void **state) {
    (void)state;
    struct zone *oslo = open_zone("Europe/Oslo");
    int64_t march = date_day(2026, 3, 29), october = date_day(2026, 10, 25);
    expect_local(oslo, utc(2026, 3, 29, 0, 59), march, HOUR + 59 * MINUTE);
    expect_local(oslo, utc(2026, 3, 29, 1, 0), march, 3 * HOUR);
    assert_int_equal(zone_instant(oslo, march, 2 * 60 - 1), utc(2026, 3, 29, 0, 59));
    assert_int_equal(zone_instant(oslo, march, 2 * 60), utc(2026, 3, 29, 1, 0));
    assert_int_equal(zone_instant(oslo, march, 2 * 60 + 30), utc(2026, 3, 29, 1, 0)); /* skipped */
    assert_int_equal(zone_instant(oslo, march, 3 * 60), utc(2026, 3, 29, 1, 0));
    assert_int_equal(zone_instant(oslo, march, 3 * 60 + 1), utc(2026, 3, 29, 1, 1));
    expect_local(oslo, utc(2026, 10, 25, 0, 30), october, 2 * HOUR + 30 * MINUTE);
    expect_local(oslo, utc(2026, 10, 25, 1, 30), october, 2 * HOUR + 30 * MINUTE);
    assert_int_equal(zone_instant(oslo, october, 2 * 60 + 30), utc(2026, 10, 25, 0, 30)); /* the first of two */
    assert_int_equal(zone_instant(oslo, october, 3 * 60), utc(2026, 10, 25, 2, 0));
    assert_int_equal(zone_instant(oslo, october, 24 * 60), utc(2026, 10, 25, 23, 0));
    assert_int_equal(zone_instant(oslo, october - 1, 24 * 60 + 60), utc(2026, 10, 24, 23, 0));
    /* by the rule, long after the table */
    assert_int_equal(zone_instant(oslo, date_day(2087, 7, 1), 8 * 60), utc(2087, 7, 1, 6, 0));
    assert_int_equal(zone_instant(oslo, date_day(2087, 12, 1), 8 * 60), utc(2087, 12, 1, 7, 0));
    zone_close(oslo);
}

static void half_an_hour_in_lord_howe_and_a_whole_day_in_apia(void **state) {
    (void)state;
    struct zone *zone = open_zone("Australia/Lord_Howe");
    int64_t october = date_day(2026, 10, 4);
    assert_int_equal(zone_instant(zone, october, 2 * 60), utc(2026, 10, 3, 15, 30));
    assert_int_equal(zone_instant(zone, october, 2 * 60 + 15), utc(2026, 10, 3, 15, 30)); /* skipped */
    assert_int_equal(zone_instant(zone, october, 2 * 60 + 30), utc(2026, 10, 3, 15, 30));
    zone_close(zone);
    zone = open_zone("Pacific/Apia"); /* went from Thursday to Saturday */
    int64_t friday = date_day(2011, 12, 30);
    assert_int_equal(zone_instant(zone, friday, 0), utc(2011, 12, 30, 10, 0));
    assert_int_equal(zone_instant(zone, friday, 12 * 60), utc(2011, 12, 30, 10, 0));
    assert_int_equal(zone_instant(zone, friday + 1, 0), utc(2011, 12, 30, 10, 0));
    assert_int_equal(zone_instant(zone, friday + 1, 60), utc(2011, 12, 30, 11, 0));
    zone_close(zone);
}

static void without_a_zone_it_is_utc(void **state) {
    (void)state;
    expect_local(NULL, utc(2026, 11, 25, 23, 59) + 999, date_day(2026, 11, 25), 23 * HOUR + 59 * MINUTE + 999);
    expect_local(NULL, -1, -1, 24 * HOUR - 1);
    assert_int_equal(zone_instant(NULL, date_day(2026, 11, 25), 90), utc(2026, 11, 25, 1, 30));
    expect_local(NULL, INT64_MAX, DATE_DAY_MAX, 24 * HOUR - 1); /* what is beyond counts as the end */
    zone_instant(NULL, INT64_MAX, 0);
    zone_instant(NULL, INT64_MIN, 0);
}

/* ---- Files that are not as they should be ---- */

static int parse(const uint8_t *bytes, size_t length) {
    uint8_t *exact = malloc(length > 0 ? length : 1); /* so that a look behind the end is seen */
    struct zone *zone = NULL;
    assert_non_null(exact);
    memcpy(exact, bytes, length);
    int error = zone_parse(exact, length, &zone);
    free(exact);
    assert_true((error == 0) == (zone != NULL));
    zone_close(zone);
    return error;
}

static void a_file_that_is_cut_is_no_zone(void **state) {
    (void)state;
    size_t length = read_file("Europe/Oslo");
    for (size_t cut = 0; cut < length; cut++)
        assert_int_equal(parse(file_bytes, cut), LEDIG_EDAMAGED);
    assert_int_equal(parse(file_bytes, length), 0);
}

#define TIMES 3

/* A small file of version 2 with as many times and the rule, as bytes. */
static size_t make_file(uint8_t *bytes, const int64_t times[TIMES], int32_t offset_s, const char *rule) {
    uint8_t *at = bytes;
    for (int block = 0; block < 2; block++) {
        static const uint8_t none[20] = "TZif2", counts_of_none[24] = {[19] = 1, [23] = 1},
                             counts[24] = {[15] = TIMES, [19] = 2, [23] = 4};
        memcpy(at, none, 20);
        memcpy(at + 20, block == 0 ? counts_of_none : counts, 24);
        at += 44;
        if (block == 0) {
            memset(at, 0, 7);
            at += 7;
        }
    }
    for (int i = 0; i < TIMES; i++)
        for (int byte = 7; byte >= 0; byte--)
            *at++ = (uint8_t)((uint64_t)times[i] >> (8 * byte));
    for (int i = 0; i < TIMES; i++)
        *at++ = (uint8_t)(i % 2);
    for (int type = 0; type < 2; type++) {
        for (int byte = 3; byte >= 0; byte--)
            *at++ = (uint8_t)((uint32_t)(type == 0 ? 0 : offset_s) >> (8 * byte));
        *at++ = 0;
        *at++ = 0;
    }
    memcpy(at, "XYZ", 4);
    at += 4;
    return (size_t)(at - bytes) + (size_t)sprintf((char *)at, "\n%s\n", rule);
}

static void what_a_file_says_is_checked(void **state) {
    (void)state;
    static const struct {
        int64_t times[TIMES];
        int32_t offset_s;
        const char *rule;
        bool good;
    } cases[] = {
        {{1, 2, 3}, 3600, "", true},
        {{1, 2, 3}, 3600, "CET-1CEST,M3.5.0,M10.5.0/3", true},
        {{INT64_MIN, 0, INT64_MAX}, -3600, "<+0330>-3:30<+0430>,J79/24,J263/24", true},
        {{1, 2, 3}, 0, "XXX3EDT4,0/0,J365/23", true},
        {{1, 2, 3}, 0, "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", true},
        {{1, 2, 2}, 3600, "", false}, /* not in order */
        {{3, 2, 1}, 3600, "", false},
        {{1, 2, 3}, 93600, "", false}, /* beyond a day and two hours */
        {{1, 2, 3}, INT32_MIN, "", false},
        {{1, 2, 3}, 0, "C-1", false},
        {{1, 2, 3}, 0, "CET", false},
        {{1, 2, 3}, 0, "CET-25", false},
        {{1, 2, 3}, 0, "CET-1:60", false},
        {{1, 2, 3}, 0, "CET-1CEST", false},
        {{1, 2, 3}, 0, "CET-1CEST,M3.5.0", false},
        {{1, 2, 3}, 0, "CET-1CEST,M13.5.0,M10.5.0", false},
        {{1, 2, 3}, 0, "CET-1CEST,M3.6.0,M10.5.0", false},
        {{1, 2, 3}, 0, "CET-1CEST,M3.0.0,M10.5.0", false},
        {{1, 2, 3}, 0, "CET-1CEST,M3.5.7,M10.5.0", false},
        {{1, 2, 3}, 0, "CET-1CEST,M3.5.0/168,M10.5.0", false},
        {{1, 2, 3}, 0, "CET-1CEST,J0,J365", false},
        {{1, 2, 3}, 0, "CET-1CEST,J1,366", false},
        {{1, 2, 3}, 0, "CET-1CEST,M3.5.0,M10.5.0/3x", false},
        {{1, 2, 3}, 0, "<CET-1", false},
    };
    uint8_t bytes[512];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t length = make_file(bytes, cases[i].times, cases[i].offset_s, cases[i].rule);
        if (parse(bytes, length) != (cases[i].good ? 0 : LEDIG_EDAMAGED)) fail_msg("case %zu", i);
    }
    size_t length = make_file(bytes, cases[0].times, 3600, "");
    bytes[44 + 7 + 44 + 24] = 2; /* a type that there is not */
    assert_int_equal(parse(bytes, length), LEDIG_EDAMAGED);
    make_file(bytes, cases[0].times, 3600, "");
    bytes[44 + 7 + 20] = 0xff; /* counts that nobody could pay for */
    assert_int_equal(parse(bytes, length), LEDIG_EDAMAGED);
    memset(bytes, 'x', 4);
    assert_int_equal(parse(bytes, length), LEDIG_EDAMAGED);
    assert_int_equal(parse(file_bytes, sizeof file_bytes), LEDIG_EDAMAGED); /* too long */
}

/* Daylight saving all through the year, as RFC 8536 has it: the end of one year's is the beginning of the next. */
static void daylight_saving_may_never_end(void **state) {
    (void)state;
    uint8_t bytes[512];
    struct zone *zone;
    size_t length = make_file(bytes, (const int64_t[]){1, 2, 3}, 0, "XXX3EDT4,0/0,J365/23");
    assert_int_equal(zone_parse(bytes, length, &zone), 0);
    for (int64_t at_ms = utc(2026, 1, 1, 0, 0); at_ms < utc(2030, 1, 1, 0, 0); at_ms += HOUR)
        assert_int_equal(shown_s(zone, at_ms / SECOND), at_ms / SECOND - 4 * 3600);
    zone_close(zone);
}

static void a_file_of_version_1_has_no_rule(void **state) {
    (void)state;
    uint8_t bytes[512] = {0};
    memcpy(bytes, "TZif", 4);
    bytes[20 + 15] = 1; /* one time, one type, four characters */
    bytes[20 + 19] = 1;
    bytes[20 + 23] = 4;
    memcpy(bytes + 44, "\x01\0\0\0\0\0\0\x0e\x10\0\0XYZ", 15);
    struct zone *zone;
    assert_int_equal(zone_parse(bytes, 44 + 4 + 1 + 6 + 4, &zone), 0);
    expect_local(zone, utc(2026, 1, 1, 0, 0), date_day(2026, 1, 1), HOUR);
    zone_close(zone);
    bytes[20 + 11] = 1; /* counts leap seconds */
    assert_int_equal(parse(bytes, 44 + 4 + 1 + 6 + 4 + 8), LEDIG_EUNSUPPORTED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(days_have_numbers_and_back),
        cmocka_unit_test(only_dates_that_there_are),
        cmocka_unit_test(clocks_show_what_the_c_library_says),
        cmocka_unit_test(every_switch_comes_at_its_second),
        cmocka_unit_test(a_local_time_is_the_first_moment_that_shows_it),
        cmocka_unit_test(oslo_skips_an_hour_in_march_and_repeats_one_in_october),
        cmocka_unit_test(half_an_hour_in_lord_howe_and_a_whole_day_in_apia),
        cmocka_unit_test(without_a_zone_it_is_utc),
        cmocka_unit_test(a_file_that_is_cut_is_no_zone),
        cmocka_unit_test(what_a_file_says_is_checked),
        cmocka_unit_test(daylight_saving_may_never_end),
        cmocka_unit_test(a_file_of_version_1_has_no_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

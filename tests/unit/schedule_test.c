/* Hours of work by the clock of a zone: what is open when, by hand and against a rule that looks at each moment by
 * itself. */
#include "broker/model/date.h"
#include "broker/model/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first
#include <cmocka.h>

#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define NEVER INT64_MAX

/* ---- Zones, as they are on this machine ---- */

struct machine {
    struct zone *oslo, *lord_howe;
    struct zone_source source;
};

static struct zone *read_zone(const char *name) {
    static uint8_t bytes[ZONE_BYTES_MAX];
    char path[128];
    struct zone *zone = NULL;
    snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) fail_msg("no %s: is the package tzdata installed?", path);
    size_t length = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    assert_int_equal(zone_parse(bytes, length, &zone), 0);
    return zone;
}

static const struct zone *find(void *arg, const char *name) {
    struct machine *machine = arg;
    if (strcmp(name, "Europe/Oslo") == 0) return machine->oslo;
    return strcmp(name, "Australia/Lord_Howe") == 0 ? machine->lord_howe : NULL;
}

static int set_up(void **state) {
    static struct machine machine;
    machine = (struct machine){read_zone("Europe/Oslo"), read_zone("Australia/Lord_Howe"), {find, &machine}};
    *state = &machine;
    return 0;
}

static int tear_down(void **state) {
    struct machine *machine = *state;
    zone_close(machine->oslo);
    zone_close(machine->lord_howe);
    return 0;
}

static const struct zone_source *zones(void **state) {
    return &((struct machine *)*state)->source;
}

static int64_t utc(int year, int month, int day, int hour, int minute) {
    return date_day(year, month, day) * DAY + hour * HOUR + minute * MINUTE;
}

static void expect(const struct zone_source *source, const struct schedule *schedule, int64_t now_ms, bool is_open,
                   int64_t since, int64_t until) {
    const struct company_record settings = {.zone = "Europe/Oslo"};
    struct hours hours;
    schedule_hours(schedule, &settings, source, now_ms, &hours);
    assert_int_equal(hours.is_open, is_open);
    assert_int_equal(hours.since, since);
    assert_int_equal(hours.until, until);
}

/* ---- By hand ---- */

#define OFFICE                                                                                                         \
    {                                                                                                                  \
        {0, 480, 960, {0}}, {1, 480, 960, {0}}, {2, 480, 960, {0}}, {3, 480, 960, {0}}, {                              \
            4, 480, 960, {                                                                                             \
                0                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }

static void office_hours_and_the_weekend(void **state) {
    static const struct week_hours week[] = OFFICE;
    struct schedule office = {.id = "office", .week = {week, 5, true}};
    const struct zone_source *source = zones(state);
    int64_t monday = utc(2026, 11, 23, 7, 0); /* 08:00 in Oslo's winter */
    expect(source, &office, monday - 1, false, monday - 3 * DAY + 8 * HOUR, monday);
    expect(source, &office, monday, true, monday, monday + 8 * HOUR);
    expect(source, &office, monday + 8 * HOUR - 1, true, monday, monday + 8 * HOUR);
    expect(source, &office, monday + 8 * HOUR, false, monday + 8 * HOUR, monday + DAY);
    expect(source, &office, monday + 6 * DAY, false, monday + 4 * DAY + 8 * HOUR, monday + 7 * DAY);
}

static void eight_is_eight_in_summer_too(void **state) {
    static const struct week_hours week[] = OFFICE;
    struct schedule office = {.id = "office", .week = {week, 5, true}};
    const struct zone_source *source = zones(state);
    int64_t friday_ends = utc(2026, 3, 27, 15, 0), monday = utc(2026, 3, 30, 6, 0); /* the clocks went forward */
    expect(source, &office, utc(2026, 3, 29, 12, 0), false, friday_ends, monday);
    expect(source, &office, monday, true, monday, utc(2026, 3, 30, 14, 0));
    monday = utc(2026, 10, 26, 7, 0); /* and back */
    expect(source, &office, utc(2026, 10, 25, 12, 0), false, utc(2026, 10, 23, 14, 0), monday);
}

static void a_night_lasts_an_hour_less_in_march_and_more_in_october(void **state) {
    static const struct week_hours week[] = {{6, 22 * 60, 30 * 60, {0}}, {5, 22 * 60, 30 * 60, {0}}};
    struct schedule night = {.id = "night", .week = {week, 2, true}};
    const struct zone_source *source = zones(state);
    expect(source, &night, utc(2026, 3, 29, 0, 30), true, utc(2026, 3, 28, 21, 0), utc(2026, 3, 29, 4, 0));
    expect(source, &night, utc(2026, 10, 25, 1, 30), true, utc(2026, 10, 24, 20, 0), utc(2026, 10, 25, 5, 0));
    /* 02:30 to 02:45 is skipped in March, and comes once in October */
    static const struct week_hours quarter = {6, 150, 165, {0}};
    struct schedule brief = {.id = "brief", .week = {&quarter, 1, true}};
    expect(source, &brief, utc(2026, 3, 29, 1, 0), false, utc(2026, 3, 22, 1, 45), utc(2026, 4, 5, 0, 30));
    expect(source, &brief, utc(2026, 10, 25, 0, 35), true, utc(2026, 10, 25, 0, 30), utc(2026, 10, 25, 0, 45));
    expect(source, &brief, utc(2026, 10, 25, 1, 35), false, utc(2026, 10, 25, 0, 45), utc(2026, 11, 1, 1, 30));
}

static void hours_that_touch_or_overlap_are_one_time_of_work(void **state) {
    static const struct week_hours week[] = {{1, 0, 360, {0}},   {0, 1320, 1440, {0}}, {1, 360, 420, {0}},
                                             {1, 400, 480, {0}}, {1, 500, 500, {0}},   {1, 600, 720, {0}}};
    struct schedule schedule = {.id = "s", .zone = "UTC", .week = {week, 6, true}};
    int64_t monday = utc(2026, 11, 23, 22, 0);
    expect(zones(state), &schedule, monday + HOUR, true, monday, monday + 10 * HOUR);
    expect(zones(state), &schedule, monday + 9 * HOUR, true, monday, monday + 10 * HOUR);
    expect(zones(state), &schedule, monday + 11 * HOUR, false, monday + 10 * HOUR, monday + 12 * HOUR);
}

static void a_special_day_has_its_own_hours(void **state) {
    static const struct week_hours week[] = OFFICE;
    struct day_hours days[] = {{.date = (uint32_t)date_day(2026, 12, 24), .from = 480, .to = 720, .name = "Julaften"},
                               {.date = (uint32_t)date_day(2026, 12, 25)},
                               {.date = (uint32_t)date_day(2026, 12, 26), .from = 600, .to = 660},
                               {.date = (uint32_t)date_day(2026, 12, 26), .from = 720, .to = 780}};
    struct schedule office = {.id = "office", .week = {week, 5, true}, .days = {days, 4, true}};
    const struct zone_source *source = zones(state);
    expect(source, &office, utc(2026, 12, 24, 8, 0), true, utc(2026, 12, 24, 7, 0), utc(2026, 12, 24, 11, 0));
    expect(source, &office, utc(2026, 12, 25, 8, 0), false, utc(2026, 12, 24, 11, 0), utc(2026, 12, 26, 9, 0));
    expect(source, &office, utc(2026, 12, 26, 10, 30), false, utc(2026, 12, 26, 10, 0), utc(2026, 12, 26, 11, 0));
    expect(source, &office, utc(2026, 12, 27, 8, 0), false, utc(2026, 12, 26, 12, 0), utc(2026, 12, 28, 7, 0));
}

static void hours_past_midnight_belong_to_the_day_on_which_they_begin(void **state) {
    static const struct week_hours week[] = {{2, 1320, 1800, {0}}, {3, 1320, 1800, {0}}};
    struct day_hours thursday = {.date = (uint32_t)date_day(2026, 12, 24)};
    struct schedule night = {.id = "night", .zone = "UTC", .week = {week, 2, true}, .days = {&thursday, 1, true}};
    expect(zones(state), &night, utc(2026, 12, 24, 5, 0), true, utc(2026, 12, 23, 22, 0), utc(2026, 12, 24, 6, 0));
    expect(zones(state), &night, utc(2026, 12, 24, 23, 0), false, utc(2026, 12, 24, 6, 0), utc(2026, 12, 30, 22, 0));
}

static void always_or_never_but_for_special_days(void **state) {
    struct week_hours week[7];
    for (uint32_t day = 0; day < 7; day++) /* each to noon of the next day */
        week[day] = (struct week_hours){.day = day, .from = 720, .to = 2160};
    struct day_hours days[] = {{.date = (uint32_t)date_day(2019, 5, 1)}, {.date = (uint32_t)date_day(2031, 5, 1)}};
    struct schedule always = {.id = "always", .zone = "UTC", .week = {week, 7, true}};
    int64_t now = utc(2026, 11, 25, 13, 0);
    expect(zones(state), &always, now, true, 0, NEVER);
    always.days = (struct list){days, 2, true};
    expect(zones(state), &always, now, true, utc(2019, 5, 2, 12, 0), utc(2031, 5, 1, 12, 0));
    expect(zones(state), &always, utc(2035, 1, 1, 0, 0), true, utc(2031, 5, 2, 12, 0), NEVER);
    struct schedule never = {.id = "never", .zone = "UTC"};
    expect(zones(state), &never, now, false, 0, NEVER);
    days[0].to = days[1].to = 2000;
    never.days = (struct list){days, 2, true};
    expect(zones(state), &never, now, false, utc(2019, 5, 2, 9, 20), utc(2031, 5, 1, 0, 0));
    expect(zones(state), &never, utc(2031, 5, 1, 12, 0), true, utc(2031, 5, 1, 0, 0), utc(2031, 5, 2, 9, 20));
    expect(zones(state), &never, utc(2035, 5, 1, 12, 0), false, utc(2031, 5, 2, 9, 20), NEVER);
}

/* Years of special days that hide the one weekday that has hours. */
static void a_boundary_is_found_however_far_it_is(void **state) {
    static struct day_hours days[SPECIAL_HOURS_MAX];
    const struct week_hours sunday = {6, 600, 660, {0}};
    int64_t first = date_day(2026, 11, 29);
    for (uint32_t i = 0; i < SPECIAL_HOURS_MAX; i++)
        days[i] = (struct day_hours){.date = (uint32_t)(first + 7 * i)};
    struct schedule schedule = {
        .id = "s", .zone = "UTC", .week = {&sunday, 1, true}, .days = {days, SPECIAL_HOURS_MAX, true}};
    int64_t opens = (first + 7 * SPECIAL_HOURS_MAX) * DAY + 10 * HOUR, closed = (first - 7) * DAY + 11 * HOUR;
    expect(zones(state), &schedule, first * DAY, false, closed, opens);
    expect(zones(state), &schedule, opens - 1, false, closed, opens);
}

static void a_zone_that_is_not_known_leaves_everybody_at_work(void **state) {
    static const struct week_hours week[] = OFFICE;
    struct schedule office = {.id = "office", .zone = "Mars/Olympus", .week = {week, 5, true}};
    expect(zones(state), &office, utc(2026, 11, 22, 0, 0), true, 0, NEVER);
    office.zone = NULL;
    expect(NULL, &office, utc(2026, 11, 22, 0, 0), true, 0, NEVER);
}

static void the_schedules_zone_comes_before_the_companys(void **state) {
    static const struct week_hours week[] = OFFICE;
    struct schedule office = {.id = "office", .zone = "Australia/Lord_Howe", .week = {week, 5, true}};
    expect(zones(state), &office, utc(2026, 11, 23, 0, 0), true, utc(2026, 11, 22, 21, 0), utc(2026, 11, 23, 5, 0));
    struct company_record settings = {.zone = "Europe/Oslo"};
    assert_int_equal(schedule_day(&settings, zones(state), utc(2026, 11, 24, 23, 0)), date_day(2026, 11, 25));
    assert_int_equal(schedule_day(&settings, zones(state), utc(2026, 11, 24, 22, 59)), date_day(2026, 11, 24));
    assert_int_equal(schedule_day(NULL, zones(state), utc(2026, 11, 24, 23, 59)), date_day(2026, 11, 24));
}

/* ---- Against a rule that knows nothing of boundaries ---- */

#define QUARTERS_A_DAY 96

static bool covers(const struct zone *zone, int64_t day, uint32_t from, uint32_t to, int64_t now_ms) {
    return zone_instant(zone, day, (int32_t)from) <= now_ms && now_ms < zone_instant(zone, day, (int32_t)to);
}

static bool is_open_at(const struct schedule *schedule, const struct zone *zone, int64_t now_ms) {
    const struct week_hours *week = schedule->week.at;
    const struct day_hours *days = schedule->days.at;
    int64_t today = zone_local(zone, now_ms).day;
    for (int64_t day = today - 3; day <= today + 2; day++) {
        bool special = false;
        for (uint32_t i = 0; i < schedule->days.count; i++) {
            if (days[i].date != day) continue;
            special = true;
            if (days[i].to > 0 && covers(zone, day, days[i].from, days[i].to, now_ms)) return true;
        }
        for (uint32_t i = 0; i < schedule->week.count && !special; i++)
            if ((int)week[i].day == date_weekday(day) && covers(zone, day, week[i].from, week[i].to, now_ms))
                return true;
    }
    return false;
}

struct plan {
    struct week_hours week[WEEK_HOURS_MAX];
    struct day_hours days[12];
    struct schedule schedule;
};

static uint32_t quarters(uint32_t most) {
    return 15 * ((uint32_t)rand() % (most + 1));
}

static void make_up(struct plan *plan, int64_t around) {
    static const char *const names[] = {"Europe/Oslo", "Australia/Lord_Howe", "UTC"};
    uint32_t week_count = (uint32_t)rand() % 12, day_count = (uint32_t)rand() % 12;
    uint32_t longest = rand() % 3 ? 40 : QUARTERS_A_DAY; /* of one time of work */
    bool every_day = rand() % 4 == 0;
    for (uint32_t i = 0; i < week_count; i++) {
        uint32_t from = quarters(QUARTERS_A_DAY - 1);
        plan->week[i] = (struct week_hours){
            .day = every_day ? i % 7 : (uint32_t)rand() % 7, .from = from, .to = from + quarters(longest)};
        if (every_day && rand() % 8) plan->week[i] = (struct week_hours){.day = i % 7, .from = 0, .to = 1440};
    }
    for (uint32_t i = 0; i < day_count; i++) {
        uint32_t from = quarters(QUARTERS_A_DAY - 1);
        plan->days[i] = (struct day_hours){.date = (uint32_t)(around + rand() % (rand() % 4 ? 20 : 400) - 10)};
        if (rand() % 3) plan->days[i].from = from;
        if (rand() % 3) plan->days[i].to = from + quarters(longest);
    }
    plan->schedule = (struct schedule){.id = "s",
                                       .zone = names[rand() % 3],
                                       .week = {plan->week, week_count, true},
                                       .days = {plan->days, day_count, true}};
}

/* Every boundary lies on a quarter of an hour, so each quarter tells for the whole of it. */
static void the_hours_are_those_between_two_boundaries(void **state) {
    const char *given = getenv("LEDIG_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : 1905;
    print_message("LEDIG_SEED=%u\n", seed);
    srand(seed);
    static const int64_t begins[] = {20540, 20750, 20540 + 190, 20550}; /* around switches, and not */
    struct plan plan;
    size_t boundaries = 0;
    for (int round = 0; round < 150; round++) {
        int64_t first = begins[rand() % 4] + rand() % 10;
        make_up(&plan, first);
        const struct zone *zone;
        assert_true(schedule_find_zone(zones(state), plan.schedule.zone, &zone));
        struct hours hours = {.until = 0};
        for (int64_t now = first * DAY; now < (first + 16) * DAY; now += 15 * MINUTE) {
            struct hours last = hours;
            schedule_hours(&plan.schedule, NULL, zones(state), now, &hours);
            assert_int_equal(hours.is_open, is_open_at(&plan.schedule, zone, now));
            assert_true(hours.since <= now && now < hours.until);
            if (last.until > now) {
                assert_memory_equal(&last, &hours, sizeof hours); /* could have been kept */
                continue;
            }
            if (last.until > 0) assert_int_equal(hours.since, last.until);
            boundaries++;
            if (hours.since > 0) assert_int_not_equal(is_open_at(&plan.schedule, zone, hours.since - 1), hours.is_open);
            if (hours.until == NEVER) continue;
            assert_int_not_equal(is_open_at(&plan.schedule, zone, hours.until), hours.is_open);
            for (int64_t at = hours.since > now - 30 * DAY ? hours.since : now - 30 * DAY;
                 at < hours.until && at < now + 30 * DAY; at += 15 * MINUTE)
                assert_int_equal(is_open_at(&plan.schedule, zone, at), hours.is_open);
        }
    }
    assert_true(boundaries > 500);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(office_hours_and_the_weekend),
        CASE(eight_is_eight_in_summer_too),
        CASE(a_night_lasts_an_hour_less_in_march_and_more_in_october),
        CASE(hours_that_touch_or_overlap_are_one_time_of_work),
        CASE(a_special_day_has_its_own_hours),
        CASE(hours_past_midnight_belong_to_the_day_on_which_they_begin),
        CASE(always_or_never_but_for_special_days),
        CASE(a_boundary_is_found_however_far_it_is),
        CASE(a_zone_that_is_not_known_leaves_everybody_at_work),
        CASE(the_schedules_zone_comes_before_the_companys),
        CASE(the_hours_are_those_between_two_boundaries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

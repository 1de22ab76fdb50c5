#include "broker/service/schedule_body.h"
#include "broker/model/date.h"
#include "broker/service/roster_rules.h"

#include <stdio.h>
#include <string.h>

#define DAYS 7

static const char *const day_names[DAYS] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
static const char *const day_fields[DAYS] = {"weekly.mon", "weekly.tue", "weekly.wed", "weekly.thu",
                                             "weekly.fri", "weekly.sat", "weekly.sun"};

struct span { /* of one day, in minutes after its midnight */
    uint32_t from, to;
};

struct day {
    struct span spans[HOURS_A_DAY_MAX];
    uint32_t count;
};

/* ---- "08:00-16:00" ---- */

static bool read_minutes(const char *text, uint32_t *minutes) {
    for (int i = 0; i < 5; i++)
        if (i == 2 ? text[i] != ':' : text[i] < '0' || text[i] > '9') return false;
    uint32_t hours = (uint32_t)(text[0] - '0') * 10 + (uint32_t)(text[1] - '0');
    uint32_t rest = (uint32_t)(text[3] - '0') * 10 + (uint32_t)(text[4] - '0');
    *minutes = hours * 60 + rest;
    return rest < 60 && *minutes <= DAY_MINUTES;
}

/* Gives the reason, or NULL. */
static const char *read_span(const char *text, struct span *span) {
    if (strlen(text) != sizeof "08:00-16:00" - 1 || text[5] != '-' || !read_minutes(text, &span->from) ||
        !read_minutes(text + 6, &span->to) || span->from == DAY_MINUTES)
        return "must be times such as 08:00-16:00";
    if (span->from == span->to) return "hours without a length; a whole day is 00:00-24:00";
    if (span->to < span->from) span->to += DAY_MINUTES; /* ends on the next day */
    return NULL;
}

static const char *add_span(struct day *day, struct span span) {
    if (day->count == HOURS_A_DAY_MAX) return "more than 8 times of work on a day";
    uint32_t at = day->count++;
    for (; at > 0 && day->spans[at - 1].from > span.from; at--)
        day->spans[at] = day->spans[at - 1];
    day->spans[at] = span;
    return NULL;
}

static const char *read_day(const json_t *list, struct day *day) {
    const json_t *text;
    size_t i;
    day->count = 0;
    if (!list || json_is_null(list)) return NULL;
    if (!json_is_array(list)) return "must be a list of times such as 08:00-16:00";
    json_array_foreach(list, i, text) {
        struct span span;
        if (!json_is_string(text)) return "must be a list of times such as 08:00-16:00";
        const char *reason = read_span(json_string_value(text), &span);
        if (!reason) reason = add_span(day, span);
        if (reason) return reason;
    }
    for (uint32_t at = 1; at < day->count; at++)
        if (day->spans[at].from < day->spans[at - 1].to) return "hours overlap";
    return NULL;
}

/* ---- A week ---- */

static int find_day(const char *name) {
    int day = 0;
    while (day < DAYS && strcmp(day_names[day], name) != 0)
        day++;
    return day;
}

/* The last hours of a day may reach into the next one. */
static bool reaches_into(const struct day *day, const struct day *next) {
    return day->count > 0 && next->count > 0 && day->spans[day->count - 1].to > DAY_MINUTES + next->spans[0].from;
}

static bool read_weekly(struct json_reader *reader, const json_t *body, struct arena *arena,
                        struct schedule *schedule) {
    json_t *map = json_object_get(body, "weekly"), *list;
    struct day week[DAYS] = {{.count = 0}};
    const char *name;
    if (!map || json_is_null(map)) return true;
    if (!json_is_object(map)) return json_reader_fail(reader, "weekly", "must be an object: day → hours");
    json_object_foreach(map, name, list) {
        int day = find_day(name);
        if (day == DAYS) return json_reader_fail(reader, "weekly", "has a day that is none of mon, tue, wed, …");
        const char *reason = read_day(list, &week[day]);
        if (reason) return json_reader_fail(reader, day_fields[day], reason);
    }
    struct week_hours *hours = arena_take(arena, WEEK_HOURS_MAX * sizeof *hours);
    if (!hours) return json_reader_fail(reader, "weekly", "out of memory");
    uint32_t count = 0;
    for (uint32_t day = 0; day < DAYS; day++) {
        if (reaches_into(&week[day], &week[(day + 1) % DAYS]))
            return json_reader_fail(reader, day_fields[day], "hours reach into those of the next day");
        for (uint32_t i = 0; i < week[day].count; i++)
            hours[count++] =
                (struct week_hours){.day = day, .from = week[day].spans[i].from, .to = week[day].spans[i].to};
    }
    schedule->week = (struct list){hours, count, count > 0};
    return true;
}

/* ---- Special days ---- */

struct special {
    struct json_reader *reader;
    struct arena *arena;
    struct day_hours *hours;
    uint32_t count;
    size_t index; /* in the body's list */
};

/* "days[3].hours": which of them it is. */
static bool fail_day(struct special *special, const char *field, const char *why) {
    char text[48];
    snprintf(text, sizeof text, "days[%zu]%s%s", special->index, *field ? "." : "", field);
    const char *kept = arena_text(special->arena, text, strlen(text));
    return json_reader_fail(special->reader, kept ? kept : "days", why);
}

static bool is_day_object(struct special *special, const json_t *object) {
    const char *key;
    json_t *value;
    if (!json_is_object(object)) return fail_day(special, "", "must be an object with a date");
    json_object_foreach((json_t *)(uintptr_t)object, key,
                        value) if (strcmp(key, "date") != 0 && strcmp(key, "hours") != 0 &&
                                   strcmp(key, "name") !=
                                       0) return fail_day(special, "", "has a field that is none of date, hours, name");
    return true;
}

static bool read_date(struct special *special, const json_t *object, uint32_t *date) {
    const char *text = json_string_value(json_object_get(object, "date"));
    int64_t day;
    if (!text || !date_parse(text, &day))
        return fail_day(special, "date", "must be a date that there is, such as 2026-12-24");
    for (uint32_t i = 0; i < special->count; i++)
        if (special->hours[i].date == day) return fail_day(special, "date", "stands in the list twice");
    *date = (uint32_t)day;
    return true;
}

static bool read_name(struct special *special, const json_t *object, const char **name) {
    struct json_reader reader = {0};
    if (!json_reader_text(&reader, object, "name", LEDIG_NAME_CHARS_MAX, name))
        return fail_day(special, "name", reader.why);
    const char *reason = *name ? roster_rules_text(*name, strlen(*name)) : NULL;
    return !reason || fail_day(special, "name", reason);
}

static bool add_day(struct special *special, const json_t *object) {
    struct day_hours day = {0};
    struct day hours;
    if (!is_day_object(special, object) || !read_date(special, object, &day.date) ||
        !read_name(special, object, &day.name))
        return false;
    const char *reason = read_day(json_object_get(object, "hours"), &hours);
    if (reason) return fail_day(special, "hours", reason);
    uint32_t lines = hours.count > 0 ? hours.count : 1; /* closed takes one, too */
    if (special->count + lines > SPECIAL_HOURS_MAX)
        return json_reader_fail(special->reader, "days", "more than 400 special days, or hours on them");
    for (uint32_t i = 0; i < lines; i++) {
        if (hours.count > 0) {
            day.from = hours.spans[i].from;
            day.to = hours.spans[i].to;
        }
        special->hours[special->count++] = day;
        day.name = NULL; /* stands with the first */
    }
    return true;
}

static bool read_days(struct json_reader *reader, const json_t *body, struct arena *arena, struct schedule *schedule) {
    const json_t *list = json_object_get(body, "days"), *object;
    struct special special = {.reader = reader, .arena = arena};
    if (!list || json_is_null(list)) return true;
    if (!json_is_array(list)) return json_reader_fail(reader, "days", "must be a list of special days");
    special.hours = arena_take(arena, SPECIAL_HOURS_MAX * sizeof *special.hours);
    if (!special.hours) return json_reader_fail(reader, "days", "out of memory");
    json_array_foreach(list, special.index, object) if (!add_day(&special, object)) return false;
    schedule->days = (struct list){special.hours, special.count, special.count > 0};
    return true;
}

bool schedule_body_read(struct json_reader *reader, const json_t *body, struct arena *arena,
                        struct schedule *schedule) {
    return read_weekly(reader, body, arena, schedule) && read_days(reader, body, arena, schedule);
}

/* ---- And back ---- */

static void append_span(json_t *list, uint32_t from, uint32_t to) {
    char text[40];
    if (to > DAY_MINUTES) to -= DAY_MINUTES;
    snprintf(text, sizeof text, "%02u:%02u-%02u:%02u", from / 60, from % 60, to / 60, to % 60);
    json_array_append_new(list, json_string(text));
}

json_t *schedule_body_weekly(const struct schedule *schedule) {
    const struct week_hours *week = schedule->week.at;
    json_t *map = json_object();
    for (uint32_t i = 0; map && i < schedule->week.count; i++) {
        const char *day = day_names[week[i].day % DAYS];
        if (!json_object_get(map, day)) json_object_set_new(map, day, json_array());
        append_span(json_object_get(map, day), week[i].from, week[i].to);
    }
    return map;
}

json_t *schedule_body_days(const struct schedule *schedule) {
    const struct day_hours *days = schedule->days.at;
    json_t *list = json_array(), *hours = NULL;
    for (uint32_t i = 0; list && i < schedule->days.count; i++) {
        if (i == 0 || days[i].date != days[i - 1].date) {
            char date[DATE_BYTES];
            date_print(days[i].date, date);
            json_array_append_new(
                list, json_pack("{s:s,s:o,s:s*}", "date", date, "hours", hours = json_array(), "name", days[i].name));
        }
        if (days[i].to > 0) append_span(hours, days[i].from, days[i].to);
    }
    return list;
}

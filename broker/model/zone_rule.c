#include "broker/model/zone_rule.h"
#include "broker/model/date.h"

#include <string.h>

#define DAY_S 86400
#define NAME_CHARS_MIN 3

/* ---- Reading ---- */

struct reader {
    const char *at, *end;
};

static bool is_letter(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool take(struct reader *reader, char wanted) {
    if (reader->at == reader->end || *reader->at != wanted) return false;
    reader->at++;
    return true;
}

/* "CET", or "<+0330>": what it is called does not matter here. */
static bool take_name(struct reader *reader) {
    const char *from = reader->at;
    bool quoted = take(reader, '<');
    if (quoted) from++;
    while (reader->at < reader->end &&
           (is_letter(*reader->at) || (quoted && (is_digit(*reader->at) || *reader->at == '+' || *reader->at == '-'))))
        reader->at++;
    if (reader->at - from < NAME_CHARS_MIN) return false;
    return !quoted || take(reader, '>');
}

static bool take_number(struct reader *reader, int least, int most, int *number) {
    const char *from = reader->at;
    *number = 0;
    while (reader->at < reader->end && is_digit(*reader->at) && reader->at - from < 3)
        *number = *number * 10 + *reader->at++ - '0';
    return reader->at > from && *number >= least && *number <= most;
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(struct reader *reader, int hours_max, int32_t *seconds) {
    int hours, minutes = 0, rest = 0;
    bool negative = take(reader, '-');
    if (!negative) take(reader, '+');
    if (!take_number(reader, 0, hours_max, &hours)) return false;
    if (take(reader, ':')) {
        if (!take_number(reader, 0, 59, &minutes)) return false;
        if (take(reader, ':') && !take_number(reader, 0, 59, &rest)) return false;
    }
    *seconds = (int32_t)(hours * 3600 + minutes * 60 + rest) * (negative ? -1 : 1);
    return true;
}

static bool take_date(struct reader *reader, struct zone_rule_date *date) {
    *date = (struct zone_rule_date){.kind = 'D', .time_s = 2 * 3600};
    if (!take(reader, ',')) return false;
    if (take(reader, 'M')) {
        date->kind = 'M';
        if (!take_number(reader, 1, 12, &date->month) || !take(reader, '.') ||
            !take_number(reader, 1, 5, &date->week) || !take(reader, '.') || !take_number(reader, 0, 6, &date->day))
            return false;
    } else {
        if (take(reader, 'J')) date->kind = 'J';
        if (!take_number(reader, date->kind == 'J', 365, &date->day)) return false;
    }
    return !take(reader, '/') || take_time(reader, 167, &date->time_s);
}

bool zone_rule_parse(const char *text, size_t length, struct zone_rule *rule) {
    struct reader reader = {text, text + length};
    *rule = (struct zone_rule){0};
    if (!take_name(&reader) || !take_time(&reader, 24, &rule->offset_s)) return false;
    rule->offset_s = -rule->offset_s; /* POSIX counts what is to be added to the local time */
    if (reader.at == reader.end) return true;
    if (!take_name(&reader)) return false;
    rule->has_daylight = true;
    rule->daylight_s = rule->offset_s + 3600;
    if (reader.at < reader.end && *reader.at != ',') {
        if (!take_time(&reader, 24, &rule->daylight_s)) return false;
        rule->daylight_s = -rule->daylight_s;
    }
    return take_date(&reader, &rule->start) && take_date(&reader, &rule->end) && reader.at == reader.end;
}

/* ---- What it says ---- */

static int64_t day_of(const struct zone_rule_date *date, int64_t year) {
    int64_t first = date_day(year, 1, 1);
    bool leap = date_month_days(year, 2) == 29;
    if (date->kind == 'D') return first + date->day;
    if (date->kind == 'J') return first + date->day - 1 + (leap && date->day >= 60);
    int64_t day = date_day(year, date->month, 1);
    int month_days = date_month_days(year, date->month);
    int ahead = ((date->day + 6) % 7 - date_weekday(day) + 7) % 7; /* the rule's Sunday is 0 */
    int of_month = ahead + (date->week - 1) * 7;
    return day + (of_month < month_days ? of_month : of_month - 7);
}

struct change {
    int64_t at_s;
    int32_t offset_s, before_s;
};

#define YEARS 4 /* the one before, the year itself, and two after: a change may lie a week outside of its year */

/* In order. Where daylight saving ends and begins in the same moment, it goes on. */
static int list_changes(const struct zone_rule *rule, int64_t year, struct change changes[static 2 * YEARS]) {
    int count = 0;
    for (int64_t y = year - 1; y < year - 1 + YEARS; y++) {
        struct change of_year[] = {
            {day_of(&rule->end, y) * DAY_S + rule->end.time_s - rule->daylight_s, rule->offset_s, rule->daylight_s},
            {day_of(&rule->start, y) * DAY_S + rule->start.time_s - rule->offset_s, rule->daylight_s, rule->offset_s}};
        for (int i = 0; i < 2; i++) {
            int at = count++;
            for (; at > 0 &&
                   (changes[at - 1].at_s > of_year[i].at_s || (changes[at - 1].at_s == of_year[i].at_s && i == 0));
                 at--)
                changes[at] = changes[at - 1];
            changes[at] = of_year[i];
        }
    }
    return count;
}

struct zone_segment zone_rule_segment(const struct zone_rule *rule, int64_t at_s) {
    struct zone_segment segment = {rule->offset_s, INT64_MIN, INT64_MAX};
    if (!rule->has_daylight) return segment;
    int64_t local_s = at_s + rule->offset_s;
    struct change changes[2 * YEARS];
    int count = list_changes(rule, date_year(local_s / DAY_S - (local_s % DAY_S < 0)), changes);
    segment.offset_s = changes[0].before_s;
    for (int i = 0; i < count; i++) {
        if (changes[i].at_s > at_s) {
            segment.until_s = changes[i].at_s;
            break;
        }
        segment.from_s = changes[i].at_s;
        segment.offset_s = changes[i].offset_s;
    }
    return segment;
}

/* The rule that stands at the end of a TZif file, for all times after its table: the value of TZ as POSIX has it
 * ("CET-1CEST,M3.5.0,M10.5.0/3"), with the hours beyond a day of RFC 8536. Pure. */
#ifndef LEDIG_MODEL_ZONE_RULE_H
#define LEDIG_MODEL_ZONE_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct zone_rule_date {
    char kind; /* J: day 1 to 365, never a leap day; D: day 0 to 365; M: month, week, weekday */
    int day, month, week;
    int32_t time_s; /* of the local clock, may be another day's */
};

struct zone_rule {
    int32_t offset_s, daylight_s; /* to be added to UTC */
    bool has_daylight;
    struct zone_rule_date start, end;
};

/* The bytes are not trusted. */
bool zone_rule_parse(const char *text, size_t length, struct zone_rule *rule);

struct zone_segment { /* a stretch of time with one offset, from a moment to (not with) another */
    int32_t offset_s;
    int64_t from_s, until_s; /* INT64_MIN, INT64_MAX = always */
};

struct zone_segment zone_rule_segment(const struct zone_rule *rule, int64_t at_s);

#endif

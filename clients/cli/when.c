#include "clients/cli/when.h"
#include "protocol/errors.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define TEXT_BYTES_MAX 64
#define AMOUNT_MAX 100000 /* of one unit: 11 years of hours */

const char when_understood[] = "14:30 (today, or tomorrow if past), 45m, 2h, 1h30m, tomorrow (08:00), tomorrow 10:00, "
                               "monday, mandag 10:00, 2026-12-01T14:30";

/* A wall-clock date and time while it is being read. */
struct reading {
    struct tm date;          /* year, month and day */
    bool has_day, next_week; /* next_week: a weekday, which comes again in 7 days */
    int hour, minute, second;
    bool has_time;
};

/* ---- Words ---- */

static const struct {
    const char *name;
    int weekday;
} weekdays[] = {
    {"sunday", 0}, {"sun", 0},       {"søndag", 0}, {"søn", 0},     {"sondag", 0}, {"monday", 1},
    {"mon", 1},    {"mandag", 1},    {"man", 1},    {"tuesday", 2}, {"tue", 2},    {"tirsdag", 2},
    {"tir", 2},    {"wednesday", 3}, {"wed", 3},    {"onsdag", 3},  {"ons", 3},    {"thursday", 4},
    {"thu", 4},    {"torsdag", 4},   {"tor", 4},    {"friday", 5},  {"fri", 5},    {"fredag", 5},
    {"fre", 5},    {"saturday", 6},  {"sat", 6},    {"lørdag", 6},  {"lør", 6},    {"lordag", 6},
};

/* Lower case, blanks single and none at the ends. False where it is too long to be a time. */
static bool tidy(const char *text, char to[static TEXT_BYTES_MAX]) {
    size_t length = 0;
    for (; *text; text++) {
        char c = *text;
        if (c >= 'A' && c <= 'Z') c = (char)(c - 'A' + 'a');
        if (c == '\x98' && length > 0 && to[length - 1] == '\xc3') c = '\xb8'; /* Ø to ø */
        if (c == '\t') c = ' ';
        if (c == ' ' && (length == 0 || to[length - 1] == ' ')) continue;
        if (length + 1 >= TEXT_BYTES_MAX) return false;
        to[length++] = c;
    }
    if (length > 0 && to[length - 1] == ' ') length--;
    to[length] = 0;
    return length > 0;
}

/* Whether the text begins with this word; moves behind it and the blank that follows. */
static bool take_word(const char **at, const char *word) {
    size_t length = strlen(word);
    if (strncmp(*at, word, length) != 0 || ((*at)[length] != 0 && (*at)[length] != ' ')) return false;
    *at += length + ((*at)[length] == ' ');
    return true;
}

static bool take_digits(const char **at, int digits_min, int digits_max, int *value) {
    int digits = 0;
    *value = 0;
    while (digits < digits_max && (*at)[digits] >= '0' && (*at)[digits] <= '9')
        *value = *value * 10 + ((*at)[digits++] - '0');
    *at += digits;
    return digits >= digits_min && !(**at >= '0' && **at <= '9');
}

static bool take_character(const char **at, const char *any_of) {
    if (**at == 0 || !strchr(any_of, **at)) return false;
    (*at)++;
    return true;
}

/* ---- Wall clock to moment ---- */

static bool same_wall_clock(const struct tm *a, const struct tm *b) {
    return a->tm_mday == b->tm_mday && a->tm_hour == b->tm_hour && a->tm_min == b->tm_min;
}

static int64_t moment(const struct reading *reading, int64_t now_ms) {
    struct tm wanted = reading->date;
    wanted.tm_hour = reading->hour;
    wanted.tm_min = reading->minute;
    wanted.tm_sec = reading->second;
    struct tm noon = reading->date; /* brings the 32nd of a month into the next */
    noon.tm_hour = 12;
    noon.tm_isdst = -1;
    mktime(&noon);
    wanted.tm_year = noon.tm_year;
    wanted.tm_mon = noon.tm_mon;
    wanted.tm_mday = noon.tm_mday;

    int64_t best_ms = -1;
    for (int summer = 1; summer >= 0; summer--) { /* summer time is the earlier of two */
        struct tm tried = wanted, seen;
        tried.tm_isdst = summer;
        time_t at = mktime(&tried);
        if (at < 0 || !localtime_r(&at, &seen) || !same_wall_clock(&seen, &wanted)) continue;
        int64_t at_ms = (int64_t)at * 1000;
        if (best_ms < 0 || (best_ms <= now_ms && at_ms > best_ms)) best_ms = at_ms;
    }
    if (best_ms >= 0) return best_ms;
    wanted.tm_isdst = 0; /* jumped over */
    return (int64_t)mktime(&wanted) * 1000;
}

/* ---- Grammar ---- */

static bool take_time(const char **at, struct reading *reading) {
    if (!take_word(at, "kl") && !take_word(at, "kl.")) take_word(at, "at");
    if (!take_digits(at, 1, 2, &reading->hour) || !take_character(at, ":.")) return false;
    if (!take_digits(at, 2, 2, &reading->minute)) return false;
    if (take_character(at, ":") && !take_digits(at, 2, 2, &reading->second)) return false;
    reading->has_time = true;
    return reading->hour < 24 && reading->minute < 60 && reading->second < 60;
}

static bool take_weekday(const char **at, struct reading *reading) {
    for (size_t i = 0; i < sizeof weekdays / sizeof weekdays[0]; i++)
        if (take_word(at, weekdays[i].name)) {
            reading->date.tm_mday += (weekdays[i].weekday - reading->date.tm_wday + 7) % 7;
            return reading->has_day = reading->next_week = true;
        }
    return false;
}

/* A day relative to today; the reading holds today. */
static bool take_day(const char **at, struct reading *reading) {
    if (take_word(at, "today") || take_word(at, "i dag") || take_word(at, "idag")) return reading->has_day = true;
    if (take_word(at, "tomorrow") || take_word(at, "i morgen") || take_word(at, "imorgen")) {
        reading->date.tm_mday++;
        return reading->has_day = true;
    }
    return take_weekday(at, reading);
}

static bool day_exists(int year, int month, int day) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 1970 || month < 1 || month > 12 || day < 1) return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day <= days[month - 1] + (leap && month == 2);
}

/* Z, +01:00 or +0100 after a time (RFC 3339): minutes east of Greenwich. */
static bool take_offset(const char **at, int *minutes) {
    if (take_character(at, "z")) return true;
    bool west = **at == '-';
    int hours, rest;
    if (!take_character(at, "+-")) return false;
    bool fine = (*at)[0] && (*at)[1] == 0 ? false : true;
    char text[3] = {(*at)[0], fine ? (*at)[1] : 0, 0};
    const char *digits = text;
    if (!fine || !take_digits(&digits, 2, 2, &hours)) return false;
    *at += 2;
    take_character(at, ":");
    if (!take_digits(at, 2, 2, &rest) || hours > 23 || rest > 59) return false;
    *minutes = (hours * 60 + rest) * (west ? -1 : 1);
    return true;
}

/* 2026-12-01[T14:30[:00][Z or offset]]. */
static int parse_date(const char *at, int64_t now_ms, int64_t *at_ms) {
    struct reading reading = {.hour = WHEN_MORNING_HOUR};
    int year, month, day, east = 0;
    if (!take_digits(&at, 4, 4, &year) || !take_character(&at, "-") || !take_digits(&at, 2, 2, &month) ||
        !take_character(&at, "-") || !take_digits(&at, 2, 2, &day) || !day_exists(year, month, day))
        return LEDIG_EBAD_REQUEST;
    reading.date = (struct tm){.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
    if (*at && (!take_character(&at, "t ") || !take_time(&at, &reading))) return LEDIG_EBAD_REQUEST;
    if (*at && reading.has_time) {
        if (!take_offset(&at, &east) || *at) return LEDIG_EBAD_REQUEST;
        struct tm universal = reading.date;
        universal.tm_hour = reading.hour;
        universal.tm_min = reading.minute - east;
        universal.tm_sec = reading.second;
        *at_ms = (int64_t)timegm(&universal) * 1000;
    } else {
        *at_ms = moment(&reading, now_ms);
    }
    return *at_ms > now_ms ? 0 : LEDIG_ECONFLICT;
}

static int parse_day_and_time(const char *at, int64_t now_ms, int64_t *at_ms) {
    struct reading reading = {.hour = WHEN_MORNING_HOUR};
    time_t now = (time_t)(now_ms / 1000);
    if (!localtime_r(&now, &reading.date)) return LEDIG_EBAD_REQUEST;
    bool today = strncmp(at, "today", 5) == 0 || strncmp(at, "i dag", 5) == 0 || strncmp(at, "idag", 4) == 0;
    take_day(&at, &reading);
    if (*at && !take_time(&at, &reading)) return LEDIG_EBAD_REQUEST;
    if (*at || (!reading.has_time && (!reading.has_day || today))) return LEDIG_EBAD_REQUEST;
    *at_ms = moment(&reading, now_ms);
    if (*at_ms <= now_ms && (!reading.has_day || reading.next_week)) {
        reading.date.tm_mday += reading.next_week ? 7 : 1;
        *at_ms = moment(&reading, now_ms);
    }
    return *at_ms > now_ms ? 0 : LEDIG_ECONFLICT;
}

int when_duration(const char *text, int64_t *ms) {
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"min", 60000}, {"d", 86400000}, {"h", 3600000}, {"t", 3600000}, {"m", 60000}, {"s", 1000}};
    char tidied[TEXT_BYTES_MAX];
    if (!tidy(text, tidied)) return LEDIG_EBAD_REQUEST;
    const char *at = tidied;
    int64_t sum_ms = 0;
    while (*at) {
        int amount;
        size_t unit = 0;
        if (!take_digits(&at, 1, 6, &amount) || amount > AMOUNT_MAX) return LEDIG_EBAD_REQUEST;
        take_character(&at, " ");
        while (unit < sizeof units / sizeof units[0] && strncmp(at, units[unit].name, strlen(units[unit].name)) != 0)
            unit++;
        if (unit == sizeof units / sizeof units[0]) return LEDIG_EBAD_REQUEST;
        at += strlen(units[unit].name);
        take_character(&at, " ");
        sum_ms += amount * units[unit].ms;
    }
    *ms = sum_ms;
    return sum_ms > 0 ? 0 : LEDIG_EBAD_REQUEST;
}

int when_parse(const char *text, int64_t now_ms, int64_t *at_ms) {
    char tidied[TEXT_BYTES_MAX];
    int64_t duration_ms;
    if (!tidy(text, tidied)) return LEDIG_EBAD_REQUEST;
    if (when_duration(tidied, &duration_ms) == 0) {
        *at_ms = now_ms + duration_ms;
        return 0;
    }
    if (strlen(tidied) >= 10 && tidied[4] == '-') return parse_date(tidied, now_ms, at_ms);
    return parse_day_and_time(tidied, now_ms, at_ms);
}

void when_format(int64_t at_ms, int64_t now_ms, char to[static WHEN_FORMATTED_BYTES]) {
    static const char *const names[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    time_t at = (time_t)(at_ms / 1000), now = (time_t)(now_ms / 1000);
    struct tm then, today;
    if (!localtime_r(&at, &then) || !localtime_r(&now, &today)) {
        snprintf(to, WHEN_FORMATTED_BYTES, "?");
        return;
    }
    struct tm then_noon = {.tm_year = then.tm_year, .tm_mon = then.tm_mon, .tm_mday = then.tm_mday, .tm_hour = 12};
    struct tm now_noon = {.tm_year = today.tm_year, .tm_mon = today.tm_mon, .tm_mday = today.tm_mday, .tm_hour = 12};
    int64_t days = ((int64_t)timegm(&then_noon) - (int64_t)timegm(&now_noon)) / 86400;
    if (days == 0)
        snprintf(to, WHEN_FORMATTED_BYTES, "%02d:%02d", then.tm_hour, then.tm_min);
    else if (days == 1)
        snprintf(to, WHEN_FORMATTED_BYTES, "tomorrow %02d:%02d", then.tm_hour, then.tm_min);
    else if (days > 1 && days < 7)
        snprintf(to, WHEN_FORMATTED_BYTES, "%s %02d:%02d", names[then.tm_wday % 7], then.tm_hour, then.tm_min);
    else
        snprintf(to, WHEN_FORMATTED_BYTES, "%04d-%02d-%02d %02d:%02d", (then.tm_year + 1900) % 10000,
                 (then.tm_mon + 1) % 100, then.tm_mday % 100, then.tm_hour % 100, then.tm_min % 100);
}

bool when_stale(int64_t age_ms, char to[static WHEN_STALE_BYTES]) {
    static const char because[] = "the broker's store is away";
    int64_t age_s = age_ms / 1000;
    if (age_ms <= WHEN_STALE_MS) return false;
    if (age_ms == INT64_MAX)
        snprintf(to, WHEN_STALE_BYTES, "(nobody knows how old this is: %s)", because);
    else if (age_s < 2 * 60)
        snprintf(to, WHEN_STALE_BYTES, "(as of %d s ago: %s)", (int)age_s, because);
    else if (age_s < 2 * 3600)
        snprintf(to, WHEN_STALE_BYTES, "(as of %d min ago: %s)", (int)(age_s / 60), because);
    else
        snprintf(to, WHEN_STALE_BYTES, "(as of %lld h ago: %s)", (long long)(age_s / 3600), because);
    return true;
}

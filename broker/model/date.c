#include "broker/model/date.h"

#include <stdio.h>
#include <string.h>

/* Eras of 400 years that begin in March, so that a leap day is the last of its year:
 * https://howardhinnant.github.io/date_algorithms.html */
#define ERA_DAYS 146097
#define EPOCH_DAYS 719468 /* from 0000-03-01 to 1970-01-01 */

static int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

int64_t date_day(int64_t year, int month, int day) {
    if (month <= 2) year--;
    int64_t era = floor_div(year, 400), of_era = year - era * 400;
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - EPOCH_DAYS;
}

struct civil {
    int64_t year;
    int month, day;
};

static struct civil civil_of(int64_t day) {
    day += EPOCH_DAYS;
    int64_t era = floor_div(day, ERA_DAYS), of_era = day - era * ERA_DAYS;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int of_year = (int)(of_era - (365 * year + year / 4 - year / 100));
    int month = (5 * of_year + 2) / 153; /* from March */
    struct civil civil = {year + era * 400, month < 10 ? month + 3 : month - 9, of_year - (153 * month + 2) / 5 + 1};
    if (civil.month <= 2) civil.year++;
    return civil;
}

int64_t date_year(int64_t day) {
    return civil_of(day).year;
}

int date_weekday(int64_t day) {
    return (int)(((day + 3) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
}

int date_month_days(int64_t year, int month) {
    return (int)(month == 12 ? 31 : date_day(year, month + 1, 1) - date_day(year, month, 1));
}

static bool digits(const char *text, int count, int *number) {
    *number = 0;
    for (int i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        *number = *number * 10 + text[i] - '0';
    }
    return true;
}

bool date_parse(const char *text, int64_t *day) {
    int year, month, of_month;
    if (strlen(text) != DATE_BYTES - 1 || text[4] != '-' || text[7] != '-' || !digits(text, 4, &year) ||
        !digits(text + 5, 2, &month) || !digits(text + 8, 2, &of_month))
        return false;
    if (year < 1970 || month < 1 || month > 12 || of_month < 1 || of_month > date_month_days(year, month)) return false;
    *day = date_day(year, month, of_month);
    return true;
}

void date_print(int64_t day, char text[static DATE_BYTES]) {
    struct civil civil = civil_of(day);
    snprintf(text, DATE_BYTES, "%04u-%02u-%02u", (unsigned)civil.year % 10000u, (unsigned)civil.month % 100u,
             (unsigned)civil.day % 100u);
}

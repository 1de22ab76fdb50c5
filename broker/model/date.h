/* A day of the (proleptic Gregorian) calendar as a number, days since 1970-01-01, and back. Pure. */
#ifndef LEDIG_MODEL_DATE_H
#define LEDIG_MODEL_DATE_H

#include <stdbool.h>
#include <stdint.h>

/* No check: the day may be beyond the end of the month. */
int64_t date_day(int64_t year, int month, int day);

int64_t date_year(int64_t day);

/* 0 = Monday, 6 = Sunday. */
int date_weekday(int64_t day);

int date_month_days(int64_t year, int month);

/* "2026-12-24", a date that there is. Years 1970 to 9999. */
bool date_parse(const char *text, int64_t *day);

#define DATE_BYTES sizeof "2026-12-24"
#define DATE_DAY_MAX 2932896 /* 9999-12-31 */
/* From 0 to DATE_DAY_MAX. */
void date_print(int64_t day, char text[static DATE_BYTES]);

#endif

/* A schedule as an employer writes it, "mon": ["08:00-12:00", "13:00-16:00"], and as it is stored; both ways. What is
 * read points into the document and the arena. Knows no store and no clock. */
#ifndef LEDIG_SERVICE_SCHEDULE_BODY_H
#define LEDIG_SERVICE_SCHEDULE_BODY_H

#include "broker/model/schedule.h"
#include "broker/service/json_reader.h"

#define HOURS_A_DAY_MAX 8 /* times of work on one day: 56 a week, as many as a record holds */

/* Reads `weekly` and `days`. False: noted in the reader. */
bool schedule_body_read(struct json_reader *reader, const json_t *body, struct arena *arena, struct schedule *schedule);

/* NULL when out of memory. */
json_t *schedule_body_weekly(const struct schedule *schedule);
json_t *schedule_body_days(const struct schedule *schedule);

#endif

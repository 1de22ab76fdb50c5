/* Hours of work: which of a company's schedules holds for a person, and whether it is open at a moment, since when and
 * until when. Hours that touch or overlap are one time of work. Hours that go past midnight belong to the day on which
 * they begin; a special day has its own hours in the place of those of its weekday. Pure: zones are handed in. */
#ifndef LEDIG_MODEL_SCHEDULE_H
#define LEDIG_MODEL_SCHEDULE_H

#include "broker/model/record.h"
#include "broker/model/zone.h"

#define DAY_MINUTES 1440
#define HOURS_END_MAX                                                                                                  \
    (2 * DAY_MINUTES) /* minutes after the midnight that begins the day: at most the next day's end                    \
                       */

struct hours {
    bool is_open;
    int64_t since; /* this time of work, or the time off, began; 0 = never, or not known */
    int64_t until; /* INT64_MAX = never */
};

/* The schedule of a person: their own, else their department's, else the company's. NULL: none; always in hours. A
 * schedule that does not exist counts as none. `settings` and `profile` may be NULL. */
const struct schedule *schedule_of(const struct company_record *settings, const struct profile_record *profile);

const struct schedule *schedule_find(const struct company_record *settings, const char *id);

/* The hours at that time. The same from `since` until (not with) `until`, so that they can be kept as long. Where the
 * zone is not known here, always open: a telephone had rather ring. */
void schedule_hours(const struct schedule *schedule, const struct company_record *settings,
                    const struct zone_source *zones, int64_t now_ms, struct hours *hours);

/* Both in one; gives `hours`, or NULL where the person is always in hours. */
const struct hours *schedule_hours_of(const struct company_record *settings, const struct profile_record *profile,
                                      const struct zone_source *zones, int64_t now_ms, struct hours *hours);

/* The day that it is then for the company, in its zone, as days since 1970; for what is counted by the day. */
int64_t schedule_day(const struct company_record *settings, const struct zone_source *zones, int64_t at_ms);

/* Whether there is such a zone; *zone is NULL for UTC. Where `zones` is NULL, only UTC is known. */
bool schedule_find_zone(const struct zone_source *zones, const char *name, const struct zone **zone);

#endif

#include "broker/model/schedule.h"
#include "broker/model/date.h"

#include <string.h>

#define REACH_DAYS                                                                                                     \
    3 /* hours begin no further than this from any moment in them, whatever the zone does to its days                  \
       */
/* In a week that is neither all open nor all closed, a boundary is found among so many days, even where special days
 * hide all of the weekdays that have one. */
#define SEARCH_DAYS (7 * (SPECIAL_HOURS_MAX + 1) + REACH_DAYS)

/* ---- Which one? ---- */

const struct schedule *schedule_find(const struct company_record *settings, const char *id) {
    const struct schedule *schedules = settings != NULL ? settings->schedules.at : NULL;
    for (uint32_t i = 0; id != NULL && schedules != NULL && i < settings->schedules.count; i++)
        if (strcmp(schedules[i].id, id) == 0) return &schedules[i];
    return NULL;
}

static const struct schedule *of_department(const struct company_record *settings, const char *department) {
    const struct department_schedule *departments = settings->departments.at;
    for (uint32_t i = 0; department != NULL && i < settings->departments.count; i++)
        if (strcmp(departments[i].department, department) == 0) return schedule_find(settings, departments[i].schedule);
    return NULL;
}

const struct schedule *schedule_of(const struct company_record *settings, const struct profile_record *profile) {
    if (settings == NULL || settings->schedules.count == 0) return NULL;
    const struct schedule *schedule = profile != NULL ? schedule_find(settings, profile->schedule) : NULL;
    if (schedule == NULL && profile != NULL) schedule = of_department(settings, profile->department);
    return schedule != NULL ? schedule : schedule_find(settings, settings->schedule);
}

/* ---- Zones ---- */

bool schedule_find_zone(const struct zone_source *zones, const char *name, const struct zone **zone) {
    *zone = NULL;
    if (name == NULL || strcmp(name, "UTC") == 0) return true;
    if (zones != NULL) *zone = zones->find(zones->arg, name);
    return *zone != NULL;
}

int64_t schedule_day(const struct company_record *settings, const struct zone_source *zones, int64_t at_ms) {
    const struct zone *zone;
    schedule_find_zone(zones, settings != NULL ? settings->zone : NULL, &zone); /* UTC where it is not known */
    return zone_local(zone, at_ms).day;
}

int64_t schedule_day_begins_at(const struct company_record *settings, const struct zone_source *zones, int64_t at_ms) {
    const struct zone *zone;
    schedule_find_zone(zones, settings != NULL ? settings->zone : NULL, &zone);
    return zone_instant(zone, zone_local(zone, at_ms).day, 0);
}

/* ---- The hours of one day ---- */

#define STRETCHES_MAX (WEEK_HOURS_MAX + SPECIAL_HOURS_MAX) /* whatever a record may hold */

struct stretch {
    int64_t from, until;
};

struct calendar {
    const struct schedule *schedule;
    const struct zone *zone;
    int64_t today;
    int64_t search_days; /* to either side of today; beyond, only special days can have a boundary */
};

static bool is_special(const struct schedule *schedule, int64_t day) {
    const struct day_hours *days = schedule->days.at;
    for (uint32_t i = 0; i < schedule->days.count; i++)
        if (days[i].date == day) return true;
    return false;
}

static uint32_t add_stretch(const struct calendar *calendar, int64_t day, uint32_t from, uint32_t to, uint32_t count,
                            struct stretch stretches[static STRETCHES_MAX]) {
    if (from >= to || from >= DAY_MINUTES || to > HOURS_END_MAX) return count;
    struct stretch stretch = {zone_instant(calendar->zone, day, (int32_t)from),
                              zone_instant(calendar->zone, day, (int32_t)to)};
    if (stretch.from >= stretch.until) return count; /* skipped by the clocks */
    uint32_t at = count;
    for (; at > 0 && stretches[at - 1].from > stretch.from; at--)
        stretches[at] = stretches[at - 1];
    stretches[at] = stretch;
    return count + 1;
}

/* In the order in which they begin. */
static uint32_t list_day(const struct calendar *calendar, int64_t day, struct stretch stretches[static STRETCHES_MAX]) {
    const struct schedule *schedule = calendar->schedule;
    const struct day_hours *days = schedule->days.at;
    const struct week_hours *week = schedule->week.at;
    uint32_t count = 0, weekday = (uint32_t)date_weekday(day);
    if (is_special(schedule, day)) {
        for (uint32_t i = 0; i < schedule->days.count; i++)
            if (days[i].date == day) count = add_stretch(calendar, day, days[i].from, days[i].to, count, stretches);
        return count;
    }
    for (uint32_t i = 0; i < schedule->week.count; i++)
        if (week[i].day == weekday) count = add_stretch(calendar, day, week[i].from, week[i].to, count, stretches);
    return count;
}

/* ---- The days that are looked at ---- */

/* Whether no weekday has a boundary: nothing is open, or all the time is. */
static bool is_uniform(const struct schedule *schedule) {
    const struct week_hours *week = schedule->week.at;
    const uint32_t whole = 7 * DAY_MINUTES;
    uint32_t reached = 0; /* all is open from Monday's beginning until then */
    for (bool more = true; more && reached < whole;) {
        more = false;
        for (uint32_t i = 0; i < schedule->week.count; i++) {
            const struct week_hours *hours = &week[i];
            if (hours->day > 6 || hours->from >= DAY_MINUTES || hours->from >= hours->to || hours->to > HOURS_END_MAX)
                continue;
            uint32_t from = hours->day * DAY_MINUTES + hours->from, to = hours->day * DAY_MINUTES + hours->to;
            if (to > whole && to - whole > reached) { /* Sunday's, on Monday */
                reached = to - whole;
                more = true;
            }
            if (from > reached || to <= reached) continue;
            reached = to;
            more = true;
        }
    }
    return schedule->week.count == 0 || reached >= whole;
}

/* The next day to look at in a direction (1 or -1); false where no other has a boundary. */
static bool next_day(const struct calendar *calendar, int direction, int64_t *day) {
    int64_t next = *day + direction;
    if ((next - calendar->today) * direction <= calendar->search_days) {
        *day = next;
        return true;
    }
    const struct day_hours *days = calendar->schedule->days.at;
    int64_t best = INT64_MAX; /* how far ahead the days around the nearest special one begin */
    for (uint32_t i = 0; i < calendar->schedule->days.count; i++) {
        int64_t nearest = ((int64_t)days[i].date - next) * direction;
        if (nearest < -REACH_DAYS) continue;
        int64_t ahead = nearest > REACH_DAYS ? nearest - REACH_DAYS : 0;
        if (ahead < best) best = ahead;
    }
    if (best == INT64_MAX) return false;
    *day = next + best * direction;
    return true;
}

/* ---- Boundaries ---- */

static int64_t midnight(const struct calendar *calendar, int64_t day) {
    return zone_instant(calendar->zone, day, 0);
}

/* What begins first comes first, so whatever begins after the end so far prolongs nothing. Days are passed over only in
 * a uniform week: who is at work as they begin is so throughout. */
static void look_ahead(const struct calendar *calendar, int64_t now_ms, struct hours *hours) {
    struct stretch stretches[STRETCHES_MAX];
    int64_t day = calendar->today - REACH_DAYS - 1, before = day;
    *hours = (struct hours){.is_open = false, .since = 0, .until = INT64_MAX};
    for (; next_day(calendar, 1, &day); before = day) {
        if (hours->is_open && midnight(calendar, before + 1) > hours->until) return;
        if (hours->is_open && day > before + 1) hours->until = midnight(calendar, day + 1);
        uint32_t count = list_day(calendar, day, stretches);
        for (uint32_t i = 0; i < count; i++) {
            const struct stretch *stretch = &stretches[i];
            if (stretch->until <= now_ms) continue;
            if (!hours->is_open && stretch->from > now_ms) {
                hours->until = stretch->from;
                return;
            }
            if (hours->is_open && stretch->from > hours->until) return;
            if (!hours->is_open || stretch->until > hours->until) hours->until = stretch->until;
            hours->is_open = true;
        }
    }
    if (hours->is_open && midnight(calendar, before + 1) <= hours->until) hours->until = INT64_MAX;
}

/* What begins before a day ends before the day after it is over. */
static void look_back_open(const struct calendar *calendar, int64_t now_ms, struct hours *hours) {
    struct stretch stretches[STRETCHES_MAX];
    int64_t day = calendar->today + REACH_DAYS + 1, before = day, began = now_ms;
    for (; next_day(calendar, -1, &day); before = day) {
        if (midnight(calendar, before + 2) < began) {
            hours->since = began;
            return;
        }
        if (day < before - 1) began = midnight(calendar, day + 1);
        for (uint32_t i = list_day(calendar, day, stretches); i-- > 0;)
            if (stretches[i].until >= began && stretches[i].from < began) began = stretches[i].from;
    }
    if (midnight(calendar, before + 2) < began) hours->since = began;
}

static void look_back_closed(const struct calendar *calendar, int64_t now_ms, struct hours *hours) {
    struct stretch stretches[STRETCHES_MAX];
    int64_t day = calendar->today + REACH_DAYS + 1;
    while (next_day(calendar, -1, &day)) {
        for (uint32_t i = list_day(calendar, day, stretches); i-- > 0;)
            if (stretches[i].until <= now_ms && stretches[i].until > hours->since) hours->since = stretches[i].until;
        if (midnight(calendar, day + 2) <= hours->since) return;
    }
}

void schedule_hours(const struct schedule *schedule, const struct company_record *settings,
                    const struct zone_source *zones, int64_t now_ms, struct hours *hours) {
    struct calendar calendar = {.schedule = schedule};
    const char *zone = schedule->zone != NULL ? schedule->zone : settings != NULL ? settings->zone : NULL;
    *hours = (struct hours){.is_open = true, .since = 0, .until = INT64_MAX};
    if (now_ms < 0 || now_ms > ZONE_MS_MAX || !schedule_find_zone(zones, zone, &calendar.zone)) return;
    calendar.today = zone_local(calendar.zone, now_ms).day;
    calendar.search_days = is_uniform(schedule) ? REACH_DAYS : SEARCH_DAYS;
    look_ahead(&calendar, now_ms, hours);
    if (hours->is_open)
        look_back_open(&calendar, now_ms, hours);
    else
        look_back_closed(&calendar, now_ms, hours);
    if (hours->since < 0) hours->since = 0;
}

const struct hours *schedule_hours_of(const struct company_record *settings, const struct profile_record *profile,
                                      const struct zone_source *zones, int64_t now_ms, struct hours *hours) {
    const struct schedule *schedule = schedule_of(settings, profile);
    if (schedule == NULL) return NULL;
    schedule_hours(schedule, settings, zones, now_ms, hours);
    return hours;
}

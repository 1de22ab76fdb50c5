/* Whose hours are which, and what they are now: computed once for all whom a schedule is for, when they have ended. */
#include "broker/model/company_state.h"

#include <stdlib.h>

void work_find(struct company *company, struct member *member) {
    const struct schedule *schedule = member->profile != NULL ? schedule_of(company->settings, member->profile) : NULL;
    const struct schedule *first = company->settings != NULL ? company->settings->schedules.at : NULL;
    member->work = schedule != NULL ? &company->work[schedule - first] : NULL;
}

int work_set_settings(struct company *company, struct company_record *settings) {
    uint32_t count = settings != NULL ? settings->schedules.count : 0;
    struct work_hours *work = count > 0 ? calloc(count, sizeof *work) : NULL;
    if (count > 0 && work == NULL) return LEDIG_ENO_MEMORY;
    for (uint32_t i = 0; i < count; i++)
        work[i].schedule = (const struct schedule *)settings->schedules.at + i;
    free(company->work);
    free(company->settings);
    company->work = work;
    company->settings = settings;
    for (struct member *member = company->members; member != NULL; member = member->hh.next)
        work_find(company, member);
    return 0;
}

const struct hours *work_hours(const struct company *company, const struct member *member, int64_t now_ms) {
    struct work_hours *work = member->work;
    if (work == NULL) return NULL;
    struct hours *hours = &work->hours;
    if (now_ms < hours->since || now_ms >= hours->until) /* zeroed: never good */
        schedule_hours(work->schedule, company->settings, company->zones, now_ms, hours);
    return hours;
}

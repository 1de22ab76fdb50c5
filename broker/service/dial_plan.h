/* In which country's form a company writes numbers: from its replica where that is loaded, else from its record in the
 * store. Owns nothing; the plan is a constant. */
#ifndef LEDIG_SERVICE_DIAL_PLAN_H
#define LEDIG_SERVICE_DIAL_PLAN_H

#include "broker/model/numbering_plan.h"
#include "broker/service/service.h"

/* NULL where the company is not loaded: then read it. A company without settings has the default country. */
const struct numbering_plan *dial_plan(const struct service *service, const char *company);

/* Of a replica. */
const struct numbering_plan *dial_plan_of(const struct company *company);

/* Reads the company's record. Never calls back at once; `plan` is NULL with an error: LEDIG_EUNAVAILABLE,
 * LEDIG_ENO_MEMORY, LEDIG_EDAMAGED. */
typedef void (*dial_plan_done)(void *arg, int error, const struct numbering_plan *plan);
int dial_plan_read(struct service *service, const char *company, dial_plan_done done, void *arg);

#endif

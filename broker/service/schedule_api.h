/* The schedules of a company by HTTP. They stand in the company's own record, so that whoever reads it knows
 * everybody's hours; each is edited by itself. */
#ifndef LEDIG_SERVICE_SCHEDULE_API_H
#define LEDIG_SERVICE_SCHEDULE_API_H

#include "broker/service/edit.h"

extern const struct edit_kind schedule_kind;

/* GET of one, and of all. The token was checked. */
void schedule_api_tell(struct service *service, const char *company, const char *schedule,
                       struct http_exchange *exchange);
void schedule_api_list(struct service *service, const char *company, struct http_exchange *exchange);

#endif

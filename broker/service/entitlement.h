/* What a company has ordered, held against what it has. Counts its people in the replica, which whoever asks has loaded
 * and brought up to date; so what comes in the same moment may pass each other. */
#ifndef LEDIG_SERVICE_ENTITLEMENT_H
#define LEDIG_SERVICE_ENTITLEMENT_H

#include "broker/service/http_exchange.h"
#include "broker/service/service.h"

#define ENTITLEMENT_FULL "the service is ordered for no more people: take out somebody who has left, or order for more"

/* Whether so many more people may come. The company is loaded. */
bool entitlement_has_room(const struct service *service, const char *company, const struct company_record *settings,
                          size_t more);

/* GET /v1/companies/{c}/usage: the token was checked. */
void entitlement_tell(struct service *service, const char *company, struct http_exchange *exchange);

#endif

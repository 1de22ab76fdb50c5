/* A company itself by HTTP: its name and settings, and how much there is in it. */
#ifndef LEDIG_SERVICE_COMPANY_API_H
#define LEDIG_SERVICE_COMPANY_API_H

#include "broker/service/edit.h"

extern const struct edit_kind company_kind;

/* GET. The token was checked. */
void company_api_tell(struct service *service, const char *company, struct http_exchange *exchange);

/* What each company has from its first record on: a key for its own logs. LEDIG_ENO_MEMORY. */
int company_record_begin(struct company_record *company, struct arena *arena);

#endif

/* What an employer's contact person may do: bring a company's people, numbers and queues in from a file. */
#ifndef LEDIG_SERVICE_PROVISIONING_H
#define LEDIG_SERVICE_PROVISIONING_H

#include "broker/service/http_exchange.h"

struct service;

#define IMPORT_BYTES_MAX (32 * 1024 * 1024) /* a file of 100,000 people is below 12 MB */
#define IMPORT_LINES_MAX 200000

/* POST /v1/companies/{company}/import: CSV with the columns user,name,numbers,department,role,queues,schedule.
 * Checked as a whole first; a bad line is reported with its number and nothing is changed. `?dry_run=true` only checks.
 * The caller has checked the token. Answers the exchange, at once or later. */
void provisioning_import(struct service *service, const char *company, struct http_exchange *exchange,
                         const struct http_request *request);

#endif

/* A company's people and queues as a file that an import takes back and changes nothing by. */
#ifndef LEDIG_SERVICE_EXPORT_H
#define LEDIG_SERVICE_EXPORT_H

#include "broker/service/http_exchange.h"

struct service;

/* GET /v1/companies/{company}/export. The token was checked. */
void export_tell(struct service *service, const char *company, struct http_exchange *exchange);

#endif

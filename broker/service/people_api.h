/* What people's apps ask by HTTP, on the port of their WebSockets: getting in, and what concerns themselves. */
#ifndef LEDIG_SERVICE_PEOPLE_API_H
#define LEDIG_SERVICE_PEOPLE_API_H

#include "broker/service/http_exchange.h"

#define PEOPLE_BODY_BYTES_MAX 8192

/* An http_handler; `arg` is the service. */
void people_api_handle(void *arg, struct http_exchange *exchange, const struct http_request *request);

#endif

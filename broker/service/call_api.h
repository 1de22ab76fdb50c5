/* Calls and claims by HTTP: reads the bodies, and renders the answers of calls.h and claims.h. The tokens were checked,
 * and the ids in the paths. */
#ifndef LEDIG_SERVICE_CALL_API_H
#define LEDIG_SERVICE_CALL_API_H

#include "broker/service/http_exchange.h"

struct service;

/* PUT /v1/companies/{c}/calls/{call}, by the token of `subject`. */
void call_api_report(struct service *service, const char *subject, const char *company, const char *call,
                     struct http_exchange *exchange, const struct http_request *request);

/* POST /v1/companies/{c}/queues/{q}/claims. */
void call_api_claim(struct service *service, const char *subject, const char *company, const char *queue,
                    struct http_exchange *exchange, const struct http_request *request);

/* DELETE /v1/companies/{c}/claims/{call}. */
void call_api_release(struct service *service, const char *company, const char *call, struct http_exchange *exchange);

#endif

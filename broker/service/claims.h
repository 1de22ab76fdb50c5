/* Claims: a router asks which agent shall get a call that waits in a queue, and has that agent alone, for lease_ms. One
 * commit of the call and the agent's state, so neither can a call have two agents nor an agent two claims. */
#ifndef LEDIG_SERVICE_CLAIMS_H
#define LEDIG_SERVICE_CLAIMS_H

#include "broker/service/http_exchange.h"
#include "broker/service/service.h"

#define CLAIM_LEASE_MS 20000      /* where the router says nothing */
#define CLAIM_LEASE_MS_MAX 300000 /* an agent whom a router forgot is free again after this */

/* POST /v1/companies/{c}/queues/{q}/claims. The token was checked, and is `subject`'s. */
void claims_take(struct service *service, const char *subject, const char *company, const char *queue,
                 struct http_exchange *exchange, const struct http_request *request);

/* Ends those that wait: the worker goes. */
void claims_drain(struct service *service);

/* DELETE /v1/companies/{c}/claims/{call}. */
void claims_release(struct service *service, const char *company, const char *call, struct http_exchange *exchange);

#endif

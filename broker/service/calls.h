/* What routers report of calls: PUT /v1/companies/{c}/calls/{call}. One commit brings the call and everybody who was on
 * it or is up to date; the same event again, a late one, or one after the end changes nothing. */
#ifndef LEDIG_SERVICE_CALLS_H
#define LEDIG_SERVICE_CALLS_H

#include "broker/service/http_exchange.h"
#include "broker/service/service.h"

/* Answers; the token was checked, and is `subject`'s. `call` is the router's own id of the call. */
void calls_report(struct service *service, const char *subject, const char *company, const char *call,
                  struct http_exchange *exchange, const struct http_request *request);

/* Ends a call of which its router knows nothing any more. */
void calls_end(struct service *service, const char *company, const char *call);

#endif

/* What people ask about their own data by HTTP, on the port of the apps: to see it, to have it put right, to say yes or
 * no to a purpose, and to have it destroyed. Takes a person's token, and of a log-in only while that stands. */
#ifndef LEDIG_SERVICE_ME_API_H
#define LEDIG_SERVICE_ME_API_H

#include "broker/service/http_exchange.h"
#include "broker/service/service.h"

#define ME_BODY_BYTES_MAX 4096

/* /v1/me, /v1/me/export and /v1/me/consents/{purpose}; false: the path is another, and nothing is answered. */
bool me_api_handle(struct service *service, struct http_exchange *exchange, const struct http_request *request);

#endif

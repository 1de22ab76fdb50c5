/* Questions by HTTP: GET and POST /v1/route. Reads the numbers and renders the rows of routing.h. */
#ifndef LEDIG_SERVICE_ROUTE_API_H
#define LEDIG_SERVICE_ROUTE_API_H

#include "broker/identity/token.h"
#include "broker/service/http_exchange.h"

struct service;

#define ROUTE_BODY_BYTES_MAX (64 * 1024) /* a list of as many numbers as may be asked, with room for blanks */

/* The token was checked. Answers the exchange, at once or later. */
void route_api_answer(struct service *service, const struct token_claims *claims, struct http_exchange *exchange,
                      const struct http_request *request);

#endif

/* GET and POST /v1/keys/rewrap, for operators: how far the re-wrap is, and one that is asked for. */
#ifndef LEDIG_SERVICE_REWRAP_API_H
#define LEDIG_SERVICE_REWRAP_API_H

#include "broker/service/http_exchange.h"
#include "broker/service/service.h"

void rewrap_api_answer(struct service *service, struct http_exchange *exchange, const struct http_request *request);

#endif

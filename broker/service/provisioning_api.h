/* The paths by which an employer's contact person tells of a company: who may call them, and which function answers. */
#ifndef LEDIG_SERVICE_PROVISIONING_API_H
#define LEDIG_SERVICE_PROVISIONING_API_H

#include "broker/service/http_exchange.h"
#include <stdbool.h>

struct service;

/* Answers the exchange, at once or later; false where the path is none of these. */
bool provisioning_api_handle(struct service *service, struct http_exchange *exchange,
                             const struct http_request *request);

#endif

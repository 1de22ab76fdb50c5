/* The paths of the routers' port: who may call them, and which function answers. */
#ifndef LEDIG_SERVICE_ROUTER_API_H
#define LEDIG_SERVICE_ROUTER_API_H

#include "broker/service/http_exchange.h"

/* An http_handler; `service` is a struct service. */
void router_api_handle(void *service, struct http_exchange *exchange, const struct http_request *request);

#endif

/* What a router may ask on its connection: the same operations as by HTTP, pipelined; each is answered by its id, in
 * any order. */
#ifndef LEDIG_SERVICE_ROUTER_REQUESTS_H
#define LEDIG_SERVICE_ROUTER_REQUESTS_H

#include "protocol/message.h"

struct router_link;

/* Answers the message at once or later. It is lent for the call. */
void router_requests_handle(struct router_link *link, uint32_t id, const struct message *message);

/* The router takes no more answers: calls that wait leave the line, what else is open goes on without it. */
void router_requests_orphan(struct router_link *link);

#endif

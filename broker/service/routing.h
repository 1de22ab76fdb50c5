/* What a router may ask: where shall this call go? Answers come from the replica of a company that is loaded, and
 * otherwise from the few records that the question needs; a company asked about repeatedly is loaded. */
#ifndef LEDIG_SERVICE_ROUTING_H
#define LEDIG_SERVICE_ROUTING_H

#include "broker/service/http_exchange.h"
#include <stdbool.h>

struct service;
struct token_claims;
struct routing_number;
struct routing_company;

struct routing {                       /* zeroed = ready for use; owned by the service */
    struct routing_number *numbers;    /* uthash: whose a number was when last looked up; a hint that the replica
                                          confirms. Bounded. */
    struct routing_company *companies; /* uthash: asked about lately. Bounded. */
    uint64_t questions;                /* so far */
};

#define ROUTING_BATCH_MAX 1000             /* numbers in one question */
#define ROUTING_BODY_BYTES_MAX (64 * 1024) /* such a list with room for blanks */

/* GET and POST /v1/route. Answers the exchange, at once or later. */
void routing_answer(struct service *service, const struct token_claims *claims, struct http_exchange *exchange,
                    const struct http_request *request);

void routing_close(struct routing *routing);

#endif

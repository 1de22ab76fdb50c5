/* What a router may ask: where shall this call go? Answers come from the replica of a company that is loaded, and
 * otherwise from the few records that the question needs; a company asked about repeatedly is loaded. */
#ifndef LEDIG_SERVICE_ROUTING_H
#define LEDIG_SERVICE_ROUTING_H

#include "broker/service/e164.h"
#include "protocol/message.h"
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

#define ROUTING_BATCH_MAX LEDIG_ROUTE_COUNT_MAX

struct routing_numbers {
    size_t count;
    char at[ROUTING_BATCH_MAX][E164_BYTES];
};

/* The answer: a row for each number, in their order, and how long ago the store last confirmed them (INT64_MAX: never).
 * Or the error: LEDIG_EUNAVAILABLE where the store is away and the company not loaded. Lent for the call. */
typedef void (*routing_done)(void *arg, int error, const struct part_route_row *rows, size_t count, int64_t stale_ms);

/* Asks what to do with calls to these numbers; those of a company that the claims do not cover are unknown. All is lent
 * for the call. May be done at once. */
void routing_ask(struct service *service, const struct token_claims *claims, const struct routing_numbers *numbers,
                 routing_done done, void *arg);

void routing_close(struct routing *routing);

#endif

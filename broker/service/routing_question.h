/* One question of a router: the numbers in it, what is known of each so far, and at the end its answer. */
#ifndef LEDIG_SERVICE_ROUTING_QUESTION_H
#define LEDIG_SERVICE_ROUTING_QUESTION_H

#include "broker/identity/token.h"
#include "broker/model/availability.h"
#include "broker/service/e164.h"
#include "broker/service/routing.h"
#include "broker/service/routing_forward.h"
#include <jansson.h>

struct routed { /* one number */
    char number[E164_BYTES];
    json_t *answer; /* NULL = not known yet */
    char *owner;    /* what the index says, "acme/user/kari" with NULs for the slashes; NULL = did not ask yet */
    bool is_queue;
    bool needs_company;       /* it is forwarded: the way of the call is found in the replica */
    const char *company, *id; /* in `owner` */
};

struct routing_question {
    struct service *service;
    struct http_exchange *exchange;
    struct token_claims claims;
    uint64_t serial; /* of routing->questions */
    uint64_t asked_ns;
    bool is_list; /* answered by a list */
    size_t reads; /* open requests to the store, and companies that are waited for */
    int error;    /* of one of them */
    size_t count;
    struct routed numbers[];
};

/* Takes the numbers out of the request. On failure the exchange has been answered, and NULL is returned. */
struct routing_question *routing_question_open(struct service *service, const struct token_claims *claims,
                                               struct http_exchange *exchange, const struct http_request *request);

/* Sets what the index says of a number: an owner in a company that the token covers, or NULL. LEDIG_ENO_MEMORY. */
int routing_question_own(struct routing_question *question, struct routed *routed, const char *owner);

/* What is told of a number. */
void routing_tell_person(struct routing_question *question, struct routed *routed, const char *user,
                         const struct view *view, const struct forwarded *forwarded, uint64_t version);
void routing_tell_queue(struct routing_question *question, struct routed *routed, const char *queue, uint64_t version);
void routing_tell_nobody(struct routing_question *question, struct routed *routed);

/* Answers with what was told of every number, or with the problem, and frees the question. */
void routing_question_close(struct routing_question *question);

#endif

/* One question of a router: the numbers in it, what is known of each so far, and at the end its answer. */
#ifndef LEDIG_SERVICE_ROUTING_QUESTION_H
#define LEDIG_SERVICE_ROUTING_QUESTION_H

#include "broker/identity/token.h"
#include "broker/model/availability.h"
#include "broker/service/routing.h"
#include "broker/service/routing_forward.h"

struct routed { /* one number */
    char number[E164_BYTES];
    bool is_known; /* the question's row of it is filled in */
    bool is_queue;
    bool needs_company;  /* it is forwarded: the way of the call is found in the replica */
    char *owner;         /* what the index says, "acme/user/<hash>" with NULs for the slashes; NULL = did not ask yet */
    const char *company; /* in `owner`, or the tenant's */
    const char *hash;    /* in `owner`: of the id */
};

struct routing_question {
    struct service *service;
    routing_done done;
    void *arg;
    struct token_claims claims;
    uint64_t serial; /* of routing->questions */
    uint64_t asked_ns;
    size_t reads;                /* open requests to the store, and companies that are waited for */
    int error;                   /* of one of them */
    struct arena *arena;         /* of what the rows point to; NULL until the first text */
    struct part_route_row *rows; /* one for each number */
    size_t count;
    struct routed numbers[];
};

/* NULL: out of memory. */
struct routing_question *routing_question_open(struct service *service, const struct token_claims *claims,
                                               const struct routing_numbers *numbers, routing_done done, void *arg);

/* Sets what the index says of a number: an owner in a company that the token covers, or NULL. LEDIG_ENO_MEMORY. */
int routing_question_own(struct routing_question *question, struct routed *routed, const char *owner);

/* What is told of a number. */
void routing_tell_person(struct routing_question *question, struct routed *routed, const char *user,
                         const struct view *view, const struct forwarded *forwarded, uint64_t version);
void routing_tell_queue(struct routing_question *question, struct routed *routed, const char *queue, uint64_t version);
void routing_tell_nobody(struct routing_question *question, struct routed *routed);

/* The same from the replica of the company `id`; false where nobody in it has the number. */
bool routing_tell_from(struct routing_question *question, struct routed *routed, const struct company *company,
                       const char *id);

/* Answers with what was told of every number, or with the problem, and frees the question. */
void routing_question_close(struct routing_question *question);

#endif

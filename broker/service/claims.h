/* Claims: a router asks which agent shall get a call that waits in a queue, and has that agent alone, for lease_ms. One
 * commit of the call and the agent's state, so neither can a call have two agents nor an agent two claims. Knows
 * nothing of what carries the question. */
#ifndef LEDIG_SERVICE_CLAIMS_H
#define LEDIG_SERVICE_CLAIMS_H

#include "broker/service/claim_change.h"
#include "broker/service/claim_request.h"
#include "broker/service/service.h"

#define CLAIM_LEASE_MS 20000      /* where the router says nothing */
#define CLAIM_LEASE_MS_MAX 300000 /* an agent whom a router forgot is free again after this */

struct claim_result {          /* lent for the call */
    const struct fault *fault; /* NULL: claimed, or given back */
    bool is_nobody;            /* the fault is that nobody is free: the call may ask again */
    int64_t next_free_at;      /* with is_nobody; 0 = not known */
    size_t position;           /* with is_nobody: in the line, the first one is 1; 0 = it does not wait */
    bool is_new;               /* false: it had its claim already */
    const char *call;
    size_t count;
    struct claim_agent {
        const char *user;
        const char *target; /* the number to call; NULL = none */
    } agents[CLAIM_AGENTS_MAX];
    int64_t lease_ms; /* that are left */
};

/* Who asked. `done` is called once; `is_gone` says whether nobody waits for it any more, so that nobody shall be
 * claimed (it is asked now and then, and whenever claim_line_moved was called). */
struct claim_asker {
    void (*done)(void *arg, const struct claim_result *result);
    bool (*is_gone)(void *arg);
    void *arg;
};

/* The token was checked, and is `subject`'s. All is lent for the call; may be done at once. */
void claims_take(struct service *service, const char *subject, const char *company, const struct claim_request *request,
                 const struct claim_asker *asker);

/* Gives back what was claimed for the call. */
void claims_release(struct service *service, const char *company, const char *call, const struct claim_asker *asker);

/* Ends those that wait: the worker goes. */
void claims_drain(struct service *service);

#endif

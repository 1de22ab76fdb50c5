/* The requests of a client that are open: encoded, in the order in which they were made, each completed exactly once.
 * Does no I/O and owns the encoded bytes; the client sends them and says what came back. */
#ifndef LEDIG_CLIENT_REQUESTS_H
#define LEDIG_CLIENT_REQUESTS_H

#include "clients/c/ledig.h"
#include "protocol/message.h"

struct request {
    struct request *next;
    uint32_t id;
    bool sent;
    bool follows;                                                /* `ok` means: forget */
    uint64_t deadline_ms;                                        /* by the loop's clock */
    ledig_done done;                                             /* may be NULL */
    void (*row)(void *arg, const struct ledig_change *row);      /* of `ask`; may be NULL */
    void (*call)(void *arg, const struct ledig_past_call *call); /* of `calls`, likewise */
    void (*activity)(void *arg, const struct ledig_activity *activity);
    void (*sum)(void *arg, const struct ledig_usage *sum); /* of `usage` */
    void *arg;
    struct buffer bytes;
};

struct requests { /* zeroed = empty */
    struct request *first, *last;
    uint32_t count, last_id;
};

/* The id that the next request gets. */
uint32_t requests_next_id(struct requests *requests);

/* Encodes the message, which carries `id`, and appends it. LEDIG_ERATE_LIMITED, LEDIG_ETOO_LARGE, LEDIG_ENO_MEMORY. */
int requests_add(struct requests *requests, const struct message *message, uint32_t id, struct request **request);

struct request *requests_find(const struct requests *requests, uint32_t id); /* NULL = nobody waits for it */

/* Takes it out, calls `done`, frees it. The callback may make new requests, or free the client. */
void requests_complete(struct requests *requests, struct request *request, const struct ledig_result *result);

/* Completes all of them; with `sent_only` those that are on their way. */
void requests_fail(struct requests *requests, bool sent_only, const struct ledig_result *result);

#endif

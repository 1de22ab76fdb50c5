/* A request that waits for the store. It outlives its session: what was begun is finished, only the answer falls away.
 */
#ifndef LEDIG_SERVICE_REQUEST_H
#define LEDIG_SERVICE_REQUEST_H

#include "broker/model/numbering_plan.h"
#include "broker/service/session.h"
#include "broker/service/update.h"

struct renewal {           /* of a token */
    struct tenant *tenant; /* held */
    struct token_claims claims;
    const char *token; /* of an identity provider; NULL: one of ours, which was checked */
};

struct request {
    struct session *session; /* NULL once nobody waits for the answer */
    struct request *before, *after;
    struct service *service;
    uint32_t id;
    char company[LEDIG_ID_CHARS_MAX + 1];
    char user[LEDIG_ID_CHARS_MAX + 1];  /* whom it is about */
    char actor[LEDIG_ID_CHARS_MAX + 1]; /* who asks */
    char outside[NUMBERING_CODE_BYTES]; /* of a `set`: calling code of the number outside that it forwards to */
    struct arena *arena;                /* for the texts below; owned */
    union {
        struct message_set set;
        struct message_queue queue;
        struct {
            const char *purpose; /* a constant */
            bool granted;
            const char *text, *device, *language;
            const char *login;       /* by HTTP: the log-in that asks, whose device it is; NULL or "" = none */
            int64_t withdrawn_at_ms; /* of a withdrawal that is made once more */
        } consent;
        struct {
            int64_t from_ms, before_ms; /* before 0 = from the newest on */
            uint32_t limit;
            struct usage *usage;                  /* NULL: they want the calls themselves */
            const struct profile_record *profile; /* of `activity` */
        } history;
        struct renewal *renewal; /* in the arena */
    };
};

/* Begins one: NULL when out of memory, or when the session has too many (then it was answered). */
struct request *request_begin(struct session *session, uint32_t id, const char *user);

/* One that nobody waits for: the worker's own. NULL when out of memory. */
struct request *request_begin_own(struct service *service, const char *company, const char *user);

/* A copy in the request's arena; NULL stays NULL. */
const char *request_text(struct request *request, const char *text);

/* Frees it; whoever asked has been answered. */
void request_close(struct request *request);

/* An update_done: answers `ok` with the version, or the error, and frees the request. */
void request_finish(void *request, int error, uint64_t version);

#endif

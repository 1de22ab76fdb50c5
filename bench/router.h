/* The router of a bench: kept-alive HTTP connections to the routers' port, each with at most one question under way,
 * GET /v1/route?to=NUMBER where nothing else is composed. It reads each answer whole and hands it on, and knows nothing
 * of what it means.
 *
 * A connection that the broker closed while it had nothing to do, as any HTTP server may (RFC 9112, section 9.5), is
 * made anew with the next question; a question that was cut off before the first byte of its answer is asked once more.
 * All of it happens inside of router_ask and router_turn. */
#ifndef LEDIG_BENCH_ROUTER_H
#define LEDIG_BENCH_ROUTER_H

#include "bench/employer.h"

#include <jansson.h>

#define ROUTER_CONNECTIONS_MAX 4096
#define ROUTER_ANSWER_BYTES_MAX 4096 /* an answer has some 500, head and all */
#define ROUTER_ASKED_MAX 2           /* times that one question is sent */

struct question {
    uint32_t company, person;
    uint32_t desk;   /* the caller's, too */
    int64_t due_ns;  /* when it should have been sent (monotonic) */
    int64_t sent_ns; /* when it was; set by router_ask */
    /* The caller's, to hold the answer against, as it was when the question was sent: */
    int32_t acknowledged, shown; /* changes of this person: acknowledged, and seen in an answer */
    int64_t version;             /* of the company, seen in an answer */
};

/* An answer, or NULL where it was none: another status than 200 or 201, or no JSON object. `document` is lent. */
typedef void (*router_answer)(void *arg, const struct question *question, const json_t *document);

struct router_line;
struct router;

/* Writes a request with its head. How long it is, or LEDIG_ETOO_LARGE. */
typedef int (*router_compose)(const struct router *router, const struct question *question, char *request, size_t size);

struct router {
    const struct endpoint *endpoint;
    char *token;
    int epoll; /* can itself be waited for */
    struct router_line *line;
    uint32_t lines, idle;
    uint32_t *idle_line; /* the first `idle` of these; the latest to become so is taken first */
    uint64_t sent, answered;
    size_t body_bytes;      /* of the last answer */
    int status;             /* likewise */
    router_compose compose; /* NULL: GET /v1/route; set after router_open */
    uint64_t reopened;      /* connections made again */
    uint64_t asked_again;   /* questions sent a second time */
    uint32_t cut_off;       /* questions that got no answer; the run should end */
    router_answer answer;
    void *arg;
};

/* 0, or an error after a complaint. `token` is copied. On failure too, end with router_close. */
int router_open(struct router *router, const struct endpoint *endpoint, const char *token, uint32_t connections,
                router_answer answer, void *arg);
void router_close(struct router *router); /* {.epoll = -1} too */

/* Whether a further question can be sent now. */
bool router_can_ask(const struct router *router);

/* Sends it; where that fails, it counts as cut off. */
void router_ask(struct router *router, const struct question *question);

/* Reads what has come, without waiting; `answer` is called for each, and may call router_ask. */
void router_turn(struct router *router);

/* Questions under way. */
uint32_t router_open_questions(const struct router *router);

#endif

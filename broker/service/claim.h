/* A claim under way: what claims.c, which makes it, and claim_line.c, where it waits, know of it. */
#ifndef LEDIG_SERVICE_CLAIM_H
#define LEDIG_SERVICE_CLAIM_H

#include "broker/service/claim_change.h"
#include "broker/service/claim_request.h"
#include "broker/service/http_exchange.h"
#include "broker/service/service.h"

#define CLAIM_TRIED_MAX 256

struct claim {
    struct service *service;
    struct tenant *tenant; /* held */
    struct http_exchange *exchange;
    struct claim *before, *next; /* of those under way on this worker */
    struct claim_request request;
    struct claim_change change;
    bool releases;          /* gives the claims back */
    bool leaves;            /* its router has hung up */
    bool commits;           /* a commit of its own is under way */
    bool looked_anew;       /* at a replica as new as the store was when nobody was found free */
    uint64_t expires_ms;    /* the loop's time at which it is answered in any case; 0 = it does not wait */
    uint64_t free_since_ms; /* the loop's time since when agents were seen free while others came first; 0 = none */
    uint64_t seen_place;    /* the company's list, as it was looked at last */
    size_t position;        /* how many calls wait before this one */
    unsigned tries;
    char router[LEDIG_ID_CHARS_MAX + 1]; /* its lease */
    char queue[LEDIG_ID_CHARS_MAX + 1];
    char people[CLAIM_PEOPLE_MAX][LEDIG_ID_CHARS_MAX + 1];
    size_t chosen; /* how many of them come into question; those behind were on the call */
    char tried[CLAIM_TRIED_MAX][LEDIG_ID_CHARS_MAX + 1]; /* found taken by others */
    size_t tried_count;
    int64_t next_free_at;
    char call[LEDIG_NAME_CHARS_MAX * 4 + 1];
};

/* Chooses among the agents as they stand now, and commits. The claim may be gone when it returns. */
void claim_try(struct claim *claim);

/* The router has hung up: gives up its place in the line, and ends. */
void claim_leave(struct claim *claim);

/* 409: nobody is free. The claim is gone. */
void claim_answer_nobody(struct claim *claim);

#endif

/* A claim under way: what claims.c, which makes it, and claim_line.c, where it waits, know of it. Thousands may wait,
 * so what is only needed while it chooses and commits is apart. */
#ifndef LEDIG_SERVICE_CLAIM_H
#define LEDIG_SERVICE_CLAIM_H

#include "broker/service/claim_change.h"
#include "broker/service/claims.h"
#include "broker/service/footing.h"

#define CLAIM_TRIED_MAX 256

/* Why a call needs nobody any more. */
#define CLAIM_ENDED "the call has ended"
#define CLAIM_ANSWERED "the call was answered"
#define CLAIM_GIVEN_BACK "the call waits no longer: it was given back, or reported elsewhere"

struct claim_attempt {
    struct claim_change change;
    unsigned tries;
    size_t chosen; /* how many of the people come into question; those behind were on the call */
    char people[CLAIM_PEOPLE_MAX][LEDIG_ID_CHARS_MAX + 1];
    size_t tried_count;
    char (*tried)[LEDIG_ID_CHARS_MAX + 1]; /* found taken by others; owned, and mostly there are none */
};

struct claim {
    struct footing footing;
    struct claim_asker asker;
    struct claim *before, *next;   /* of those under way on this worker */
    struct claim_attempt *attempt; /* owned; NULL while it waits */
    const char *call, *queue;      /* these and `excluded` point into `texts` */
    const char **excluded;
    size_t excluded_count;
    uint32_t lease_ms, wait_ms;
    enum strategy strategy;
    bool says_strategy;     /* else it is the queue's */
    bool releases;          /* gives the claims back */
    bool leaves;            /* its router has hung up */
    bool commits;           /* a commit of its own is under way */
    bool looked_anew;       /* at a replica as new as the store was when nobody was found free */
    uint64_t expires_ms;    /* the loop's time at which it is answered in any case; 0 = it does not wait */
    uint64_t free_since_ms; /* the loop's time since when agents were seen free while others came first; 0 = none */
    uint64_t waits_since;   /* the company's version that has it in the line; 0 = none yet */
    uint64_t seen_place;    /* the company's list, as it was looked at last */
    _Alignas(const char *) char texts[];
};

/* Chooses among the agents as they stand now, and commits. The claim may be gone when it returns. */
void claim_try(struct claim *claim);

/* The router has hung up: gives up its place in the line, and ends. */
void claim_leave(struct claim *claim);

/* Nobody is free; or the call needs nobody any more. The claim is gone. */
void claim_answer_nobody(struct claim *claim);
void claim_answer_over(struct claim *claim, const char *why);

#endif

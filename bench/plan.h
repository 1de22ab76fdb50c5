/* The plan of a run: what the command line says, and where that says nothing, what is usual for its scenario. A plan
 * that is complete makes sense: what a scenario does not have is refused before anything is started, never passed over.
 *
 * Texts are the command line's. */
#ifndef LEDIG_BENCH_PLAN_H
#define LEDIG_BENCH_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#define PLAN_FLAGS_MAX 8
#define GROW_PARTS 32 /* a growing crowd begins with this part of it */

struct plan {
    const char *scenario, *title; /* title: of a plot */
    uint32_t subscribers, companies;
    uint32_t publishers;   /* of each company */
    uint32_t people;       /* of each company; 0 = as the crowd has it */
    uint32_t workers;      /* of the broker that is started; 0 = as many as the connections need */
    uint32_t generators;   /* processes; 0 = as many as the connections need */
    uint32_t rounds;       /* pairs of rounds, against the limit */
    uint32_t sides;        /* that a turn of rounds has, each of a second where it is not said; 0 = no matter */
    uint32_t stalled;      /* subscribers that stop reading */
    bool run_starts_small; /* not all connect at first, and those who publish are among the first */
    uint32_t watchers;     /* of a storm: those who stay connected */
    double rate, seconds;
    double changes;       /* a second, while a router asks at `rate` */
    uint32_t connections; /* of the router */
    uint32_t seed;        /* of what happens at random */
    bool finds_rate;      /* questions are half as many as rounds with nginx had */
    bool saturates;       /* the next question as soon as a connection is free */
    double patience_s;    /* how long to wait where nothing moves */
    bool against_limit, against_nginx;
    bool tls, forgets_sessions; /* forgets_sessions: every TLS handshake is a full one */
    const char *trust;          /* certificates that vouch for another's broker, or NULL */
    bool spreads;               /* may be played by several processes */
    bool is_mixed;              /* companies of different sizes, of people who may have two devices */
    bool asks;                  /* those who publish are in the first process, all others in further ones */
    bool claims;                /* everybody is an agent of a queue */
    bool storms; /* those who storm are in processes of their own, so that the watchers are read in time */
    const char *url, *router_url, *data; /* of a broker that runs already, or NULL */
    const char *json;                    /* file, "-", or NULL */
    const char *svg, *compare;           /* files, or NULL */
    uint32_t said;                       /* options of the command line that not all scenarios have */
    char stall_ms[16];
    const char *flags[PLAN_FLAGS_MAX + 1]; /* further ones for the broker that is started */
};

/* Takes an option of the command line; `text` is NULL for one without a value. False after a complaint. */
bool plan_take(struct plan *plan, const char *option, const char *text);

/* Fills in what was not said. False after a complaint. */
bool plan_complete(struct plan *plan, const struct plan *usual);

/* Whether there is a table for people: not where standard output is the report's. */
bool plan_tells(const struct plan *plan);

#endif

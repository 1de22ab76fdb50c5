/* What claims are measured against: the broker's own commit script on the broker's own Redis, with two entities of the
 * size that a claim writes, as many under way as the broker may have, from one connection, and nothing around it. Its
 * companies are its own. */
#ifndef LEDIG_BENCH_BARE_COMMIT_H
#define LEDIG_BENCH_BARE_COMMIT_H

#include "bench/rounds.h"
#include "bench/subject.h"
#include "protocol/shape.h"

#define BARE_COMPANY_IN_FLIGHT 32 /* the broker's company_in_flight */
#define BARE_IN_FLIGHT_MAX 1024

struct bare_slot { /* one commit under way */
    uint32_t company, calls;
    char revisions[2][24]; /* of call and state, as the script compares them */
};

struct bare_commit {
    int socket; /* -1 = none */
    pid_t redis;
    uint32_t slots;
    struct bare_slot *slot;
    size_t record_bytes[2]; /* call, state */
    struct buffer out, in;
};

/* 0, or an error after a complaint. `call` is an id that company 0 has claimed just now: for the sizes. On failure too,
 * end with bare_commit_close. */
int bare_commit_open(struct bare_commit *bare, const struct subject *subject, uint32_t companies, const char *call,
                     const char *user);
void bare_commit_close(struct bare_commit *bare);

/* One round. 0, or an error after a complaint. */
int bare_commit_round(struct bare_commit *bare, int64_t duration_ns, struct round *round);

#endif

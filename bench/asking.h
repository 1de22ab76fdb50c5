/* What a router asks and hears in a bench: every question with what was known when it was sent, and every answer held
 * against what was set. Each change has a return time of its own, so that an answer tells which change it shows.
 *
 * The scenario is the caller's; all publishers are in this process. */
#ifndef LEDIG_BENCH_ASKING_H
#define LEDIG_BENCH_ASKING_H

#include "bench/router.h"
#include "bench/scenario.h"

enum phase {
    WARMING, /* the router worker may still show what was before: asked again, and not judged */
    PLAYING,
    SETTLING /* only the last change is right; what is not is asked again, and what is never so is wrong */
};

struct asking {
    struct scenario *scenario;
    struct router router;
    uint64_t random;
    int64_t first_return_ms; /* of sequence number 0 */
    int32_t *shown;          /* the latest change in an answer, by publisher's number in all */
    int64_t *version;        /* likewise, by company */
    enum phase phase;
    uint8_t *settled; /* by publisher's number: in this phase it was seen to show the last change */
    struct histogram latency_us, cold_us, behind_us;
    struct histogram *into; /* which of them, just now; NULL = none */
    uint64_t wrong, behind, problems;
    uint64_t answers; /* of what is measured */
    uint64_t questions, changes;
    char what[128]; /* was wrong first */
};

/* After the crowd has gathered, with the run's seed: connects the router. It is zeroed, but for router.epoll, which is
 * -1. 0, or an error after a complaint; on failure too, end with asking_close. */
int asking_open(struct asking *asking, struct scenario *scenario);
void asking_close(struct asking *asking);

/* Asks about one person, or about anybody, every other time about somebody who changes; the question should have been
 * sent at `due_ns` (monotonic). router_can_ask must hold. */
void asking_ask(struct asking *asking, uint32_t company, uint32_t person, int64_t due_ns);
void asking_ask_anybody(struct asking *asking, int64_t due_ns);

/* The next change of the next publisher: companies in turn. 0, or LEDIG_ENO_MEMORY after a complaint. */
int asking_change(struct asking *asking, int64_t due_ns);

/* Publishers whose last change no answer has shown since `settled` was cleared. */
uint64_t asking_unsettled(const struct asking *asking);

#endif

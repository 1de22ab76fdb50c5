/* A publisher: somebody of a company who changes, by the subscriber that is theirs, and all that they have set, so that
 * what others see can be told from what they should. It never waits; what is under way is counted in the crowd, which
 * owns it. */
#ifndef LEDIG_BENCH_PUBLISHER_H
#define LEDIG_BENCH_PUBLISHER_H

#include "bench/subscriber.h"

#define DUE_UNKNOWN (-1) /* earlier than any time */

struct status {                    /* as a person sets it; texts are constants */
    const char *status, *activity; /* activity may be NULL */
    int64_t until_ms;              /* return time, since the Unix epoch; 0 = none */
};

struct change_made {
    int64_t due_ns; /* when it should have been sent (monotonic); DUE_UNKNOWN = its line broke before the answer */
    struct status status;
};

struct publisher {
    struct subscriber *subscriber; /* NULL: another generator process has it, and the board says what it does */
    int32_t asked, acknowledged;   /* sequence numbers of changes; SEQUENCE_NONE = none yet */
    int32_t taken_back;            /* the latest one after which the row is plain; likewise */
    uint32_t awaited;              /* subscribers that have not seen `asked` yet */
    bool consented, known;         /* known: `truth` holds the broker's answer */
    bool is_false;                 /* which shows something else than was set */
    struct seen truth;
    struct change_made *made; /* by sequence number */
    size_t made_capacity;
};

int publisher_consent(struct publisher *publisher);

/* The publisher's next change, which should have been sent at `due_ns` (monotonic): busy, away, dnd in turn. Everybody
 * who follows is waited for. */
int publisher_change(struct publisher *publisher, int64_t due_ns);

/* Its next change to this status. Nobody is waited for: see crowd_catch_up. */
int publisher_set(struct publisher *publisher, const struct status *status, int64_t due_ns);

/* Without a return time, "available" only takes back what was set before. */
bool status_takes_back(const struct status *status);

/* Whether the row shows a change that may be the last one: the one acknowledged, or one asked for since whose answer
 * was lost with the connection; or nothing, where that one is over. */
bool publisher_may_show(const struct publisher *publisher, const struct digest_row *row,
                        const struct part_member *member);

#endif

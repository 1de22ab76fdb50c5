/* The further generator processes of a run, where one has not descriptors enough. Each has its own part of the
 * subscribers, connects them, reads all that comes, and checks its views at the end; the first process, which runs the
 * scenario, plays the schedule and tells the others what to do. They never print but to complain, and end with it.
 *
 * An order is one byte on a socket to each, and one byte comes back when it is done; what was counted lies in shared
 * memory by then. */
#ifndef LEDIG_BENCH_GENERATORS_H
#define LEDIG_BENCH_GENERATORS_H

#include "bench/board.h"
#include "bench/crowd.h"
#include "bench/shift.h"

#include <sys/types.h>

#define GENERATORS_MAX 32               /* processes in all */
#define GENERATOR_CONNECTIONS_MAX 15000 /* of one, unless it is asked for fewer processes */

enum order {
    ORDER_CATCH_UP,  /* until everybody has seen what is acknowledged */
    ORDER_BEGIN,     /* counts from here on */
    ORDER_END,       /* says what was counted since */
    ORDER_BREAK_OFF, /* everybody loses the connection */
    ORDER_RETURN,    /* and comes back; done when it has begun */
    ORDER_CAST,      /* goes home, to play its part of a day */
    ORDER_DAY,       /* plays it */
    ORDER_CHECK      /* holds every view against what the broker answers */
};

struct generator_count { /* what one of them found; valid after the order that asked for it */
    struct tally tally;
    int64_t cpu_ns, last_delivery_ns;
    uint64_t changes, refused, broken;
    uint64_t resumed, resumed_sessions;
    uint32_t gone;
    _Atomic uint32_t live; /* told at every turn */
    struct verdict verdict;
    struct histogram latency_us, return_us, passed_us;
    struct shift_count shift;
};

struct generators {
    uint32_t processes; /* with the first one */
    pid_t pid[GENERATORS_MAX];
    int channel[GENERATORS_MAX];
    struct board board;
    struct generator_count *counts; /* shared; by rank, that of the first is not used */
    char run[DIGEST_RUN_CHARS];
    int64_t looked_ns;
};

/* Forks the others, which begin to connect their parts of a crowd with these options at once. `share` of the options is
 * filled in: for the first process, too. 0, or an error after a complaint. */
int generators_start(struct generators *generators, uint32_t processes, const struct cores *cores,
                     struct crowd_options *options);

/* They have connected, and their publishers have consented. Turns the crowd meanwhile. 0, or an error after a
 * complaint. */
int generators_join(struct generators *generators, struct crowd *crowd);

/* Gives an order and waits until all have done it, as above; LEDIG_EUNAVAILABLE, without a complaint, where somebody
 * did not catch up. */
int generators_order(struct generators *generators, struct crowd *crowd, enum order order);

/* The two halves of generators_order, for work of one's own between them. */
int generators_tell(struct generators *generators, enum order order);
int generators_await(struct generators *generators, struct crowd *crowd);

/* Whether all still run, looked at ten times a second. 0, or LEDIG_EIO after a complaint. */
int generators_look(struct generators *generators);

/* Subscribers that are live in the others just now. */
uint32_t generators_live(const struct generators *generators);

void generators_stop(struct generators *generators); /* {0} too, and twice */

#endif

/* The day of those subscribers that one process has: casts them, and lets each do what its day says, when it says so.
 * What cannot be done because a device is not there just now is done, in order, once it is.
 *
 * The crowd has gathered before, and stays the caller's. Companies are never torn apart between processes. */
#ifndef LEDIG_BENCH_SHIFT_H
#define LEDIG_BENCH_SHIFT_H

#include "bench/crowd.h"
#include "bench/day.h"

struct shift_count {
    uint64_t events, mark; /* of the day as it was drawn; marks of all processes are added up */
    uint64_t phones;       /* second devices */
    uint64_t following_all, following_few;
    uint64_t arrived, moved, turned, left;
};

struct absence;

struct shift {
    struct crowd *crowd;
    uint32_t seed;
    double ns_a_second; /* of the day */
    struct day day;
    enum day_kind *kinds;
    size_t next;     /* event */
    size_t *put_off; /* events whose device is not there just now, in order */
    size_t put_off_count;
    struct absence *absent; /* one for each subscriber at most */
    uint32_t absent_count;
    int64_t began_ns;
    struct shift_count count;
};

/* Everybody goes home, and is cast for a day of that many seconds. 0, or an error after a complaint; on failure too,
 * end with shift_close. */
int shift_open(struct shift *shift, struct crowd *crowd, uint32_t seed, double seconds);
void shift_close(struct shift *shift); /* {0} too */

/* From the morning to the evening, and until everything that was to happen has; then whoever is still there looks at
 * the screen, and nothing is under way any more. Ends early when a connection is lost; the check then says so. Returns
 * when the day itself was over in *ended_ns. 0, or an error after a complaint. */
int shift_play(struct shift *shift, int64_t *ended_ns);

void shift_add(struct shift_count *sum, const struct shift_count *more);

#endif

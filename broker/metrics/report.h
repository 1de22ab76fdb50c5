/* What a worker tells the supervisor, over a pipe: whether it can serve, and its metrics. Both ends are the same
 * program, so the struct itself is the format; a write of one is whole or does not happen, since it is no larger than
 * the kernel's PIPE_BUF. */
#ifndef LEDIG_METRICS_REPORT_H
#define LEDIG_METRICS_REPORT_H

#include "broker/metrics/metrics.h"

#include <limits.h>

#define REPORT_MAGIC 0x4c44524du

struct report {
    uint32_t magic, bytes;
    uint64_t ready;       /* 0 or 1 */
    uint64_t descriptors; /* open ones: the supervisor may not look into a worker */
    struct metrics metrics;
};

_Static_assert(sizeof(struct report) <= PIPE_BUF, "a larger report could be torn apart");

/* Never waits. 0, LEDIG_EUNAVAILABLE where the pipe is full, or LEDIG_EIO where nobody hears any more. */
int report_write(int fd, bool ready, uint64_t descriptors, const struct metrics *metrics);

bool report_is_good(const struct report *report);

#endif

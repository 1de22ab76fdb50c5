/* What the operations port answers at /metrics: the metrics of all workers, each with its label, and what the
 * supervisor itself knows of its processes and its disk. Read from the workers' last reports; asks nobody. */
#ifndef LEDIG_METRICS_PAGE_H
#define LEDIG_METRICS_PAGE_H

#include "broker/child.h"
#include "protocol/message.h"

struct metrics_page {
    const char *data_dir;
    const struct child *children;
    size_t count;
    pid_t redis; /* 0: not ours, or none runs */
    bool has_redis;
    uint64_t redis_starts;
};

/* LEDIG_ENO_MEMORY; the text is then not to be used. */
int metrics_page_write(const struct metrics_page *page, struct buffer *text);

#endif

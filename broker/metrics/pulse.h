/* How well a loop does: how late it runs a timer, how much of its time is work, how much processor time the process has
 * taken. Owned by whoever runs the loop, who also lends the metrics. */
#ifndef LEDIG_METRICS_PULSE_H
#define LEDIG_METRICS_PULSE_H

#include "broker/metrics/metrics.h"
#include <uv.h>

#define PULSE_MS 100

struct pulse {
    struct metrics *metrics;
    uv_timer_t timer;
    uint64_t due_ms; /* the loop's time */
    uint64_t began_ns;
};

/* Before the loop runs. LEDIG_EIO. */
int pulse_open(struct pulse *pulse, uv_loop_t *loop, struct metrics *metrics);

/* Brings busy_us and cpu_us up to date. */
void pulse_measure(const struct pulse *pulse);

/* The struct must live until the loop has closed the handle. */
void pulse_close(struct pulse *pulse);

#endif

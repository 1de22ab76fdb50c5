/* Metrics as text for Prometheus, format 0.0.4: each family once with its HELP and TYPE, then a line for each worker.
 * Writes into the caller's buffer and keeps nothing. */
#ifndef LEDIG_METRICS_TEXT_H
#define LEDIG_METRICS_TEXT_H

#include "broker/metrics/metrics.h"

#define METRICS_TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_TEXT_BYTES_MAX (4u * 1024 * 1024) /* of 65 workers, each value as long as it can be */
#define METRICS_WORKER_CHARS_MAX 31

struct metrics_source {
    char worker[METRICS_WORKER_CHARS_MAX + 1]; /* "app-0" */
    struct metrics metrics;
};

/* All families of metrics.def. */
void metrics_text_workers(struct buffer *text, const struct metrics_source *sources, size_t count);

/* For further ones: the head of a family, and a sample with its labels ("" or `{worker="app-0"}`). */
enum metrics_type { METRICS_COUNTER, METRICS_GAUGE, METRICS_HISTOGRAM };
void metrics_text_family(struct buffer *text, const char *name, enum metrics_type type, const char *help);
void metrics_text_sample(struct buffer *text, const char *name, const char *labels, uint64_t value);

#endif

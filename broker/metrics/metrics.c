#include "broker/metrics/metrics.h"

static void add(uint64_t *sum, const uint64_t *ended, size_t count) {
    for (size_t i = 0; i < count; i++)
        sum[i] += ended[i];
}

void metrics_add_counters(struct metrics *sum, const struct metrics *ended) {
#define COUNTER(field, name, unit, help) sum->field += ended->field;
#define COUNTERS(field, size, label, name, help) add(sum->field, ended->field, size);
#define GAUGE(field, name, unit, help)
#define HISTOGRAM(field, name, unit, first, help)                                                                      \
    sum->field.sum += ended->field.sum;                                                                                \
    add(sum->field.buckets, ended->field.buckets, METRICS_BUCKETS + 1);
#include "broker/metrics/metrics.def"
#undef COUNTER
#undef COUNTERS
#undef GAUGE
#undef HISTOGRAM
}

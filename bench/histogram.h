/* A histogram of times with three significant digits, in the manner of HdrHistogram: buckets that are linear within
 * each power of two, so that recording costs a shift and an addition, and no value is ever averaged away.
 *
 * It never allocates; a zeroed one is empty and ready for use. The unit is the caller's. */
#ifndef LEDIG_BENCH_HISTOGRAM_H
#define LEDIG_BENCH_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_HALF 1024 /* slots for each power of two: one part in 1024 is three digits */
#define HISTOGRAM_OCTAVES 26
#define HISTOGRAM_SLOTS ((HISTOGRAM_OCTAVES + 2) * HISTOGRAM_HALF)
#define HISTOGRAM_VALUE_MAX ((UINT64_C(2) * HISTOGRAM_HALF << HISTOGRAM_OCTAVES) - 1) /* 38 hours in µs */

struct histogram {
    uint64_t total; /* values recorded */
    uint64_t max;   /* the largest of them, exactly */
    uint64_t slots[HISTOGRAM_SLOTS];
};

/* Larger values than HISTOGRAM_VALUE_MAX count as that. */
void histogram_record(struct histogram *histogram, uint64_t value);

/* Adds all that another one has. */
void histogram_add(struct histogram *histogram, const struct histogram *other);

/* The value that `share` (0 … 1) of all recorded ones do not exceed, rounded up within its slot; 0 when empty. */
uint64_t histogram_at(const struct histogram *histogram, double share);

#endif

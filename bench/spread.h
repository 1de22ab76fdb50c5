/* What values of several rounds come to: the one in the middle, and how far they lie apart. A mean would be one round's
 * bad luck. It keeps nothing. */
#ifndef LEDIG_BENCH_SPREAD_H
#define LEDIG_BENCH_SPREAD_H

#include <stddef.h>
#include <stdint.h>

#define ROUNDS_MAX 200

struct spread {
    double median, low, high;
};

/* Of a member of the structs of an array: `first` is that of the first one, the next are `stride` bytes apart. `count`
 * is 1 to ROUNDS_MAX. */
struct spread spread_of(const double *first, size_t stride, uint32_t count);

#endif

#include "bench/spread.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct spread spread_of(const double *first, size_t stride, uint32_t count) {
    double values[ROUNDS_MAX] = {0};
    assert(count > 0 && count <= ROUNDS_MAX);
    for (uint32_t i = 0; i < count; i++)
        memcpy(&values[i], (const char *)first + i * stride, sizeof values[i]);
    qsort(values, count, sizeof *values, ascending);
    return (struct spread){(values[(count - 1) / 2] + values[count / 2]) / 2, values[0], values[count - 1]};
}

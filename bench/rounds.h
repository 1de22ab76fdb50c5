/* Rounds of two sides that took turns, and how they compare: medians, best rounds, and the spread of the pairs. */
#ifndef LEDIG_BENCH_ROUNDS_H
#define LEDIG_BENCH_ROUNDS_H

#include "bench/spread.h"

#include <jansson.h>
#include <stdint.h>

struct round {
    double sends_per_s;     /* by the wall clock */
    double sends_per_cpu_s; /* by the time that the sending process was on its core */
    double busy;            /* share of the round that it was */
};

struct rounds {
    const char *unit;  /* what is counted: "sends" where it is NULL */
    const char *other; /* who the limit is, for the table: the raw send() loop where it is NULL */
    uint32_t count;
    struct round broker[ROUNDS_MAX], limit[ROUNDS_MAX];
};

/* {"rounds", "ratio", "ratio_best", "sends_per_cpu_s", "sends_per_s", "broker_busy", "limit_busy"}, with another unit
 * "requests_per_cpu_s" and so on: the two ratios at the top are those of `sends_per_cpu_s` (README.md says why). NULL
 * when out of memory. */
json_t *rounds_report(const struct rounds *rounds);
void rounds_print(const struct rounds *rounds);

#endif

/* How contenders that took turns stand beside each other: the table for people and the members of the report. The first
 * of them is Ledig, to which the others' ratios refer. It measures nothing and owns nothing. */
#ifndef LEDIG_BENCH_STANDINGS_H
#define LEDIG_BENCH_STANDINGS_H

#include "bench/peers/contender.h"

struct standings {
    const struct contender *contender;
    uint32_t count, rounds;
};

/* An array with an object for each; NULL when out of memory. */
json_t *standings_report(const struct standings *standings);
void standings_print(const struct standings *standings);

#endif

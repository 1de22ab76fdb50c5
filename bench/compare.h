/* An earlier run's report beside the present one: each figure that both have, the change in percent, and whether that
 * is better or worse where it can be said. It also says where two runs differ in what they were (versions, cores,
 * counts), so that a comparison means little; it judges nothing by itself, and never fails a run. */
#ifndef LEDIG_BENCH_COMPARE_H
#define LEDIG_BENCH_COMPARE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* Reads an earlier --json object of the same scenario, before a long run is begun for nothing. 0 with an object that is
 * the caller's, or LEDIG_EBAD_REQUEST after a complaint. */
int compare_load(const char *path, const char *scenario, json_t **earlier);

enum compare_change { COMPARE_SAME, COMPARE_BETTER, COMPARE_WORSE, COMPARE_UNJUDGED };

/* What a change of the figure with this name (its last part: "p99" of "latency_ms.p99" goes by "latency_ms") means.
 * Less than a percent is the same. */
enum compare_change compare_judge(const char *path, double before, double now);

/* What differs in how the two were made, as words between commas ("versions.ledig 0.2.0 and 0.3.0, …"); empty where
 * nothing does. A new object {name: [earlier, present]} that is the caller's; NULL when out of memory. */
json_t *compare_conditions(const json_t *earlier, const json_t *present);

/* The table. `colour`: with the codes of a terminal. */
void compare_print(const json_t *earlier, const json_t *present, bool colour, FILE *out);

#endif

/* What a run found, for programs and for people: a JSON object with where and with what it was measured, and helpers to
 * print figures so that they can be read.
 *
 * The object is the caller's (json_decref). */
#ifndef LEDIG_BENCH_REPORT_H
#define LEDIG_BENCH_REPORT_H

#include "bench/cores.h"
#include "bench/histogram.h"

#include <jansson.h>

/* {"scenario", "versions", "cores", "build"}, or NULL when out of memory. */
json_t *report_begin(const char *scenario, const struct cores *cores);

void report_number(json_t *report, const char *name, double value);
void report_count(json_t *report, const char *name, int64_t value);

/* "latency_ms": p50, p99, p999, max of a histogram in µs; null where nothing was recorded. */
void report_latency(json_t *report, const struct histogram *latency_us);

/* Whether that file can be written, before a long run is begun for nothing; NULL and "-" can. 0, or LEDIG_EIO after a
 * complaint. Makes no file. */
int report_check_path(const char *path);

/* To a file, or to standard output for "-". 0, or LEDIG_EIO after a complaint. */
int report_write(const json_t *report, const char *path);

/* "1,234,567" in `text`, which is also returned. */
#define REPORT_GROUPED_CHARS 32
char *report_grouped(double value, char text[static REPORT_GROUPED_CHARS]);

/* Says on standard error that figures of a build without optimisation mean nothing, where this is one. */
void report_warn_of_build(void);

#endif

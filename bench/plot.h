/* A plot as a self-contained SVG file: no script, no font or image from elsewhere, readable on a light page and on a
 * dark one. Latency percentiles, or cost against size.
 *
 * Everything is borrowed for the call; texts may hold any UTF-8, which is escaped. */
#ifndef LEDIG_BENCH_PLOT_H
#define LEDIG_BENCH_PLOT_H

#include "bench/histogram.h"

#include <jansson.h>
#include <stdbool.h>

#define PLOT_SERIES_MAX 6 /* colours that everybody can tell apart */

struct plot {
    const char *title, *subtitle;  /* subtitle may be NULL */
    const char *x_label, *y_label; /* with units; cost against size alone */
    bool x_log, y_log;             /* likewise */
    const json_t *report;          /* where and with what it was measured, from report_begin */
};

struct plot_latency {
    const char *name;
    const struct histogram *latency_us; /* an empty one is left out */
};

struct plot_point {
    double x, y;
    double low, high; /* spread; NAN = none */
};

struct plot_points {
    const char *name;
    const struct plot_point *point; /* by ascending x; those that are not finite are left out */
    size_t count;
};

/* Both write the file whole. 0, or LEDIG_EIO or LEDIG_EBAD_REQUEST (nothing to draw, too many series) after a
 * complaint. */
int plot_write_latency(const struct plot *plot, const struct plot_latency *series, size_t count, const char *path);
int plot_write_cost(const struct plot *plot, const struct plot_points *series, size_t count, const char *path);

#endif

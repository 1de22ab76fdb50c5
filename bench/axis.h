/* One axis of a plot: from where to where it goes, at which round values its ticks stand, where a value lies on it, and
 * how a value is written. It knows nothing of what is drawn, and never allocates. */
#ifndef LEDIG_BENCH_AXIS_H
#define LEDIG_BENCH_AXIS_H

#include <stdbool.h>
#include <stddef.h>

#define AXIS_TICKS_MAX 16
#define AXIS_LABEL_CHARS 32

struct axis {
    double low, high; /* both are ticks */
    bool log;
    size_t count;
    double tick[AXIS_TICKS_MAX]; /* ascending */
};

/* The axis for values from `low` to `high`: a linear one begins at 0 (or below) and steps by 1, 2 or 5 times a power of
 * ten; a logarithmic one has ticks at powers of ten, and at their 2- and 5-fold where the values span no more than two
 * of them. Values that a logarithm does not have (≤ 0) do not count. */
void axis_fit(struct axis *axis, double low, double high, bool log);

/* 0 at the low end, 1 at the high one; what lies beyond is put on the edge. */
double axis_at(const struct axis *axis, double value);

/* "0.05", "500", "2,000", "20k", "1.5M" in `text`, which is also returned. */
char *axis_label(double value, char text[static AXIS_LABEL_CHARS]);

#endif

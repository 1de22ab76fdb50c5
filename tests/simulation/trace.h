/* What happened, line by line: hashed as it comes, so that two runs can be compared, and the last lines kept, to be
 * read where something was wrong. Owned by the run. */
#ifndef LEDIG_SIMULATION_TRACE_H
#define LEDIG_SIMULATION_TRACE_H

#include "tests/simulation/timeline.h"

#include <stdbool.h>

#define TRACE_LINES_MAX 400
#define TRACE_LINE_BYTES 320

struct trace {
    const struct timeline *timeline;
    bool prints; /* every line, at once */
    uint64_t hash, lines;
    char (*last)[TRACE_LINE_BYTES];
};

void trace_open(struct trace *trace, const struct timeline *timeline, bool prints);
void trace_close(struct trace *trace);
void trace_line(struct trace *trace, const char *format, ...) __attribute__((format(printf, 2, 3)));
void trace_print_last(const struct trace *trace, uint64_t lines); /* on stderr */

/* Where the broker's own log lines go from now on: log.h takes no context. NULL: nowhere. */
void trace_take_log(struct trace *trace);

#endif

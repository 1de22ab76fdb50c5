#include "tests/simulation/trace.h"

#include "broker/log.h"
#include "tests/simulation/virtual_loop.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static struct trace *log_trace; /* log_event is not told whose it is */

void trace_open(struct trace *trace, const struct timeline *timeline, bool prints) {
    *trace = (struct trace){.timeline = timeline, .prints = prints, .hash = 14695981039346656037u};
    trace->last = calloc(TRACE_LINES_MAX, sizeof *trace->last);
    if (!trace->last) abort();
}

void trace_close(struct trace *trace) {
    if (log_trace == trace) log_trace = NULL;
    free(trace->last);
}

/* FNV-1a */
static void add_to_hash(struct trace *trace, const char *text) {
    for (; *text; text++)
        trace->hash = (trace->hash ^ (uint8_t)*text) * 1099511628211u;
}

static void add_line(struct trace *trace, const char *format, va_list values) {
    char *line = trace->last[trace->lines++ % TRACE_LINES_MAX];
    int length = snprintf(line, TRACE_LINE_BYTES, "%11.6f ", (double)trace->timeline->now_us / 1e6);
    vsnprintf(line + length, TRACE_LINE_BYTES - (size_t)length, format, values);
    add_to_hash(trace, line);
    if (trace->prints) puts(line);
}

void trace_line(struct trace *trace, const char *format, ...) {
    va_list values;
    va_start(values, format);
    add_line(trace, format, values);
    va_end(values);
}

void trace_print_last(const struct trace *trace, uint64_t lines) {
    if (lines > trace->lines) lines = trace->lines;
    if (lines > TRACE_LINES_MAX) lines = TRACE_LINES_MAX;
    for (uint64_t i = trace->lines - lines; i < trace->lines; i++)
        fprintf(stderr, "%s\n", trace->last[i % TRACE_LINES_MAX]);
}

void trace_take_log(struct trace *trace) {
    log_trace = trace;
}

void log_event(enum log_level level, const char *event, const char *fields, ...) {
    char text[TRACE_LINE_BYTES / 2];
    va_list values;
    const struct virtual_loop *loop = virtual_loop_current();
    if (!log_trace || level == LOG_DEBUG || (loop && loop->detached)) return;
    va_start(values, fields);
    vsnprintf(text, sizeof text, fields, values);
    va_end(values);
    trace_line(log_trace, "log %s %s", event, text);
}

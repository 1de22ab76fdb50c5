#include "broker/log.h"
#include "broker/log_line.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES_MAX 1024 /* below PIPE_BUF, so that lines of several processes do not mix */

/* Logging is the one thing that every module may do without being handed a context. */
static enum log_level log_least = LOG_INFO;
static const char *log_process = "";

void log_open(enum log_level least, const char *process) {
    log_least = least;
    log_process = process;
}

static void append(struct log_line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void append(struct log_line *line, const char *format, ...) {
    va_list values;
    va_start(values, format);
    log_line_append(line, format, values);
    va_end(values);
}

void log_event(enum log_level level, const char *event, const char *fields, ...) {
    static const char *const names[] = {"debug", "info", "warning", "error"};
    if (level < log_least) return;
    struct timespec now;
    struct tm utc;
    char text[LINE_BYTES_MAX], when[32], milliseconds[8];
    struct log_line line = {.text = text, .size = sizeof text - 1}; /* one for the end of the line */
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(milliseconds, sizeof milliseconds, "%03d", (int)(now.tv_nsec / 1000000));
    append(&line, "time=%s.%sZ level=%s process=%s event=%s ", when, milliseconds, names[level], log_process, event);
    va_list values;
    va_start(values, fields);
    log_line_append(&line, fields, values);
    va_end(values);
    while (line.length > 0 && text[line.length - 1] == ' ')
        line.length--;
    text[line.length++] = '\n';
    if (write(STDERR_FILENO, text, line.length) < 0) return; /* nobody to tell */
}

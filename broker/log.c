#include "broker/log.h"

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

static size_t bounded(int written, size_t room) {
    return written < 0 ? 0 : (size_t)written < room ? (size_t)written : room - 1;
}

void log_event(enum log_level level, const char *event, const char *fields, ...) {
    static const char *const names[] = {"debug", "info", "warning", "error"};
    if (level < log_least) return;
    struct timespec now;
    struct tm utc;
    char line[LINE_BYTES_MAX], when[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &utc);
    size_t room = sizeof line - 1; /* for the end of the line */
    size_t length = bounded(snprintf(line, room, "time=%s.%03ldZ level=%s process=%s event=%s ", when,
                                     now.tv_nsec / 1000000, names[level], log_process, event),
                            room);
    va_list arguments;
    va_start(arguments, fields);
    length += bounded(vsnprintf(line + length, room - length, fields, arguments), room - length);
    va_end(arguments);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 127) line[i] = '?';
    while (length > 0 && line[length - 1] == ' ')
        length--;
    line[length++] = '\n';
    if (write(STDERR_FILENO, line, length) < 0) return; /* nobody to tell */
}

/* Log lines on stderr: one event with fields (logfmt). Never personal data: ids of companies and leases, codes, counts
 * and times; no users, names, numbers, notes or tokens. */
#ifndef LEDIG_LOG_H
#define LEDIG_LOG_H

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

/* Lines below this level are left out; `process` ("supervisor", "app/0") stands on every line. Before the first call:
 * LOG_INFO and "". The text is kept, not copied. */
void log_open(enum log_level least, const char *process);

/* Writes `time=… level=… process=… event=EVENT FIELDS` in one write. The fields are "key=value key=\"v a l\"". No value
 * can begin a line or a field of its own: see log_line.h, which also says which conversions there are. */
void log_event(enum log_level level, const char *event, const char *fields, ...) __attribute__((format(printf, 3, 4)));

#endif

/* What the bench says while it works: a progress bar where standard error is a terminal, complaints in one line, and
 * whether the person has had enough (SIGINT, SIGTERM, SIGHUP). It never writes to standard output. */
#ifndef LEDIG_BENCH_TERMINAL_H
#define LEDIG_BENCH_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

/* Prints "program: …" in one line and returns `error`, so that a function can end with it. After an interrupt the first
 * complaint says that and no other reason, and it is said once. */
__attribute__((format(printf, 2, 3))) int complain(int error, const char *format, ...);

/* Redraws the bar at most ten times a second, and always when it is full. */
void progress_show(const char *what, uint64_t done, uint64_t of);
void progress_end(void); /* takes the bar off the screen */

void interrupt_watch(void); /* from here on these signals only raise a flag, and end every wait */
bool interrupt_asked(void);

/* In a further process of a run: the first one alone hears SIGINT and SIGHUP and ends it, and shows how far they are.
 */
void terminal_leave(void);

#endif

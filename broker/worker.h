/* A worker process: one loop, one service, one port. Started by the supervisor, which it tells how it does. */
#ifndef LEDIG_WORKER_H
#define LEDIG_WORKER_H

struct config;

#define WORKER_REPORT_MS 1000

/* Serves until SIGTERM, or until the supervisor is gone. Returns the exit code of the process; 1 with a line on stderr.
 *
 * Reports to config->report_fd every WORKER_REPORT_MS, and as soon as it is ready or no longer: see metrics/report.h.
 */
int worker_run(const struct config *config);

#endif

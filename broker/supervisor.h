/* The supervisor: takes the data directory, owns the private Redis, starts the workers and starts again those that die,
 * serves the operations port. It touches no personal data. */
#ifndef LEDIG_SUPERVISOR_H
#define LEDIG_SUPERVISOR_H

struct config;

/* Runs until SIGTERM or SIGINT. `config` is changed: ports that were 0 and the private Redis' address are filled in.
 * Returns the exit code; 1 with one line on stderr. */
int supervisor_run(struct config *config);

#endif

/* What a process may do on this machine, given up as soon as it is not needed: root's identity, capabilities, and ways
 * to gain either back. It never gains anything, and nothing that was given up comes back. Linux: capabilities(7). */
#ifndef LEDIG_PRIVILEGES_H
#define LEDIG_PRIVILEGES_H

#include <stdbool.h>
#include <stddef.h>

struct config;

/* For the supervisor, before it opens anything. As root with config->user: makes the data directory if there is none,
 * and becomes that user for good, with all its children; where a port is one of those that only root may open, that one
 * capability stays until the workers have opened theirs. As anybody else `user` must be oneself. In any case no program
 * started from here on gains rights, and none leaves a core. On failure a negative error, with a line for the operator
 * in `why`. */
int privileges_begin(const struct config *config, char *why, size_t size);

/* For a worker that has opened its port. Capabilities go, root's too but for
 * reading what is closed to it; others of this user, such as Redis, can no longer
 * look into its memory (not so in builds with sanitizers, which are for debugging). LEDIG_EIO with errno. */
int privileges_end(void);

#endif

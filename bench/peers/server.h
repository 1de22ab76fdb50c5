/* The server of a peer: started on the server's core in a temporary directory of its own, with a configuration that was
 * written for it, on a free port of loopback; and ended, by its process id, with the directory removed. It never
 * outlives the bench, and never touches a server that runs already. */
#ifndef LEDIG_BENCH_SERVER_H
#define LEDIG_BENCH_SERVER_H

#include "bench/peers/peer.h"

#include <limits.h>
#include <sys/types.h>

#define SERVER_VERSION_CHARS 32

struct server {
    pid_t pid; /* 0 = none */
    unsigned port;
    char directory[PATH_MAX]; /* "" = none */
};

/* Where PATH has the peer's program, or the sbin beside one of its bins. False where nothing has. */
bool server_find(const struct peer *peer, char program[static PATH_MAX]);

/* "2.9.10", as the program itself says, or "unknown". */
void server_version(const struct peer *peer, const char *program, char version[static SERVER_VERSION_CHARS]);

/* Starts it and waits until it takes connections. 0, or an error after a complaint. */
int server_start(struct server *server, const struct peer *peer, const char *program, int core, uint32_t connections);
void server_stop(struct server *server); /* {0} too, and twice */

#endif

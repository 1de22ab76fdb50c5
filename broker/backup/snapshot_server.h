/* A private Redis on a snapshot, for as long as it takes to look at it: no port, a socket in a directory of its own,
 * and nothing is written to disk unless it is told to. It dies with this process, even where that is killed. Blocking.
 */
#ifndef LEDIG_BACKUP_SNAPSHOT_SERVER_H
#define LEDIG_BACKUP_SNAPSHOT_SERVER_H

#include <hiredis/hiredis.h>
#include <limits.h>
#include <sys/types.h>

struct snapshot_server {
    pid_t pid;
    char folder[64]; /* of the socket */
    redisContext *redis;
};

/* Loads `path`; what it writes, if told to, stands beside it. 0; LEDIG_EDAMAGED: no snapshot that this Redis can read;
 * LEDIG_EIO, errno says why. After an error there is nothing to stop. */
int snapshot_server_start(struct snapshot_server *server, const char *path);

/* Ends it in order. */
void snapshot_server_stop(struct snapshot_server *server);

#endif

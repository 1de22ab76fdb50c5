/* A broker's data directory, for what is done to it from outside: who it belongs to, whether a broker runs on it, and
 * its private Redis. */
#ifndef LEDIG_BACKUP_DIRECTORY_H
#define LEDIG_BACKUP_DIRECTORY_H

#include <hiredis/hiredis.h>
#include <limits.h>
#include <stddef.h>

/* As root: becomes whoever the directory belongs to, for good, so that what is made is the broker's. 0 or LEDIG_EIO. */
int directory_become_owner(const char *data);

/* Connects to the private Redis that runs on it; NULL where none does. */
redisContext *directory_redis(const char *data);

/* Keeps every broker away until *lock is closed. LEDIG_ECONFLICT: one runs; LEDIG_EIO. */
int directory_lock(const char *data, int *lock);

/* What was renamed or made in it stays. 0 or LEDIG_EIO. */
int directory_keep(const char *path);

/* "DATA/name"; 0 or LEDIG_ETOO_LARGE. */
int directory_path(const char *data, const char *name, char path[static PATH_MAX]);

#endif

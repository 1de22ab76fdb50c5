/* A backup: a snapshot of the private Redis while it is in use, in a file that only has its name once it has been
 * loaded, and every record in it opened. It holds no keys, and says nothing to whoever has none. Blocking. */
#ifndef LEDIG_BACKUP_BACKUP_H
#define LEDIG_BACKUP_BACKUP_H

#include "broker/backup/survey.h"

#include <limits.h>

#define BACKUP_WHY_BYTES (2 * PATH_MAX + 256)

/* What goes wrong is told in one line. */
struct backup_trouble {
    int error;
    char why[BACKUP_WHY_BYTES];
};
int backup_trouble(struct backup_trouble *trouble, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4))); /* returns the error */

/* Whether a backup could be written there; makes the directory, with mode 0700, where it is missing. 0 or LEDIG_EIO. */
int backup_check(const char *to, struct backup_trouble *trouble);

/* Into the directory `to`, as ledig-<date>-<time>.rdb, in UTC. LEDIG_EDAMAGED: there
 * are records that these keys do not open, and the backup was not kept; LEDIG_EUNAVAILABLE: no broker with a private
 * Redis runs on `data`; LEDIG_EIO: Redis or the disk says no; LEDIG_ECONFLICT: another is being made. */
int backup_make(const char *data, const char *to, struct vault *vault, char file[static PATH_MAX],
                struct survey *survey, struct backup_trouble *trouble);

/* LEDIG_EDAMAGED where Redis cannot load it, or a record in it cannot be opened. */
int backup_verify(const char *file, struct vault *vault, struct survey *survey, struct backup_trouble *trouble);

/* Copies the file and makes sure that it is on disk. 0 or LEDIG_EIO with errno set. */
int backup_copy(const char *from, const char *to);

#endif

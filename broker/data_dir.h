/* The data directory: made if missing, locked so that one broker at a time works on it, and the place where a running
 * broker says how it can be reached. */
#ifndef LEDIG_DATA_DIR_H
#define LEDIG_DATA_DIR_H

#include <stdbool.h>
#include <stddef.h>

#define DATA_DIR_WAIT_MS 15000 /* for the last children of a supervisor that was killed */

/* Makes the directory (0700) and takes its lock. The descriptor of the lock is inherited by every child, so the lock
 * stands until the last of them is gone; waits for those of a supervisor that is gone itself. On failure returns
 * LEDIG_E… and a line for the operator in `why`. */
int data_dir_open(const char *path, char *why, size_t size);

/* Replaces DATA/ledigd.json by these bytes, at once or not at all. LEDIG_EIO. */
int data_dir_publish(const char *path, const char *bytes, size_t length);

/* Removes it: nothing can be reached any more. */
void data_dir_withdraw(const char *path);

#endif

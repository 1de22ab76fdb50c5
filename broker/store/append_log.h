/* The files of Redis' append-only log, looked at before Redis is: without its manifest Redis 7 takes the directory for
 * a new one, begins an empty history and writes it over the old one. Changes nothing. */
#ifndef LEDIG_STORE_APPEND_LOG_H
#define LEDIG_STORE_APPEND_LOG_H

#include <stdbool.h>

/* Whether `dir`/appendonlydir holds parts of a log, and no manifest that tells how they belong together. */
bool append_log_lost_manifest(const char *dir);

#endif

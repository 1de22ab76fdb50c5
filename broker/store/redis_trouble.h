/* Why a Redis server ended, in one line for the operator that says what to do: read from its status and the end of its
 * log. Changes nothing. */
#ifndef LEDIG_STORE_REDIS_TROUBLE_H
#define LEDIG_STORE_REDIS_TROUBLE_H

#include <stddef.h>
#include <sys/types.h>

/* `status` is waitpid's; the log is `dir`/redis.log, of which what lies before `from` is of earlier servers. */
void redis_trouble_read(const char *dir, off_t from, int status, char *why, size_t size);

#endif

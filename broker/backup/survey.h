/* All records of all companies that a Redis holds, looked at from outside: how many there are, and which of them the
 * keys open. In small steps, so that a broker that uses this Redis goes on meanwhile. Blocking. */
#ifndef LEDIG_BACKUP_SURVEY_H
#define LEDIG_BACKUP_SURVEY_H

#include "broker/privacy/vault.h"

#include <hiredis/hiredis.h>

struct survey {
    uint64_t companies, records;
    uint64_t old;        /* of the records: their keys are wrapped by another master than the one that seals … */
    uint64_t unreadable; /* … or they cannot be opened, where that was tried */
};

/* `open`: each record is opened; otherwise only its head is looked at. 0; LEDIG_EIO, LEDIG_EDAMAGED, LEDIG_ENO_MEMORY.
 */
int survey_take(redisContext *redis, struct vault *vault, bool open, struct survey *survey);

/* Calls with every key that matches, at least once. Stops at the first error that `each` returns. */
int survey_keys(redisContext *redis, const char *pattern, int (*each)(void *arg, const char *key), void *arg);

#endif

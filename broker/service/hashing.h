/* Password hashing beside the loop: some tens of milliseconds of a core each, in libuv's threads, and at most so many
 * at once, so that a flood of logins neither stops the loop nor takes the memory. */
#ifndef LEDIG_SERVICE_HASHING_H
#define LEDIG_SERVICE_HASHING_H

#include "broker/identity/password.h"
#include "broker/service/service.h"

#define HASHING_PENDING_MAX 32 /* one core does some 20 a second: who comes later would give up before it is done */

/* `hash` is lent; NULL where it failed (no memory), or does not match. */
typedef void (*hashing_done)(void *arg, const char *hash);

/* Whether the password is that of the hash (NULL: of nobody; takes the same time). Gives the hash where it is. 0;
 * LEDIG_ERATE_LIMITED, LEDIG_ENO_MEMORY: then `done` is not called. The texts are copied. */
int hashing_compare(struct service *service, const char *password, const char *hash, hashing_done done, void *arg);

/* Makes a new hash. The same errors. */
int hashing_make(struct service *service, const char *password, hashing_done done, void *arg);

#endif

/* The steps by which the master key of a file is replaced: a new one that seals, with the old ones behind it, and later
 * the end of these. Each is done at once or not at all, and can be made again. Only whoever may write the file takes
 * them: workers never do. */
#ifndef LEDIG_PRIVACY_VAULT_ROTATION_H
#define LEDIG_PRIVACY_VAULT_ROTATION_H

#include "broker/privacy/vault.h"

#define VAULT_FORMER ".former" /* behind the file's name: the one that it replaced, until that is written over */

/* Nobody else rotates the keys of this file until *lock is closed. LEDIG_ECONFLICT: somebody does; LEDIG_EIO. Does away
 * with what a step that was cut short left behind; `went_on`: with the masters that it had taken out or followed. */
int vault_rotation_lock(const char *path, int *lock, bool *went_on);

/* A new master, that seals from now on. LEDIG_ETOO_LARGE: there are as many as there can be. */
int vault_rotation_add(const char *path);

/* Destroys all masters but the one that seals, which must still be `master`: otherwise LEDIG_ECONFLICT. */
int vault_rotation_drop(const char *path, const char *master);

#endif

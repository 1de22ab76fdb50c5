#include "broker/privacy/vault_rotation.h"
#include "broker/privacy/vault_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

int vault_rotation_lock(const char *path, int *lock, bool *went_on) {
    char name[PATH_MAX];
    if (sodium_init() < 0) return LEDIG_EIO;
    int length = snprintf(name, sizeof name, "%s.lock", path);
    if (length < 0 || length >= (int)sizeof name) return LEDIG_ETOO_LARGE;
    *lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*lock < 0) return LEDIG_EIO;
    int error = flock(*lock, LOCK_EX | LOCK_NB) == 0 ? 0 : errno == EWOULDBLOCK ? LEDIG_ECONFLICT : LEDIG_EIO;
    if (!error) error = vault_keys_tidy(path, went_on);
    if (!error) return 0;
    int cause = errno;
    close(*lock);
    errno = cause;
    return error;
}

int vault_rotation_add(const char *path) {
    struct vault_keys *keys = sodium_malloc(sizeof *keys);
    int error = keys ? vault_keys_read(path, NULL, keys) : LEDIG_ENO_MEMORY;
    if (!error && keys->count == VAULT_MASTERS_MAX) error = LEDIG_ETOO_LARGE;
    if (!error) {
        memmove(keys->masters + 1, keys->masters, keys->count * sizeof *keys->masters);
        vault_master_make(&keys->masters[0]);
        keys->count++;
        error = vault_keys_write(path, keys);
    }
    sodium_free(keys);
    return error;
}

int vault_rotation_drop(const char *path, const char *master) {
    struct vault_keys *keys = sodium_malloc(sizeof *keys);
    int error = keys ? vault_keys_read(path, NULL, keys) : LEDIG_ENO_MEMORY;
    if (!error && strcmp(keys->masters[0].id, master) != 0) error = LEDIG_ECONFLICT;
    if (!error && keys->count > 1) {
        keys->count = 1;
        error = vault_keys_write(path, keys);
    }
    sodium_free(keys);
    return error;
}

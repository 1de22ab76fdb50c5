/* The keys as they stand in their file, and nothing else: a text of lines,
 *
 *   ledig-keys 1
 *   names <64 hex digits>
 *   master <id> <64 hex digits>      the first one seals, all of them open
 *
 * which only its owner may read. Private to broker/privacy. */
#ifndef LEDIG_PRIVACY_VAULT_KEYS_H
#define LEDIG_PRIVACY_VAULT_KEYS_H

#include "broker/privacy/vault.h"

#define VAULT_KEY_BYTES 32

struct vault_master {
    char id[VAULT_MASTER_ID_CHARS + 1];
    uint8_t key[VAULT_KEY_BYTES];
};

struct vault_keys {
    struct entity_names names;
    struct vault_master masters[VAULT_MASTERS_MAX];
    size_t count; /* at least one */
};

/* Either `path` or `command` is set. Errors as vault_open. */
int vault_keys_read(const char *path, const char *command, struct vault_keys *keys);

/* A file with new keys; one that stands there already is left alone. 0 or LEDIG_EIO with errno set. */
int vault_keys_create(const char *path);

/* Replaces the file, at once or not at all, and writes over what stood in the former one. Its owner stays. One at a
 * time: see vault_rotation_lock. 0; LEDIG_EIO with errno set, where what stands may be the one or the other, and is
 * whole. */
int vault_keys_write(const char *path, const struct vault_keys *keys);

/* Does away with what a vault_keys_write that was cut short left behind; `wiped`: it had replaced the file already.
 * Errors as above, LEDIG_ENOT_FOUND. */
int vault_keys_tidy(const char *path, bool *wiped);

/* A new master. It is up to the caller where it stands in the list. */
void vault_master_make(struct vault_master *master);

const struct vault_master *vault_keys_find(const struct vault_keys *keys, const char *id);

#endif

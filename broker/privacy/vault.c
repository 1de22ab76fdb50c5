#include "broker/privacy/vault.h"
#include "broker/privacy/vault_keys.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define FORMAT_SEALED 1
#define KEY_BYTES crypto_aead_xchacha20poly1305_ietf_KEYBYTES
#define NONCE_BYTES crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define MARK_BYTES crypto_aead_xchacha20poly1305_ietf_ABYTES
#define WRAPPED_BYTES (NONCE_BYTES + KEY_BYTES + MARK_BYTES)
#define RELOAD_S 1
#define PLACE_BYTES_MAX (LEDIG_ID_CHARS_MAX + 1 + ENTITY_NAME_BYTES_MAX)

_Static_assert(KEY_BYTES == VAULT_KEY_BYTES, "a master is a key of the cipher");

/* A key seals once, so its nonce needs not differ. */
static const uint8_t once[NONCE_BYTES];

struct vault {
    struct vault_keys *keys;    /* sodium_malloc, as the names; replaced by each reload, and these not */
    struct entity_names *names; /* lent to others for as long as the vault stands */
    char *path, *command;
    time_t looked_at;   /* monotonic seconds, for the file to be another */
    time_t reloaded_at; /* the same of the last reading for the sake of a master that was not known */
    struct stat file;   /* as it was before it was read; only what tells it from another counts */
    unsigned generation;
};

static char *copy(const char *text) {
    return text ? strdup(text) : NULL;
}

int vault_open(const struct vault_source *source, bool create, struct vault **out) {
    if (sodium_init() < 0) return LEDIG_EIO;
    struct vault *vault = calloc(1, sizeof *vault);
    if (!vault) return LEDIG_ENO_MEMORY;
    vault->path = copy(source->path);
    vault->command = copy(source->command);
    vault->keys = sodium_malloc(sizeof *vault->keys);
    vault->generation = 1;
    int error = vault->keys && (vault->path || vault->command) ? 0 : LEDIG_ENO_MEMORY;
    if (!error) error = vault_keys_read(vault->path, vault->command, vault->keys);
    if (error == LEDIG_ENOT_FOUND && create && vault->path) {
        error = vault_keys_create(vault->path);
        if (!error) error = vault_keys_read(vault->path, NULL, vault->keys);
    }
    if (!error) vault->names = sodium_malloc(sizeof *vault->names);
    if (!error && !vault->names) error = LEDIG_ENO_MEMORY;
    if (!error && vault->path && stat(vault->path, &vault->file) != 0) vault->file.st_ino = 0; /* it is read again */
    if (error) {
        vault_close(vault);
        return error;
    }
    *vault->names = vault->keys->names;
    *out = vault;
    return 0;
}

const char *vault_why(int error) {
    switch (error) {
    case LEDIG_ENOT_FOUND:
        return "is missing";
    case LEDIG_EFORBIDDEN:
        return "others may read it: chmod 600, and think of whom it may have reached";
    case LEDIG_EDAMAGED:
    case LEDIG_ETOO_LARGE:
        return "is damaged: put the right one back";
    case LEDIG_EIO:
        return strerror(errno);
    default:
        return ledig_error_meaning(error);
    }
}

void vault_close(struct vault *vault) {
    if (!vault) return;
    sodium_free(vault->keys);
    sodium_free(vault->names);
    free(vault->path);
    free(vault->command);
    free(vault);
}

int vault_reload(struct vault *vault) {
    struct vault_keys *keys = sodium_malloc(sizeof *keys);
    struct stat file = {0};
    if (!keys) return LEDIG_ENO_MEMORY;
    if (vault->path && stat(vault->path, &file) != 0) file.st_ino = 0;
    int error = vault_keys_read(vault->path, vault->command, keys);
    if (!error && memcmp(&keys->names, &vault->keys->names, sizeof keys->names) != 0) error = LEDIG_ECONFLICT;
    if (!error) {
        if (memcmp(vault->keys, keys, sizeof *keys) != 0) vault->generation++;
        *vault->keys = *keys; /* in place: the names are lent */
        vault->file = file;
    }
    sodium_free(keys);
    return error;
}

static time_t monotonic_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* A look at the file costs a microsecond. */
static bool is_another_file(const struct vault *vault) {
    struct stat file;
    const struct stat *read = &vault->file;
    if (!vault->path || stat(vault->path, &file) != 0) return false;
    return file.st_ino != read->st_ino || file.st_dev != read->st_dev || file.st_size != read->st_size ||
           file.st_mtim.tv_sec != read->st_mtim.tv_sec || file.st_mtim.tv_nsec != read->st_mtim.tv_nsec;
}

int vault_refresh(struct vault *vault) {
    vault->looked_at = monotonic_s();
    return is_another_file(vault) ? vault_reload(vault) : 0;
}

unsigned vault_generation(const struct vault *vault) {
    return vault->generation;
}

size_t vault_masters(const struct vault *vault) {
    return vault->keys->count;
}

const char *vault_master_at(const struct vault *vault, size_t index) {
    return vault->keys->masters[index].id;
}

void vault_keep_first(struct vault *vault) {
    struct vault_keys *keys = vault->keys;
    sodium_memzero(keys->masters + 1, sizeof keys->masters - sizeof keys->masters[0]);
    keys->count = 1;
    free(vault->path);
    free(vault->command);
    vault->path = vault->command = NULL; /* and nothing is read any more */
}

const struct entity_names *vault_names(const struct vault *vault) {
    return vault->names;
}

const char *vault_master(const struct vault *vault) {
    return vault->keys->masters[0].id;
}

/* What a sealed record is bound to. */
static size_t place_of(const char *company, const char *entity, char place[static PLACE_BYTES_MAX]) {
    size_t length = strnlen(company, LEDIG_ID_CHARS_MAX), name = strnlen(entity, ENTITY_NAME_BYTES_MAX);
    memcpy(place, company, length);
    place[length++] = '\0';
    memcpy(place + length, entity, name);
    return length + name;
}

int vault_seal(struct vault *vault, const char *company, const char *entity, const uint8_t *plain, size_t length,
               struct buffer *sealed) {
    if (vault->path && monotonic_s() - vault->looked_at >= VAULT_LOOK_S) vault_refresh(vault);
    const struct vault_master *master = &vault->keys->masters[0];
    uint8_t fresh[NONCE_BYTES + KEY_BYTES], head[2 + VAULT_MASTER_ID_CHARS], wrapped[KEY_BYTES + MARK_BYTES];
    const uint8_t *nonce = fresh, *key = fresh + NONCE_BYTES;
    char place[PLACE_BYTES_MAX];
    size_t place_length = place_of(company, entity, place), id = strlen(master->id);
    randombytes_buf(fresh, sizeof fresh);
    head[0] = FORMAT_SEALED;
    head[1] = (uint8_t)id;
    memcpy(head + 2, master->id, id);
    crypto_aead_xchacha20poly1305_ietf_encrypt(wrapped, NULL, key, KEY_BYTES, (const uint8_t *)place, place_length,
                                               NULL, nonce, master->key);
    buffer_append(sealed, head, 2 + id);
    buffer_append(sealed, nonce, NONCE_BYTES);
    buffer_append(sealed, wrapped, sizeof wrapped);
    uint8_t *body = buffer_extend(sealed, length + MARK_BYTES);
    if (body)
        crypto_aead_xchacha20poly1305_ietf_encrypt(body, NULL, plain, length, (const uint8_t *)place, place_length,
                                                   NULL, once, key);
    sodium_memzero(fresh, sizeof fresh);
    return body ? 0 : LEDIG_ENO_MEMORY;
}

/* Another process may have made a new master. What a command prints is asked for now and then only. */
static const struct vault_master *master_of(struct vault *vault, const char *id) {
    const struct vault_master *master = vault_keys_find(vault->keys, id);
    if (master) return master;
    if (vault->path) {
        if (!is_another_file(vault)) return NULL;
    } else {
        time_t now_s = monotonic_s();
        if (!vault->command || now_s - vault->reloaded_at < RELOAD_S) return NULL;
        vault->reloaded_at = now_s;
    }
    return vault_reload(vault) == 0 ? vault_keys_find(vault->keys, id) : NULL;
}

int vault_unseal(struct vault *vault, const char *company, const char *entity, const uint8_t *sealed, size_t length,
                 struct buffer *plain) {
    char id[VAULT_MASTER_ID_CHARS + 1], place[PLACE_BYTES_MAX];
    uint8_t key[KEY_BYTES];
    if (length < 2) return LEDIG_EDAMAGED;
    if (sealed[0] != FORMAT_SEALED) return LEDIG_EUNSUPPORTED;
    size_t head = 2 + (size_t)sealed[1], place_length = place_of(company, entity, place);
    if (sealed[1] > VAULT_MASTER_ID_CHARS || length < head + WRAPPED_BYTES + MARK_BYTES) return LEDIG_EDAMAGED;
    memcpy(id, sealed + 2, sealed[1]);
    id[sealed[1]] = '\0';
    const struct vault_master *master = master_of(vault, id);
    if (!master) return LEDIG_ENOT_FOUND;
    const uint8_t *nonce = sealed + head, *wrapped = nonce + NONCE_BYTES, *body = sealed + head + WRAPPED_BYTES;
    size_t body_length = length - head - WRAPPED_BYTES;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(key, NULL, NULL, wrapped, KEY_BYTES + MARK_BYTES,
                                                   (const uint8_t *)place, place_length, nonce, master->key) != 0)
        return LEDIG_EDAMAGED;
    uint8_t *opened = buffer_extend(plain, body_length - MARK_BYTES);
    int error = opened ? 0 : LEDIG_ENO_MEMORY;
    if (!error && crypto_aead_xchacha20poly1305_ietf_decrypt(opened, NULL, NULL, body, body_length,
                                                             (const uint8_t *)place, place_length, once, key) != 0) {
        plain->length -= body_length - MARK_BYTES;
        error = LEDIG_EDAMAGED;
    }
    sodium_memzero(key, sizeof key);
    return error ? error : master != &vault->keys->masters[0];
}

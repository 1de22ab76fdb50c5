#include "broker/privacy/vault_keys.h"
#include "broker/privacy/vault_rotation.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEX_CHARS (2 * VAULT_KEY_BYTES)
#define FIRST_LINE "ledig-keys 1"
#define DRAFT ".new" /* of the file that is to be */

_Static_assert(sizeof(struct entity_names) == VAULT_KEY_BYTES, "names are keyed like everything else");

/* ---- The text ---- */

static bool take_key(const char *hex, uint8_t key[static VAULT_KEY_BYTES]) {
    size_t length;
    return strlen(hex) == HEX_CHARS && sodium_hex2bin(key, VAULT_KEY_BYTES, hex, HEX_CHARS, NULL, &length, NULL) == 0 &&
           length == VAULT_KEY_BYTES;
}

static bool take_master(const char *rest, struct vault_keys *keys) {
    size_t id = strspn(rest, "0123456789abcdef");
    if (id == 0 || id > VAULT_MASTER_ID_CHARS || rest[id] != ' ' || keys->count == VAULT_MASTERS_MAX) return false;
    struct vault_master *master = &keys->masters[keys->count];
    memcpy(master->id, rest, id);
    master->id[id] = '\0';
    if (vault_keys_find(keys, master->id) || !take_key(rest + id + 1, master->key)) return false;
    keys->count++;
    return true;
}

static int take_text(char *text, struct vault_keys *keys) {
    char *rest = text, *line = strsep(&rest, "\n");
    bool named = false;
    memset(keys, 0, sizeof *keys);
    if (strcmp(line, FIRST_LINE) != 0) return LEDIG_EDAMAGED;
    while ((line = strsep(&rest, "\n"))) {
        bool good = true;
        if (strncmp(line, "names ", 6) == 0) {
            good = !named && take_key(line + 6, keys->names.key);
            named = true;
        } else if (strncmp(line, "master ", 7) == 0)
            good = take_master(line + 7, keys);
        else if (line[0] != '\0' && line[0] != '#')
            good = false;
        if (!good) return LEDIG_EDAMAGED;
    }
    return named && keys->count > 0 ? 0 : LEDIG_EDAMAGED;
}

/* ---- Reading ---- */

static int read_all(int fd, struct vault_keys *keys) {
    char *text = sodium_malloc(VAULT_FILE_BYTES_MAX + 1);
    size_t length = 0;
    ssize_t got = 1;
    if (!text) return LEDIG_ENO_MEMORY;
    while (length < VAULT_FILE_BYTES_MAX && got != 0) {
        got = read(fd, text + length, VAULT_FILE_BYTES_MAX - length);
        if (got < 0 && errno != EINTR) break;
        if (got > 0) length += (size_t)got;
    }
    int error = got < 0 ? LEDIG_EIO : length == VAULT_FILE_BYTES_MAX ? LEDIG_ETOO_LARGE : 0;
    text[length] = '\0';
    if (!error) error = strlen(text) == length ? take_text(text, keys) : LEDIG_EDAMAGED;
    sodium_free(text);
    return error;
}

static int read_file(const char *path, struct vault_keys *keys) {
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? LEDIG_ENOT_FOUND : LEDIG_EIO;
    int error = 0;
    if (fstat(fd, &status) != 0)
        error = LEDIG_EIO;
    else if (status.st_mode & (S_IRWXG | S_IRWXO))
        error = LEDIG_EFORBIDDEN;
    else
        error = read_all(fd, keys);
    close(fd);
    return error;
}

static int read_command(const char *command, struct vault_keys *keys) {
    FILE *pipe = popen(command, "re");
    if (!pipe) return LEDIG_EIO;
    int error = read_all(fileno(pipe), keys);
    if (pclose(pipe) != 0 && !error) error = LEDIG_EIO;
    return error;
}

int vault_keys_read(const char *path, const char *command, struct vault_keys *keys) {
    return path ? read_file(path, keys) : read_command(command, keys);
}

const struct vault_master *vault_keys_find(const struct vault_keys *keys, const char *id) {
    for (size_t i = 0; i < keys->count; i++)
        if (strcmp(keys->masters[i].id, id) == 0) return &keys->masters[i];
    return NULL;
}

/* ---- Writing ---- */

void vault_master_make(struct vault_master *master) {
    uint8_t id[VAULT_MASTER_ID_CHARS / 2];
    randombytes_buf(id, sizeof id);
    sodium_bin2hex(master->id, sizeof master->id, id, sizeof id);
    randombytes_buf(master->key, sizeof master->key);
}

static size_t put_key(char *text, const uint8_t key[static VAULT_KEY_BYTES]) {
    sodium_bin2hex(text, HEX_CHARS + 1, key, VAULT_KEY_BYTES);
    text[HEX_CHARS] = '\n';
    return HEX_CHARS + 1;
}

static size_t put_text(char *text, const struct vault_keys *keys) {
    size_t length = (size_t)sprintf(text, FIRST_LINE "\nnames ");
    length += put_key(text + length, keys->names.key);
    for (size_t i = 0; i < keys->count; i++) {
        length += (size_t)sprintf(text + length, "master %s ", keys->masters[i].id);
        length += put_key(text + length, keys->masters[i].key);
    }
    return length;
}

/* Written whole under another name first, so that no start, however cut, meets half a file. It is whoever's the file is
 * that it replaces: a rotation by root must not take the keys from the broker. */
static int write_draft(const struct vault_keys *keys, const char *draft, const struct stat *like) {
    int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    char *text = sodium_malloc(VAULT_FILE_BYTES_MAX);
    bool written = false;
    if (fd >= 0 && text) {
        size_t length = put_text(text, keys);
        bool owned = !like || (like->st_uid == geteuid() && like->st_gid == getegid()) ||
                     fchown(fd, like->st_uid, like->st_gid) == 0;
        written = owned && write(fd, text, length) == (ssize_t)length && fsync(fd) == 0;
    }
    int cause = errno;
    if (fd >= 0) close(fd);
    sodium_free(text);
    if (!written && fd >= 0) unlink(draft);
    errno = cause;
    return written ? 0 : LEDIG_EIO;
}

static int name_beside(const char *path, const char *ending, char name[static PATH_MAX]) {
    int length = snprintf(name, PATH_MAX, "%s%s", path, ending);
    return length < 0 || length >= PATH_MAX ? LEDIG_ETOO_LARGE : 0;
}

/* So that what was renamed stays so. */
static int keep_directory(const char *path) {
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;
    if (length >= sizeof directory) return LEDIG_ETOO_LARGE;
    if (slash)
        memcpy(directory, path, length);
    else
        directory[length++] = '.';
    directory[length] = '\0';
    int fd = open(length > 0 ? directory : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = fd >= 0 && fsync(fd) == 0 ? 0 : LEDIG_EIO;
    if (fd >= 0) close(fd);
    return error;
}

/* What stood there is written over, which the medium heeds or not: flash and file systems that copy keep what was. */
static int wipe(const char *path) {
    static const char nothing[VAULT_FILE_BYTES_MAX];
    struct stat status;
    int fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? 0 : LEDIG_EIO;
    bool wiped = fstat(fd, &status) == 0 && status.st_size <= (off_t)sizeof nothing &&
                 write(fd, nothing, (size_t)status.st_size) == (ssize_t)status.st_size && fsync(fd) == 0;
    int cause = errno;
    close(fd);
    if (wiped && unlink(path) == 0) return 0;
    if (!wiped) errno = cause;
    return LEDIG_EIO;
}

int vault_keys_tidy(const char *path, bool *wiped) {
    char old[PATH_MAX], draft[PATH_MAX];
    struct stat status, former;
    *wiped = false;
    int error = name_beside(path, VAULT_FORMER, old);
    if (!error) error = name_beside(path, DRAFT, draft);
    if (error) return error;
    if (stat(path, &status) != 0) return errno == ENOENT ? LEDIG_ENOT_FOUND : LEDIG_EIO;
    if (lstat(old, &former) == 0 && former.st_ino == status.st_ino && former.st_dev == status.st_dev) {
        if (unlink(old) != 0) return LEDIG_EIO; /* it was cut short before the file was replaced */
    } else {
        *wiped = access(old, F_OK) == 0;
        if (wipe(old) != 0) return LEDIG_EIO;
    }
    return wipe(draft);
}

int vault_keys_write(const char *path, const struct vault_keys *keys) {
    char draft[PATH_MAX], old[PATH_MAX];
    struct stat status;
    bool wiped;
    int error = vault_keys_tidy(path, &wiped);
    if (!error) error = name_beside(path, DRAFT, draft);
    if (!error) error = name_beside(path, VAULT_FORMER, old);
    if (!error && stat(path, &status) != 0) error = LEDIG_EIO;
    if (!error) error = write_draft(keys, draft, &status);
    if (error) return error;
    if (link(path, old) != 0 || rename(draft, path) != 0 || keep_directory(path) != 0) {
        int cause = errno;
        unlink(draft);
        errno = cause;
        return LEDIG_EIO;
    }
    return wipe(old) == 0 && keep_directory(path) == 0 ? 0 : LEDIG_EIO;
}

int vault_keys_create(const char *path) {
    char draft[PATH_MAX], ending[32];
    struct vault_keys *keys = sodium_malloc(sizeof *keys);
    if (!keys) return LEDIG_ENO_MEMORY;
    memset(keys, 0, sizeof *keys);
    randombytes_buf(keys->names.key, sizeof keys->names.key);
    vault_master_make(&keys->masters[0]);
    keys->count = 1;
    snprintf(ending, sizeof ending, ".%ld", (long)getpid());
    int error = name_beside(path, ending, draft);
    if (!error) error = write_draft(keys, draft, NULL);
    sodium_free(keys);
    if (error) return error;
    bool stands = link(draft, path) == 0 || errno == EEXIST; /* another may have been faster */
    int cause = errno;
    unlink(draft);
    errno = cause;
    return stands ? keep_directory(path) : LEDIG_EIO;
}

#include "broker/identity/token_key.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_key(const char *path, struct token_key *key) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return errno == ENOENT ? LEDIG_ENOT_FOUND : LEDIG_EIO;
    struct stat status;
    char surplus;
    int error = 0;
    if (fstat(fd, &status) != 0)
        error = LEDIG_EIO;
    else if (status.st_mode & (S_IRWXG | S_IRWXO))
        error = LEDIG_EFORBIDDEN;
    else if (read(fd, key->bytes, sizeof key->bytes) != sizeof key->bytes || read(fd, &surplus, 1) != 0)
        error = LEDIG_EDAMAGED;
    close(fd);
    return error;
}

/* Written whole under another name and then linked, so that no start, however cut, leaves half a key or replaces one.
 */
static int make_key(const char *path) {
    struct token_key key;
    char draft[PATH_MAX];
    if (getrandom(key.bytes, sizeof key.bytes, 0) != sizeof key.bytes) return LEDIG_EIO;
    int length = snprintf(draft, sizeof draft, "%s.%ld", path, (long)getpid());
    if (length < 0 || (size_t)length >= sizeof draft) return LEDIG_ETOO_LARGE;
    int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return LEDIG_EIO;
    bool written = write(fd, key.bytes, sizeof key.bytes) == sizeof key.bytes && fsync(fd) == 0;
    explicit_bzero(&key, sizeof key);
    int cause = errno;
    close(fd);
    if (written && (link(draft, path) == 0 || errno == EEXIST)) {
        unlink(draft);
        return 0;
    }
    if (written) cause = errno;
    unlink(draft);
    errno = cause;
    return LEDIG_EIO;
}

int token_key_open(const char *data_dir, bool create, struct token_key **out) {
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/token.key", data_dir);
    if (length < 0 || (size_t)length >= sizeof path - 16) return LEDIG_ETOO_LARGE;
    struct token_key *key = calloc(1, sizeof *key);
    if (!key) return LEDIG_ENO_MEMORY;
    int error = read_key(path, key);
    if (error == LEDIG_ENOT_FOUND && create) {
        error = make_key(path);
        if (!error) error = read_key(path, key);
    }
    if (error) {
        token_key_close(key);
        return error;
    }
    key->remembered = calloc(TOKEN_REMEMBERED, sizeof *key->remembered); /* it goes on without */
    *out = key;
    return 0;
}

void token_key_close(struct token_key *key) {
    if (!key) return;
    for (size_t i = 0; key->remembered && i < TOKEN_REMEMBERED; i++) {
        struct token_remembered *place = &key->remembered[i];
        if (place->text) explicit_bzero(place->text, place->length);
        free(place->text);
    }
    free(key->remembered);
    explicit_bzero(key, sizeof *key);
    free(key);
}

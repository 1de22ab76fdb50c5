#include "broker/front/ticket_keys.h"
#include "protocol/errors.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEYS 3 /* current, next, previous */

struct file {
    struct ticket_key keys[KEYS];
};

static int path_of(const char *data_dir, char path[static PATH_MAX]) {
    int length = snprintf(path, PATH_MAX, "%s/" TICKET_FILE, data_dir);
    return length > 0 && length < PATH_MAX - 8 ? 0 : LEDIG_ETOO_LARGE;
}

/* ---- Reading ---- */

/* A file that others may read is damaged: its keys are no secret. */
static int read_file(const char *path, struct file *file, struct stat *status) {
    char surplus;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), error = 0;
    if (fd < 0) return LEDIG_EIO;
    if (fstat(fd, status) != 0)
        error = LEDIG_EIO;
    else if ((status->st_mode & (S_IRWXG | S_IRWXO)) || read(fd, file, sizeof *file) != sizeof *file ||
             read(fd, &surplus, 1) != 0)
        error = LEDIG_EDAMAGED;
    close(fd);
    return error;
}

int ticket_keys_read(struct ticket_keys *keys, const char *data_dir) {
    char path[PATH_MAX];
    struct stat status;
    struct file file;
    int error = path_of(data_dir, path);
    if (error) return error;
    if (stat(path, &status) != 0) return LEDIG_EIO;
    if ((int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec == keys->changed_ns) return 0;
    error = read_file(path, &file, &status);
    if (!error)
        *keys = (struct ticket_keys){file.keys[0], file.keys[1], file.keys[2],
                                     (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec};
    explicit_bzero(&file, sizeof file);
    return error;
}

/* ---- Writing ---- */

/* Under another name first, so that a worker never reads half of it. */
static int write_file(const char *path, const struct file *file) {
    char draft[PATH_MAX + 8];
    snprintf(draft, sizeof draft, "%s.new", path);
    unlink(draft);
    int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return LEDIG_EIO;
    bool written = write(fd, file, sizeof *file) == sizeof *file;
    int cause = errno;
    close(fd);
    errno = cause;
    if (written && rename(draft, path) == 0) return 0;
    cause = errno;
    unlink(draft);
    errno = cause;
    return LEDIG_EIO;
}

static bool make(struct ticket_key *key) {
    return getrandom(key, sizeof *key, 0) == sizeof *key;
}

int ticket_keys_rotate(const char *data_dir, int64_t now_s) {
    char path[PATH_MAX];
    struct file file;
    struct stat status;
    int error = path_of(data_dir, path);
    if (error) return error;
    bool known = read_file(path, &file, &status) == 0;
    int64_t age_s = known ? now_s - status.st_mtim.tv_sec : 0;
    if (known && age_s >= 0 && age_s < TICKET_PERIOD_S) return 0;
    /* what was written twice a period ago, or by a clock that was ahead, seals nothing more */
    bool goes_on = known && age_s >= 0 && age_s < 2 * TICKET_PERIOD_S;
    if (goes_on) {
        file.keys[2] = file.keys[0];
        file.keys[0] = file.keys[1];
    }
    bool made = make(&file.keys[1]);
    if (made && !goes_on) made = make(&file.keys[0]) && make(&file.keys[2]);
    error = made ? write_file(path, &file) : LEDIG_EIO;
    explicit_bzero(&file, sizeof file);
    return error;
}

/* ---- Use ---- */

static bool start_mac(EVP_MAC_CTX *mac, const struct ticket_key *key) {
    unsigned char secret[sizeof key->hmac];
    memcpy(secret, key->hmac, sizeof secret); /* the parameter is not const */
    OSSL_PARAM parameters[] = {OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, secret, sizeof secret),
                               OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){"SHA256"}, 0),
                               OSSL_PARAM_construct_end()};
    bool good = EVP_MAC_CTX_set_params(mac, parameters) == 1;
    explicit_bzero(secret, sizeof secret);
    return good;
}

static int seal(const struct ticket_key *key, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                EVP_MAC_CTX *mac) {
    memcpy(name, key->name, sizeof key->name);
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return -1;
    if (EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->aes, iv) != 1) return -1;
    return start_mac(mac, key) ? 1 : -1;
}

int ticket_keys_apply(const struct ticket_keys *keys, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                      EVP_MAC_CTX *mac, bool sealing) {
    if (sealing) return seal(&keys->current, name, iv, cipher, mac);
    const struct ticket_key *known[] = {&keys->current, &keys->next, &keys->previous};
    for (size_t i = 0; i < KEYS; i++) {
        if (memcmp(known[i]->name, name, sizeof known[i]->name) != 0) continue;
        if (EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, known[i]->aes, iv) != 1 || !start_mac(mac, known[i]))
            return -1;
        return known[i] == &keys->previous ? 2 : 1;
    }
    return 0;
}

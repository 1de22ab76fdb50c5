#include "broker/front/certificate.h"
#include "protocol/errors.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- The files ---- */

struct content {
    char *bytes;
    size_t length;
};

static void content_free(struct content *content) {
    if (content->bytes) explicit_bzero(content->bytes, content->length);
    free(content->bytes);
    content->bytes = NULL;
}

static int read_open(int fd, const char *flag, const char *path, bool is_secret, struct content *content, char *why,
                     size_t size) {
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        snprintf(why, size, "--%s %s is no file", flag, path);
        return LEDIG_EIO;
    }
    if (is_secret && (status.st_mode & (S_IRWXO | S_IWGRP))) {
        snprintf(why, size, "others may read or write --%s %s: chmod 600, and think of whom it may have reached", flag,
                 path);
        return LEDIG_EBAD_REQUEST;
    }
    content->bytes = malloc(CERTIFICATE_FILE_BYTES_MAX);
    if (!content->bytes) {
        snprintf(why, size, "out of memory");
        return LEDIG_ENO_MEMORY;
    }
    for (ssize_t count = 1; count > 0 && content->length < CERTIFICATE_FILE_BYTES_MAX; content->length += (size_t)count)
        if ((count = read(fd, content->bytes + content->length, CERTIFICATE_FILE_BYTES_MAX - content->length)) < 0) {
            snprintf(why, size, "cannot read --%s %s: %s", flag, path, strerror(errno));
            return LEDIG_EIO;
        }
    if (content->length < CERTIFICATE_FILE_BYTES_MAX) return 0;
    snprintf(why, size, "--%s %s is too large to be what it should", flag, path);
    return LEDIG_EBAD_REQUEST;
}

static int read_file(const char *flag, const char *path, bool is_secret, struct content *content, char *why,
                     size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        snprintf(why, size, "cannot read --%s %s: %s", flag, path, strerror(errno));
        return LEDIG_EIO;
    }
    int error = read_open(fd, flag, path, is_secret, content, why, size);
    close(fd);
    return error;
}

static int64_t nanoseconds(const struct timespec *time) {
    return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

void certificate_stamp(const struct certificate_files *files, struct certificate_stamp *stamp) {
    struct stat cert = {0}, key = {0};
    if (stat(files->cert_path, &cert) != 0) memset(&cert, 0, sizeof cert);
    if (stat(files->key_path, &key) != 0) memset(&key, 0, sizeof key);
    *stamp = (struct certificate_stamp){.cert_changed_ns = nanoseconds(&cert.st_mtim),
                                        .key_changed_ns = nanoseconds(&key.st_mtim),
                                        .cert_inode = cert.st_ino,
                                        .key_inode = key.st_ino,
                                        .cert_bytes = cert.st_size,
                                        .key_bytes = key.st_size};
}

/* ---- What stands in them ---- */

/* OpenSSL would ask for it at the terminal. */
static int no_pass_phrase(char *to, int size, int writing, void *arg) {
    (void)to;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

static bool take_chain(struct certificate *certificate, const struct content *content) {
    BIO *from = BIO_new_mem_buf(content->bytes, (int)content->length);
    if (!from) return false;
    certificate->leaf = PEM_read_bio_X509(from, NULL, no_pass_phrase, NULL);
    certificate->chain = sk_X509_new_null();
    bool good = certificate->leaf && certificate->chain;
    while (good) {
        X509 *next = PEM_read_bio_X509(from, NULL, no_pass_phrase, NULL);
        if (!next) break;
        good = sk_X509_push(certificate->chain, next) > 0;
        if (!good) X509_free(next);
    }
    /* that nothing more begins is the end; anything else is a chain that is damaged */
    if (good && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) good = false;
    BIO_free(from);
    ERR_clear_error();
    return good;
}

static bool take_key(struct certificate *certificate, const struct content *content) {
    BIO *from = BIO_new_mem_buf(content->bytes, (int)content->length);
    if (!from) return false;
    certificate->key = PEM_read_bio_PrivateKey(from, NULL, no_pass_phrase, NULL);
    BIO_free(from);
    ERR_clear_error();
    return certificate->key != NULL;
}

/* OpenSSL's own judgement: it refuses keys that are too short, too. */
static bool is_usable(const struct certificate *certificate) {
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    bool usable =
        context && SSL_CTX_use_cert_and_key(context, certificate->leaf, certificate->key, certificate->chain, 1) == 1;
    SSL_CTX_free(context);
    return usable;
}

static const char *reason(void) {
    const char *text = ERR_reason_error_string(ERR_peek_last_error());
    return text ? text : "no reason given";
}

static int understand(struct certificate *certificate, const struct content *cert, const struct content *key,
                      const struct certificate_files *files, char *why, size_t size) {
    const char *prefix = files->prefix;
    if (!take_chain(certificate, cert))
        snprintf(why, size, "--%stls-cert %s is no chain of certificates in PEM", prefix, files->cert_path);
    else if (!take_key(certificate, key))
        snprintf(why, size, "--%stls-key %s is no private key in PEM without a pass phrase", prefix, files->key_path);
    else if (X509_check_private_key(certificate->leaf, certificate->key) != 1)
        snprintf(why, size, "--%stls-key %s does not belong to the first certificate of --%stls-cert %s", prefix,
                 files->key_path, prefix, files->cert_path);
    else if (!is_usable(certificate))
        snprintf(why, size, "--%stls-cert %s cannot be used: %s", prefix, files->cert_path, reason());
    else
        return 0;
    ERR_clear_error();
    return LEDIG_EBAD_REQUEST;
}

int certificate_open(const struct certificate_files *files, struct certificate **out, char *why, size_t size) {
    struct content cert = {0}, key = {0};
    char cert_flag[32], key_flag[32];
    struct certificate *certificate = calloc(1, sizeof *certificate);
    int error = certificate ? 0 : LEDIG_ENO_MEMORY;
    snprintf(cert_flag, sizeof cert_flag, "%stls-cert", files->prefix);
    snprintf(key_flag, sizeof key_flag, "%stls-key", files->prefix);
    ERR_clear_error();
    if (error) snprintf(why, size, "out of memory");
    if (!error) error = read_file(cert_flag, files->cert_path, false, &cert, why, size);
    if (!error) error = read_file(key_flag, files->key_path, true, &key, why, size);
    if (!error) error = understand(certificate, &cert, &key, files, why, size);
    content_free(&cert);
    content_free(&key);
    if (error) {
        certificate_free(certificate);
        return error;
    }
    *out = certificate;
    return 0;
}

void certificate_free(struct certificate *certificate) {
    if (!certificate) return;
    X509_free(certificate->leaf);
    sk_X509_pop_free(certificate->chain, X509_free);
    EVP_PKEY_free(certificate->key);
    free(certificate);
}

int certificate_use(const struct certificate *certificate, SSL *ssl) {
    SSL_certs_clear(ssl);
    return SSL_use_cert_and_key(ssl, certificate->leaf, certificate->key, certificate->chain, 1) == 1 ? 0 : LEDIG_EIO;
}

int64_t certificate_seconds_left(const struct certificate *certificate) {
    int days = 0, seconds = 0;
    if (ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate->leaf)) != 1) return 0;
    return (int64_t)days * 86400 + seconds;
}

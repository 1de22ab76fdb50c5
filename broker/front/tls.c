#include "broker/front/tls.h"
#include "broker/front/ticket_keys.h"
#include "broker/log.h"
#include "protocol/errors.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Forward secrecy and authenticated encryption only. ChaCha20 goes first for those who put it first: phones that have
 * no AES in hardware. */
#define CIPHERS_1_2                                                                                                    \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"                         \
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define CIPHERS_1_3 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS "X25519:P-256:P-384"
#define TICKETS_OF_A_HANDSHAKE 1 /* a client opens one connection at a time; the next one brings the next ticket */

static const unsigned char session_name[] = "ledig"; /* the same in all workers, or their tickets would not do */

struct tls {
    char cert_path[PATH_MAX], key_path[PATH_MAX], data_dir[PATH_MAX];
    struct certificate_files files; /* those paths */
    struct certificate *certificate;
    struct certificate_stamp stamp; /* of the files looked at last, good or not */
    struct ticket_keys tickets;
};

static void tell_life(const struct tls *tls) {
    int64_t left_s = certificate_seconds_left(tls->certificate);
    log_event(left_s < 0 ? LOG_WARNING : LOG_INFO, left_s < 0 ? "certificate_expired" : "certificate_loaded",
              "days_left=%lld", (long long)(left_s / 86400));
}

int tls_open(const struct certificate_files *files, const char *data_dir, struct tls **out, char *why, size_t size) {
    struct tls *tls = calloc(1, sizeof *tls);
    if (!tls) {
        snprintf(why, size, "out of memory");
        return LEDIG_ENO_MEMORY;
    }
    snprintf(tls->cert_path, sizeof tls->cert_path, "%s", files->cert_path);
    snprintf(tls->key_path, sizeof tls->key_path, "%s", files->key_path);
    snprintf(tls->data_dir, sizeof tls->data_dir, "%s", data_dir);
    tls->files = (struct certificate_files){tls->cert_path, tls->key_path, files->prefix};
    certificate_stamp(&tls->files, &tls->stamp);
    int error = certificate_open(&tls->files, &tls->certificate, why, size);
    if (!error && (error = ticket_keys_read(&tls->tickets, data_dir)) != 0)
        snprintf(why, size, "cannot read %s/" TICKET_FILE ": %s", data_dir, ledig_error_meaning(error));
    if (error) {
        tls_close(tls);
        return error;
    }
    tell_life(tls);
    *out = tls;
    return 0;
}

void tls_close(struct tls *tls) {
    if (!tls) return;
    certificate_free(tls->certificate);
    explicit_bzero(&tls->tickets, sizeof tls->tickets);
    free(tls);
}

/* ---- The context ---- */

static int on_certificate(SSL *ssl, void *arg) {
    const struct tls *tls = arg;
    return certificate_use(tls->certificate, ssl) == 0 ? 1 : 0;
}

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                     int sealing) {
    const struct tls *tls = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    return ticket_keys_apply(&tls->tickets, name, iv, cipher, mac, sealing == 1);
}

static void set_up_tickets(struct tls *tls, SSL_CTX *context) {
    SSL_CTX_set_app_data(context, tls);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL); /* tickets only */
    SSL_CTX_set_timeout(context, TICKET_PERIOD_S);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket);
    SSL_CTX_set_max_early_data(context, 0); /* a hello that somebody repeats must not count */
}

int tls_set_up(struct tls *tls, SSL_CTX *context) {
    /* Buffers are kept only while something is in them: 33 KiB a connection otherwise. Partial writes leave no more
     * than one record inside of OpenSSL, and libwebsockets moves what it keeps. */
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_clear_options(context, SSL_OP_NO_TICKET | SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION);
    SSL_CTX_set_tlsext_servername_callback(context, NULL); /* one certificate, whatever name the client asks for */
    set_up_tickets(tls, context);
    SSL_CTX_set_cert_cb(context, on_certificate, tls);
    bool good = SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
                SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
                SSL_CTX_set_cipher_list(context, CIPHERS_1_2) == 1 &&
                SSL_CTX_set_ciphersuites(context, CIPHERS_1_3) == 1 && SSL_CTX_set1_groups_list(context, GROUPS) == 1 &&
                SSL_CTX_set_num_tickets(context, TICKETS_OF_A_HANDSHAKE) == 1 &&
                SSL_CTX_set_session_id_context(context, session_name, sizeof session_name - 1) == 1;
    ERR_clear_error();
    return good ? 0 : LEDIG_EIO;
}

/* ---- Renewal ---- */

static void look_at_certificate(struct tls *tls, bool asked) {
    struct certificate_stamp stamp;
    struct certificate *fresh = NULL;
    char why[2 * PATH_MAX + 128];
    certificate_stamp(&tls->files, &stamp);
    if (!asked && memcmp(&stamp, &tls->stamp, sizeof stamp) == 0) return;
    tls->stamp = stamp; /* taken before reading: what changes meanwhile is seen the next time */
    if (certificate_open(&tls->files, &fresh, why, sizeof why) != 0) {
        log_event(LOG_ERROR, "certificate_kept", "why=\"%s\"", why);
        return;
    }
    certificate_free(tls->certificate);
    tls->certificate = fresh;
    tell_life(tls);
}

void tls_look(struct tls *tls, bool asked) {
    look_at_certificate(tls, asked);
    int error = ticket_keys_read(&tls->tickets, tls->data_dir);
    if (error) log_event(LOG_WARNING, "ticket_keys_kept", "why=\"%s\"", ledig_error_meaning(error));
}

/* ---- Sending ---- */

static ptrdiff_t send_plain(int fd, const void *bytes, size_t length) {
    ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) return sent;
    return errno == EAGAIN || errno == EINTR ? 0 : LEDIG_EIO;
}

ptrdiff_t tls_send(SSL *ssl, int fd, const void *bytes, size_t length) {
    size_t sent = 0;
    if (!ssl) return send_plain(fd, bytes, length);
    ERR_clear_error();
    while (sent < length) { /* a record at a time */
        size_t taken = 0;
        int done = SSL_write_ex(ssl, (const char *)bytes + sent, length - sent, &taken);
        sent += taken;
        if (done == 1) continue;
        int error = SSL_get_error(ssl, done);
        return error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ ? (ptrdiff_t)sent : LEDIG_EIO;
    }
    return (ptrdiff_t)sent;
}

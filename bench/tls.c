#include "bench/tls.h"
#include "bench/terminal.h"
#include "protocol/errors.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <unistd.h>

#define VALID_S (2 * 24 * 3600)
#define EARLIER_S 3600 /* clocks need not agree to the minute */

/* ---- An identity ---- */

static bool add_extension(X509 *certificate, int kind, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    bool added = extension && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return added;
}

static X509 *make_certificate(EVP_PKEY *key) {
    X509 *certificate = X509_new();
    X509_NAME *name = X509_NAME_new();
    bool made = certificate && name &&
                X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"ledig-bench", -1, -1, 0) &&
                X509_set_version(certificate, 2) && ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) &&
                X509_gmtime_adj(X509_getm_notBefore(certificate), -EARLIER_S) &&
                X509_gmtime_adj(X509_getm_notAfter(certificate), VALID_S) && X509_set_subject_name(certificate, name) &&
                X509_set_issuer_name(certificate, name) && X509_set_pubkey(certificate, key) &&
                add_extension(certificate, NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost") &&
                X509_sign(certificate, key, EVP_sha256()) > 0;
    X509_NAME_free(name);
    if (made) return certificate;
    X509_free(certificate);
    return NULL;
}

static FILE *create(const char *path) {
    int descriptor = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
    FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "w");
    if (descriptor >= 0 && !file) close(descriptor);
    return file;
}

int tls_write_identity(const char *cert_path, const char *key_path) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = key ? make_certificate(key) : NULL;
    FILE *cert_file = certificate ? create(cert_path) : NULL, *key_file = cert_file ? create(key_path) : NULL;
    bool written = key_file && PEM_write_X509(cert_file, certificate) == 1 &&
                   PEM_write_PrivateKey(key_file, key, NULL, NULL, 0, NULL, NULL) == 1;
    if (cert_file && fclose(cert_file) != 0) written = false;
    if (key_file && fclose(key_file) != 0) written = false;
    X509_free(certificate);
    EVP_PKEY_free(key);
    return written ? 0 : LEDIG_EIO;
}

/* ---- Contexts ---- */

static int on_session(SSL *ssl, SSL_SESSION *session) {
    SSL_SESSION **place = SSL_get_app_data(ssl);
    if (!place) return 0;
    SSL_SESSION_free(*place);
    *place = session;
    return 1; /* ours now */
}

void tls_collect_session(SSL *ssl, SSL_SESSION **session) {
    SSL_set_app_data(ssl, session);
}

static void set_up(SSL_CTX *context) {
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_read_ahead(context, 1); /* a record costs one recv, not one for its head and one for the rest */
}

SSL_CTX *tls_client(const char *trust_path, const char *host) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (!context || SSL_CTX_load_verify_locations(context, trust_path, NULL) != 1) {
        SSL_CTX_free(context);
        complain(0, "there are no certificates to trust in %s", trust_path);
        return NULL;
    }
    set_up(context);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    X509_VERIFY_PARAM *verify = SSL_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_flags(verify, X509_V_FLAG_PARTIAL_CHAIN); /* a leaf is an anchor too */
    if (X509_VERIFY_PARAM_set1_ip_asc(verify, host) != 1) X509_VERIFY_PARAM_set1_host(verify, host, 0);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, on_session);
    return context;
}

SSL_CTX *tls_server(const char *cert_path, const char *key_path) {
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (!context || SSL_CTX_use_certificate_chain_file(context, cert_path) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key_path, SSL_FILETYPE_PEM) != 1) {
        SSL_CTX_free(context);
        complain(0, "%s and %s are no certificate with its key", cert_path, key_path);
        return NULL;
    }
    set_up(context);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
    return context;
}

/* ---- Connections ---- */

static ssize_t outcome(SSL *ssl, int result) {
    switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        errno = EIO;
        return -1;
    }
}

ssize_t tls_read(SSL *ssl, void *bytes, size_t length) {
    size_t got;
    ERR_clear_error();
    int result = SSL_read_ex(ssl, bytes, length, &got);
    return result == 1 ? (ssize_t)got : outcome(ssl, result);
}

ssize_t tls_write(SSL *ssl, const void *bytes, size_t length) {
    size_t put;
    ERR_clear_error();
    int result = SSL_write_ex(ssl, bytes, length, &put);
    return result == 1 ? (ssize_t)put : outcome(ssl, result);
}

int tls_shake(SSL *ssl) {
    ERR_clear_error();
    int result = SSL_do_handshake(ssl);
    if (result == 1) return 1;
    return outcome(ssl, result) < 0 && errno == EAGAIN ? 0 : LEDIG_EIO;
}

void tls_drop(SSL *ssl) {
    if (!ssl) return;
    SSL_set_app_data(ssl, NULL);
    SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN); /* else OpenSSL spoils the session of a connection that broke off */
    SSL_free(ssl);
}

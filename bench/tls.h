/* TLS for the bench, by OpenSSL alone: an identity made on the spot (P-256, signed by itself), the two kinds of
 * context, and reads and writes that look like recv and send. It trusts exactly the certificate that it is told to.
 *
 * Contexts are the caller's (SSL_CTX_free); connections hold on to theirs. */
#ifndef LEDIG_BENCH_TLS_H
#define LEDIG_BENCH_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Writes a certificate for 127.0.0.1 and localhost, good for two days, and its key, readable by the owner alone. 0 or
 * LEDIG_EIO. */
int tls_write_identity(const char *cert_path, const char *key_path);

/* For a client that trusts the certificates in `trust_path` (PEM) for that host (a name or an address), TLS 1.3; for a
 * server with that identity. NULL after a complaint. */
SSL_CTX *tls_client(const char *trust_path, const char *host);
SSL_CTX *tls_server(const char *cert_path, const char *key_path);

/* A client's context keeps no sessions; each connection hands its latest ticket to this owner, who frees it. */
void tls_collect_session(SSL *ssl, SSL_SESSION **session);

/* As recv and send with MSG_DONTWAIT on a non-blocking socket: -1 with EAGAIN where nothing goes. What a write was not
 * able to take must come first in the next one. */
ssize_t tls_read(SSL *ssl, void *bytes, size_t length);
ssize_t tls_write(SSL *ssl, const void *bytes, size_t length);

/* Goes on with the handshake: 1 done, 0 not yet, LEDIG_EIO where it failed. */
int tls_shake(SSL *ssl);

/* Frees a connection without a word to the peer; its session stays good. NULL is none. */
void tls_drop(SSL *ssl);

#endif

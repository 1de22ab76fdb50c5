/* What a port needs to speak TLS 1.2 and 1.3: the certificate, read again when its files are renewed, and the keys of
 * the session tickets. It knows no connection: libwebsockets makes the handshakes, with a context that this set up, and
 * those that are established keep what they began with. */
#ifndef LEDIG_FRONT_TLS_H
#define LEDIG_FRONT_TLS_H

#include "broker/front/certificate.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

struct tls;

/* The paths are copied; the prefix is a constant. On failure a negative error, with a line for the operator in `why`.
 */
int tls_open(const struct certificate_files *files, const char *data_dir, struct tls **tls, char *why, size_t size);

/* After the contexts that were set up are gone. NULL is none. */
void tls_close(struct tls *tls);

/* Sets up a context for a server: versions, ciphers, tickets, and the certificate of each handshake. `tls` must outlive
 * it. 0 or LEDIG_EIO. */
int tls_set_up(struct tls *tls, SSL_CTX *context);

/* Looks whether the files were renewed; called now and then. New ones serve from the next handshake on; of broken ones
 * it tells once, and goes on with what it has. `asked`: reads them whether they look new or not. */
void tls_look(struct tls *tls, bool asked);

/* Sends as much as the kernel takes now, by plain send() where `ssl` is NULL. Returns how much, or LEDIG_EIO where the
 * connection is dead. With TLS, what was not taken must be sent next and unchanged, though it may stand elsewhere by
 * then and have more behind it: OpenSSL may have sealed its first record already. */
ptrdiff_t tls_send(SSL *ssl, int fd, const void *bytes, size_t length);

#endif

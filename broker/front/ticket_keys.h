/* The keys that seal session tickets, so that a client which comes back needs no signature of ours, whichever worker it
 * lands on. They lie in the data directory, random and written only by the supervisor, which replaces one every
 * TICKET_PERIOD_S; the workers read them. A ticket holds the secret of its session, so a key is gone for good after
 * three periods: next, current, previous.
 *
 * Workers may learn of a change at different times: the next key is known to all before any uses it. */
#ifndef LEDIG_FRONT_TICKET_KEYS_H
#define LEDIG_FRONT_TICKET_KEYS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#define TICKET_PERIOD_S (12 * 3600) /* a phone that slept over night comes back without a full handshake */
#define TICKET_FILE "ticket.keys"   /* in the data directory */

struct ticket_key {
    unsigned char name[16]; /* stands in the ticket */
    unsigned char aes[32], hmac[32];
};

struct ticket_keys {
    struct ticket_key current, next, previous; /* as they stand in the file */
    int64_t changed_ns;                        /* of the file that was read */
};

/* Makes the file, or replaces a key in it, if it is time. `now_s`: seconds of the epoch, as the file's own time is.
 * LEDIG_EIO with errno set, or LEDIG_ETOO_LARGE for the path. */
int ticket_keys_rotate(const char *data_dir, int64_t now_s);

/* Reads them if the file has changed. LEDIG_EIO, LEDIG_EDAMAGED: those that were read before stay. */
int ticket_keys_read(struct ticket_keys *keys, const char *data_dir);

/* What OpenSSL asks for a ticket, of SSL_CTX_set_tlsext_ticket_key_evp_cb: 1 = go on, 2 = go on and give a new ticket,
 * 0 = the key is not known, -1 = failure. */
int ticket_keys_apply(const struct ticket_keys *keys, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                      EVP_MAC_CTX *mac, bool sealing);

#endif

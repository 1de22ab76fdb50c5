/* Keys of a company's identity provider, as its key set has them (JWK, RFC 7517 and RFC 7518): made into what is kept
 * and what a signature is checked with. Each key has one algorithm, and no other is ever used with it (RFC 8725,
 * section 3.1). Pure. */
#ifndef LEDIG_IDENTITY_JWK_H
#define LEDIG_IDENTITY_JWK_H

#include "broker/model/record.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define JWK_KEY_CHARS_MAX IDENTITY_KEY_CHARS_MAX
#define JWK_SECRET_BYTES_MIN 32 /* of HS256: RFC 7518, section 3.2 */
#define JWK_SECRET_BYTES_MAX 512
#define JWK_RSA_BITS_MIN 2048 /* RFC 7518, section 3.3 */
#define JWK_RSA_BITS_MAX 8192 /* or a check takes too long */

struct jwk {
    const char *kid;                 /* lent by the document; NULL = none */
    const char *alg;                 /* "RS256", "ES256" or "HS256": a constant */
    char key[JWK_KEY_CHARS_MAX + 1]; /* PEM of the public key; of HS256 the secret in base64url */
};

/* 0; LEDIG_EUNSUPPORTED: a key for something else, which a key set may have and is passed over; LEDIG_EBAD_REQUEST:
 * `why` says what is wrong; LEDIG_ENO_MEMORY. */
int jwk_read(const json_t *document, struct jwk *jwk, const char **why);

/* The bytes of a secret. False: it is none. */
bool jwk_secret(const char *key, uint8_t secret[static JWK_SECRET_BYTES_MAX], size_t *length);

#endif

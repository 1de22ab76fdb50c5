/* The signing key, as token.c needs it. Private to broker/identity. */
#ifndef LEDIG_IDENTITY_TOKEN_KEY_H
#define LEDIG_IDENTITY_TOKEN_KEY_H

#include "broker/identity/token.h"
#include <stddef.h>

#define TOKEN_KEY_BYTES 32 /* HS256: as long as the hash (RFC 7518, section 3.2) */

/* A router shows the same token with each question, and to check a signature takes longer than to answer. So tokens of
 * routers that were good are remembered: one whose text is the same in full is the same token, and only its time may be
 * over by now. */
#define TOKEN_REMEMBERED 64

struct token_remembered {
    char *text; /* owned; NULL = none */
    size_t length;
    struct token_claims claims;
};

struct token_key {
    unsigned char bytes[TOKEN_KEY_BYTES];
    struct token_remembered *remembered; /* TOKEN_REMEMBERED places, by the end of the signature; NULL = no memory */
};

#endif

/* The signing key, as token.c needs it. Private to broker/identity. */
#ifndef LEDIG_IDENTITY_TOKEN_KEY_H
#define LEDIG_IDENTITY_TOKEN_KEY_H

#include "broker/identity/token.h"

#define TOKEN_KEY_BYTES 32 /* HS256: as long as the hash (RFC 7518, section 3.2) */

struct token_key {
    unsigned char bytes[TOKEN_KEY_BYTES];
};

#endif

/* Secrets that we make and hand out: refresh tokens and invitations. 256 random bits each, so that a plain hash is
 * enough to keep. Re-entrant. */
#ifndef LEDIG_IDENTITY_SECRET_H
#define LEDIG_IDENTITY_SECRET_H

#include <stdbool.h>

#define SECRET_CHARS 43      /* base64url */
#define SECRET_HASH_CHARS 43 /* likewise */
#define LOGIN_ID_CHARS 16    /* 64 bits, in hex */

void secret_make(char secret[static SECRET_CHARS + 1]);
void secret_hash(const char *secret, char hash[static SECRET_HASH_CHARS + 1]);

/* Whether it is the one that was hashed; in constant time. `hash` NULL: no. */
bool secret_matches(const char *secret, const char *hash);

/* A name for a login: not secret, and given to no other. */
void login_id_make(char id[static LOGIN_ID_CHARS + 1]);

#endif

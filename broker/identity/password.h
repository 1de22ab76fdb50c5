/* Passwords: hashed with Argon2id (RFC 9106), with their parameters in the hash, so that these can be raised later.
 * Both functions take some tens of milliseconds and PASSWORD_MEMORY_BYTES: never call them on a loop. Re-entrant. */
#ifndef LEDIG_IDENTITY_PASSWORD_H
#define LEDIG_IDENTITY_PASSWORD_H

#include "protocol/errors.h"

#include <stdbool.h>

#define PASSWORD_CHARS_MIN 10
#define PASSWORD_BYTES_MAX 256
#define PASSWORD_HASH_BYTES 128                    /* with its NUL; as libsodium's crypto_pwhash_STRBYTES */
#define PASSWORD_MEMORY_BYTES (32UL * 1024 * 1024) /* OWASP asks for 19 MiB with 2 passes at the least */
#define PASSWORD_PASSES 2

/* 0 or LEDIG_ENO_MEMORY. */
int password_hash(const char *password, char hash[static PASSWORD_HASH_BYTES]);

/* NULL or no hash at all takes as long as a wrong password does. */
bool password_matches(const char *password, const char *hash);

/* Whether it was made with other parameters than are used now. */
bool password_is_old(const char *hash);

#endif

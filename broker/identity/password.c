#include "broker/identity/password.h"

#include <sodium.h>
#include <string.h>

_Static_assert(PASSWORD_HASH_BYTES >= crypto_pwhash_STRBYTES, "the hash fits");

int password_hash(const char *password, char hash[static PASSWORD_HASH_BYTES]) {
    int failed = crypto_pwhash_str_alg(hash, password, strlen(password), PASSWORD_PASSES, PASSWORD_MEMORY_BYTES,
                                       crypto_pwhash_ALG_ARGON2ID13);
    return failed ? LEDIG_ENO_MEMORY : 0;
}

bool password_matches(const char *password, const char *hash) {
    char vain[PASSWORD_HASH_BYTES];
    if (hash && strncmp(hash, crypto_pwhash_argon2id_STRPREFIX, strlen(crypto_pwhash_argon2id_STRPREFIX)) == 0)
        return crypto_pwhash_str_verify(hash, password, strlen(password)) == 0;
    (void)password_hash(password, vain); /* for the time that it takes */
    return false;
}

bool password_is_old(const char *hash) {
    return crypto_pwhash_str_needs_rehash(hash, PASSWORD_PASSES, PASSWORD_MEMORY_BYTES) != 0;
}

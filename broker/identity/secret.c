#include "broker/identity/secret.h"

#include <sodium.h>
#include <string.h>

#define VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING

void secret_make(char secret[static SECRET_CHARS + 1]) {
    unsigned char bytes[32];
    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2base64(secret, SECRET_CHARS + 1, bytes, sizeof bytes, VARIANT);
    sodium_memzero(bytes, sizeof bytes);
}

void secret_hash(const char *secret, char hash[static SECRET_HASH_CHARS + 1]) {
    unsigned char digest[32];
    crypto_generichash(digest, sizeof digest, (const unsigned char *)secret, strlen(secret), NULL, 0);
    sodium_bin2base64(hash, SECRET_HASH_CHARS + 1, digest, sizeof digest, VARIANT);
}

bool secret_matches(const char *secret, const char *hash) {
    char of_secret[SECRET_HASH_CHARS + 1];
    if (!hash || strlen(hash) != SECRET_HASH_CHARS) return false;
    secret_hash(secret, of_secret);
    return sodium_memcmp(of_secret, hash, SECRET_HASH_CHARS) == 0;
}

void login_id_make(char id[static LOGIN_ID_CHARS + 1]) {
    unsigned char bytes[LOGIN_ID_CHARS / 2];
    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2hex(id, LOGIN_ID_CHARS + 1, bytes, sizeof bytes);
}

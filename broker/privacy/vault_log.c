/* The entries of logs; they need no master. */
#include "broker/privacy/vault.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define FORMAT_ENTRY 2
#define KEY_BYTES crypto_aead_xchacha20poly1305_ietf_KEYBYTES
#define NONCE_BYTES crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define MARK_BYTES crypto_aead_xchacha20poly1305_ietf_ABYTES
#define HEAD_BYTES (1 + NONCE_BYTES)
#define PLACE_BYTES_MAX 512
#define VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING

void vault_log_key_make(char key[static VAULT_LOG_KEY_CHARS + 1]) {
    uint8_t bytes[KEY_BYTES];
    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2base64(key, VAULT_LOG_KEY_CHARS + 1, bytes, sizeof bytes, VARIANT);
    sodium_memzero(bytes, sizeof bytes);
}

static bool take_key(const char *text, uint8_t key[static KEY_BYTES]) {
    size_t length = 0;
    return text && strlen(text) == VAULT_LOG_KEY_CHARS &&
           sodium_base642bin(key, KEY_BYTES, text, VAULT_LOG_KEY_CHARS, NULL, &length, NULL, VARIANT) == 0 &&
           length == KEY_BYTES;
}

/* What an entry is bound to: company, log and id, each with its NUL. */
static size_t place_of(const char *company, const char *log, const char *id, char place[static PLACE_BYTES_MAX]) {
    const char *const parts[] = {company, log, id};
    size_t length = 0;
    for (size_t i = 0; i < 3; i++) {
        size_t part = strnlen(parts[i], PLACE_BYTES_MAX / 3 - 1);
        memcpy(place + length, parts[i], part);
        length += part;
        place[length++] = '\0';
    }
    return length;
}

int vault_seal_entry(const char *key_text, const char *company, const char *log, const char *id, const uint8_t *plain,
                     size_t length, struct buffer *sealed) {
    uint8_t key[KEY_BYTES];
    char place[PLACE_BYTES_MAX];
    if (!take_key(key_text, key)) return LEDIG_EDAMAGED;
    uint8_t *at = buffer_extend(sealed, HEAD_BYTES + length + MARK_BYTES);
    if (at) {
        at[0] = FORMAT_ENTRY;
        randombytes_buf(at + 1, NONCE_BYTES);
        crypto_aead_xchacha20poly1305_ietf_encrypt(at + HEAD_BYTES, NULL, plain, length, (const uint8_t *)place,
                                                   place_of(company, log, id, place), NULL, at + 1, key);
    }
    sodium_memzero(key, sizeof key);
    return at ? 0 : LEDIG_ENO_MEMORY;
}

int vault_unseal_entry(const char *key_text, const char *company, const char *log, const char *id,
                       const uint8_t *sealed, size_t length, struct buffer *plain) {
    uint8_t key[KEY_BYTES];
    char place[PLACE_BYTES_MAX];
    if (length < HEAD_BYTES + MARK_BYTES || sealed[0] != FORMAT_ENTRY || !take_key(key_text, key))
        return LEDIG_EDAMAGED;
    size_t opened = length - HEAD_BYTES - MARK_BYTES;
    uint8_t *at = buffer_extend(plain, opened);
    int error = at ? 0 : LEDIG_ENO_MEMORY;
    if (!error && crypto_aead_xchacha20poly1305_ietf_decrypt(at, NULL, NULL, sealed + HEAD_BYTES, length - HEAD_BYTES,
                                                             (const uint8_t *)place, place_of(company, log, id, place),
                                                             sealed + 1, key) != 0) {
        plain->length -= opened;
        error = LEDIG_EDAMAGED;
    }
    sodium_memzero(key, sizeof key);
    return error;
}

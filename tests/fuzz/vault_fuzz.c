/* What the vault reads: sealed records and entries as somebody may have put them into the store, and the text of the
 * key file. The first byte says which. Nothing that was not sealed opens; what was sealed opens, but not where a bit of
 * it was changed. */
#include "broker/privacy/vault.h"
#include "broker/privacy/vault_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static const char keys_text[] = "ledig-keys 1\n"
                                "names 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
                                "master a1 202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f\n";
static const char entry_key[] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

static char path[64];
static int file = -1;

static void remove_file(void) {
    unlink(path);
}

static void put(const void *bytes, size_t length) {
    if (ftruncate(file, 0) != 0 || pwrite(file, bytes, length, 0) != (ssize_t)length) abort();
}

static struct vault *open_once(void) {
    static struct vault *vault;
    if (vault) return vault;
    snprintf(path, sizeof path, "/tmp/ledig-vault-fuzz-XXXXXX");
    file = mkstemp(path); /* 0600 */
    if (file < 0) abort();
    atexit(remove_file);
    put(keys_text, sizeof keys_text - 1);
    if (vault_open(&(struct vault_source){.path = path}, false, &vault) != 0) abort();
    return vault;
}

static void open_what_comes(struct vault *vault, const uint8_t *bytes, size_t length) {
    struct buffer plain = {0};
    if (vault_unseal(vault, "acme", "state:x", bytes, length, &plain) >= 0) abort();
    if (vault_unseal_entry(entry_key, "acme", "calls:x", "1-0", bytes, length, &plain) >= 0) abort();
    if (plain.length > 0) abort();
    buffer_free(&plain);
}

/* The first two bytes say which bit is changed. */
static void seal_and_change(struct vault *vault, const uint8_t *bytes, size_t length) {
    struct buffer sealed = {0}, plain = {0};
    if (length < 2) return;
    if (vault_seal(vault, "acme", "state:x", bytes, length, &sealed) != 0) return;
    if (vault_unseal(vault, "acme", "state:x", sealed.bytes, sealed.length, &plain) != 0) abort();
    if (plain.length != length || memcmp(plain.bytes, bytes, length) != 0) abort();
    buffer_clear(&plain);
    if (vault_unseal(vault, "acme", "state:y", sealed.bytes, sealed.length, &plain) >= 0) abort();
    size_t bit = ((size_t)bytes[0] << 8 | bytes[1]) % (8 * sealed.length);
    sealed.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    if (vault_unseal(vault, "acme", "state:x", sealed.bytes, sealed.length, &plain) >= 0) abort();
    buffer_free(&sealed);
    buffer_free(&plain);
}

static void read_keys(const uint8_t *bytes, size_t length) {
    struct vault_keys keys;
    put(bytes, length);
    if (vault_keys_read(path, NULL, &keys) == 0 && (keys.count == 0 || keys.count > VAULT_MASTERS_MAX)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct vault *vault = open_once();
    if (length == 0) return 0;
    if (bytes[0] % 3 == 0)
        open_what_comes(vault, bytes + 1, length - 1);
    else if (bytes[0] % 3 == 1)
        seal_and_change(vault, bytes + 1, length - 1);
    else
        read_keys(bytes + 1, length - 1);
    return 0;
}

#include "broker/identity/fingerprint.h"
#include "protocol/errors.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

int fingerprint(const char *first, const char *second, char hex[static FINGERPRINT_CHARS + 1]) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int good = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
               EVP_DigestUpdate(context, first, strlen(first) + 1) == 1 &&
               EVP_DigestUpdate(context, second, strlen(second)) == 1 && EVP_DigestFinal_ex(context, digest, NULL) == 1;
    EVP_MD_CTX_free(context);
    if (!good) return LEDIG_ENO_MEMORY;
    for (int i = 0; i < FINGERPRINT_CHARS / 2; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return 0;
}

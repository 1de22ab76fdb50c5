#include "broker/identity/jwk.h"
#include "protocol/errors.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#define P256_BYTES 32
#define NUMBER_BYTES_MAX (JWK_RSA_BITS_MAX / 8 + 1)
#define EXPONENT_BYTES_MAX 4

static bool decode(const char *text, uint8_t *bytes, size_t size, size_t *length) {
    const char *end;
    return text &&
           sodium_base642bin(bytes, size, text, strlen(text), NULL, length, &end,
                             sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0 &&
           *end == '\0';
}

static const char *text_of(const json_t *document, const char *name) {
    return json_string_value(json_object_get(document, name));
}

static bool take_number(const json_t *document, const char *name, size_t bytes_max, BIGNUM **number) {
    uint8_t bytes[NUMBER_BYTES_MAX];
    size_t length;
    if (!decode(text_of(document, name), bytes, bytes_max, &length) || length == 0) return false;
    *number = BN_bin2bn(bytes, (int)length, NULL);
    return *number != NULL;
}

/* ---- To PEM ---- */

static EVP_PKEY *make_key(const char *kind, OSSL_PARAM_BLD *build) {
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, kind, NULL);
    if (!params || !context || EVP_PKEY_fromdata_init(context) <= 0 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) <= 0)
        key = NULL;
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    return key;
}

/* Takes the key; NULL is fine. A point that is not on the curve fails. */
static bool write_pem(EVP_PKEY *key, char pem[static JWK_KEY_CHARS_MAX + 1]) {
    BIO *out = key ? BIO_new(BIO_s_mem()) : NULL;
    EVP_PKEY_CTX *context = key ? EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL) : NULL;
    char *text;
    bool good = out && context && EVP_PKEY_public_check(context) == 1 && PEM_write_bio_PUBKEY(out, key) == 1;
    long length = good ? BIO_get_mem_data(out, &text) : 0;
    good = length > 0 && length <= JWK_KEY_CHARS_MAX;
    if (good) memcpy(pem, text, (size_t)length);
    if (good) pem[length] = '\0';
    BIO_free(out);
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(key);
    return good;
}

static int read_rsa(const json_t *document, struct jwk *jwk, const char **why) {
    BIGNUM *n = NULL, *e = NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    int error = LEDIG_EBAD_REQUEST;
    if (!build) {
        error = LEDIG_ENO_MEMORY;
    } else if (!take_number(document, "n", NUMBER_BYTES_MAX, &n) ||
               !take_number(document, "e", EXPONENT_BYTES_MAX, &e) || !BN_is_odd(e) || BN_is_one(e)) {
        *why = "an RSA key needs n and e in base64url";
    } else if (BN_num_bits(n) < JWK_RSA_BITS_MIN || BN_num_bits(n) > JWK_RSA_BITS_MAX) {
        *why = "an RSA key has 2048 to 8192 bits";
    } else {
        bool good = OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
                    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) == 1 &&
                    write_pem(make_key("RSA", build), jwk->key);
        error = good ? 0 : LEDIG_EBAD_REQUEST;
        if (error) *why = "is no RSA key";
    }
    OSSL_PARAM_BLD_free(build);
    BN_free(n);
    BN_free(e);
    return error;
}

static int read_ec(const json_t *document, struct jwk *jwk, const char **why) {
    uint8_t point[1 + 2 * P256_BYTES] = {POINT_CONVERSION_UNCOMPRESSED};
    size_t x, y;
    *why = "is no point of P-256";
    if (!decode(text_of(document, "x"), point + 1, P256_BYTES, &x) || x != P256_BYTES ||
        !decode(text_of(document, "y"), point + 1 + P256_BYTES, P256_BYTES, &y) || y != P256_BYTES)
        return LEDIG_EBAD_REQUEST;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    if (!build) return LEDIG_ENO_MEMORY;
    bool good = OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1 &&
                OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point) == 1 &&
                write_pem(make_key("EC", build), jwk->key);
    OSSL_PARAM_BLD_free(build);
    return good ? 0 : LEDIG_EBAD_REQUEST;
}

/* ---- What kind? ---- */

bool jwk_secret(const char *key, uint8_t secret[static JWK_SECRET_BYTES_MAX], size_t *length) {
    return decode(key, secret, JWK_SECRET_BYTES_MAX, length) && *length >= JWK_SECRET_BYTES_MIN;
}

static int read_secret(const json_t *document, struct jwk *jwk, const char **why) {
    uint8_t secret[JWK_SECRET_BYTES_MAX];
    size_t length;
    const char *text = text_of(document, "k");
    bool good = jwk_secret(text, secret, &length);
    explicit_bzero(secret, sizeof secret);
    *why = "a secret has 32 to 512 bytes, in base64url without padding";
    if (good) strcpy(jwk->key, text); /* 683 characters at the most */
    return good ? 0 : LEDIG_EBAD_REQUEST;
}

/* Whether it signs, and by the algorithm that we use with its kind. */
static bool is_for_us(const json_t *document, const char *alg) {
    const char *use = text_of(document, "use"), *said = text_of(document, "alg");
    return (!use || strcmp(use, "sig") == 0) && (!said || strcmp(said, alg) == 0);
}

int jwk_read(const json_t *document, struct jwk *jwk, const char **why) {
    static const char *const kinds[] = {"RSA", "EC", "oct"}, *const algorithms[] = {"RS256", "ES256", "HS256"};
    int (*const readers[])(const json_t *, struct jwk *, const char **) = {read_rsa, read_ec, read_secret};
    const char *kind = text_of(document, "kty"), *curve = text_of(document, "crv");
    size_t at = 0;
    memset(jwk, 0, sizeof *jwk);
    *why = "each key is an object with kty";
    if (!kind) return LEDIG_EBAD_REQUEST;
    while (at < 3 && strcmp(kind, kinds[at]) != 0)
        at++;
    if (at == 3 || !is_for_us(document, algorithms[at])) return LEDIG_EUNSUPPORTED;
    if (at == 1 && (!curve || strcmp(curve, "P-256") != 0)) return LEDIG_EUNSUPPORTED;
    *why = "is a private key: give the public one alone";
    if (at < 2 && json_object_get(document, "d")) return LEDIG_EBAD_REQUEST;
    jwk->kid = text_of(document, "kid");
    jwk->alg = algorithms[at];
    *why = "a key's kid has 1 to 120 characters";
    if (jwk->kid && (!jwk->kid[0] || strlen(jwk->kid) > LEDIG_NAME_CHARS_MAX)) return LEDIG_EBAD_REQUEST;
    return readers[at](document, jwk, why);
}

/* Tokens with a fixed key. An input that begins with `=` is a text that somebody made up, and must never be good; any
 * other is what stands in a token that was signed with the right key: good or not, its claims keep their form. */
#include "broker/identity/token.h"
#include "broker/identity/token_key.h"
#include "protocol/shape.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

#define NOW_MS 1800000000000
#define PAYLOAD_BYTES_MAX 4096

/* base64url without padding (RFC 4648, section 5); returns its length. */
static size_t encode(const uint8_t *bytes, size_t length, char *text) {
    int written = EVP_EncodeBlock((unsigned char *)text, bytes, (int)length);
    while (written > 0 && text[written - 1] == '=')
        written--;
    text[written] = 0;
    for (char *at = text; *at; at++)
        *at = *at == '+' ? '-' : *at == '/' ? '_' : *at;
    return (size_t)written;
}

/* The payload signed as HS256. */
static void sign(const struct token_key *key, const uint8_t *payload, size_t length, char *token) {
    static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
    uint8_t code[EVP_MAX_MD_SIZE];
    unsigned code_length = 0;
    size_t at = encode((const uint8_t *)header, sizeof header - 1, token);
    token[at++] = '.';
    at += encode(payload, length, token + at);
    HMAC(EVP_sha256(), key->bytes, sizeof key->bytes, (const unsigned char *)token, at, code, &code_length);
    token[at++] = '.';
    encode(code, code_length, token + at);
}

static void judge(const struct token_claims *claims) {
    if (!shape_is_id(claims->user) || claims->role >= ROLE_COUNT || !claims->companies[0]) abort();
    if (claims->expires_at_ms <= NOW_MS) abort();
    if (claims->role != ROLE_ROUTER && claims->role != ROLE_OPERATOR && !shape_is_id(claims->companies)) abort();
    if (claims->login[0] && strlen(claims->login) != LOGIN_ID_CHARS) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static struct token_key key = {.bytes = "0123456789abcdef0123456789abcde"};
    static char token[4 * PAYLOAD_BYTES_MAX];
    struct token_claims claims;
    if (length == 0 || length > PAYLOAD_BYTES_MAX) return 0;
    bool is_made_up = bytes[0] == '=';
    if (is_made_up) {
        memcpy(token, bytes + 1, length - 1);
        token[length - 1] = 0;
    } else {
        sign(&key, bytes, length, token);
    }
    int error = token_check(&key, token, NOW_MS, &claims);
    if (error && error != LEDIG_EUNAUTHORIZED) abort();
    if (error) return 0;
    if (is_made_up) abort(); /* 2^-256 */
    judge(&claims);
    return 0;
}

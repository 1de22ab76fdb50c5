#include "broker/identity/provider.h"
#include "broker/identity/jwk.h"
#include "protocol/shape.h"

#include <jansson.h>
#include <jwt.h>
#include <sodium.h>
#include <string.h>

/* ---- Its parts ---- */

/* An object in base64url, of at most `size` bytes; NULL where it is none. */
static json_t *read_part(const char *text, size_t length, char *bytes, size_t size) {
    size_t count;
    const char *end;
    if (sodium_base642bin((unsigned char *)bytes, size, text, length, NULL, &count, &end,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
        end != text + length)
        return NULL;
    json_t *object = json_loadb(bytes, count, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(object)) return object;
    json_decref(object);
    return NULL;
}

static json_t *read_head(const char *token) {
    char bytes[PROVIDER_HEAD_BYTES_MAX];
    return read_part(token, strcspn(token, "."), bytes, sizeof bytes);
}

static json_t *read_body(const char *token) {
    char bytes[LEDIG_TOKEN_CHARS_MAX];
    const char *body = strchr(token, '.');
    return body ? read_part(body + 1, strcspn(body + 1, "."), bytes, sizeof bytes) : NULL;
}

static const char *text_of(const json_t *object, const char *name) {
    return json_string_value(json_object_get(object, name));
}

static bool is_long(const char *token) {
    return strnlen(token, LEDIG_TOKEN_CHARS_MAX + 1) > LEDIG_TOKEN_CHARS_MAX;
}

bool provider_may_have_made(const char *token) {
    json_t *head = is_long(token) ? NULL : read_head(token);
    const char *alg = head ? text_of(head, "alg") : NULL;
    bool may = alg && (strcmp(alg, "RS256") == 0 || strcmp(alg, "ES256") == 0 || strcmp(alg, "HS256") == 0);
    json_decref(head);
    return may;
}

/* ---- The signature ---- */

/* By the kid, which has to be that of one key; without a kid, only where there is no choice. The algorithm is the
 * key's: a token that names another is not checked at all. */
static const struct identity_key *find_key(const struct company_record *settings, const json_t *head) {
    const struct identity_key *keys = settings->identity_keys.at;
    const char *kid = text_of(head, "kid"), *alg = text_of(head, "alg");
    if (!alg || (json_object_get(head, "kid") && !kid) || json_object_get(head, "crit")) return NULL;
    if (!kid && settings->identity_keys.count != 1) return NULL;
    for (uint32_t i = 0; i < settings->identity_keys.count; i++)
        if ((!kid || (keys[i].kid && strcmp(keys[i].kid, kid) == 0)) && strcmp(keys[i].alg, alg) == 0) return &keys[i];
    return NULL;
}

static bool decode(const char *token, const uint8_t *key, size_t length, jwt_alg_t alg) {
    jwt_t *jwt = NULL;
    if (length == 0 || jwt_decode(&jwt, token, key, (int)length) != 0 || !jwt) return false;
    bool good = jwt_get_alg(jwt) == alg; /* libjwt goes by the head */
    jwt_free(jwt);
    return good;
}

static bool is_signed(const struct identity_key *key, const char *token) {
    if (strcmp(key->alg, "RS256") == 0)
        return decode(token, (const uint8_t *)key->key, strlen(key->key), JWT_ALG_RS256);
    if (strcmp(key->alg, "ES256") == 0)
        return decode(token, (const uint8_t *)key->key, strlen(key->key), JWT_ALG_ES256);
    uint8_t secret[JWK_SECRET_BYTES_MAX];
    size_t length;
    bool good = strcmp(key->alg, "HS256") == 0 && jwk_secret(key->key, secret, &length) &&
                decode(token, secret, length, JWT_ALG_HS256);
    explicit_bzero(secret, sizeof secret);
    return good;
}

/* ---- The claims ---- */

static bool is_for(const json_t *audience, const char *wanted) {
    size_t i;
    const json_t *one;
    if (json_is_string(audience)) return strcmp(json_string_value(audience), wanted) == 0;
    json_array_foreach(audience, i,
                       one) if (json_is_string(one) && strcmp(json_string_value(one), wanted) == 0) return true;
    return false;
}

/* Whole seconds; a NumericDate may have a fraction (RFC 7519, section 2). */
static bool take_time(const json_t *body, const char *name, int64_t *ms) {
    const json_t *value = json_object_get(body, name);
    double seconds = json_number_value(value);
    if (!json_is_number(value) || !(seconds >= 1 && seconds < 1e11)) return false;
    *ms = (int64_t)seconds * 1000;
    return true;
}

static bool take_times(const json_t *body, int64_t now_ms, struct token_claims *claims) {
    int64_t not_before_ms = 0;
    if (!take_time(body, "exp", &claims->expires_at_ms) || !take_time(body, "iat", &claims->issued_at_ms)) return false;
    if (json_object_get(body, "nbf") && !take_time(body, "nbf", &not_before_ms)) return false;
    return now_ms < claims->expires_at_ms && claims->issued_at_ms <= now_ms + PROVIDER_SKEW_MS &&
           not_before_ms <= now_ms + PROVIDER_SKEW_MS && claims->issued_at_ms < claims->expires_at_ms &&
           claims->expires_at_ms - claims->issued_at_ms <= PROVIDER_TTL_MS_MAX;
}

/* A role beyond those of people is none. */
static void take_role(const json_t *value, struct token_claims *claims) {
    size_t i;
    const json_t *one;
    enum role role;
    if (json_is_string(value) && role_parse(json_string_value(value), &role) && role <= ROLE_ADMIN &&
        role > claims->role)
        claims->role = role;
    json_array_foreach(value, i, one) if (json_is_string(one)) take_role(one, claims);
}

static bool take_claims(const struct company_record *settings, const json_t *body, int64_t now_ms,
                        struct token_claims *claims) {
    const char *issuer = text_of(body, "iss");
    const char *user = text_of(body, settings->user_claim ? settings->user_claim : "sub");
    if (!issuer || strcmp(issuer, settings->issuer) != 0) return false;
    if (!is_for(json_object_get(body, "aud"), settings->audience)) return false;
    if (!shape_is_id(user) || !take_times(body, now_ms, claims)) return false;
    strcpy(claims->user, user);
    strcpy(claims->companies, settings->id); /* an id */
    claims->by_provider = true;
    claims->names_role = settings->role_claim != NULL;
    claims->role = ROLE_MEMBER;
    if (settings->role_claim) take_role(json_object_get(body, settings->role_claim), claims);
    return true;
}

int provider_check(const struct company_record *settings, const char *token, int64_t now_ms,
                   struct token_claims *claims) {
    memset(claims, 0, sizeof *claims);
    if (!settings || !settings->issuer || !settings->audience || is_long(token)) return LEDIG_EUNAUTHORIZED;
    json_t *head = read_head(token);
    const struct identity_key *key = head ? find_key(settings, head) : NULL;
    json_t *body = key && is_signed(key, token) ? read_body(token) : NULL;
    bool good = body && take_claims(settings, body, now_ms, claims);
    json_decref(body);
    json_decref(head);
    return good ? 0 : LEDIG_EUNAUTHORIZED;
}

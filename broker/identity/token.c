#include "broker/identity/token.h"
#include "broker/identity/token_key.h"
#include "protocol/shape.h"

#include <jwt.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

static const char *const role_names[ROLE_COUNT] = {"member", "switchboard", "lead", "admin", "router", "operator"};

const char *role_name(enum role role) {
    return role_names[role];
}

bool role_parse(const char *name, enum role *role) {
    for (int i = 0; i < ROLE_COUNT; i++)
        if (name && strcmp(name, role_names[i]) == 0) {
            *role = (enum role)i;
            return true;
        }
    return false;
}

/* One id for people; for those who serve many companies also several, or "*" for all. */
static bool companies_fit_role(const char *companies, enum role role) {
    if (role != ROLE_ROUTER && role != ROLE_OPERATOR) return shape_is_id(companies);
    if (strcmp(companies, "*") == 0) return true;
    char copy[TOKEN_COMPANIES_BYTES_MAX], *rest = NULL;
    size_t length = strlen(companies), count = 0;
    if (length >= sizeof copy) return false;
    memcpy(copy, companies, length + 1);
    for (char *id = strtok_r(copy, " ", &rest); id; id = strtok_r(NULL, " ", &rest), count++)
        if (!shape_is_id(id)) return false;
    return count > 0;
}

static bool claims_are_sound(const struct token_claims *claims) {
    return shape_is_id(claims->user) && claims->role < ROLE_COUNT &&
           companies_fit_role(claims->companies, claims->role) && claims->issued_at_ms > 0 &&
           claims->expires_at_ms > claims->issued_at_ms &&
           claims->expires_at_ms - claims->issued_at_ms <= TOKEN_TTL_MS_MAX;
}

int token_mint(const struct token_key *key, const struct token_claims *claims,
               char token[static LEDIG_TOKEN_CHARS_MAX + 1]) {
    if (!claims_are_sound(claims)) return LEDIG_EBAD_REQUEST;
    jwt_t *jwt = NULL;
    if (jwt_new(&jwt) != 0) return LEDIG_ENO_MEMORY;
    char *encoded = NULL;
    int error = LEDIG_ENO_MEMORY;
    bool has_login = claims->login[0];
    if ((!has_login || jwt_add_grant(jwt, "login", claims->login) == 0) &&
        jwt_set_alg(jwt, JWT_ALG_HS256, key->bytes, sizeof key->bytes) == 0 &&
        jwt_add_grant(jwt, "sub", claims->user) == 0 && jwt_add_grant(jwt, "company", claims->companies) == 0 &&
        jwt_add_grant(jwt, "role", role_name(claims->role)) == 0 &&
        jwt_add_grant_int(jwt, "iat", (long)(claims->issued_at_ms / 1000)) == 0 &&
        jwt_add_grant_int(jwt, "exp", (long)(claims->expires_at_ms / 1000)) == 0)
        encoded = jwt_encode_str(jwt);
    if (encoded) {
        size_t length = strlen(encoded);
        error = length > LEDIG_TOKEN_CHARS_MAX ? LEDIG_ETOO_LARGE : 0;
        if (!error) memcpy(token, encoded, length + 1);
        explicit_bzero(encoded, length);
        free(encoded);
    }
    jwt_free(jwt);
    return error;
}

static bool take_text(jwt_t *jwt, const char *name, char *to, size_t size) {
    const char *text = jwt_get_grant(jwt, name);
    size_t length = text ? strlen(text) : size;
    if (length >= size) return false;
    memcpy(to, text, length + 1);
    return true;
}

/* Absent: "". */
static bool take_login(jwt_t *jwt, char login[static LOGIN_ID_CHARS + 1]) {
    login[0] = 0;
    if (!jwt_get_grant(jwt, "login")) return true;
    return take_text(jwt, "login", login, LOGIN_ID_CHARS + 1) && strspn(login, "0123456789abcdef") == LOGIN_ID_CHARS;
}

static bool take_time(jwt_t *jwt, const char *name, int64_t *ms) {
    long seconds = jwt_get_grant_int(jwt, name);
    *ms = (int64_t)seconds * 1000;
    return seconds > 0 && seconds < INT64_MAX / 1000;
}

static bool take_claims(jwt_t *jwt, struct token_claims *claims) {
    return take_text(jwt, "sub", claims->user, sizeof claims->user) &&
           take_text(jwt, "company", claims->companies, sizeof claims->companies) &&
           role_parse(jwt_get_grant(jwt, "role"), &claims->role) && take_login(jwt, claims->login) &&
           take_time(jwt, "iat", &claims->issued_at_ms) && take_time(jwt, "exp", &claims->expires_at_ms) &&
           claims_are_sound(claims);
}

/* ---- Those that were good before ---- */

static struct token_remembered *place_of(const struct token_key *key, const char *token, size_t length) {
    size_t sum = length;
    for (size_t i = 0; i < length && i < 8; i++)
        sum = sum * 31 + (unsigned char)token[length - 1 - i];
    return key->remembered ? &key->remembered[sum % TOKEN_REMEMBERED] : NULL;
}

/* How long the comparison takes must not tell how much of a token is right. */
static bool is_remembered(const struct token_remembered *place, const char *token, size_t length) {
    return place && place->text && place->length == length && CRYPTO_memcmp(place->text, token, length) == 0;
}

static void remember(struct token_remembered *place, const char *token, size_t length,
                     const struct token_claims *claims) {
    if (!place || (claims->role != ROLE_ROUTER && claims->role != ROLE_OPERATOR)) return;
    char *copy = strdup(token);
    if (!copy) return;
    if (place->text) explicit_bzero(place->text, place->length);
    free(place->text);
    *place = (struct token_remembered){copy, length, *claims};
}

static bool check(const struct token_key *key, const char *token, struct token_claims *claims) {
    jwt_t *jwt = NULL;
    memset(claims, 0, sizeof *claims);
    if (jwt_decode(&jwt, token, key->bytes, sizeof key->bytes) != 0 || !jwt) return false;
    /* the algorithm is ours to choose, not the token's (RFC 8725, section 3.1) */
    bool good = jwt_get_alg(jwt) == JWT_ALG_HS256 && take_claims(jwt, claims);
    jwt_free(jwt);
    return good;
}

int token_check(const struct token_key *key, const char *token, int64_t now_ms, struct token_claims *claims) {
    size_t length = token ? strnlen(token, LEDIG_TOKEN_CHARS_MAX + 1) : 0;
    memset(claims, 0, sizeof *claims);
    if (length == 0 || length > LEDIG_TOKEN_CHARS_MAX) return LEDIG_EUNAUTHORIZED;
    struct token_remembered *place = place_of(key, token, length);
    if (is_remembered(place, token, length)) {
        *claims = place->claims;
    } else {
        if (!check(key, token, claims)) return LEDIG_EUNAUTHORIZED;
        remember(place, token, length, claims);
    }
    return now_ms < claims->expires_at_ms ? 0 : LEDIG_EUNAUTHORIZED;
}

bool token_follows_profile(const struct token_claims *claims) {
    return claims->login[0] || (claims->by_provider && !claims->names_role);
}

bool token_covers(const struct token_claims *claims, const char *company) {
    if (strcmp(claims->companies, "*") == 0) return true;
    size_t length = strlen(company);
    for (const char *at = claims->companies; *at;) {
        size_t word = strcspn(at, " ");
        if (word == length && memcmp(at, company, length) == 0) return true;
        at += word + strspn(at + word, " ");
    }
    return false;
}

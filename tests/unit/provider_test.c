/* Tokens of an identity provider: made with real keys, accepted as RFC 8725 asks and not otherwise. */
#include "broker/identity/jwk.h"
#include "broker/identity/provider.h"

#include <jwt.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW_S 1800000000L
#define SECRET "0123456789abcdef0123456789abcdef"

struct key {
    char private_pem[4096]; /* or the secret */
    struct jwk jwk;
    json_t *document;
};

struct fixture {
    struct key rsa, ec, secret, other;
    struct identity_key keys[3];
    struct company_record settings;
};

/* ---- Keys ---- */

static void put_bytes(json_t *document, const char *name, const uint8_t *bytes, size_t length) {
    char text[1024];
    sodium_bin2base64(text, sizeof text, bytes, length, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    json_object_set_new(document, name, json_string(text));
}

static void put_number(json_t *document, const char *name, EVP_PKEY *pair, const char *param, int length) {
    uint8_t bytes[512];
    BIGNUM *number = NULL;
    assert_int_equal(EVP_PKEY_get_bn_param(pair, param, &number), 1);
    if (length == 0) length = BN_num_bytes(number);
    assert_int_equal(BN_bn2binpad(number, bytes, length), length);
    put_bytes(document, name, bytes, (size_t)length);
    BN_free(number);
}

static void keep_private(struct key *key, EVP_PKEY *pair) {
    BIO *out = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PrivateKey(out, pair, NULL, NULL, 0, NULL, NULL), 1);
    int length = BIO_read(out, key->private_pem, sizeof key->private_pem - 1);
    assert_true(length > 0);
    key->private_pem[length] = '\0';
    BIO_free(out);
}

static void read_key(struct key *key) {
    const char *why;
    assert_int_equal(jwk_read(key->document, &key->jwk, &why), 0);
}

static void make_rsa(struct key *key, const char *kid, unsigned bits) {
    EVP_PKEY *pair = EVP_RSA_gen(bits);
    assert_non_null(pair);
    key->document = json_pack("{s:s,s:s}", "kty", "RSA", "kid", kid);
    put_number(key->document, "n", pair, OSSL_PKEY_PARAM_RSA_N, 0);
    put_number(key->document, "e", pair, OSSL_PKEY_PARAM_RSA_E, 0);
    keep_private(key, pair);
    EVP_PKEY_free(pair);
}

static void make_ec(struct key *key, const char *kid) {
    EVP_PKEY *pair = EVP_EC_gen("P-256");
    assert_non_null(pair);
    key->document = json_pack("{s:s,s:s,s:s}", "kty", "EC", "crv", "P-256", "kid", kid);
    put_number(key->document, "x", pair, OSSL_PKEY_PARAM_EC_PUB_X, 32);
    put_number(key->document, "y", pair, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
    keep_private(key, pair);
    EVP_PKEY_free(pair);
}

static int open_fixture(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    make_rsa(&f->rsa, "r", 2048);
    make_rsa(&f->other, "r", 2048);
    make_ec(&f->ec, "e");
    f->secret.document = json_pack("{s:s,s:s}", "kty", "oct", "kid", "s");
    put_bytes(f->secret.document, "k", (const uint8_t *)SECRET, strlen(SECRET));
    strcpy(f->secret.private_pem, SECRET);
    struct key *all[] = {&f->rsa, &f->ec, &f->secret};
    for (size_t i = 0; i < 3; i++) {
        read_key(all[i]);
        f->keys[i] = (struct identity_key){.kid = all[i]->jwk.kid, .alg = all[i]->jwk.alg, .key = all[i]->jwk.key};
    }
    read_key(&f->other);
    f->settings = (struct company_record){
        .id = "fjord", .issuer = "https://id.example", .audience = "ledig", .identity_keys = {f->keys, 3, true}};
    *state = f;
    return 0;
}

static int close_fixture(void **state) {
    struct fixture *f = *state;
    json_decref(f->rsa.document);
    json_decref(f->ec.document);
    json_decref(f->secret.document);
    json_decref(f->other.document);
    free(f);
    return 0;
}

/* ---- Tokens ---- */

/* The claims of a good one, as JSON, with `change` merged into them; a null takes a claim out. */
static char *sign(const struct key *key, jwt_alg_t alg, const char *kid, const char *change) {
    json_t *claims = json_pack("{s:s,s:s,s:s,s:I,s:I}", "iss", "https://id.example", "aud", "ledig", "sub", "kari",
                               "iat", (json_int_t)NOW_S - 60, "exp", (json_int_t)NOW_S + 600);
    json_t *changes = json_loads(change, JSON_DECODE_ANY, NULL), *value;
    const char *name;
    assert_non_null(changes);
    json_object_foreach(changes, name, value) {
        if (json_is_null(value))
            json_object_del(claims, name);
        else
            json_object_set(claims, name, value);
    }
    char *text = json_dumps(claims, 0);
    jwt_t *jwt = NULL;
    assert_int_equal(jwt_new(&jwt), 0);
    assert_int_equal(jwt_add_grants_json(jwt, text), 0);
    if (kid) assert_int_equal(jwt_add_header(jwt, "kid", kid), 0);
    assert_int_equal(jwt_set_alg(jwt, alg, (const unsigned char *)key->private_pem, (int)strlen(key->private_pem)), 0);
    char *token = jwt_encode_str(jwt);
    assert_non_null(token);
    jwt_free(jwt);
    free(text);
    json_decref(claims);
    json_decref(changes);
    return token;
}

static int check(const struct fixture *f, char *token, struct token_claims *claims) {
    int error = provider_check(&f->settings, token, NOW_S * 1000, claims);
    free(token);
    return error;
}

static int with(const struct fixture *f, const char *change) {
    struct token_claims claims;
    return check(f, sign(&f->rsa, JWT_ALG_RS256, "r", change), &claims);
}

/* ---- What is accepted ---- */

static void each_algorithm_is_accepted_with_its_own_key(void **state) {
    struct fixture *f = *state;
    const struct {
        struct key *key;
        jwt_alg_t alg;
        const char *kid;
    } all[] = {{&f->rsa, JWT_ALG_RS256, "r"}, {&f->ec, JWT_ALG_ES256, "e"}, {&f->secret, JWT_ALG_HS256, "s"}};
    for (size_t i = 0; i < 3; i++) {
        struct token_claims claims;
        assert_int_equal(check(f, sign(all[i].key, all[i].alg, all[i].kid, "{}"), &claims), 0);
        assert_string_equal(claims.user, "kari");
        assert_string_equal(claims.companies, "fjord");
        assert_true(claims.by_provider && !claims.names_role && token_follows_profile(&claims));
        assert_int_equal(claims.issued_at_ms, (NOW_S - 60) * 1000);
        assert_int_equal(claims.expires_at_ms, (NOW_S + 600) * 1000);
    }
}

static void times_are_looked_at(void **state) {
    struct fixture *f = *state;
    const struct {
        const char *name;
        long at_s;
        bool good;
    } all[] = {{"exp", NOW_S + 1, true},
               {"exp", NOW_S, false},
               {"exp", NOW_S - 1, false},
               {"exp", NOW_S + 86340, true},
               {"exp", NOW_S + 86341, false}, /* a day after it was issued */
               {"exp", 0, false},
               {"exp", -5, false},
               {"nbf", NOW_S - 5, true},
               {"nbf", NOW_S + 60, true},
               {"nbf", NOW_S + 61, false},
               {"iat", NOW_S + 60, true},
               {"iat", NOW_S + 61, false},
               {"iat", NOW_S + 700, false},
               {"iat", 0, false},
               {"exp", 100000000000L, false},
               {"iat", NOW_S - 86000, false}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char change[64];
        snprintf(change, sizeof change, "{\"%s\":%ld}", all[i].name, all[i].at_s);
        assert_int_equal(with(f, change), all[i].good ? 0 : LEDIG_EUNAUTHORIZED);
    }
    assert_int_equal(with(f, "{\"exp\":1800000000.5}"), LEDIG_EUNAUTHORIZED);
    assert_int_equal(with(f, "{\"exp\":1800000600.5}"), 0);
    assert_int_equal(with(f, "{\"exp\":1e300}"), LEDIG_EUNAUTHORIZED);
}

static void claims_are_looked_at(void **state) {
    struct fixture *f = *state;
    const char *const good[] = {"{}", "{\"aud\":[\"x\",\"ledig\"]}", "{\"sub\":\"a.b_c-9\"}", "{\"x\":[{\"y\":1}]}"};
    const char *const bad[] = {"{\"iss\":null}",
                               "{\"iss\":\"https://id.exampl\"}",
                               "{\"iss\":[\"https://id.example\"]}",
                               "{\"aud\":null}",
                               "{\"aud\":\"ledigX\"}",
                               "{\"aud\":[]}",
                               "{\"aud\":[[\"ledig\"]]}",
                               "{\"aud\":{\"ledig\":1}}",
                               "{\"sub\":null}",
                               "{\"sub\":\"\"}",
                               "{\"sub\":\"Kari\"}",
                               "{\"sub\":\"a b\"}",
                               "{\"sub\":7}",
                               "{\"exp\":null}",
                               "{\"exp\":\"1800000600\"}",
                               "{\"iat\":null}",
                               "{\"nbf\":\"0\"}",
                               "{\"nbf\":true}"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(with(f, good[i]), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(with(f, bad[i]), LEDIG_EUNAUTHORIZED);
}

static void a_role_is_one_of_people(void **state) {
    struct fixture *f = *state;
    const struct {
        const char *change;
        enum role role;
    } all[] = {{"{}", ROLE_MEMBER},
               {"{\"roles\":\"lead\"}", ROLE_LEAD},
               {"{\"roles\":[\"switchboard\",\"admin\",\"lead\"]}", ROLE_ADMIN},
               {"{\"roles\":[\"operator\",\"router\",\"Admin\",3]}", ROLE_MEMBER},
               {"{\"roles\":\"operator\"}", ROLE_MEMBER}};
    f->settings.role_claim = "roles";
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct token_claims claims;
        assert_int_equal(check(f, sign(&f->rsa, JWT_ALG_RS256, "r", all[i].change), &claims), 0);
        assert_int_equal(claims.role, all[i].role);
        assert_true(claims.names_role && !token_follows_profile(&claims));
    }
    f->settings.role_claim = NULL;
}

/* ---- What is not ---- */

static void a_key_is_used_with_its_own_algorithm_alone(void **state) {
    struct fixture *f = *state;
    struct token_claims claims;
    struct key confused = {0};
    strcpy(confused.private_pem, f->rsa.jwk.key); /* the public key, taken for a secret */
    assert_int_equal(check(f, sign(&confused, JWT_ALG_HS256, "r", "{}"), &claims), LEDIG_EUNAUTHORIZED);
    strcpy(confused.private_pem, f->ec.jwk.key);
    assert_int_equal(check(f, sign(&confused, JWT_ALG_HS256, "e", "{}"), &claims), LEDIG_EUNAUTHORIZED);
    assert_int_equal(check(f, sign(&f->rsa, JWT_ALG_RS512, "r", "{}"), &claims), LEDIG_EUNAUTHORIZED);
    assert_int_equal(check(f, sign(&f->secret, JWT_ALG_HS512, "s", "{}"), &claims), LEDIG_EUNAUTHORIZED);
    assert_int_equal(check(f, sign(&f->rsa, JWT_ALG_RS256, "e", "{}"), &claims), LEDIG_EUNAUTHORIZED);
    assert_int_equal(check(f, sign(&f->rsa, JWT_ALG_RS256, "s", "{}"), &claims), LEDIG_EUNAUTHORIZED);
    assert_int_equal(check(f, sign(&f->other, JWT_ALG_RS256, "r", "{}"), &claims), LEDIG_EUNAUTHORIZED);
}

static void without_a_kid_only_one_key_will_do(void **state) {
    struct fixture *f = *state;
    struct token_claims claims;
    assert_int_equal(check(f, sign(&f->rsa, JWT_ALG_RS256, NULL, "{}"), &claims), LEDIG_EUNAUTHORIZED);
    f->settings.identity_keys.count = 1;
    assert_int_equal(check(f, sign(&f->rsa, JWT_ALG_RS256, NULL, "{}"), &claims), 0);
    assert_int_equal(check(f, sign(&f->ec, JWT_ALG_ES256, NULL, "{}"), &claims), LEDIG_EUNAUTHORIZED);
    f->settings.identity_keys.count = 3;
}

static void nothing_gets_in_where_there_is_no_provider(void **state) {
    struct fixture *f = *state;
    struct token_claims claims;
    struct company_record none = {.id = "fjord"};
    char *token = sign(&f->rsa, JWT_ALG_RS256, "r", "{}");
    assert_int_equal(provider_check(NULL, token, NOW_S * 1000, &claims), LEDIG_EUNAUTHORIZED);
    assert_int_equal(provider_check(&none, token, NOW_S * 1000, &claims), LEDIG_EUNAUTHORIZED);
    free(token);
}

/* Each byte of a good token, made another one in turn: never accepted. */
static void no_changed_byte_is_accepted(void **state) {
    struct fixture *f = *state;
    struct token_claims claims;
    char *token = sign(&f->ec, JWT_ALG_ES256, "e", "{}");
    size_t length = strlen(token);
    for (size_t i = 0; i < length; i++) {
        char before = token[i];
        /* the last character of a part has bits that belong to nothing */
        if (i + 1 == length || token[i + 1] == '.') continue;
        token[i] = before == 'A' ? 'B' : 'A';
        assert_int_equal(provider_check(&f->settings, token, NOW_S * 1000, &claims), LEDIG_EUNAUTHORIZED);
        token[i] = before;
    }
    for (size_t i = 0; i < length; i++) {
        char cut[LEDIG_TOKEN_CHARS_MAX + 1];
        snprintf(cut, i + 1, "%s", token);
        assert_int_equal(provider_check(&f->settings, cut, NOW_S * 1000, &claims), LEDIG_EUNAUTHORIZED);
        provider_may_have_made(cut);
    }
    assert_int_equal(check(f, token, &claims), 0);
}

static void what_is_no_token_is_refused(void **state) {
    struct fixture *f = *state;
    struct token_claims claims;
    static char huge[3 * LEDIG_TOKEN_CHARS_MAX];
    memset(huge, 'a', sizeof huge - 1);
    const char *const all[] = {
        "", ".", "..", "...", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "e30.e30.e30", "bnVsbA.e30.x", huge};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        assert_false(provider_may_have_made(all[i]));
        assert_int_equal(provider_check(&f->settings, all[i], NOW_S * 1000, &claims), LEDIG_EUNAUTHORIZED);
    }
}

/* ---- Keys ---- */

static int read_text(const char *text) {
    struct jwk jwk;
    const char *why = NULL;
    json_t *document = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(document);
    int error = jwk_read(document, &jwk, &why);
    json_decref(document);
    if (error == LEDIG_EBAD_REQUEST) assert_non_null(why);
    return error;
}

static void keys_that_cannot_be_are_refused(void **state) {
    struct fixture *f = *state;
    struct key small = {0};
    struct jwk jwk;
    const char *why;
    make_rsa(&small, "small", 1024);
    assert_int_equal(jwk_read(small.document, &jwk, &why), LEDIG_EBAD_REQUEST);
    json_decref(small.document);
    json_t *off_curve = json_deep_copy(f->ec.document);
    json_object_set(off_curve, "y", json_object_get(off_curve, "x"));
    assert_int_equal(jwk_read(off_curve, &jwk, &why), LEDIG_EBAD_REQUEST);
    json_decref(off_curve);
    json_t *private = json_deep_copy(f->rsa.document);
    json_object_set_new(private, "d", json_string("AQAB"));
    assert_int_equal(jwk_read(private, &jwk, &why), LEDIG_EBAD_REQUEST);
    json_decref(private);
    assert_int_equal(read_text("{}"), LEDIG_EBAD_REQUEST);
    assert_int_equal(read_text("[]"), LEDIG_EBAD_REQUEST);
    assert_int_equal(read_text("{\"kty\":7}"), LEDIG_EBAD_REQUEST);
    assert_int_equal(read_text("{\"kty\":\"RSA\"}"), LEDIG_EBAD_REQUEST);
    assert_int_equal(read_text("{\"kty\":\"EC\",\"crv\":\"P-256\"}"), LEDIG_EBAD_REQUEST);
    assert_int_equal(read_text("{\"kty\":\"oct\",\"k\":\"c2hvcnQ\"}"), LEDIG_EBAD_REQUEST);
    assert_int_equal(read_text("{\"kty\":\"oct\",\"k\":\"!!\"}"), LEDIG_EBAD_REQUEST);
    assert_int_equal(read_text("{\"kty\":\"EC\",\"crv\":\"P-384\"}"), LEDIG_EUNSUPPORTED);
    assert_int_equal(read_text("{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}"), LEDIG_EUNSUPPORTED);
    assert_int_equal(read_text("{\"kty\":\"oct\",\"alg\":\"HS512\",\"k\":\"x\"}"), LEDIG_EUNSUPPORTED);
    assert_int_equal(read_text("{\"kty\":\"RSA\",\"alg\":\"HS256\"}"), LEDIG_EUNSUPPORTED);
    assert_int_equal(read_text("{\"kty\":\"RSA\",\"use\":\"enc\"}"), LEDIG_EUNSUPPORTED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_algorithm_is_accepted_with_its_own_key),
        cmocka_unit_test(times_are_looked_at),
        cmocka_unit_test(claims_are_looked_at),
        cmocka_unit_test(a_role_is_one_of_people),
        cmocka_unit_test(a_key_is_used_with_its_own_algorithm_alone),
        cmocka_unit_test(without_a_kid_only_one_key_will_do),
        cmocka_unit_test(nothing_gets_in_where_there_is_no_provider),
        cmocka_unit_test(no_changed_byte_is_accepted),
        cmocka_unit_test(what_is_no_token_is_refused),
        cmocka_unit_test(keys_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}

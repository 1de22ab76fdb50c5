/* Tokens: what is minted is accepted until it expires; anything else is refused. */
#include "broker/identity/token.h"
#include "broker/identity/token_key.h"

#include <jwt.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const int64_t NOW_MS = 1800000000000;

struct fixture {
    char dir[64];
    struct token_key *key;
};

static int open_key(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    snprintf(fixture->dir, sizeof fixture->dir, "/tmp/ledig-token-XXXXXX");
    assert_non_null(mkdtemp(fixture->dir));
    assert_int_equal(token_key_open(fixture->dir, true, &fixture->key), 0);
    *state = fixture;
    return 0;
}

static void key_path(const struct fixture *fixture, char path[static 96]) {
    snprintf(path, 96, "%s/token.key", fixture->dir);
}

static int close_key(void **state) {
    struct fixture *fixture = *state;
    char path[96];
    key_path(fixture, path);
    token_key_close(fixture->key);
    unlink(path);
    rmdir(fixture->dir);
    free(fixture);
    return 0;
}

static struct token_claims kari(void) {
    return (struct token_claims){.user = "kari",
                                 .companies = "acme",
                                 .role = ROLE_LEAD,
                                 .issued_at_ms = NOW_MS,
                                 .expires_at_ms = NOW_MS + 60000};
}

static void minted_token_is_accepted_until_it_expires(void **state) {
    struct fixture *fixture = *state;
    struct token_claims claims = kari(), read;
    char token[LEDIG_TOKEN_CHARS_MAX + 1];
    assert_int_equal(token_mint(fixture->key, &claims, token), 0);
    assert_int_equal(token_check(fixture->key, token, NOW_MS, &read), 0);
    assert_string_equal(read.user, "kari");
    assert_string_equal(read.companies, "acme");
    assert_int_equal(read.role, ROLE_LEAD);
    assert_int_equal(token_check(fixture->key, token, NOW_MS + 59999, &read), 0);
    assert_int_equal(token_check(fixture->key, token, NOW_MS + 60000, &read), LEDIG_EUNAUTHORIZED);
}

static void every_changed_character_is_refused(void **state) {
    struct fixture *fixture = *state;
    struct token_claims claims = kari(), read;
    char token[LEDIG_TOKEN_CHARS_MAX + 1];
    assert_int_equal(token_mint(fixture->key, &claims, token), 0);
    size_t length = strlen(token);
    for (size_t i = 0; i + 1 < length; i++) { /* the last one holds bits that Base64 does not use */
        char kept = token[i];
        token[i] = kept == 'A' ? 'B' : 'A';
        if (token_check(fixture->key, token, NOW_MS, &read) == 0) fail_msg("changed at %zu and accepted", i);
        token[i] = kept;
    }
    for (size_t i = 0; i < length; i++) {
        char kept = token[i];
        token[i] = 0;
        assert_int_equal(token_check(fixture->key, token, NOW_MS, &read), LEDIG_EUNAUTHORIZED);
        token[i] = kept;
    }
}

static void token_without_signature_is_refused(void **state) {
    struct fixture *fixture = *state;
    struct token_claims read;
    jwt_t *jwt;
    assert_int_equal(jwt_new(&jwt), 0);
    jwt_add_grant(jwt, "sub", "kari");
    jwt_add_grant(jwt, "company", "acme");
    jwt_add_grant(jwt, "role", "admin");
    jwt_add_grant_int(jwt, "iat", NOW_MS / 1000);
    jwt_add_grant_int(jwt, "exp", NOW_MS / 1000 + 60);
    char *token = jwt_encode_str(jwt); /* alg none */
    assert_int_equal(token_check(fixture->key, token, NOW_MS, &read), LEDIG_EUNAUTHORIZED);
    free(token);
    jwt_free(jwt);
}

/* Signed by us, and with a time that no number holds in milliseconds. */
static void a_time_beyond_measure_is_refused(void **state) {
    struct fixture *fixture = *state;
    const long times[] = {LONG_MAX, LONG_MAX / 1000, LONG_MIN, 0, -1};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        struct token_claims read;
        jwt_t *jwt;
        assert_int_equal(jwt_new(&jwt), 0);
        jwt_add_grant(jwt, "sub", "kari");
        jwt_add_grant(jwt, "company", "acme");
        jwt_add_grant(jwt, "role", "admin");
        jwt_add_grant_int(jwt, "iat", NOW_MS / 1000);
        jwt_add_grant_int(jwt, "exp", times[i]);
        assert_int_equal(jwt_set_alg(jwt, JWT_ALG_HS256, fixture->key->bytes, sizeof fixture->key->bytes), 0);
        char *token = jwt_encode_str(jwt);
        assert_int_equal(token_check(fixture->key, token, NOW_MS, &read), LEDIG_EUNAUTHORIZED);
        free(token);
        jwt_free(jwt);
    }
}

static void another_key_is_refused(void **state) {
    struct fixture *fixture = *state;
    void *other = NULL;
    open_key(&other);
    struct token_claims claims = kari(), read;
    char token[LEDIG_TOKEN_CHARS_MAX + 1];
    assert_int_equal(token_mint(((struct fixture *)other)->key, &claims, token), 0);
    assert_int_equal(token_check(fixture->key, token, NOW_MS, &read), LEDIG_EUNAUTHORIZED);
    close_key(&other);
}

static void nonsense_is_refused(void **state) {
    struct fixture *fixture = *state;
    struct token_claims read;
    const char *const texts[] = {"", ".", "..", "a.b.c", "eyJhbGciOiJIUzI1NiJ9.e30.", NULL};
    for (size_t i = 0; texts[i]; i++)
        assert_int_equal(token_check(fixture->key, texts[i], NOW_MS, &read), LEDIG_EUNAUTHORIZED);
    assert_int_equal(token_check(fixture->key, NULL, NOW_MS, &read), LEDIG_EUNAUTHORIZED);
    char *huge = malloc(1 << 20);
    memset(huge, 'a', (1 << 20) - 1);
    huge[(1 << 20) - 1] = 0;
    assert_int_equal(token_check(fixture->key, huge, NOW_MS, &read), LEDIG_EUNAUTHORIZED);
    free(huge);
}

static void claims_that_cannot_be_are_not_minted(void **state) {
    struct fixture *fixture = *state;
    char token[LEDIG_TOKEN_CHARS_MAX + 1];
    struct token_claims claims = kari();
    strcpy(claims.user, "Kari");
    assert_int_equal(token_mint(fixture->key, &claims, token), LEDIG_EBAD_REQUEST);
    claims = kari();
    strcpy(claims.companies, "*");
    assert_int_equal(token_mint(fixture->key, &claims, token), LEDIG_EBAD_REQUEST);
    claims = kari();
    strcpy(claims.companies, "acme other");
    assert_int_equal(token_mint(fixture->key, &claims, token), LEDIG_EBAD_REQUEST);
    claims = kari();
    claims.expires_at_ms = claims.issued_at_ms;
    assert_int_equal(token_mint(fixture->key, &claims, token), LEDIG_EBAD_REQUEST);
    claims.expires_at_ms = claims.issued_at_ms + TOKEN_TTL_MS_MAX + 1;
    assert_int_equal(token_mint(fixture->key, &claims, token), LEDIG_EBAD_REQUEST);
}

static void router_covers_the_companies_that_its_token_lists(void **state) {
    (void)state;
    struct token_claims claims = {.companies = "acme b"};
    assert_true(token_covers(&claims, "acme"));
    assert_true(token_covers(&claims, "b"));
    assert_false(token_covers(&claims, "acm"));
    assert_false(token_covers(&claims, "acme b"));
    assert_false(token_covers(&claims, ""));
    strcpy(claims.companies, "*");
    assert_true(token_covers(&claims, "acme"));
}

static void key_is_private_and_never_replaced(void **state) {
    struct fixture *fixture = *state;
    char path[96];
    key_path(fixture, path);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);

    struct token_claims claims = kari(), read;
    char token[LEDIG_TOKEN_CHARS_MAX + 1];
    assert_int_equal(token_mint(fixture->key, &claims, token), 0);
    struct token_key *again;
    assert_int_equal(token_key_open(fixture->dir, true, &again), 0);
    assert_int_equal(token_check(again, token, NOW_MS, &read), 0);
    token_key_close(again);

    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(token_key_open(fixture->dir, true, &again), LEDIG_EFORBIDDEN);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(truncate(path, 31), 0);
    assert_int_equal(token_key_open(fixture->dir, true, &again), LEDIG_EDAMAGED);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(token_key_open(fixture->dir, false, &again), LEDIG_ENOT_FOUND);
}

static void a_routers_token_is_checked_as_well_when_it_comes_again(void **state) {
    struct fixture *fixture = *state;
    struct token_claims claims = kari(), read;
    char token[LEDIG_TOKEN_CHARS_MAX + 1];
    claims.role = ROLE_ROUTER;
    strcpy(claims.companies, "acme other");
    assert_int_equal(token_mint(fixture->key, &claims, token), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(token_check(fixture->key, token, NOW_MS + i, &read), 0);
        assert_string_equal(read.user, "kari");
        assert_string_equal(read.companies, "acme other");
        assert_int_equal(read.role, ROLE_ROUTER);
    }
    for (size_t i = 0; token[i + 1]; i++) { /* the last one holds bits that Base64 does not use */
        char was = token[i];
        token[i] = was == 'A' ? 'q' : 'A';
        if (token_check(fixture->key, token, NOW_MS, &read) == 0) fail_msg("changed at %zu and accepted", i);
        token[i] = was;
    }
    assert_int_equal(token_check(fixture->key, token, NOW_MS + 60000, &read), LEDIG_EUNAUTHORIZED);
    assert_int_equal(token_check(fixture->key, token, NOW_MS + 59999, &read), 0);
}

static void more_routers_than_are_remembered_are_told_apart(void **state) {
    struct fixture *fixture = *state;
    enum { ROUTERS = 300 };
    char(*tokens)[LEDIG_TOKEN_CHARS_MAX + 1] = calloc(ROUTERS, sizeof *tokens);
    struct token_claims claims = kari(), read;
    claims.role = ROLE_ROUTER;
    for (int i = 0; i < ROUTERS; i++) {
        snprintf(claims.user, sizeof claims.user, "router%d", i);
        assert_int_equal(token_mint(fixture->key, &claims, tokens[i]), 0);
    }
    for (int turn = 0; turn < 2; turn++)
        for (int i = 0; i < ROUTERS; i++) {
            snprintf(claims.user, sizeof claims.user, "router%d", i);
            assert_int_equal(token_check(fixture->key, tokens[i], NOW_MS, &read), 0);
            assert_string_equal(read.user, claims.user);
        }
    free(tokens);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(minted_token_is_accepted_until_it_expires, open_key, close_key),
        cmocka_unit_test_setup_teardown(every_changed_character_is_refused, open_key, close_key),
        cmocka_unit_test_setup_teardown(token_without_signature_is_refused, open_key, close_key),
        cmocka_unit_test_setup_teardown(a_time_beyond_measure_is_refused, open_key, close_key),
        cmocka_unit_test_setup_teardown(another_key_is_refused, open_key, close_key),
        cmocka_unit_test_setup_teardown(nonsense_is_refused, open_key, close_key),
        cmocka_unit_test_setup_teardown(claims_that_cannot_be_are_not_minted, open_key, close_key),
        cmocka_unit_test_setup_teardown(a_routers_token_is_checked_as_well_when_it_comes_again, open_key, close_key),
        cmocka_unit_test_setup_teardown(more_routers_than_are_remembered_are_told_apart, open_key, close_key),
        cmocka_unit_test(router_covers_the_companies_that_its_token_lists),
        cmocka_unit_test_setup_teardown(key_is_private_and_never_replaced, open_key, close_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

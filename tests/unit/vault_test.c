/* What vault.h promises: the key file, sealing, opening, other masters, other places, damage. */
#include "broker/privacy/vault.h"
#include "broker/privacy/vault_keys.h"
#include "broker/privacy/vault_rotation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

struct bench {
    char dir[32], path[64];
    struct vault *vault;
    struct buffer sealed, plain;
};

static const uint8_t secret[] = "Kari, +4722334455, lunch";

static int open_bench(void **state) {
    struct bench *bench = calloc(1, sizeof *bench);
    strcpy(bench->dir, "/tmp/ledig-vault-XXXXXX");
    if (!mkdtemp(bench->dir)) return -1;
    snprintf(bench->path, sizeof bench->path, "%s/keys", bench->dir);
    if (vault_open(&(struct vault_source){.path = bench->path}, true, &bench->vault) != 0) return -1;
    *state = bench;
    return 0;
}

static int close_bench(void **state) {
    struct bench *bench = *state;
    char lock[128];
    vault_close(bench->vault);
    buffer_free(&bench->sealed);
    buffer_free(&bench->plain);
    unlink(bench->path);
    snprintf(lock, sizeof lock, "%s.lock", bench->path);
    unlink(lock);
    int error = rmdir(bench->dir); /* no draft is left */
    free(bench);
    return error;
}

static void seal(struct bench *bench, const char *entity) {
    buffer_clear(&bench->sealed);
    assert_int_equal(vault_seal(bench->vault, "acme", entity, secret, sizeof secret, &bench->sealed), 0);
}

static int unseal(struct bench *bench, const char *company, const char *entity) {
    buffer_clear(&bench->plain);
    return vault_unseal(bench->vault, company, entity, bench->sealed.bytes, bench->sealed.length, &bench->plain);
}

static void what_was_sealed_comes_back_and_cannot_be_read_meanwhile(void **state) {
    struct bench *bench = *state;
    seal(bench, "state:x");
    assert_null(memmem(bench->sealed.bytes, bench->sealed.length, "Kari", 4));
    assert_int_equal(unseal(bench, "acme", "state:x"), 0);
    assert_int_equal(bench->plain.length, sizeof secret);
    assert_memory_equal(bench->plain.bytes, secret, sizeof secret);
}

static void the_same_is_never_sealed_the_same_way(void **state) {
    struct bench *bench = *state;
    struct buffer first;
    seal(bench, "state:x");
    first = bench->sealed;
    bench->sealed = (struct buffer){0};
    seal(bench, "state:x");
    assert_int_equal(first.length, bench->sealed.length);
    assert_memory_not_equal(first.bytes, bench->sealed.bytes, first.length);
    assert_memory_not_equal(first.bytes + first.length - 32, bench->sealed.bytes + first.length - 32, 32);
    buffer_free(&first);
}

static void nothing_can_be_put_in_anothers_place(void **state) {
    struct bench *bench = *state;
    seal(bench, "state:x");
    assert_int_equal(unseal(bench, "acme", "state:y"), LEDIG_EDAMAGED);
    assert_int_equal(unseal(bench, "acme", "profile:x"), LEDIG_EDAMAGED);
    assert_int_equal(unseal(bench, "spar", "state:x"), LEDIG_EDAMAGED);
    assert_int_equal(bench->plain.length, 0);
}

static void every_changed_bit_and_every_truncation_is_refused(void **state) {
    struct bench *bench = *state;
    seal(bench, "state:x");
    for (size_t i = 0; i < bench->sealed.length * 8; i++) {
        bench->sealed.bytes[i / 8] ^= (uint8_t)(1u << i % 8);
        assert_true(unseal(bench, "acme", "state:x") < 0);
        bench->sealed.bytes[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    for (size_t length = 0; length < bench->sealed.length; length++) {
        uint8_t *exact = malloc(length + 1); /* so that a read past the end is seen */
        memcpy(exact, bench->sealed.bytes, length);
        buffer_clear(&bench->plain);
        assert_true(vault_unseal(bench->vault, "acme", "state:x", exact, length, &bench->plain) < 0);
        free(exact);
    }
}

static void plain_records_are_refused(void **state) {
    struct bench *bench = *state;
    buffer_append(&bench->sealed, "\x00\x00\x03\x81\xa2id\xa4kari", 12);
    assert_int_equal(unseal(bench, "acme", "state:x"), LEDIG_EUNSUPPORTED);
}

static void a_new_master_seals_and_the_old_one_still_opens(void **state) {
    struct bench *bench = *state;
    struct vault_keys keys;
    char before[VAULT_MASTER_ID_CHARS + 1];
    strcpy(before, vault_master(bench->vault));
    seal(bench, "state:x");
    assert_int_equal(vault_keys_read(bench->path, NULL, &keys), 0);
    keys.masters[1] = keys.masters[0];
    vault_master_make(&keys.masters[0]);
    keys.count = 2;
    assert_int_equal(vault_keys_write(bench->path, &keys), 0);
    const struct entity_names *names = vault_names(bench->vault);
    assert_int_equal(vault_reload(bench->vault), 0);
    assert_ptr_equal(vault_names(bench->vault), names); /* others hold it */
    assert_memory_equal(names, &keys.names, sizeof *names);
    assert_string_not_equal(vault_master(bench->vault), before);
    assert_int_equal(unseal(bench, "acme", "state:x"), 1);
    assert_memory_equal(bench->plain.bytes, secret, sizeof secret);
    seal(bench, "state:x");
    assert_int_equal(unseal(bench, "acme", "state:x"), 0);
}

static void nothing_is_sealed_for_long_with_keys_that_are_not_the_newest(void **state) {
    struct bench *bench = *state;
    const struct entity_names *names = vault_names(bench->vault);
    unsigned generation = vault_generation(bench->vault);
    char before[VAULT_MASTER_ID_CHARS + 1];
    strcpy(before, vault_master(bench->vault));
    seal(bench, "state:x");
    assert_int_equal(vault_rotation_add(bench->path), 0);
    time_t patience = time(NULL) + 10 * VAULT_LOOK_S;
    do {
        seal(bench, "state:x");
        assert_true(time(NULL) <= patience);
    } while (memcmp(bench->sealed.bytes + 2, before, strlen(before)) == 0);
    assert_int_equal(vault_masters(bench->vault), 2);
    assert_string_equal(vault_master_at(bench->vault, 1), before);
    assert_int_not_equal(vault_generation(bench->vault), generation);
    assert_ptr_equal(vault_names(bench->vault), names); /* which others have borrowed */
}

static void a_master_goes_when_another_seals_and_leaves_no_file_behind(void **state) {
    struct bench *bench = *state;
    char old[VAULT_MASTER_ID_CHARS + 1], former[512];
    int lock, other;
    bool went_on;
    strcpy(old, vault_master(bench->vault));
    assert_int_equal(vault_rotation_lock(bench->path, &lock, &went_on), 0);
    assert_int_equal(vault_rotation_lock(bench->path, &other, &went_on), LEDIG_ECONFLICT);
    assert_false(went_on);
    assert_int_equal(vault_rotation_add(bench->path), 0);
    assert_int_equal(vault_rotation_drop(bench->path, old), LEDIG_ECONFLICT);
    assert_int_equal(vault_refresh(bench->vault), 0);
    assert_int_equal(vault_masters(bench->vault), 2);
    assert_int_equal(vault_rotation_drop(bench->path, vault_master(bench->vault)), 0);
    assert_int_equal(vault_refresh(bench->vault), 0);
    assert_int_equal(vault_masters(bench->vault), 1);
    assert_string_not_equal(vault_master(bench->vault), old);
    snprintf(former, sizeof former, "%s" VAULT_FORMER, bench->path);
    assert_int_not_equal(access(former, F_OK), 0);
    close(lock);
}

static void there_are_never_more_masters_than_can_be_read_again(void **state) {
    struct bench *bench = *state;
    for (size_t count = 1; count < VAULT_MASTERS_MAX; count++)
        assert_int_equal(vault_rotation_add(bench->path), 0);
    assert_int_equal(vault_rotation_add(bench->path), LEDIG_ETOO_LARGE);
    assert_int_equal(vault_refresh(bench->vault), 0);
    assert_int_equal(vault_masters(bench->vault), VAULT_MASTERS_MAX);
}

static void a_master_that_another_process_made_is_found(void **state) {
    struct bench *bench = *state;
    struct vault *other;
    struct vault_keys keys;
    assert_int_equal(vault_keys_read(bench->path, NULL, &keys), 0);
    keys.masters[1] = keys.masters[0];
    vault_master_make(&keys.masters[0]);
    keys.count = 2;
    assert_int_equal(vault_keys_write(bench->path, &keys), 0);
    assert_int_equal(vault_open(&(struct vault_source){.path = bench->path}, false, &other), 0);
    buffer_clear(&bench->sealed);
    assert_int_equal(vault_seal(other, "acme", "state:x", secret, sizeof secret, &bench->sealed), 0);
    vault_close(other);
    assert_int_equal(unseal(bench, "acme", "state:x"), 0);
}

static void what_a_destroyed_master_sealed_is_gone(void **state) {
    struct bench *bench = *state;
    struct vault_keys keys;
    seal(bench, "state:x");
    assert_int_equal(vault_keys_read(bench->path, NULL, &keys), 0);
    vault_master_make(&keys.masters[0]);
    assert_int_equal(vault_keys_write(bench->path, &keys), 0);
    assert_int_equal(vault_reload(bench->vault), 0);
    assert_int_equal(unseal(bench, "acme", "state:x"), LEDIG_ENOT_FOUND);
}

static void keys_that_are_no_keys_are_refused(void **state) {
    struct bench *bench = *state;
    static const char hex[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    static const struct {
        const char *format;
        int error;
    } cases[] = {{"ledig-keys 1\nnames %s\nmaster a1 %s\n", 0},
                 {"ledig-keys 1\n# a remark\n\nmaster a1 %s\nnames %s", 0},
                 {"ledig-keys 2\nnames %s\nmaster a1 %s\n", LEDIG_EDAMAGED},
                 {"ledig-keys 1\nnames %s\n", LEDIG_EDAMAGED},
                 {"ledig-keys 1\nmaster a1 %s\n", LEDIG_EDAMAGED},
                 {"ledig-keys 1\nnames %s\nnames %s\nmaster a1 %s\n", LEDIG_EDAMAGED},
                 {"ledig-keys 1\nnames %s\nmaster a1 %s0\n", LEDIG_EDAMAGED},
                 {"ledig-keys 1\nnames %s\nmaster A1 %s\n", LEDIG_EDAMAGED},
                 {"ledig-keys 1\nnames %s\nmaster a1 %s\nmaster a1 %s\n", LEDIG_EDAMAGED},
                 {"ledig-keys 1\nnames %s\nmaster 12345678123456781 %s\n", LEDIG_EDAMAGED},
                 {"ledig-keys 1\nnames %s\nmaster a1 %s\nwhat is this\n", LEDIG_EDAMAGED},
                 {"", LEDIG_EDAMAGED}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct vault_keys keys;
        FILE *file = fopen(bench->path, "w");
        fprintf(file, cases[i].format, hex, hex, hex);
        fclose(file);
        assert_int_equal(vault_keys_read(bench->path, NULL, &keys), cases[i].error);
    }
    assert_int_equal(vault_reload(bench->vault), LEDIG_EDAMAGED);
    seal(bench, "state:x"); /* those that it had it still has */
    assert_int_equal(unseal(bench, "acme", "state:x"), 0);
}

static void keys_that_others_may_read_are_refused(void **state) {
    struct bench *bench = *state;
    struct vault *other = NULL;
    chmod(bench->path, 0640);
    assert_int_equal(vault_open(&(struct vault_source){.path = bench->path}, true, &other), LEDIG_EFORBIDDEN);
    unlink(bench->path);
    assert_int_equal(vault_open(&(struct vault_source){.path = bench->path}, false, &other), LEDIG_ENOT_FOUND);
    assert_null(other);
}

static void keys_can_come_from_a_command(void **state) {
    struct bench *bench = *state;
    struct vault *other;
    char command[96];
    snprintf(command, sizeof command, "cat %s", bench->path);
    assert_int_equal(vault_open(&(struct vault_source){.command = command}, false, &other), 0);
    assert_string_equal(vault_master(other), vault_master(bench->vault));
    vault_close(other);
    snprintf(command, sizeof command, "cat %s; false", bench->path);
    assert_int_equal(vault_open(&(struct vault_source){.command = command}, false, &other), LEDIG_EIO);
}

static void a_key_file_with_other_names_is_another_installations(void **state) {
    struct bench *bench = *state;
    unlink(bench->path);
    assert_int_equal(vault_keys_create(bench->path), 0);
    assert_int_equal(vault_reload(bench->vault), LEDIG_ECONFLICT);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(what_was_sealed_comes_back_and_cannot_be_read_meanwhile),
        CASE(the_same_is_never_sealed_the_same_way),
        CASE(nothing_can_be_put_in_anothers_place),
        CASE(every_changed_bit_and_every_truncation_is_refused),
        CASE(plain_records_are_refused),
        CASE(a_new_master_seals_and_the_old_one_still_opens),
        CASE(a_master_that_another_process_made_is_found),
        CASE(nothing_is_sealed_for_long_with_keys_that_are_not_the_newest),
        CASE(a_master_goes_when_another_seals_and_leaves_no_file_behind),
        CASE(there_are_never_more_masters_than_can_be_read_again),
        CASE(what_a_destroyed_master_sealed_is_gone),
        CASE(keys_that_are_no_keys_are_refused),
        CASE(keys_that_others_may_read_are_refused),
        CASE(keys_can_come_from_a_command),
        CASE(a_key_file_with_other_names_is_another_installations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

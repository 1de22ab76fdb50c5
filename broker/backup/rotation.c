#include "broker/backup/rotation.h"
#include "broker/backup/directory.h"
#include "broker/privacy/vault_rotation.h"
#include "protocol/errors.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 500          /* between two looks, while there is something left */
#define STANDSTILL_MS 120000 /* nothing was wrapped anew for so long: nobody does it */
#define CLEAN_LOOKS 2

static int64_t monotonic_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void pause_ms(uint32_t ms) {
    struct timespec left = {ms / 1000, ms % 1000 * 1000000L};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

static int open_keys(const struct rotation *rotation, struct vault **vault, struct backup_trouble *trouble) {
    struct vault_source source = {.path = rotation->keys};
    int error = vault_open(&source, false, vault);
    return error ? backup_trouble(trouble, error, "%s: %s", rotation->keys, vault_why(error)) : 0;
}

/* `went_on`: the last step was cut short, and has just been finished. */
static int ensure_new_master(const struct rotation *rotation, bool went_on, bool *is_done,
                             struct backup_trouble *trouble) {
    struct vault *vault;
    int error = open_keys(rotation, &vault, trouble);
    if (error) return error;
    bool has = vault_masters(vault) > 1; /* of a rotation that was cut short */
    vault_close(vault);
    *is_done = went_on && !has;
    if (has || *is_done) return 0;
    error = vault_rotation_add(rotation->keys);
    return error ? backup_trouble(trouble, error, "cannot write a new master key to %s: %s", rotation->keys,
                                  vault_why(error))
                 : 0;
}

static int look(const struct rotation *rotation, struct vault *vault, struct survey *survey,
                struct backup_trouble *trouble) {
    redisContext *redis = directory_redis(rotation->data);
    if (!redis)
        return backup_trouble(trouble, LEDIG_EUNAVAILABLE,
                              "the broker that runs on %s has gone. Nothing is lost: run this again once it is back",
                              rotation->data);
    int error = survey_take(redis, vault, false, survey);
    redisFree(redis);
    return error ? backup_trouble(trouble, LEDIG_EUNAVAILABLE, "Redis does not answer: run this again") : 0;
}

/* Seen from outside, twice, and the second time so much later that nobody can have written with the old master in
 * between without being seen. */
static int wait_until_rewrapped(const struct rotation *rotation, struct vault *vault, struct backup_trouble *trouble) {
    struct survey survey;
    uint64_t least = UINT64_MAX;
    int64_t moved_ms = monotonic_ms();
    int error = 0;
    for (int clean = 0; clean < CLEAN_LOOKS;) {
        pause_ms(clean > 0 || rotation->settle_ms < LOOK_MS ? rotation->settle_ms : LOOK_MS);
        error = look(rotation, vault, &survey, trouble);
        if (error) return error;
        rotation->tell(rotation->arg, ROTATION_REWRAPPING, &survey, NULL);
        clean = survey.old == 0 ? clean + 1 : 0;
        if (survey.old < least || survey.old == 0) {
            least = survey.old;
            moved_ms = monotonic_ms();
        }
        if (monotonic_ms() - moved_ms > STANDSTILL_MS)
            return backup_trouble(trouble, LEDIG_EUNAVAILABLE,
                                  "the broker wraps nothing anew; %llu of %llu records are left. Its log says why "
                                  "(keys_missing, store_lost). Nothing is lost: run this again",
                                  (unsigned long long)survey.old, (unsigned long long)survey.records);
    }
    rotation->tell(rotation->arg, ROTATION_REWRAPPED, &survey, NULL);
    return 0;
}

/* With nothing but the key that will be left. */
static int back_up(const struct rotation *rotation, struct vault *vault, struct backup_trouble *trouble) {
    char file[PATH_MAX];
    struct survey survey;
    int error = backup_make(rotation->data, rotation->backups, vault, file, &survey, trouble);
    if (!error) rotation->tell(rotation->arg, ROTATION_BACKED_UP, &survey, file);
    return error;
}

static int run(const struct rotation *rotation, bool went_on, struct backup_trouble *trouble) {
    char master[VAULT_MASTER_ID_CHARS + 1];
    struct vault *vault;
    bool is_done;
    int error = ensure_new_master(rotation, went_on, &is_done, trouble);
    if (!error && is_done) {
        rotation->tell(rotation->arg, ROTATION_DONE, NULL, NULL);
        return 0;
    }
    if (!error) error = open_keys(rotation, &vault, trouble);
    if (error) return error;
    strcpy(master, vault_master(vault));
    vault_keep_first(vault);
    rotation->tell(rotation->arg, ROTATION_BEGUN, NULL, NULL);
    error = wait_until_rewrapped(rotation, vault, trouble);
    if (!error) error = back_up(rotation, vault, trouble);
    vault_close(vault);
    if (error) return error;
    error = vault_rotation_drop(rotation->keys, master);
    if (error)
        return backup_trouble(trouble, error, "cannot take the old master key out of %s: %s", rotation->keys,
                              vault_why(error));
    rotation->tell(rotation->arg, ROTATION_DONE, NULL, NULL);
    return 0;
}

/* What would stop it at its end is looked at first. */
static int check(const struct rotation *rotation, struct backup_trouble *trouble) {
    redisContext *redis = directory_redis(rotation->data);
    if (!redis)
        return backup_trouble(trouble, LEDIG_EUNAVAILABLE,
                              "no broker with a Redis of its own runs on %s, and without the backup that only it can "
                              "make the old key is not destroyed",
                              rotation->data);
    redisFree(redis);
    return backup_check(rotation->backups, trouble);
}

int rotation_run(const struct rotation *rotation, struct backup_trouble *trouble) {
    bool went_on;
    int lock, error = check(rotation, trouble);
    if (error) return error;
    error = vault_rotation_lock(rotation->keys, &lock, &went_on);
    if (error == LEDIG_ECONFLICT)
        return backup_trouble(trouble, error, "another rotation of %s is under way", rotation->keys);
    if (error) return backup_trouble(trouble, error, "%s: %s", rotation->keys, vault_why(error));
    error = run(rotation, went_on, trouble);
    close(lock);
    return error;
}

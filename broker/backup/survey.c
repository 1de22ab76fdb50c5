#include "broker/backup/survey.h"
#include "protocol/errors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP "500" /* keys or records that one command looks at */
#define CURSOR_CHARS 24

/* {cursor, elements}; NULL where it is anything else. */
static redisReply *step(redisReply *reply, char cursor[static CURSOR_CHARS]) {
    if (reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
        reply->element[0]->type == REDIS_REPLY_STRING && reply->element[0]->len < CURSOR_CHARS &&
        reply->element[1]->type == REDIS_REPLY_ARRAY) {
        strcpy(cursor, reply->element[0]->str);
        return reply;
    }
    if (reply) freeReplyObject(reply);
    return NULL;
}

int survey_keys(redisContext *redis, const char *pattern, int (*each)(void *arg, const char *key), void *arg) {
    char cursor[CURSOR_CHARS] = "0";
    int error = 0;
    do {
        redisReply *reply = step(redisCommand(redis, "SCAN %s MATCH %s COUNT " STEP, cursor, pattern), cursor);
        if (!reply) return LEDIG_EIO;
        const redisReply *keys = reply->element[1];
        for (size_t i = 0; i < keys->elements && !error; i++)
            if (keys->element[i]->type == REDIS_REPLY_STRING) error = each(arg, keys->element[i]->str);
        freeReplyObject(reply);
    } while (!error && strcmp(cursor, "0") != 0);
    return error;
}

struct looking {
    redisContext *redis;
    struct vault *vault;
    bool open;
    struct survey *survey;
    char company[LEDIG_ID_CHARS_MAX + 1];
    struct buffer plain;
};

/* Whether its head names the master that seals. */
static bool is_of_first(const struct looking *looking, const char *sealed, size_t length) {
    const char *master = vault_master(looking->vault);
    size_t id = strlen(master);
    return length >= 2 + id && sealed[0] == 1 && (size_t)sealed[1] == id && memcmp(sealed + 2, master, id) == 0;
}

/* "<revision>r<sealed>", or a tombstone. */
static int look(struct looking *looking, const redisReply *entity, const redisReply *stored) {
    struct survey *survey = looking->survey;
    size_t digits = strspn(stored->str, "0123456789");
    if (digits < stored->len && stored->str[digits] == 't') return 0;
    survey->records++;
    if (digits == 0 || digits == stored->len || stored->str[digits] != 'r') {
        survey->unreadable++;
        return 0;
    }
    const char *sealed = stored->str + digits + 1;
    size_t length = stored->len - digits - 1;
    if (!looking->open) {
        survey->old += !is_of_first(looking, sealed, length);
        return 0;
    }
    buffer_clear(&looking->plain);
    int error =
        vault_unseal(looking->vault, looking->company, entity->str, (const uint8_t *)sealed, length, &looking->plain);
    if (error == LEDIG_ENO_MEMORY) return error;
    survey->old += error > 0;
    survey->unreadable += error < 0;
    return 0;
}

static int look_at_company(void *arg, const char *key) {
    struct looking *looking = arg;
    char cursor[CURSOR_CHARS] = "0";
    int error = 0, end = 0;
    if (sscanf(key, "ledig:{%64[^}]}:records%n", looking->company, &end) != 1 || end == 0 || key[end]) return 0;
    looking->survey->companies++;
    do {
        redisReply *reply = step(redisCommand(looking->redis, "HSCAN %s %s COUNT " STEP, key, cursor), cursor);
        if (!reply) return LEDIG_EIO;
        const redisReply *pairs = reply->element[1];
        for (size_t i = 0; i + 1 < pairs->elements && !error; i += 2)
            error = look(looking, pairs->element[i], pairs->element[i + 1]);
        freeReplyObject(reply);
    } while (!error && strcmp(cursor, "0") != 0);
    return error;
}

int survey_take(redisContext *redis, struct vault *vault, bool open, struct survey *survey) {
    struct looking looking = {.redis = redis, .vault = vault, .open = open, .survey = survey};
    *survey = (struct survey){0};
    int error = survey_keys(redis, "ledig:{*}:records", look_at_company, &looking);
    buffer_free(&looking.plain);
    return error;
}

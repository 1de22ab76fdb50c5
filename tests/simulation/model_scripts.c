/* The store's scripts, said again in C: each function says which file it follows. */
#include "tests/simulation/model_redis.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define START_OF_2026_MS 1767225600000
#define VERSIONS_A_MS 1024

static int64_t number_at(const struct model_arguments *arguments, size_t i) {
    return strtoll(arguments->words[i], NULL, 10);
}

/* ---- commit.lua ---- */

struct one_write {
    const char *entity, *bytes;
    char action; /* c, w, t, r */
    uint64_t expected;
    int64_t not_before_ms;
    size_t length;
};

static redisReply *answer_of(const char *word, redisReply *second, redisReply *third) {
    redisReply *answer = model_reply_list(3);
    model_reply_add(answer, model_reply_text(word));
    if (second) model_reply_add(answer, second);
    if (third) model_reply_add(answer, third);
    return answer;
}

static struct model_record *put(struct model_redis *redis, struct model_company *company,
                                const struct one_write *write) {
    struct model_record *record = model_record_find(company, write->entity);
    if (record) {
        DL_DELETE2(company->changed, record, before, after);
    } else {
        record = store_allocate(sizeof *record + strlen(write->entity) + 1);
        strcpy(record->entity, write->entity);
        HASH_ADD_STR(company->records, entity, record);
    }
    DL_APPEND2(company->changed, record, before, after);
    free(record->bytes);
    bool written = write->action == 'w';
    record->bytes = written ? (uint8_t *)store_copy(write->bytes, write->length) : NULL;
    record->length = written ? write->length : 0;
    record->removed_at_ms = written ? 0 : model_redis_now_ms(redis);
    record->revision = company->version;
    return record;
}

static void ring(struct model_redis *redis, const struct model_company *company, const struct one_write *writes,
                 size_t count, size_t changes) {
    struct buffer bell = {0};
    char text[160], channel[KEY_BYTES_MAX];
    snprintf(text, sizeof text, "%s %" PRIu64 " %zu\n", company->epoch, company->version, changes);
    buffer_append(&bell, text, strlen(text));
    for (size_t i = 0; i < count; i++) {
        const struct one_write *write = &writes[i];
        if (write->action == 'c') continue;
        if (write->action == 'w')
            snprintf(text, sizeof text, "%zu %zu\n", strlen(write->entity), write->length);
        else
            snprintf(text, sizeof text, "%zu -\n", strlen(write->entity));
        buffer_append(&bell, text, strlen(text));
        buffer_append(&bell, write->entity, strlen(write->entity));
        if (write->action == 'w') buffer_append(&bell, write->bytes, write->length);
    }
    if (bell.length > STORE_DOORBELL_BYTES_MAX) {
        snprintf(text, sizeof text, "%s %" PRIu64 " -\n", company->epoch, company->version);
        buffer_clear(&bell);
        buffer_append(&bell, text, strlen(text));
    }
    snprintf(channel, sizeof channel, "ledig:{%s}:changes", company->name);
    if (redis->published) redis->published(redis->arg, channel, &bell);
    buffer_free(&bell);
}

static void store_all(struct model_redis *redis, struct model_company *company, const struct one_write *writes,
                      size_t count, size_t changes) {
    const struct model_record *records[STORE_COMMIT_ENTITIES_MAX];
    struct model_commit commit = {.company = company, .version = company->version + 1, .records = records};
    company->version++;
    for (size_t i = 0; i < count; i++) {
        if (writes[i].action == 'w' || writes[i].action == 't') {
            records[commit.count++] = put(redis, company, &writes[i]);
        } else if (writes[i].action == 'r') {
            struct model_record *record = model_record_find(company, writes[i].entity);
            if (record) model_record_take_out(company, record);
            company->pruned = company->version;
        }
    }
    ring(redis, company, writes, count, changes);
    if (redis->committed) redis->committed(redis->arg, &commit);
}

static void read_write(const struct model_arguments *arguments, size_t at, struct one_write *write) {
    *write = (struct one_write){.entity = arguments->words[at],
                                .action = arguments->words[at + 1][0],
                                .expected = (uint64_t)number_at(arguments, at + 2),
                                .not_before_ms = number_at(arguments, at + 3),
                                .bytes = arguments->words[at + 4],
                                .length = arguments->lengths[at + 4]};
}

static void keep_entries(struct model_redis *redis, const struct model_arguments *arguments, size_t at, size_t count,
                         const char *const *log_keys) {
    for (size_t i = 0; i < count; i++, at += 4) {
        const char *order = log_keys[2 * number_at(arguments, at)], *id = arguments->words[at + 1];
        if (*id)
            model_log_keep(redis, order, id, number_at(arguments, at + 2), arguments->words[at + 3],
                           arguments->lengths[at + 3]);
        else
            model_log_drop(redis, order);
    }
}

static redisReply *commit(struct model_redis *redis, struct model_company *company, const char *const *log_keys,
                          const struct model_arguments *arguments) {
    struct one_write writes[STORE_COMMIT_ENTITIES_MAX];
    int64_t now_ms = model_redis_now_ms(redis);
    size_t count = (size_t)number_at(arguments, 4), kept = (size_t)number_at(arguments, 5), changes = 0;
    if (now_ms > number_at(arguments, 1)) return answer_of("late", model_reply_number(now_ms), NULL);
    for (size_t i = 0; i < count; i++) {
        read_write(arguments, 6 + 5 * i, &writes[i]);
        changes += writes[i].action != 'c';
    }
    if (strcmp(company->lineage, arguments->words[0]) != 0 && (company->epoch[0] || changes + kept > 0))
        return answer_of("lineage", model_reply_text(company->epoch), model_reply_text(company->lineage));
    bool early = false;
    for (size_t i = 0; i < count; i++) {
        const struct model_record *record = model_record_find(company, writes[i].entity);
        if ((record ? record->revision : 0) != writes[i].expected)
            return answer_of("moved", model_reply_integer((long long)i), model_record_reply(record, false));
        early |= now_ms < writes[i].not_before_ms;
    }
    if (early) return answer_of("early", model_reply_number(now_ms), NULL);
    keep_entries(redis, arguments, 6 + 5 * count, kept, log_keys);
    if (changes > 0) store_all(redis, company, writes, count, changes);
    return answer_of("ok", model_reply_number((int64_t)company->version), model_reply_text(company->epoch));
}

void model_redis_write(struct model_redis *redis, const char *name, const char *entity, const struct buffer *bytes) {
    char key[KEY_BYTES_MAX];
    snprintf(key, sizeof key, "ledig:{%s}:head", name);
    struct model_company *company = model_company_of_key(redis, key);
    struct one_write write = {
        .entity = entity, .action = 'w', .bytes = (const char *)bytes->bytes, .length = bytes->length};
    if (!company->epoch[0]) {
        strcpy(company->epoch, "begin");
        strcpy(company->lineage, redis->lineage);
    }
    store_all(redis, company, &write, 1, 1);
}

/* ---- adopt.lua ---- */

/* The list keeps `most` of them, the newest. */
static void remember_epoch(struct model_company *company, size_t most) {
    char earlier[sizeof company->earlier];
    size_t count = company->earlier[0] != 0;
    strcpy(earlier, company->earlier);
    for (const char *at = earlier; *at; at++)
        count += *at == ' ';
    const char *kept = earlier;
    for (; count >= most; count--)
        kept += strcspn(kept, " ") + 1;
    if (count == 0) kept = "";
    int length = snprintf(company->earlier, sizeof company->earlier, "%s%s%s:%" PRIu64, kept, *kept ? " " : "",
                          company->epoch, company->version);
    if (length < 0 || (size_t)length >= sizeof company->earlier) abort();
}

static redisReply *adopt(struct model_redis *redis, struct model_company *company,
                         const struct model_arguments *arguments) {
    const char *const *words = arguments->words;
    bool same = strcmp(words[0], redis->lineage) == 0;
    bool seen = strcmp(company->lineage, words[0]) == 0 && strcmp(company->epoch, words[1]) == 0;
    if (seen && (!same || strcmp(words[4], "1") == 0)) {
        if (company->epoch[0]) remember_epoch(company, (size_t)number_at(arguments, 3));
        int64_t by_clock = (model_redis_now_ms(redis) - START_OF_2026_MS) * VERSIONS_A_MS;
        company->version += 1024;
        if (by_clock > 0 && (uint64_t)by_clock > company->version) company->version = (uint64_t)by_clock;
        strcpy(company->lineage, redis->lineage);
        snprintf(company->epoch, sizeof company->epoch, "%s", words[2]);
    }
    redisReply *answer = model_reply_list(3);
    model_reply_add(answer, model_reply_text(redis->lineage));
    model_reply_add(answer, model_reply_text(company->epoch));
    model_reply_add(answer, model_reply_number((int64_t)company->version));
    return answer;
}

/* ---- page.lua, some.lua, prune.lua ---- */

static redisReply *page(const struct model_company *company, const struct model_arguments *arguments) {
    uint64_t after = (uint64_t)number_at(arguments, 0), upto = after;
    size_t most = (size_t)number_at(arguments, 1), bytes_most = (size_t)number_at(arguments, 2), bytes = 0, count = 0;
    const struct model_record *first = company->changed ? company->changed->before : NULL; /* the newest */
    while (first && first->revision > after && first != company->changed)
        first = first->before;
    if (first && first->revision <= after) first = first->after;
    redisReply *pairs = model_reply_list(2 * HASH_COUNT(company->records));
    bool more = false;
    for (const struct model_record *record = first; record; record = record->after) {
        more = record->revision != upto && (count >= most || bytes >= bytes_most);
        if (more) break;
        redisReply *stored = model_record_reply(record, false);
        bytes += stored->len;
        count++;
        upto = record->revision;
        model_reply_add(pairs, model_reply_text(record->entity));
        model_reply_add(pairs, stored);
    }
    redisReply *answer = model_reply_list(4);
    model_reply_add(answer, model_head_reply(company));
    model_reply_add(answer, pairs);
    model_reply_add(answer, model_reply_number((int64_t)upto));
    model_reply_add(answer, model_reply_text(more ? "1" : "0"));
    return answer;
}

static redisReply *some(const struct model_company *company, const struct model_arguments *arguments) {
    redisReply *answer = model_reply_list(2), *list = model_reply_list(arguments->count);
    for (size_t i = 0; i < arguments->count; i++)
        model_reply_add(list, model_record_reply(model_record_find(company, arguments->words[i]), false));
    model_reply_add(answer, model_head_reply(company));
    model_reply_add(answer, list);
    return answer;
}

static redisReply *prune(struct model_company *company, const struct model_arguments *arguments) {
    long long count = 0;
    for (size_t i = 0; i + 1 < arguments->count; i += 2) {
        struct model_record *record = model_record_find(company, arguments->words[i]);
        uint64_t revision = (uint64_t)number_at(arguments, i + 1);
        if (!record || record->revision != revision) continue;
        if (revision > company->pruned) company->pruned = revision;
        model_record_take_out(company, record);
        count++;
    }
    return model_reply_integer(count);
}

/* ---- number.lua ---- */

static redisReply *number(struct model_redis *redis, const char *key, const struct model_arguments *arguments) {
    const char *owner = model_named_get(redis->numbers, key), *wanted = arguments->words[1];
    bool own = owner && strcmp(owner, wanted) == 0;
    if (strcmp(arguments->words[0], "give") == 0) {
        if (own) model_named_set(&redis->numbers, key, NULL);
        return model_reply_integer(1);
    }
    if (owner) return model_reply_text(own ? "own" : "other");
    model_named_set(&redis->numbers, key, wanted);
    return model_reply_text("new");
}

redisReply *model_script_run(struct model_redis *redis, enum script script, size_t keys,
                             const struct model_arguments *arguments) {
    struct model_arguments rest = {arguments->words + keys, arguments->lengths + keys, arguments->count - keys};
    const char *key = arguments->words[0];
    switch (script) {
    case SCRIPT_LEASE:
        return model_lease_run(redis, &rest);
    case SCRIPT_NUMBER:
        return number(redis, key, &rest);
    case SCRIPT_COMMIT:
        return commit(redis, model_company_of_key(redis, key), arguments->words + 3, &rest);
    case SCRIPT_ADOPT:
        return adopt(redis, model_company_of_key(redis, key), &rest);
    case SCRIPT_PRUNE:
        return prune(model_company_of_key(redis, key), &rest);
    case SCRIPT_PAGE:
        return page(model_company_of_key(redis, key), &rest);
    case SCRIPT_SOME:
        return some(model_company_of_key(redis, key), &rest);
    case SCRIPT_LOG_PAGE:
        return model_log_page(redis, key, number_at(&rest, 0), number_at(&rest, 1), (size_t)number_at(&rest, 2));
    case SCRIPT_LOG_TRIM:
        return model_log_trim(redis, key, number_at(&rest, 0), (size_t)number_at(&rest, 1));
    case SCRIPT_COUNT:
        break;
    }
    abort(); /* a script that the model does not know */
}

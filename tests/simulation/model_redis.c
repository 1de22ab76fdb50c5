#include "tests/simulation/model_redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct model_named {
    UT_hash_handle hh;
    char *text;
    char name[];
};

/* ---- Opening, stopping ---- */

static void new_lineage(struct model_redis *redis) {
    snprintf(redis->lineage, sizeof redis->lineage, "%016llx%016llx00000000",
             (unsigned long long)dice_next(redis->timeline->dice),
             (unsigned long long)dice_next(redis->timeline->dice));
}

void model_redis_open(struct model_redis *redis, struct timeline *timeline, int64_t began_ms) {
    *redis = (struct model_redis){.timeline = timeline, .began_ms = began_ms, .generation = 1};
    new_lineage(redis);
}

static void named_free(struct model_named *names) {
    struct model_named *named, *next;
    HASH_ITER(hh, names, named, next) {
        HASH_DEL(names, named);
        free(named->text);
        free(named);
    }
}

void model_redis_close(struct model_redis *redis) {
    model_logs_close(redis);
    struct model_company *company, *next_company;
    HASH_ITER(hh, redis->companies, company, next_company) {
        while (company->changed)
            model_record_take_out(company, company->changed);
        HASH_DEL(redis->companies, company);
        free(company);
    }
    struct model_lease *lease, *next_lease;
    HASH_ITER(hh, redis->leases, lease, next_lease) {
        HASH_DEL(redis->leases, lease);
        free(lease);
    }
    named_free(redis->lease_of);
    named_free(redis->numbers);
}

int64_t model_redis_now_ms(const struct model_redis *redis) {
    return redis->began_ms + redis->timeline->now_us / 1000;
}

void model_redis_stop(struct model_redis *redis) {
    redis->is_away = true;
    redis->generation++;
}

void model_redis_start(struct model_redis *redis) {
    redis->is_away = false;
    new_lineage(redis);
}

/* ---- What it holds ---- */

const char *model_named_get(const struct model_named *names, const char *name) {
    struct model_named *named;
    HASH_FIND_STR(names, name, named);
    return named ? named->text : NULL;
}

void model_named_set(struct model_named **names, const char *name, const char *text) {
    struct model_named *named;
    HASH_FIND_STR(*names, name, named);
    if (named) {
        HASH_DEL(*names, named);
        free(named->text);
        free(named);
    }
    if (!text) return;
    named = store_allocate(sizeof *named + strlen(name) + 1);
    strcpy(named->name, name);
    named->text = store_copy(text, strlen(text));
    HASH_ADD_STR(*names, name, named);
}

bool model_named_expire(struct model_named **names, bool (*is_over)(void *arg, const char *text), void *arg) {
    struct model_named *named, *next;
    bool any = false;
    HASH_ITER(hh, *names, named, next) {
        if (!is_over(arg, named->text)) continue;
        any = true;
        HASH_DEL(*names, named);
        free(named->text);
        free(named);
    }
    return any;
}

const struct model_company *model_redis_company(const struct model_redis *redis, const char *name) {
    struct model_company *company;
    HASH_FIND_STR(redis->companies, name, company);
    return company;
}

/* "ledig:{<company>}:…" */
struct model_company *model_company_of_key(struct model_redis *redis, const char *key) {
    const char *from = strchr(key, '{'), *to = from ? strchr(from, '}') : NULL;
    struct model_company *company;
    char name[LEDIG_ID_CHARS_MAX + 1];
    if (!to || to - from - 1 > LEDIG_ID_CHARS_MAX) abort();
    snprintf(name, sizeof name, "%.*s", (int)(to - from - 1), from + 1);
    HASH_FIND_STR(redis->companies, name, company);
    if (company) return company;
    company = store_allocate(sizeof *company);
    strcpy(company->name, name);
    HASH_ADD_STR(redis->companies, name, company);
    return company;
}

struct model_record *model_record_find(const struct model_company *company, const char *entity) {
    struct model_record *record;
    HASH_FIND_STR(company->records, entity, record);
    return record;
}

void model_record_take_out(struct model_company *company, struct model_record *record) {
    HASH_DEL(company->records, record);
    DL_DELETE2(company->changed, record, before, after);
    free(record->bytes);
    free(record);
}

const struct model_record *model_redis_record(const struct model_redis *redis, const char *company,
                                              const char *entity) {
    const struct model_company *of = model_redis_company(redis, company);
    return of ? model_record_find(of, entity) : NULL;
}

/* ---- Replies ---- */

static redisReply *reply_of(int type) {
    redisReply *reply = store_allocate(sizeof *reply);
    reply->type = type;
    return reply;
}

redisReply *model_reply_bytes(const void *bytes, size_t length) {
    redisReply *reply = reply_of(REDIS_REPLY_STRING);
    reply->str = store_copy(bytes, length);
    reply->len = length;
    return reply;
}

redisReply *model_reply_text(const char *text) {
    return model_reply_bytes(text, strlen(text));
}

redisReply *model_reply_number(int64_t number) {
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)number);
    return model_reply_text(text);
}

redisReply *model_reply_integer(long long integer) {
    redisReply *reply = reply_of(REDIS_REPLY_INTEGER);
    reply->integer = integer;
    return reply;
}

redisReply *model_reply_nil(void) {
    return reply_of(REDIS_REPLY_NIL);
}

redisReply *model_reply_list(size_t count) {
    redisReply *reply = reply_of(REDIS_REPLY_ARRAY);
    reply->element = store_allocate(count * sizeof(redisReply *));
    return reply;
}

void model_reply_add(redisReply *list, redisReply *one) {
    list->element[list->elements++] = one;
}

void model_reply_free(redisReply *reply) {
    for (size_t i = 0; i < reply->elements; i++)
        model_reply_free(reply->element[i]);
    free(reply->element);
    free(reply->str);
    free(reply);
}

static redisReply *text_or_nil(const char *text) {
    return text && text[0] ? model_reply_text(text) : model_reply_nil();
}

redisReply *model_head_reply(const struct model_company *company) {
    redisReply *head = model_reply_list(5);
    bool exists = company->epoch[0];
    model_reply_add(head, text_or_nil(company->lineage));
    model_reply_add(head, text_or_nil(company->epoch));
    model_reply_add(head, exists ? model_reply_number((int64_t)company->version) : model_reply_nil());
    model_reply_add(head, company->pruned ? model_reply_number((int64_t)company->pruned) : model_reply_nil());
    model_reply_add(head, text_or_nil(company->earlier));
    return head;
}

/* <revision>r<bytes>, or <revision>t<ms> */
redisReply *model_record_reply(const struct model_record *record, bool nil_where_absent) {
    char text[48];
    struct buffer stored = {0};
    if (!record) return nil_where_absent ? model_reply_nil() : model_reply_text("");
    snprintf(text, sizeof text, "%llu%c", (unsigned long long)record->revision, record->bytes ? 'r' : 't');
    buffer_append(&stored, text, strlen(text));
    snprintf(text, sizeof text, "%lld", (long long)record->removed_at_ms);
    if (record->bytes)
        buffer_append(&stored, record->bytes, record->length);
    else
        buffer_append(&stored, text, strlen(text));
    redisReply *reply = model_reply_bytes(stored.bytes, stored.length);
    buffer_free(&stored);
    return reply;
}

/* ---- Commands ---- */

static redisReply *run_script(struct model_redis *redis, const struct model_arguments *arguments) {
    size_t script = 0, keys = strtoul(arguments->words[2], NULL, 10);
    while (script < SCRIPT_COUNT && strcmp(script_sources[script].sha, arguments->words[1]) != 0)
        script++;
    struct model_arguments rest = {arguments->words + 3, arguments->lengths + 3, arguments->count - 3};
    return model_script_run(redis, (enum script)script, keys, &rest);
}

static redisReply *get_fields(struct model_redis *redis, const struct model_arguments *arguments) {
    const char *key = arguments->words[1], *what = strrchr(key, ':');
    const struct model_company *company = model_company_of_key(redis, key);
    if (strcmp(what, ":head") == 0) return model_head_reply(company);
    redisReply *list = model_reply_list(arguments->count - 2);
    for (size_t i = 2; i < arguments->count; i++)
        model_reply_add(list, model_record_reply(model_record_find(company, arguments->words[i]), true));
    return list;
}

/* Nothing that is looked for so is kept: a walk that is over at once. */
static redisReply *scan_nothing(void) {
    redisReply *reply = model_reply_list(2);
    model_reply_add(reply, model_reply_text("0"));
    model_reply_add(reply, model_reply_list(0));
    return reply;
}

redisReply *model_redis_run(struct model_redis *redis, size_t count, const char *const *words, const size_t *lengths) {
    struct model_arguments arguments = {words, lengths, count};
    if (strcmp(words[0], "EVALSHA") == 0) return run_script(redis, &arguments);
    if (strcmp(words[0], "HMGET") == 0) return get_fields(redis, &arguments);
    if (strcmp(words[0], "GET") == 0) {
        const char *text = model_named_get(redis->numbers, words[1]);
        return text ? model_reply_text(text) : model_reply_nil();
    }
    if (strcmp(words[0], "ZCOUNT") == 0) return model_log_count(redis, words[1], strtoll(words[2], NULL, 10));
    if (strcmp(words[0], "SCAN") == 0) return scan_nothing();
    if (strcmp(words[0], "SCRIPT") == 0 || strcmp(words[0], "PING") == 0 || strcmp(words[0], "UNSUBSCRIBE") == 0)
        return model_reply_text("OK");
    if (strcmp(words[0], "SUBSCRIBE") != 0) abort(); /* the model knows what the store sends, and no more */
    redisReply *subscribed = model_reply_list(3);
    model_reply_add(subscribed, model_reply_text("subscribe"));
    model_reply_add(subscribed, model_reply_text(words[1]));
    model_reply_add(subscribed, model_reply_integer(1));
    return subscribed;
}

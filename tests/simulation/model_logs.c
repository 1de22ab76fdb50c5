/* Logs in the model: what commit.lua keeps, and log_page.lua, log_trim.lua and ZCOUNT read or take out. */
#include "tests/simulation/model_redis.h"

#include <stdlib.h>
#include <string.h>

struct model_entry {
    char *id;
    int64_t at_ms;
    uint8_t *bytes;
    size_t length;
};

struct model_log {
    UT_hash_handle hh;
    struct model_entry *entries; /* by time, then id */
    size_t count;
    char order[]; /* its first key */
};

static struct model_log *find(const struct model_redis *redis, const char *order) {
    struct model_log *log;
    HASH_FIND_STR(redis->logs, order, log);
    return log;
}

static struct model_log *find_or_add(struct model_redis *redis, const char *order) {
    struct model_log *log = find(redis, order);
    if (log) return log;
    log = calloc(1, sizeof *log + strlen(order) + 1);
    if (!log) abort();
    strcpy(log->order, order);
    HASH_ADD_STR(redis->logs, order, log);
    return log;
}

static void entry_free(struct model_entry *entry) {
    free(entry->id);
    free(entry->bytes);
}

void model_log_keep(struct model_redis *redis, const char *order, const char *id, int64_t at_ms, const void *bytes,
                    size_t length) {
    struct model_log *log = find_or_add(redis, order);
    size_t place = 0;
    for (size_t i = 0; i < log->count; i++) {
        const struct model_entry *entry = &log->entries[i];
        if (strcmp(entry->id, id) == 0) return;
        if (entry->at_ms < at_ms || (entry->at_ms == at_ms && strcmp(entry->id, id) < 0)) place = i + 1;
    }
    log->entries = realloc(log->entries, (log->count + 1) * sizeof *log->entries);
    if (!log->entries) abort();
    memmove(&log->entries[place + 1], &log->entries[place], (log->count - place) * sizeof *log->entries);
    log->entries[place] = (struct model_entry){.id = store_copy(id, strlen(id)),
                                               .at_ms = at_ms,
                                               .bytes = (uint8_t *)store_copy(bytes, length),
                                               .length = length};
    log->count++;
}

void model_log_drop(struct model_redis *redis, const char *order) {
    struct model_log *log = find(redis, order);
    if (!log) return;
    HASH_DEL(redis->logs, log);
    for (size_t i = 0; i < log->count; i++)
        entry_free(&log->entries[i]);
    free(log->entries);
    free(log);
}

void model_logs_close(struct model_redis *redis) {
    while (redis->logs)
        model_log_drop(redis, redis->logs->order);
}

/* How many are older than that. */
static size_t older(const struct model_log *log, int64_t before_ms) {
    size_t count = 0;
    while (log && count < log->count && log->entries[count].at_ms < before_ms)
        count++;
    return count;
}

/* How many of the `count` that end before `end`, the newest first, are on a page; a page never ends within one time. */
static size_t page_size(const struct model_log *log, size_t end, size_t count, size_t limit) {
    size_t size = limit;
    if (count <= limit) return count;
    int64_t behind_ms = log->entries[end - 1 - limit].at_ms;
    while (size > 0 && log->entries[end - size].at_ms == behind_ms)
        size--;
    if (size > 0) return size;
    while (size < 2 * limit && size < count && log->entries[end - 1 - size].at_ms == behind_ms)
        size++;
    return size;
}

redisReply *model_log_page(const struct model_redis *redis, const char *order, int64_t from_ms, int64_t before_ms,
                           size_t limit) {
    const struct model_log *log = find(redis, order);
    size_t end = older(log, before_ms), first = older(log, from_ms), count = end > first ? end - first : 0;
    size_t size = page_size(log, end, count, limit);
    redisReply *page = model_reply_list(3 * size + 1);
    for (size_t i = 0; i < size; i++) {
        const struct model_entry *entry = &log->entries[end - 1 - i];
        model_reply_add(page, model_reply_text(entry->id));
        model_reply_add(page, model_reply_number(entry->at_ms));
        model_reply_add(page, model_reply_bytes(entry->bytes, entry->length));
    }
    model_reply_add(page, model_reply_text(size < count ? "1" : "0"));
    return page;
}

redisReply *model_log_trim(struct model_redis *redis, const char *order, int64_t before_ms, size_t most) {
    struct model_log *log = find(redis, order);
    size_t count = older(log, before_ms);
    if (count > most) count = most;
    for (size_t i = 0; i < count; i++)
        entry_free(&log->entries[i]);
    if (count > 0) memmove(log->entries, &log->entries[count], (log->count -= count) * sizeof *log->entries);
    return model_reply_integer((long long)count);
}

redisReply *model_log_count(const struct model_redis *redis, const char *order, int64_t from_ms) {
    const struct model_log *log = find(redis, order);
    return model_reply_integer(log ? (long long)(log->count - older(log, from_ms)) : 0);
}

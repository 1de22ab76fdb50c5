/* Logs: reading a page, taking out what is old, and finding those that there are. */
#include "broker/store/redis_store.h"

#include <stdlib.h>
#include <string.h>

#define TRIM_STEP 200    /* entries taken out by one command: well below a millisecond */
#define FIND_STEP "1000" /* keys that one command looks at, of whatever kind: some 0.3 ms */
#define PREFIX_CHARS_MAX 32
#define DIGITS 24

struct log_request {
    struct request request;
    char company[LEDIG_ID_CHARS_MAX + 1];
    char log[STORE_LOG_NAME_MAX + 1]; /* or how its name begins */
    int64_t from_ms, before_ms;
    size_t limit;
    uint64_t at; /* of a search: where it goes on; of a count: what was counted, or taken out */

    struct store_entry *entries; /* copies: what was read */
    struct store_log *logs;      /* likewise */
    size_t count;
    bool more;

    store_log_page page;
    store_log_counted counted;
    store_logs_found found;
    void *arg;
};

static void release(struct request *request) {
    struct log_request *log = (struct log_request *)(void *)request;
    for (size_t i = 0; i < log->count && log->entries; i++) {
        free((char *)(uintptr_t)log->entries[i].id);
        free((uint8_t *)(uintptr_t)log->entries[i].bytes);
    }
    for (size_t i = 0; i < log->count && log->logs; i++) {
        free((char *)(uintptr_t)log->logs[i].company);
        free((char *)(uintptr_t)log->logs[i].log);
    }
    free(log->entries);
    free(log->logs);
    free(log);
}

static void add_keys(const struct log_request *log, struct log_keys *keys, struct words *words) {
    log_keys_make(log->company, log->log, keys);
    words_add(words, keys->order);
    words_add(words, keys->entries);
}

static void open_request(struct store *store, struct log_request *log, const struct request_type *type, bool good) {
    if (good)
        request_open(store, &log->request, type, true);
    else
        request_refuse(store, &log->request, type, LEDIG_EBAD_REQUEST);
}

/* ---- A page ---- */

static void page_send(struct request *request) {
    struct log_request *log = (struct log_request *)(void *)request;
    struct log_keys keys;
    struct words words = {0};
    char from[DIGITS], before[DIGITS], limit[DIGITS];
    add_keys(log, &keys, &words);
    snprintf(from, sizeof from, "%lld", (long long)log->from_ms);
    snprintf(before, sizeof before, "%lld", (long long)log->before_ms);
    snprintf(limit, sizeof limit, "%zu", log->limit);
    words_add(&words, from);
    words_add(&words, before);
    words_add(&words, limit);
    request_script(request, SCRIPT_LOG_PAGE, 2, &words);
    words_free(&words);
}

static int entry_read(redisReply *const *element, struct store_entry *entry) {
    uint64_t at_ms;
    if (element[0]->type != REDIS_REPLY_STRING || element[2]->type != REDIS_REPLY_STRING) return LEDIG_EDAMAGED;
    int error = number_read(element[1], &at_ms);
    if (error != 0) return error;
    *entry = (struct store_entry){.id = store_copy(element[0]->str, element[0]->len),
                                  .at_ms = (int64_t)at_ms,
                                  .bytes = (uint8_t *)store_copy(element[2]->str, element[2]->len),
                                  .length = element[2]->len};
    return 0;
}

static void page_answer(struct request *request, const redisReply *reply) {
    struct log_request *log = (struct log_request *)(void *)request;
    bool good = reply->type == REDIS_REPLY_ARRAY && reply->elements % 3 == 1;
    size_t count = good ? reply->elements / 3 : 0;
    int error = good ? 0 : LEDIG_EDAMAGED;
    log->entries = store_allocate(count * sizeof *log->entries);
    for (size_t i = 0; i < count && error == 0; i++) {
        error = entry_read(&reply->element[3 * i], &log->entries[i]);
        if (error == 0) log->count++;
    }
    if (good)
        log->more =
            reply->element[3 * count]->type == REDIS_REPLY_STRING && strcmp(reply->element[3 * count]->str, "1") == 0;
    request_end(request, error);
}

static void page_complete(struct request *request, int error) {
    struct log_request *log = (struct log_request *)(void *)request;
    log->page(log->arg, error, error == 0 ? log->entries : NULL, error == 0 ? log->count : 0, error == 0 && log->more);
}

static const struct request_type page_type = {
    .send = page_send, .answer = page_answer, .complete = page_complete, .release = release};

/* A log of a company, as it is named by a caller. */
static bool set_log(struct log_request *log, const char *company, const char *name) {
    if (!shape_is_id(company) || !log_name_is_good(name)) return false;
    snprintf(log->company, sizeof log->company, "%s", company);
    snprintf(log->log, sizeof log->log, "%s", name);
    return true;
}

void store_log_read(struct store *store, const char *company, const char *name, int64_t from_ms, int64_t before_ms,
                    size_t limit, store_log_page page, void *arg) {
    struct log_request *log = store_allocate(sizeof *log);
    log->from_ms = from_ms;
    log->before_ms = before_ms;
    log->limit = limit;
    log->page = page;
    log->arg = arg;
    open_request(store, log, &page_type, set_log(log, company, name) && limit > 0 && limit <= STORE_LOG_PAGE_MAX);
}

/* ---- Counting ---- */

static void count_send(struct request *request) {
    struct log_request *log = (struct log_request *)(void *)request;
    struct log_keys keys;
    char from[DIGITS];
    log_keys_make(log->company, log->log, &keys);
    snprintf(from, sizeof from, "%lld", (long long)log->from_ms);
    request_command(request, 4, (const char *[]){"ZCOUNT", keys.order, from, "+inf"}, NULL);
}

static void count_answer(struct request *request, const redisReply *reply) {
    struct log_request *log = (struct log_request *)(void *)request;
    bool good = reply->type == REDIS_REPLY_INTEGER && reply->integer >= 0;
    if (good) log->at = (uint64_t)reply->integer;
    request_end(request, good ? 0 : LEDIG_EDAMAGED);
}

static void count_complete(struct request *request, int error) {
    struct log_request *log = (struct log_request *)(void *)request;
    log->counted(log->arg, error, error == 0 ? log->at : 0);
}

static const struct request_type count_type = {
    .send = count_send, .answer = count_answer, .complete = count_complete, .release = release};

void store_log_count(struct store *store, const char *company, const char *name, int64_t from_ms,
                     store_log_counted counted, void *arg) {
    struct log_request *log = store_allocate(sizeof *log);
    log->from_ms = from_ms;
    log->counted = counted;
    log->arg = arg;
    open_request(store, log, &count_type, set_log(log, company, name));
}

/* ---- Taking out ---- */

static void trim_send(struct request *request) {
    struct log_request *log = (struct log_request *)(void *)request;
    struct log_keys keys;
    struct words words = {0};
    char before[DIGITS], step[DIGITS];
    add_keys(log, &keys, &words);
    snprintf(before, sizeof before, "%lld", (long long)log->before_ms);
    snprintf(step, sizeof step, "%d", TRIM_STEP);
    words_add(&words, before);
    words_add(&words, step);
    request_script(request, SCRIPT_LOG_TRIM, 2, &words);
    words_free(&words);
}

static void trim_answer(struct request *request, const redisReply *reply) {
    struct log_request *log = (struct log_request *)(void *)request;
    if (reply->type != REDIS_REPLY_INTEGER || reply->integer < 0) {
        request_end(request, LEDIG_EDAMAGED);
        return;
    }
    log->at += (uint64_t)reply->integer;
    if (reply->integer < TRIM_STEP) {
        request_end(request, 0);
    } else {
        request_renew_deadline(request);
        request_again(request);
    }
}

static const struct request_type trim_type = {
    .send = trim_send, .answer = trim_answer, .complete = count_complete, .release = release};

void store_log_trim(struct store *store, const char *company, const char *name, int64_t before_ms,
                    store_log_counted counted, void *arg) {
    struct log_request *log = store_allocate(sizeof *log);
    log->before_ms = before_ms;
    log->counted = counted;
    log->arg = arg;
    open_request(store, log, &trim_type, set_log(log, company, name));
}

/* ---- Finding ---- */

static void find_send(struct request *request) {
    struct log_request *log = (struct log_request *)(void *)request;
    char at[DIGITS], pattern[KEY_BYTES_MAX];
    snprintf(at, sizeof at, "%llu", (unsigned long long)log->at);
    snprintf(pattern, sizeof pattern, "ledig:{*}:log:%s*", log->log);
    request_command(request, 8, (const char *[]){"SCAN", at, "MATCH", pattern, "COUNT", FIND_STEP, "TYPE", "zset"},
                    NULL);
}

/* ledig:{<company>}:log:<name>, of which neither part has a brace. */
static bool log_read(const char *key, struct store_log *log) {
    static const char before[] = "ledig:{", between[] = "}:log:";
    if (strncmp(key, before, sizeof before - 1) != 0) return false;
    const char *company = key + sizeof before - 1, *end = strchr(company, '}');
    if (end == NULL || strncmp(end, between, sizeof between - 1) != 0) return false;
    const char *name = end + sizeof between - 1;
    if (!log_name_is_good(name)) return false;
    *log = (struct store_log){.company = store_copy(company, (size_t)(end - company)),
                              .log = store_copy(name, strlen(name))};
    return true;
}

static void find_answer(struct request *request, const redisReply *reply) {
    struct log_request *log = (struct log_request *)(void *)request;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 || reply->element[0]->type != REDIS_REPLY_STRING ||
        reply->element[1]->type != REDIS_REPLY_ARRAY) {
        request_end(request, LEDIG_EDAMAGED);
        return;
    }
    const redisReply *keys = reply->element[1];
    log->at = strtoull(reply->element[0]->str, NULL, 10); /* all 64 bits of it */
    log->logs = store_allocate(keys->elements * sizeof *log->logs);
    for (size_t i = 0; i < keys->elements; i++) {
        const redisReply *key = keys->element[i];
        if (key->type == REDIS_REPLY_STRING && log_read(key->str, &log->logs[log->count])) log->count++;
    }
    request_end(request, 0);
}

static void find_complete(struct request *request, int error) {
    struct log_request *log = (struct log_request *)(void *)request;
    log->found(log->arg, error, error == 0 ? log->at : 0, error == 0 ? log->logs : NULL, error == 0 ? log->count : 0);
}

static const struct request_type find_type = {
    .send = find_send, .answer = find_answer, .complete = find_complete, .release = release};

void store_logs_find(struct store *store, const char *prefix, uint64_t at, store_logs_found found, void *arg) {
    struct log_request *log = store_allocate(sizeof *log);
    size_t length = strspn(prefix, "abcdefghijklmnopqrstuvwxyz_:");
    bool good = length <= PREFIX_CHARS_MAX && prefix[length] == '\0';
    if (good) snprintf(log->log, sizeof log->log, "%s", prefix);
    log->at = at;
    log->found = found;
    log->arg = arg;
    open_request(store, log, &find_type, good);
}

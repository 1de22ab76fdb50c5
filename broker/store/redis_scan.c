/* Walking what there is, a little at a time: the numbers of the index, the companies, the records of one. What stands
 * from the beginning of a walk to its end is met, maybe more than once. */
#include "broker/store/redis_store.h"

#include <stdlib.h>
#include <string.h>

#define SCAN_STEP "250" /* keys that one command looks at: below 0.2 ms */
#define DIGITS 24

struct scan {
    struct request request;
    const char *pattern; /* of keys; NULL: the records of the company */
    char company[LEDIG_ID_CHARS_MAX + 1];
    uint64_t at;
    size_t count;
    char **names;                 /* what was found, without what stands around it in the key */
    struct store_record *records; /* of a company; `names` are its entities, and the bytes are copies */
    store_names_found found;
    store_records_found found_records;
    void *arg;
};

static void scan_send(struct request *request) {
    struct scan *scan = (struct scan *)(void *)request;
    struct company_keys keys;
    char at[DIGITS];
    snprintf(at, sizeof at, "%llu", (unsigned long long)scan->at);
    if (scan->pattern != NULL) {
        request_command(request, 6, (const char *[]){"SCAN", at, "MATCH", scan->pattern, "COUNT", SCAN_STEP}, NULL);
        return;
    }
    company_keys_make(scan->company, &keys);
    request_command(request, 5, (const char *[]){"HSCAN", keys.records, at, "COUNT", SCAN_STEP}, NULL);
}

/* What stands in the place of the pattern's star; NULL: it does not fit. */
static char *take_name(const char *pattern, const redisReply *key) {
    const char *star = strchr(pattern, '*');
    size_t before = (size_t)(star - pattern), behind = strlen(star + 1);
    if (key->type != REDIS_REPLY_STRING || key->len <= before + behind) return NULL;
    return store_copy(key->str + before, key->len - before - behind);
}

static int take_keys(struct scan *scan, const redisReply *keys) {
    scan->names = store_allocate(keys->elements * sizeof *scan->names);
    for (size_t i = 0; i < keys->elements; i++) {
        char *name = take_name(scan->pattern, keys->element[i]);
        if (name != NULL) scan->names[scan->count++] = name;
    }
    return 0;
}

static int take_records(struct scan *scan, const redisReply *pairs) {
    if (pairs->elements % 2 != 0) return LEDIG_EDAMAGED;
    opened_forget(scan->request.store);
    scan->names = store_allocate(pairs->elements / 2 * sizeof *scan->names);
    scan->records = store_allocate(pairs->elements / 2 * sizeof *scan->records);
    for (size_t i = 0; i < pairs->elements; i += 2) {
        const redisReply *entity = pairs->element[i], *stored = pairs->element[i + 1];
        struct store_record record;
        if (entity->type != REDIS_REPLY_STRING || stored->type != REDIS_REPLY_STRING) return LEDIG_EDAMAGED;
        int error = record_read(entity->str, stored->str, stored->len, &record);
        if (error == 0) error = record_open(scan->request.store, scan->company, &record);
        if (error != 0) return error;
        if (record.bytes != NULL) record.bytes = (uint8_t *)store_copy(record.bytes, record.length);
        record.entity = scan->names[scan->count] = store_copy(entity->str, entity->len);
        scan->records[scan->count++] = record;
    }
    return 0;
}

static void scan_answer(struct request *request, const redisReply *reply) {
    struct scan *scan = (struct scan *)(void *)request;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 || reply->element[0]->type != REDIS_REPLY_STRING ||
        reply->element[1]->type != REDIS_REPLY_ARRAY) {
        request_end(request, LEDIG_EDAMAGED);
        return;
    }
    scan->at = strtoull(reply->element[0]->str, NULL, 10); /* all 64 bits of it */
    request_end(request,
                scan->pattern != NULL ? take_keys(scan, reply->element[1]) : take_records(scan, reply->element[1]));
}

static void scan_complete(struct request *request, int error) {
    struct scan *scan = (struct scan *)(void *)request;
    size_t count = error == 0 ? scan->count : 0;
    uint64_t next = error == 0 ? scan->at : 0;
    if (scan->found != NULL) scan->found(scan->arg, error, next, (const char *const *)scan->names, count);
    if (scan->found_records != NULL) scan->found_records(scan->arg, error, next, scan->records, count);
}

static void scan_release(struct request *request) {
    struct scan *scan = (struct scan *)(void *)request;
    for (size_t i = 0; i < scan->count; i++) {
        if (scan->records != NULL) free((uint8_t *)(uintptr_t)scan->records[i].bytes);
        free(scan->names[i]);
    }
    free(scan->records);
    free(scan->names);
    free(scan);
}

static const struct request_type scan_type = {
    .send = scan_send, .answer = scan_answer, .complete = scan_complete, .release = scan_release};

static void scan_keys(struct store *store, const char *pattern, uint64_t at, store_names_found found, void *arg) {
    struct scan *scan = store_allocate(sizeof *scan);
    scan->pattern = pattern;
    scan->at = at;
    scan->found = found;
    scan->arg = arg;
    request_open(store, &scan->request, &scan_type, true);
}

void store_numbers_scan(struct store *store, uint64_t at, store_names_found found, void *arg) {
    scan_keys(store, "ledig:number:*", at, found, arg);
}

void store_companies_scan(struct store *store, uint64_t at, store_names_found found, void *arg) {
    scan_keys(store, "ledig:{*}:head", at, found, arg);
}

void store_records_scan(struct store *store, const char *company, uint64_t at, store_records_found found, void *arg) {
    struct scan *scan = store_allocate(sizeof *scan);
    snprintf(scan->company, sizeof scan->company, "%s", company);
    scan->at = at;
    scan->found_records = found;
    scan->arg = arg;
    if (shape_is_id(company))
        request_open(store, &scan->request, &scan_type, true);
    else
        request_refuse(store, &scan->request, &scan_type, LEDIG_EBAD_REQUEST);
}

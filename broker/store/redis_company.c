#include "broker/store/redis_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERSION_MAX 9007199254740991u /* 2^53 - 1: what Lua and a sorted set hold exactly */

/* ---- Keys: the company is the hash tag, so that all of it lives on one shard ---- */

void company_keys_make(const char *company, struct company_keys *keys) {
    snprintf(keys->records, KEY_BYTES_MAX, "ledig:{%s}:records", company);
    snprintf(keys->changed, KEY_BYTES_MAX, "ledig:{%s}:changed", company);
    snprintf(keys->head, KEY_BYTES_MAX, "ledig:{%s}:head", company);
    snprintf(keys->channel, KEY_BYTES_MAX, "ledig:{%s}:changes", company);
}

void words_add_keys(struct words *words, const struct company_keys *keys) {
    words_add(words, keys->records);
    words_add(words, keys->changed);
    words_add(words, keys->head);
}

void log_keys_make(const char *company, const char *log, struct log_keys *keys) {
    snprintf(keys->order, KEY_BYTES_MAX, "ledig:{%s}:log:%s", company, log);
    snprintf(keys->entries, KEY_BYTES_MAX, "ledig:{%s}:log:%s:entries", company, log);
}

bool log_name_is_good(const char *name) {
    if (name == NULL) return false;
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._:-");
    return length > 0 && length <= STORE_LOG_NAME_MAX && name[length] == '\0';
}

/* ---- Stored forms ---- */

int number_parse(const char *text, size_t length, uint64_t *number) {
    uint64_t value = 0;
    if (length == 0 || length > 16) return LEDIG_EDAMAGED;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') return LEDIG_EDAMAGED;
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    if (value > VERSION_MAX) return LEDIG_EDAMAGED;
    *number = value;
    return 0;
}

int number_read(const redisReply *reply, uint64_t *number) {
    if (reply->type != REDIS_REPLY_STRING) return LEDIG_EDAMAGED;
    return number_parse(reply->str, reply->len, number);
}

static int text_read(const redisReply *reply, char *text, size_t size) {
    text[0] = '\0';
    if (reply->type == REDIS_REPLY_NIL) return 0;
    if (reply->type != REDIS_REPLY_STRING || reply->len >= size) return LEDIG_EDAMAGED;
    memcpy(text, reply->str, reply->len + 1);
    return 0;
}

/* "<epoch>:<version> <epoch>:<version> …", the oldest first */
static int earlier_read(const char *text, struct store_head *head) {
    while (*text != '\0' && head->earlier_count < STORE_EPOCHS_MAX) {
        size_t epoch = strcspn(text, ":"), rest = strcspn(text, " ");
        if (epoch >= rest || epoch > LEDIG_ID_CHARS_MAX) return LEDIG_EDAMAGED;
        memcpy(head->earlier[head->earlier_count].epoch, text, epoch);
        head->earlier[head->earlier_count].epoch[epoch] = '\0';
        int error = number_parse(text + epoch + 1, rest - epoch - 1, &head->earlier[head->earlier_count].version);
        if (error != 0) return error;
        head->earlier_count++;
        text += rest + (text[rest] == ' ');
    }
    return 0;
}

int head_read(const redisReply *reply, struct store_head *head, char lineage[static LINEAGE_CHARS_MAX + 1]) {
    memset(head, 0, sizeof *head);
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 5) return LEDIG_EDAMAGED;
    const redisReply *version = reply->element[2], *pruned = reply->element[3], *earlier = reply->element[4];
    int error = text_read(reply->element[0], lineage, LINEAGE_CHARS_MAX + 1);
    if (error == 0) error = text_read(reply->element[1], head->epoch, sizeof head->epoch);
    if (error == 0 && version->type != REDIS_REPLY_NIL) error = number_read(version, &head->version);
    if (error == 0 && pruned->type != REDIS_REPLY_NIL) error = number_read(pruned, &head->pruned);
    if (error == 0 && earlier->type == REDIS_REPLY_STRING) error = earlier_read(earlier->str, head);
    return error;
}

int record_read(const char *entity, const char *stored, size_t length, struct store_record *record) {
    *record = (struct store_record){.entity = entity};
    if (length == 0) return 0;
    size_t digits = 0;
    while (digits < length && stored[digits] >= '0' && stored[digits] <= '9') {
        digits++;
    }
    if (digits == length || number_parse(stored, digits, &record->revision) != 0) return LEDIG_EDAMAGED;
    if (stored[digits] == 't') {
        uint64_t removed_at_ms = 0;
        if (number_parse(stored + digits + 1, length - digits - 1, &removed_at_ms) != 0) return LEDIG_EDAMAGED;
        record->removed_at_ms = (int64_t)removed_at_ms;
        return 0;
    }
    if (stored[digits] != 'r') return LEDIG_EDAMAGED;
    record->bytes = (const uint8_t *)stored + digits + 1;
    record->length = length - digits - 1;
    return 0;
}

/* ---- Companies ---- */

struct store_company *company_find(struct store *store, const char *name) {
    struct store_company *company;
    HASH_FIND_STR(store->companies, name, company);
    return company;
}

struct store_company *company_get(struct store *store, const char *name) {
    struct store_company *company = company_find(store, name);
    if (company != NULL) return company;
    company = store_allocate(sizeof *company);
    company->store = store;
    snprintf(company->name, sizeof company->name, "%s", name);
    company_keys_make(name, &company->keys);
    HASH_ADD_STR(store->companies, name, company);
    return company;
}

void company_release(struct store_company *company) {
    if (company->watches > 0 || company->watchers != NULL || company->subscribed || company->slots != NULL ||
        company->in_flight > 0 || company->in_ring) {
        return;
    }
    HASH_DEL(company->store->companies, company);
    free(company);
}

void company_heard(struct store_company *company, const char *epoch, uint64_t version) {
    if (strcmp(company->known_epoch, epoch) != 0) {
        snprintf(company->known_epoch, sizeof company->known_epoch, "%s", epoch);
        company->known_version = version;
    } else if (version > company->known_version) {
        company->known_version = version;
    }
}

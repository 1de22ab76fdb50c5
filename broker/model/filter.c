/* Whom a subscriber wants to hear of: two sets of ids, looked up by hash. The commonest filter, everyone and no queue,
 * is one and the same for all. */
#include "broker/model/company_state.h"

#include <stdlib.h>

struct id_set {
    const char **slots; /* open addressing, at most half full; the texts stand behind them in the same block */
    uint32_t mask, count;
    uint32_t sum; /* of the hashes: two sets that differ differ here first */
};

struct filter {
    bool all;
    struct id_set users, queues;
};

static const struct filter everyone = {.all = true};

/* FNV-1a, 32 bits: http://www.isthe.com/chongo/tech/comp/fnv/ */
uint32_t id_hash(const char *id) {
    uint32_t hash = 2166136261u;
    for (; *id != '\0'; id++)
        hash = (hash ^ (uint8_t)*id) * 16777619u;
    return hash;
}

/* The slot that holds the id, or the free one where it belongs. */
static const char **find_slot(const struct id_set *set, const char *id, uint32_t hash) {
    uint32_t at = hash & set->mask;
    while (set->slots[at] != NULL && strcmp(set->slots[at], id) != 0)
        at = (at + 1) & set->mask;
    return &set->slots[at];
}

static bool set_has(const struct id_set *set, const char *id, uint32_t hash) {
    return set->count > 0 && *find_slot(set, id, hash) != NULL;
}

static char *set_add(struct id_set *set, const char *id, char *text) {
    uint32_t hash = id_hash(id);
    const char **slot = find_slot(set, id, hash);
    if (*slot != NULL) return text;
    size_t length = strlen(id) + 1;
    *slot = memcpy(text, id, length);
    set->count++;
    set->sum += hash;
    return text + length;
}

static size_t texts_bytes(const struct texts *ids) {
    size_t bytes = 0;
    for (uint32_t i = 0; i < ids->count; i++)
        bytes += strlen(ids->at[i]) + 1;
    return bytes;
}

/* `also` may be NULL. */
static bool set_open(struct id_set *set, const struct texts *ids, const char *also) {
    size_t slots = 2;
    while (slots < 2 * ((size_t)ids->count + 1))
        slots *= 2;
    size_t bytes = texts_bytes(ids) + (also != NULL ? strlen(also) + 1 : 0);
    set->slots = calloc(1, slots * sizeof *set->slots + bytes);
    if (set->slots == NULL) return false;
    set->mask = (uint32_t)slots - 1;
    char *text = (char *)(set->slots + slots);
    for (uint32_t i = 0; i < ids->count; i++)
        text = set_add(set, ids->at[i], text);
    if (also != NULL) set_add(set, also, text);
    return true;
}

static bool set_equal(const struct id_set *a, const struct id_set *b) {
    if (a->count != b->count || a->sum != b->sum) return false;
    for (uint32_t i = 0; a->count > 0 && i <= a->mask; i++)
        if (a->slots[i] != NULL && !set_has(b, a->slots[i], id_hash(a->slots[i]))) return false;
    return true;
}

struct filter *filter_create(const struct texts *users, const struct texts *queues, const char *self) {
    static const struct texts nothing = {0};
    bool all = users != NULL && users->all;
    if (queues == NULL) queues = &nothing;
    if (all && queues->count == 0) return (struct filter *)&everyone; /* only ever read */
    struct filter *filter = calloc(1, sizeof *filter);
    if (filter == NULL) return NULL;
    filter->all = all;
    bool opened = set_open(&filter->queues, queues, NULL);
    if (opened && !all) opened = set_open(&filter->users, users != NULL ? users : &nothing, self);
    if (opened) return filter;
    filter_free(filter);
    return NULL;
}

void filter_free(struct filter *filter) {
    if (filter == NULL || filter == &everyone) return;
    free(filter->users.slots);
    free(filter->queues.slots);
    free(filter);
}

bool filter_is_all(const struct filter *filter) {
    return filter->all && filter->queues.count == 0;
}

bool filter_equal(const struct filter *a, const struct filter *b) {
    return a == b || (a->all == b->all && set_equal(&a->users, &b->users) && set_equal(&a->queues, &b->queues));
}

bool filter_passes(const struct filter *filter, const struct entry *entry) {
    if (entry->kind == ENTRY_QUEUE) return set_has(&filter->queues, entry_id(entry), entry->id_hash);
    return filter->all || set_has(&filter->users, entry_id(entry), entry->id_hash);
}

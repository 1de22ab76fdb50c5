/* Whom a subscriber wants to hear of: two sets of ids. The commonest filter, everyone and no queue,
 * is one and the same for all. */
#include "broker/model/company_state.h"

#include <stdlib.h>

struct id_set {
    const char **ids; /* ascending, each once; the bits and the texts stand behind them in the same block */
    uint32_t count;
    uint32_t bits_mask; /* number of bits less one */
    uint64_t *bits;     /* of the hashes: most ids that are not in the set end here, without a comparison */
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

static bool set_has(const struct id_set *set, const char *id, uint32_t hash) {
    if (set->count == 0) return false;
    uint32_t bit = hash & set->bits_mask;
    if (!(set->bits[bit / 64] >> (bit % 64) & 1)) return false;
    uint32_t low = 0, high = set->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(id, set->ids[middle]);
        if (order == 0) return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

static size_t texts_bytes(const struct texts *ids) {
    size_t bytes = 0;
    for (uint32_t i = 0; i < ids->count; i++)
        bytes += strlen(ids->at[i]) + 1;
    return bytes;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void set_note(struct id_set *set, const char *id) {
    uint32_t bit = id_hash(id) & set->bits_mask;
    set->bits[bit / 64] |= 1ull << (bit % 64);
}

/* Whoever chooses the ids can choose them so that their hashes are the same; that costs a comparison or two more, since
 * the order is that of the texts. `also` may be NULL. */
static bool set_open(struct id_set *set, const struct texts *ids, const char *also) {
    size_t most = (size_t)ids->count + 1, bits = 64;
    while (bits < 8 * most)
        bits *= 2;
    size_t bytes = texts_bytes(ids) + (also != NULL ? strlen(also) + 1 : 0);
    set->ids = calloc(1, most * sizeof *set->ids + bits / 8 + bytes);
    if (set->ids == NULL) return false;
    set->bits = (uint64_t *)(void *)(set->ids + most);
    set->bits_mask = (uint32_t)bits - 1;
    char *text = (char *)set->bits + bits / 8;
    uint32_t count = 0;
    for (uint32_t i = 0; i < ids->count; i++) {
        set->ids[count++] = strcpy(text, ids->at[i]);
        text += strlen(text) + 1;
    }
    if (also != NULL) set->ids[count++] = strcpy(text, also);
    qsort(set->ids, count, sizeof *set->ids, by_text);
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0 && strcmp(set->ids[i], set->ids[set->count - 1]) == 0) continue;
        set->ids[set->count++] = set->ids[i];
        set_note(set, set->ids[set->count - 1]);
    }
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
    free(filter->users.ids);
    free(filter->queues.ids);
    free(filter);
}

bool filter_is_all(const struct filter *filter) {
    return filter->all && filter->queues.count == 0;
}

bool filter_passes(const struct filter *filter, const struct entry *entry) {
    if (entry->kind == ENTRY_QUEUE) return set_has(&filter->queues, entry_id(entry), entry->id_hash);
    return filter->all || set_has(&filter->users, entry_id(entry), entry->id_hash);
}

/* Whom subscribers want to hear of. Ids that somebody names are topics; a topic knows the filters that name it, so that
 * a change finds those who follow it without looking at anybody else. Equal filters are one and the same. */
#include "broker/model/company_state.h"

#include <stdlib.h>
#include <utlist.h>

struct topic {
    UT_hash_handle hh;
    struct topic **table;  /* that it stands in: of users, or of queues */
    struct member *member; /* whom the id belongs to, if he is here: a member or a queue */
    struct queue *queue;
    struct filter **filters; /* that name it */
    uint32_t count, capacity;
    char id[];
};

struct filter {
    UT_hash_handle hh;            /* by all that stands from `all` on */
    struct company *company;      /* NULL: it was closed before */
    struct filter *before, *next; /* of those that let through every person */
    void *owner;
    uint64_t last_place;
    uint32_t references, count;
    uint32_t *positions;    /* in the topics' lists; stands behind them in the same block */
    uint64_t all;           /* 1 = every person, and those queues that are named */
    struct topic *topics[]; /* ascending addresses, each once */
};

/* ---- Topics ---- */

static struct topic *topic_for(struct topic **table, const char *id) {
    struct topic *topic;
    HASH_FIND_STR(*table, id, topic);
    if (topic != NULL) return topic;
    size_t length = strlen(id);
    topic = calloc(1, sizeof *topic + length + 1);
    if (topic == NULL) return NULL;
    memcpy(topic->id, id, length + 1);
    topic->table = table;
    HASH_ADD_KEYPTR(hh, *table, topic->id, length, topic);
    if (topic->hh.tbl != NULL) return topic;
    free(topic);
    return NULL;
}

static void link_member(struct topic *topic, struct member *member) {
    if (topic != NULL) topic->member = member;
    member->profile_entry.topic = member->state_entry.topic = topic;
}

static void link_queue(struct topic *topic, struct queue *queue) {
    if (topic != NULL) topic->queue = queue;
    queue->entry.topic = topic;
}

static struct topic *user_topic_for(struct company *company, const char *user) {
    struct topic *topic = topic_for(&company->user_topics, user);
    struct member *member = topic != NULL && topic->count == 0 ? member_find(company, user) : NULL;
    if (member != NULL) link_member(topic, member);
    return topic;
}

static struct topic *queue_topic_for(struct company *company, const char *id) {
    struct topic *topic = topic_for(&company->queue_topics, id);
    struct queue *queue = topic != NULL && topic->count == 0 ? queue_find(company, id) : NULL;
    if (queue != NULL) link_queue(topic, queue);
    return topic;
}

static void topic_drop_if_unused(struct topic *topic) {
    if (topic->count > 0) return;
    HASH_DEL(*topic->table, topic);
    if (topic->member != NULL) link_member(NULL, topic->member);
    if (topic->queue != NULL) link_queue(NULL, topic->queue);
    free(topic->filters);
    free(topic);
}

void topic_meets_member(struct company *company, struct member *member) {
    struct topic *topic;
    HASH_FIND_STR(company->user_topics, member->user, topic);
    link_member(topic, member);
}

void topic_meets_queue(struct company *company, struct queue *queue) {
    struct topic *topic;
    HASH_FIND_STR(company->queue_topics, queue->id, topic);
    link_queue(topic, queue);
}

void topic_loses(struct topic *topic) {
    if (topic == NULL) return;
    topic->member = NULL;
    topic->queue = NULL;
}

/* ---- A filter and its topics ---- */

static uint32_t index_of(const struct filter *filter, const struct topic *topic) {
    uint32_t low = 0, high = filter->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (filter->topics[middle] < topic)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool filter_passes(const struct filter *filter, const struct entry *entry) {
    if (filter->all && entry->kind != ENTRY_QUEUE) return true;
    if (entry->topic == NULL) return false;
    uint32_t index = index_of(filter, entry->topic);
    return index < filter->count && filter->topics[index] == entry->topic;
}

static bool topic_add(struct topic *topic, struct filter *filter, uint32_t index) {
    if (topic->count == topic->capacity) {
        uint32_t capacity = topic->capacity ? topic->capacity * 2 : 2;
        struct filter **filters = realloc(topic->filters, capacity * sizeof *filters);
        if (filters == NULL) return false;
        topic->filters = filters;
        topic->capacity = capacity;
    }
    filter->positions[index] = topic->count;
    topic->filters[topic->count++] = filter;
    return true;
}

/* The last one takes the place. */
static void topic_remove(struct topic *topic, const struct filter *filter, uint32_t index) {
    uint32_t position = filter->positions[index];
    struct filter *last = topic->filters[--topic->count];
    topic->filters[position] = last;
    last->positions[index_of(last, topic)] = position;
}

/* ---- Making one ---- */

static int by_address(const void *a, const void *b) {
    const struct topic *x = *(struct topic *const *)a, *y = *(struct topic *const *)b;
    return (x > y) - (x < y);
}

static bool collect(struct company *company, struct filter *filter, const struct texts *users,
                    const struct texts *queues, const char *self) {
    bool found = true;
    for (uint32_t i = 0; users != NULL && i < users->count && found; i++)
        found = (filter->topics[filter->count++] = user_topic_for(company, users->at[i])) != NULL;
    if (found && self != NULL) found = (filter->topics[filter->count++] = user_topic_for(company, self)) != NULL;
    for (uint32_t i = 0; queues != NULL && i < queues->count && found; i++)
        found = (filter->topics[filter->count++] = queue_topic_for(company, queues->at[i])) != NULL;
    if (!found) filter->count--;
    qsort(filter->topics, filter->count, sizeof *filter->topics, by_address);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < filter->count; i++)
        if (kept == 0 || filter->topics[kept - 1] != filter->topics[i]) filter->topics[kept++] = filter->topics[i];
    filter->count = kept;
    return found;
}

static void drop_topics(struct filter *filter) {
    for (uint32_t i = 0; i < filter->count; i++)
        topic_drop_if_unused(filter->topics[i]);
}

static size_t key_bytes(const struct filter *filter) {
    return sizeof filter->all + filter->count * sizeof *filter->topics;
}

static void leave_topics(struct filter *filter, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        topic_remove(filter->topics[i], filter, i);
}

static bool reserve_picked(struct company *company, const struct filter *filter) {
    size_t needed = 2 * (size_t)filter->count; /* a person has two entries */
    if (needed <= company->picked_capacity) return true;
    struct entry **picked = realloc(company->picked, needed * sizeof *picked);
    if (picked == NULL) return false;
    company->picked = picked;
    company->picked_capacity = needed;
    return true;
}

static bool enter(struct company *company, struct filter *filter) {
    if (!reserve_picked(company, filter)) return false;
    for (uint32_t i = 0; i < filter->count; i++) {
        if (topic_add(filter->topics[i], filter, i)) continue;
        leave_topics(filter, i);
        return false;
    }
    HASH_ADD_KEYPTR(hh, company->filters, &filter->all, key_bytes(filter), filter);
    if (filter->hh.tbl == NULL) {
        leave_topics(filter, filter->count);
        return false;
    }
    if (filter->all) DL_APPEND2(company->wide, filter, before, next);
    return true;
}

struct filter *filter_create(struct company *company, const struct texts *users, const struct texts *queues,
                             const char *self) {
    bool all = users != NULL && users->all;
    size_t most = (all ? 0 : (users != NULL ? users->count : 0) + 1) + (queues != NULL ? queues->count : 0);
    struct filter *filter = calloc(1, sizeof *filter + most * (sizeof *filter->topics + sizeof *filter->positions));
    if (filter == NULL) return NULL;
    filter->all = all;
    filter->positions = (uint32_t *)(void *)(filter->topics + most);
    struct filter *equal = NULL;
    bool collected = collect(company, filter, all ? NULL : users, queues, all ? NULL : self);
    if (collected) HASH_FIND(hh, company->filters, &filter->all, key_bytes(filter), equal);
    if (collected && equal == NULL && enter(company, filter)) {
        filter->company = company;
        filter->references = 1;
        filter->last_place = company->list.last;
        return filter;
    }
    drop_topics(filter);
    free(filter);
    if (equal != NULL) equal->references++;
    return equal;
}

void filter_release(struct filter *filter) {
    if (filter == NULL || --filter->references > 0) return;
    struct company *company = filter->company;
    if (company != NULL) {
        HASH_DEL(company->filters, filter);
        if (filter->all) DL_DELETE2(company->wide, filter, before, next);
        leave_topics(filter, filter->count);
        drop_topics(filter);
    }
    free(filter);
}

void filters_orphan(struct company *company) {
    struct filter *filter, *next_filter;
    HASH_ITER(hh, company->filters, filter, next_filter) {
        HASH_DEL(company->filters, filter);
        leave_topics(filter, filter->count);
        drop_topics(filter);
        filter->company = NULL;
    }
    free(company->picked);
}

void filter_set_owner(struct filter *filter, void *owner) {
    filter->owner = owner;
}

void *filter_owner(const struct filter *filter) {
    return filter->owner;
}

uint64_t filter_last_place(const struct filter *filter) {
    return filter->last_place;
}

/* ---- Those whom a change concerns ---- */

static void tell(struct filter *filter, uint64_t place, void (*moved)(void *owner)) {
    filter->last_place = place;
    if (filter->owner != NULL) moved(filter->owner);
}

size_t company_tell(struct company *company, void (*moved)(void *owner)) {
    const struct change_list *list = &company->list;
    size_t moves = 0;
    uint64_t person_place = 0;
    for (size_t i = change_list_index_after(list, company->told); i < list->length; i++) {
        const struct entry *entry = (const struct entry *)list->slots[i].entry;
        if (entry == NULL) continue;
        moves++;
        if (entry->kind != ENTRY_QUEUE) person_place = list->slots[i].place;
        for (uint32_t f = 0; entry->topic != NULL && f < entry->topic->count; f++)
            tell(entry->topic->filters[f], list->slots[i].place, moved);
    }
    company->told = list->last;
    for (struct filter *filter = person_place ? company->wide : NULL; filter != NULL; filter = filter->next)
        if (filter->last_place < person_place) tell(filter, person_place, moved);
    return moves;
}

/* ---- What stands behind a cursor, from the filter's side ---- */

static void pick(struct company *company, struct entry *entry, uint64_t cursor, size_t *count) {
    if (entry->listed.place > cursor) company->picked[(*count)++] = entry;
}

static int by_place(const void *a, const void *b) {
    const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;
    return (x->listed.place > y->listed.place) - (x->listed.place < y->listed.place);
}

bool filter_names_fewer(const struct filter *filter, size_t entries) {
    return !filter->all && 16 * (size_t)filter->count < entries; /* a look at a topic costs some eight of the list's */
}

size_t filter_pick(struct company *company, const struct filter *filter, uint64_t cursor) {
    size_t count = 0;
    for (uint32_t i = 0; i < filter->count; i++) {
        const struct topic *topic = filter->topics[i];
        if (topic->member != NULL) {
            pick(company, &topic->member->profile_entry, cursor, &count);
            pick(company, &topic->member->state_entry, cursor, &count);
        }
        if (topic->queue != NULL) pick(company, &topic->queue->entry, cursor, &count);
    }
    qsort(company->picked, count, sizeof *company->picked, by_place);
    return count;
}

#include "broker/service/number_index.h"
#include "broker/log.h"
#include "broker/service/roster_rules.h"

#include <stdlib.h>
#include <string.h>

#define PASSES_MAX 16 /* each finds that somebody else has changed the same once more; the sweep mends what is left */

struct settling {
    struct service *service;
    number_index_done done;
    number_index_checked checked; /* only looks */
    void *arg;
    struct arena *arena; /* of all texts */
    char company[LEDIG_ID_CHARS_MAX + 1];
    unsigned passes;
    size_t count, entity_count;
    const char **entities; /* each once */
    struct settled {
        const char *number, *owner; /* hashed, as in the index */
        size_t entity;
        bool is_wanted;
    } items[];
};

static void look(struct settling *settling);

static void end(struct settling *settling, int error) {
    if (settling->done) settling->done(settling->arg, error);
    if (settling->checked && error) settling->checked(settling->arg, error, NULL);
    arena_free(settling->arena);
    free(settling->entities);
    free(settling);
}

static void again(struct settling *settling, int error) {
    if (settling->service->closing && !error) error = LEDIG_EUNAVAILABLE;
    if (error || ++settling->passes == PASSES_MAX)
        end(settling, error);
    else
        look(settling);
}

/* ---- Taking and giving ---- */

static void on_given(void *arg, int error) {
    again(arg, error);
}

/* Those that the index has for them and the record has not. */
static bool give(struct settling *settling, const char *const *owners) {
    const char **numbers = calloc(2 * settling->count, sizeof *numbers), **own = numbers + settling->count;
    size_t count = 0;
    for (size_t i = 0; numbers && i < settling->count; i++) {
        const struct settled *item = &settling->items[i];
        if (item->is_wanted || !owners[i] || strcmp(owners[i], item->owner) != 0) continue;
        numbers[count] = item->number;
        own[count++] = item->owner;
    }
    if (count > 0) store_numbers_give(settling->service->store, numbers, own, count, on_given, settling);
    free(numbers);
    return count > 0;
}

static void on_taken(void *arg, int error, size_t which) {
    (void)which;
    again(arg, error == LEDIG_ECONFLICT ? 0 : error); /* the next pass finds whose it is */
}

/* Those that the record has and nobody in the index. */
static bool take(struct settling *settling, const char *const *owners) {
    const char **numbers = calloc(2 * settling->count, sizeof *numbers), **own = numbers + settling->count;
    size_t count = 0;
    for (size_t i = 0; numbers && i < settling->count; i++) {
        const struct settled *item = &settling->items[i];
        if (!item->is_wanted || owners[i]) continue;
        numbers[count] = item->number;
        own[count++] = item->owner;
    }
    if (count > 0) store_numbers_take(settling->service->store, numbers, own, count, on_taken, settling);
    free(numbers);
    return count > 0;
}

static void complain(const struct settling *settling, const char *const *owners) {
    for (size_t i = 0; i < settling->count; i++) {
        const struct settled *item = &settling->items[i];
        if (item->is_wanted && owners[i] && strcmp(owners[i], item->owner) != 0)
            log_event(LOG_WARNING, "number_of_another", "company=%s", settling->company);
    }
}

static void tell(struct settling *settling, const char *const *owners) {
    bool *wrong = calloc(settling->count, sizeof *wrong);
    for (size_t i = 0; wrong && i < settling->count; i++) {
        const struct settled *item = &settling->items[i];
        wrong[i] = item->is_wanted ? !owners[i] : owners[i] && strcmp(owners[i], item->owner) == 0;
    }
    if (wrong) settling->checked(settling->arg, 0, wrong);
    free(wrong);
    end(settling, wrong ? 0 : LEDIG_ENO_MEMORY);
}

static void on_found(void *arg, int error, const char *const *owners, size_t count) {
    struct settling *settling = arg;
    (void)count;
    if (error) {
        end(settling, error);
        return;
    }
    if (settling->checked) {
        tell(settling, owners);
        return;
    }
    if (take(settling, owners) || give(settling, owners)) return;
    complain(settling, owners);
    end(settling, 0);
}

/* ---- What the records say ---- */

static bool has_hashed(const struct entity_names *names, const struct texts *numbers, const char *wanted) {
    char hash[ENTITY_HASH_CHARS + 1];
    for (uint32_t i = 0; i < numbers->count; i++) {
        entity_hash(names, numbers->at[i], hash);
        if (strcmp(hash, wanted) == 0) return true;
    }
    return false;
}

static int read_wanted(struct settling *settling, const struct store_record *stored, size_t entity,
                       struct arena *arena) {
    struct record *record = arena_take(arena, sizeof *record);
    struct texts numbers = {0};
    if (!record) return LEDIG_ENO_MEMORY;
    int error = stored->bytes ? record_decode(stored->bytes, stored->length, arena, record) : 0;
    if (error) return error;
    if (record->kind == RECORD_PROFILE) numbers = record->profile.numbers;
    if (record->kind == RECORD_QUEUE) numbers = record->queue.numbers;
    for (size_t i = 0; i < settling->count; i++)
        if (settling->items[i].entity == entity)
            settling->items[i].is_wanted = has_hashed(settling->service->names, &numbers, settling->items[i].number);
    return 0;
}

static void on_read(void *arg, int error, const struct store_head *head, const struct store_record *records,
                    size_t count) {
    struct settling *settling = arg;
    struct arena *arena = arena_create();
    (void)head;
    if (!error && !arena) error = LEDIG_ENO_MEMORY;
    for (size_t i = 0; !error && i < count; i++)
        error = read_wanted(settling, &records[i], i, arena);
    arena_free(arena);
    const char **numbers = error ? NULL : calloc(settling->count, sizeof *numbers);
    if (!error && !numbers) error = LEDIG_ENO_MEMORY;
    if (error || settling->service->closing) {
        free(numbers);
        end(settling, error ? error : LEDIG_EUNAVAILABLE);
        return;
    }
    for (size_t i = 0; i < settling->count; i++)
        numbers[i] = settling->items[i].number;
    store_numbers_find(settling->service->store, numbers, settling->count, on_found, settling);
    free(numbers);
}

/* The records first, the index after them: what is found to be right in this order was right when the index was read,
 * or somebody has changed the record since, and settles it. */
static void look(struct settling *settling) {
    store_read(settling->service->store, settling->company, settling->entities, settling->entity_count, on_read,
               settling);
}

/* ---- Beginning ---- */

/* Items of one entity mostly stand side by side. */
static bool add_entity(struct settling *settling, const char *name, size_t *which) {
    for (size_t i = settling->entity_count; i-- > 0;)
        if (strcmp(settling->entities[i], name) == 0) {
            *which = i;
            return true;
        }
    *which = settling->entity_count;
    settling->entities[settling->entity_count] = arena_text(settling->arena, name, strlen(name));
    return settling->entities[settling->entity_count++] != NULL;
}

static bool add(struct settling *settling, const struct number_item *item) {
    struct settled *settled = &settling->items[settling->count++];
    const struct entity_names *names = settling->service->names;
    char name[ENTITY_NAME_BYTES_MAX], owner[ROSTER_OWNER_BYTES], number[ENTITY_HASH_CHARS + 1],
        id[ENTITY_HASH_CHARS + 1];
    if (!item->is_hashed) {
        entity_hash(names, item->number, number);
        entity_hash(names, item->id, id);
    }
    const char *number_hash = item->is_hashed ? item->number : number, *id_hash = item->is_hashed ? item->id : id;
    entity_name_hashed(item->is_queue ? RECORD_QUEUE : RECORD_PROFILE, id_hash, name);
    snprintf(owner, sizeof owner, "%s/%s/%s", settling->company, item->is_queue ? "queue" : "user", id_hash);
    settled->number = arena_text(settling->arena, number_hash, strlen(number_hash));
    settled->owner = arena_text(settling->arena, owner, strlen(owner));
    return settled->number && settled->owner && add_entity(settling, name, &settled->entity);
}

static int begin(struct service *service, const char *company, const struct number_item *items, size_t count,
                 const struct settling *how) {
    struct settling *settling = calloc(1, sizeof *settling + count * sizeof *settling->items);
    if (!settling) return LEDIG_ENO_MEMORY;
    *settling = *how;
    settling->service = service;
    snprintf(settling->company, sizeof settling->company, "%s", company);
    settling->entities = calloc(count + 1, sizeof *settling->entities);
    settling->arena = arena_create();
    bool complete = settling->entities && settling->arena;
    for (size_t i = 0; complete && i < count; i++)
        complete = add(settling, &items[i]);
    if (complete) {
        look(settling);
        return 0;
    }
    arena_free(settling->arena);
    free(settling->entities);
    free(settling);
    return LEDIG_ENO_MEMORY;
}

int number_index_settle(struct service *service, const char *company, const struct number_item *items, size_t count,
                        number_index_done done, void *arg) {
    return begin(service, company, items, count, &(struct settling){.done = done, .arg = arg});
}

int number_index_check(struct service *service, const char *company, const struct number_item *items, size_t count,
                       number_index_checked checked, void *arg) {
    return begin(service, company, items, count, &(struct settling){.checked = checked, .arg = arg});
}

/* ---- By number ---- */

/* One block. A process without a few bytes cannot keep the contract of store.h, and ends; another is started. */
static const char **hash_all(const struct service *service, const char *const *numbers, size_t count) {
    const char **hashed = malloc(count * (sizeof *hashed + ENTITY_HASH_CHARS + 1) + 1);
    if (!hashed) abort();
    char *text = (char *)(hashed + count);
    for (size_t i = 0; i < count; i++, text += ENTITY_HASH_CHARS + 1) {
        entity_hash(service->names, numbers[i], text);
        hashed[i] = text;
    }
    return hashed;
}

void number_index_find(struct service *service, const char *const *numbers, size_t count, store_numbers_found found,
                       void *arg) {
    const char **hashed = hash_all(service, numbers, count);
    store_numbers_find(service->store, hashed, count, found, arg);
    free(hashed);
}

void number_index_take(struct service *service, const char *const *numbers, const char *const *owners, size_t count,
                       store_numbers_done done, void *arg) {
    const char **hashed = hash_all(service, numbers, count);
    store_numbers_take(service->store, hashed, owners, count, done, arg);
    free(hashed);
}

void number_index_give(struct service *service, const char *const *numbers, const char *const *owners, size_t count,
                       store_done done, void *arg) {
    const char **hashed = hash_all(service, numbers, count);
    store_numbers_give(service->store, hashed, owners, count, done, arg);
    free(hashed);
}

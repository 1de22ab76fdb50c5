#include "broker/service/number_sweep.h"
#include "broker/log.h"
#include "broker/service/import.h"
#include "broker/service/number_index.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

/* A number is taken before the commit that needs it: it is given back only where a whole round later nobody has it. */
struct suspect {
    UT_hash_handle hh;
    uint64_t round;
    char number[ENTITY_HASH_CHARS + 1];
};

struct swept {
    const char *company;
    struct number_item item;
};

struct number_sweep {
    struct service *service;
    uint64_t round; /* from 1 */
    enum { SWEEP_REST, SWEEP_NUMBERS, SWEEP_COMPANIES } walk;
    uint64_t at, record_at; /* where the walk, and that through the records of the first company, go on */
    bool walk_began;        /* through the records of the last of the companies */
    bool is_asking;         /* the store has not answered yet */
    char **companies;       /* whose records are still to be looked at */
    size_t company_count;
    struct suspect *suspects;
    struct arena *arena; /* of this step */
    struct swept *items; /* likewise: in the order of their companies */
    size_t count, done;
    struct number_item chunk[NUMBER_INDEX_ITEMS_MAX]; /* that is looked at */
    size_t chunk_count;
};

static void work(struct number_sweep *sweep);

/* What cannot be done now is done by the next round. */
static void end_step(struct number_sweep *sweep) {
    arena_free(sweep->arena);
    sweep->arena = NULL;
    sweep->count = sweep->done = 0;
    sweep->is_asking = false;
}

/* ---- What is not in line ---- */

static void on_settled(void *arg, int error) {
    struct number_sweep *sweep = arg;
    if (error || sweep->service->closing)
        end_step(sweep);
    else
        work(sweep);
}

/* Whether it was one in an earlier round too. */
static bool is_suspect(struct number_sweep *sweep, const char *number) {
    struct suspect *suspect = NULL;
    HASH_FIND_STR(sweep->suspects, number, suspect);
    if (suspect) return suspect->round < sweep->round;
    if (HASH_COUNT(sweep->suspects) >= NUMBER_SUSPECTS_MAX || strlen(number) > ENTITY_HASH_CHARS) return false;
    suspect = calloc(1, sizeof *suspect);
    if (!suspect) return false;
    strcpy(suspect->number, number);
    suspect->round = sweep->round;
    HASH_ADD_STR(sweep->suspects, number, suspect);
    return false;
}

static void forget(struct number_sweep *sweep, bool all) {
    struct suspect *suspect, *next;
    HASH_ITER(hh, sweep->suspects, suspect, next) {
        if (!all && suspect->round + 1 >= sweep->round) continue;
        HASH_DEL(sweep->suspects, suspect);
        free(suspect);
    }
}

static void on_checked(void *arg, int error, const bool *wrong) {
    struct number_sweep *sweep = arg;
    const char *company = sweep->items[sweep->done - 1].company;
    size_t count = 0;
    if (error || sweep->service->closing) {
        end_step(sweep);
        return;
    }
    for (size_t i = 0; i < sweep->chunk_count; i++)
        if (wrong[i] && (sweep->walk == SWEEP_COMPANIES || is_suspect(sweep, sweep->chunk[i].number)))
            sweep->chunk[count++] = sweep->chunk[i];
    if (count == 0) {
        work(sweep);
        return;
    }
    log_event(LOG_WARNING, "numbers_mended", "company=%s count=%zu", company, count);
    if (number_index_settle(sweep->service, company, sweep->chunk, count, on_settled, sweep) != 0) end_step(sweep);
}

/* ---- A step: so many items of one company at a time ---- */

static void work(struct number_sweep *sweep) {
    while (sweep->done < sweep->count && import_runs(sweep->service, sweep->items[sweep->done].company))
        sweep->done++; /* its numbers are taken long before they are written */
    sweep->chunk_count = 0;
    const char *company = sweep->done < sweep->count ? sweep->items[sweep->done].company : NULL;
    while (sweep->done < sweep->count && sweep->chunk_count < NUMBER_INDEX_ITEMS_MAX &&
           strcmp(sweep->items[sweep->done].company, company) == 0)
        sweep->chunk[sweep->chunk_count++] = sweep->items[sweep->done++].item;
    if (!company ||
        number_index_check(sweep->service, company, sweep->chunk, sweep->chunk_count, on_checked, sweep) != 0)
        end_step(sweep);
}

/* ---- The index ---- */

/* "acme/user/<hash>", taken apart. False: none that this version knows. */
static bool read_owner(char *owner, struct swept *swept) {
    char *kind = strchr(owner, '/'), *id = kind ? strchr(kind + 1, '/') : NULL;
    if (!id) return false;
    *kind++ = '\0';
    *id++ = '\0';
    swept->company = owner;
    swept->item.id = id;
    swept->item.is_queue = strcmp(kind, "queue") == 0;
    swept->item.is_hashed = true;
    return (swept->item.is_queue || strcmp(kind, "user") == 0) && shape_is_id(owner) && strlen(id) == ENTITY_HASH_CHARS;
}

static int by_company(const void *a, const void *b) {
    return strcmp(((const struct swept *)a)->company, ((const struct swept *)b)->company);
}

static void on_owners(void *arg, int error, const char *const *owners, size_t count) {
    struct number_sweep *sweep = arg;
    size_t known = 0;
    for (size_t i = 0; !error && i < count; i++) {
        struct swept swept = sweep->items[i];
        char *owner = owners[i] ? arena_text(sweep->arena, owners[i], strlen(owners[i])) : NULL;
        if (owner && read_owner(owner, &swept)) sweep->items[known++] = swept;
    }
    sweep->count = known;
    if (known > 0) qsort(sweep->items, known, sizeof *sweep->items, by_company);
    if (error || sweep->service->closing)
        end_step(sweep);
    else
        work(sweep);
}

static bool make_room(struct number_sweep *sweep, size_t count) {
    sweep->arena = arena_create();
    sweep->items = sweep->arena ? arena_take(sweep->arena, (count + 1) * sizeof *sweep->items) : NULL;
    return sweep->items != NULL;
}

static void on_numbers(void *arg, int error, uint64_t next, const char *const *numbers, size_t count) {
    struct number_sweep *sweep = arg;
    if (error || sweep->service->closing || !make_room(sweep, count)) {
        end_step(sweep); /* the same step is asked for again */
        return;
    }
    sweep->at = next;
    if (next == 0) sweep->walk = SWEEP_COMPANIES;
    for (size_t i = 0; i < count; i++)
        sweep->items[i].item.number = arena_text(sweep->arena, numbers[i], strlen(numbers[i]));
    for (size_t i = 0; i < count; i++)
        if (!sweep->items[i].item.number) error = LEDIG_ENO_MEMORY;
    if (error || count == 0) {
        end_step(sweep);
        return;
    }
    sweep->count = count;
    store_numbers_find(sweep->service->store, numbers, count, on_owners, sweep);
}

/* ---- The records ---- */

static void drop_company(struct number_sweep *sweep) {
    free(sweep->companies[--sweep->company_count]);
    sweep->record_at = 0;
}

static int add_numbers(struct number_sweep *sweep, const struct store_record *stored) {
    struct record *record = arena_take(sweep->arena, sizeof *record);
    if (!record) return LEDIG_ENO_MEMORY;
    if (record_decode(stored->bytes, stored->length, sweep->arena, record) != 0) return 0; /* somebody else tells */
    bool is_queue = record->kind == RECORD_QUEUE;
    if (!is_queue && record->kind != RECORD_PROFILE) return 0;
    const struct texts *numbers = is_queue ? &record->queue.numbers : &record->profile.numbers;
    for (uint32_t i = 0; i < numbers->count; i++)
        sweep->items[sweep->count++] =
            (struct swept){sweep->companies[sweep->company_count - 1],
                           {.number = numbers->at[i], .id = record_id(record), .is_queue = is_queue}};
    return 0;
}

static void on_records(void *arg, int error, uint64_t next, const struct store_record *records, size_t count) {
    struct number_sweep *sweep = arg;
    bool go_on = !error && !sweep->service->closing && make_room(sweep, count * LEDIG_NUMBERS_COUNT_MAX);
    for (size_t i = 0; go_on && i < count; i++) {
        enum record_kind kind = entity_kind(records[i].entity);
        if (records[i].bytes && (kind == RECORD_PROFILE || kind == RECORD_QUEUE))
            go_on = add_numbers(sweep, &records[i]) == 0;
    }
    sweep->record_at = next;
    if (go_on && sweep->count > 0)
        work(sweep); /* the company's name is needed until the step is over */
    else
        end_step(sweep);
}

static void on_companies(void *arg, int error, uint64_t next, const char *const *names, size_t count) {
    struct number_sweep *sweep = arg;
    sweep->is_asking = false;
    if (error || sweep->service->closing) return;
    sweep->at = next;
    if (next == 0) sweep->walk = SWEEP_REST;
    sweep->companies = calloc(count + 1, sizeof *sweep->companies);
    for (size_t i = 0; sweep->companies && i < count; i++) {
        char *name = shape_is_id(names[i]) ? strdup(names[i]) : NULL;
        if (name) sweep->companies[sweep->company_count++] = name;
    }
}

/* ---- Step by step ---- */

static void forget_companies(struct number_sweep *sweep) {
    while (sweep->company_count > 0)
        drop_company(sweep);
    free(sweep->companies);
    sweep->companies = NULL;
}

/* The records of the companies found first. A walk through one is over where its place is 0 again. */
static void next_records(struct number_sweep *sweep) {
    const char *company = sweep->companies[sweep->company_count - 1];
    sweep->walk_began = true;
    store_records_scan(sweep->service->store, company, sweep->record_at, on_records, sweep);
}

static void begin_round(struct number_sweep *sweep) {
    sweep->round++;
    sweep->walk = SWEEP_NUMBERS;
    sweep->at = 0;
    forget(sweep, false);
}

static void step(struct number_sweep *sweep) {
    if (sweep->walk_began && sweep->record_at == 0) drop_company(sweep);
    sweep->walk_began = false;
    if (sweep->company_count == 0) forget_companies(sweep);
    sweep->is_asking = true;
    if (sweep->company_count > 0)
        next_records(sweep);
    else if (sweep->walk == SWEEP_NUMBERS)
        store_numbers_scan(sweep->service->store, sweep->at, on_numbers, sweep);
    else if (sweep->walk == SWEEP_COMPANIES)
        store_companies_scan(sweep->service->store, sweep->at, on_companies, sweep);
    else
        sweep->is_asking = false;
}

void number_sweep(struct service *service) {
    struct number_sweep *sweep = service->number_sweep;
    uint64_t now_ms = uv_now(service->loop);
    if (service->options.serves_apps || service->closing || !store_is_connected(service->store)) return;
    if (!sweep) {
        sweep = service->number_sweep = calloc(1, sizeof *sweep);
        if (!sweep) return;
        sweep->service = service;
        service->numbers_swept_ms = now_ms; /* a broker that starts has other things to do */
    }
    if (sweep->is_asking) return;
    bool rests = sweep->walk == SWEEP_REST && sweep->company_count == 0 && !sweep->walk_began;
    if (rests && now_ms - service->numbers_swept_ms < service->options.number_sweep_ms) return;
    if (rests) {
        service->numbers_swept_ms = now_ms;
        begin_round(sweep);
    }
    step(sweep);
}

void number_sweep_close(struct service *service) {
    struct number_sweep *sweep = service->number_sweep;
    if (!sweep) return;
    forget(sweep, true);
    forget_companies(sweep);
    arena_free(sweep->arena);
    free(sweep);
}

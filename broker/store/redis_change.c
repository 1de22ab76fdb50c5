#include "broker/store/redis_change.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define ENTITY_CHARS_MAX 4096

/* ---- Slots ---- */

static struct slot *slot_get(struct store_company *company, const char *name) {
    struct slot *slot;
    size_t length = strlen(name);
    HASH_FIND(hh, company->slots, name, length, slot);
    if (slot != NULL) return slot;
    slot = store_allocate(sizeof *slot);
    slot->name = store_copy(name, length);
    HASH_ADD_KEYPTR(hh, company->slots, slot->name, length, slot);
    return slot;
}

static void slot_tidy(struct store_company *company, struct slot *slot) {
    if (slot->places != NULL || slot->batch != NULL) return;
    HASH_DEL(company->slots, slot);
    buffer_free(&slot->bytes);
    free(slot->name);
    free(slot);
}

/* ---- Which may begin ---- */

static void enter_ring(struct store_company *company) {
    struct store *store = company->store;
    if (company->in_ring || company->ready == NULL || company->in_flight >= store->options.company_in_flight) return;
    company->in_ring = true;
    DL_APPEND2(store->ring, company, ring_prev, ring_next);
    changes_begin_soon(store);
}

static void leave_ring(struct store_company *company) {
    if (!company->in_ring) return;
    company->in_ring = false;
    DL_DELETE2(company->store->ring, company, ring_prev, ring_next);
}

static void look_whether_it_can_begin(struct change *change) {
    if (change->could_begin || change->batch != NULL) return;
    for (size_t i = 0; i < change->count; i++) {
        const struct place *place = &change->places[i];
        if (place->slot->places != place || place->slot->batch != NULL) return;
    }
    change->could_begin = true;
    DL_APPEND(change->company->ready, change);
    enter_ring(change->company);
}

static void look_at_slot(struct slot *slot) {
    if (slot->places != NULL && slot->batch == NULL) look_whether_it_can_begin(slot->places->change);
}

static void not_ready_any_more(struct change *change) {
    if (!change->could_begin) return;
    change->could_begin = false;
    DL_DELETE(change->company->ready, change);
    if (change->company->ready == NULL) leave_ring(change->company);
}

/* One of each company in turn, so that one with much to do does not starve the others. */
static void on_begin(uv_idle_t *idle) {
    struct store *store = idle->data;
    uv_idle_stop(idle);
    while (store->ready && store->ring != NULL) {
        struct store_company *company = store->ring;
        struct change *change = company->ready;
        leave_ring(company);
        not_ready_any_more(change);
        company->in_flight++;
        enter_ring(company);
        batch_begin(change);
    }
}

void changes_begin_soon(struct store *store) {
    if (store->ready && !store->closing && store->ring != NULL) uv_idle_start(&store->begin, on_begin);
}

void batch_released(struct batch *batch) {
    struct store_company *company = batch->company;
    for (size_t i = 0; i < batch->count; i++) {
        batch->parts[i].slot->batch = NULL;
    }
    for (size_t i = 0; i < batch->count; i++) {
        look_at_slot(batch->parts[i].slot);
        slot_tidy(company, batch->parts[i].slot);
    }
    company->in_flight--;
    enter_ring(company);
    company_release(company);
}

/* ---- Changes ---- */

static void change_free(struct change *change) {
    for (size_t i = 0; i < change->bytes_count; i++) {
        buffer_free(&change->bytes[i]);
    }
    kept_free(&change->kept);
    free(change->actions);
    free(change->expected);
    free(change->bytes);
    free(change->not_before_ms);
    free(change->places);
    free(change);
}

static void leave_slots(struct change *change) {
    struct store_company *company = change->company;
    if (change->batch != NULL) batch_forget(change->batch, change);
    not_ready_any_more(change);
    for (size_t i = 0; i < change->count; i++) {
        struct place *place = &change->places[i];
        DL_DELETE(place->slot->places, place);
    }
    for (size_t i = 0; i < change->count; i++) {
        look_at_slot(change->places[i].slot);
        slot_tidy(company, change->places[i].slot);
    }
    company_release(company);
}

void change_end(struct change *change, int error, uint64_t version, const struct store_record *moved) {
    struct metrics *metrics = change->store->metrics;
    metrics->store_changes--;
    metrics_observe(&metrics->store_change_us, (uv_hrtime() - change->asked_ns) / 1000);
    deadline_remove(change->store, &change->deadline);
    if (change->company != NULL) leave_slots(change);
    if (change->update.apply != NULL) {
        change->update.done(change->update.arg, error, version);
    } else {
        change->committed(change->arg, error, version, moved);
    }
    change_free(change);
}

static void on_change_deadline(struct deadline *deadline, int error) {
    change_end((struct change *)(void *)((char *)deadline - offsetof(struct change, deadline)), error, 0, NULL);
}

static struct change *change_create(struct store *store) {
    struct change *change = store_allocate(sizeof *change);
    change->store = store;
    change->asked_ns = uv_hrtime();
    store->metrics->store_changes++;
    change->deadline.passed = on_change_deadline;
    return change;
}

/* Takes its place behind what waits for the same entities already. */
static int enter_slots(struct change *change, const char *company, const char *const *entities, size_t count) {
    int error = 0;
    change->company = company_get(change->store, company);
    change->places = store_allocate(count * sizeof *change->places);
    for (size_t i = 0; i < count && error == 0; i++) {
        struct place *place = &change->places[i];
        place->change = change;
        place->slot = slot_get(change->company, entities[i]);
        if (place->slot->places != NULL && place->slot->places->prev->change == change) {
            error = LEDIG_EBAD_REQUEST; /* named twice */
        } else {
            DL_APPEND(place->slot->places, place);
            change->count++;
        }
    }
    if (error != 0) {
        leave_slots(change);
        change->company = NULL;
    }
    return error;
}

static int check(const char *company, const char *const *entities, size_t count) {
    if (!shape_is_id(company) || count == 0 || count > STORE_COMMIT_ENTITIES_MAX) return LEDIG_EBAD_REQUEST;
    for (size_t i = 0; i < count; i++) {
        if (entities[i] == NULL) return LEDIG_EBAD_REQUEST;
        size_t length = strnlen(entities[i], ENTITY_CHARS_MAX + 1);
        if (length == 0 || length > ENTITY_CHARS_MAX) return LEDIG_EBAD_REQUEST;
    }
    return 0;
}

static void change_enter(struct change *change, const char *company, const char *const *entities, size_t count) {
    int error = check(company, entities, count);
    if (error == 0) error = change->kept.error;
    if (error == 0) error = enter_slots(change, company, entities, count);
    if (error != 0) {
        deadline_now(change->store, &change->deadline, error);
        return;
    }
    deadline_add(change->store, &change->deadline);
    look_whether_it_can_begin(change);
}

void store_update(struct store *store, const struct store_update *update) {
    struct change *change = change_create(store);
    change->update = (struct store_update){.apply = update->apply, .done = update->done, .arg = update->arg};
    change_enter(change, update->company, update->entities, update->count);
}

static void copy_write(struct change *change, size_t i, const struct store_write *write) {
    change->actions[i] = write->action;
    change->expected[i] = write->expected;
    change->not_before_ms[i] = write->not_before_ms;
    if (write->action == STORE_WRITE) buffer_append(&change->bytes[i], write->bytes, write->length);
    if (change->bytes[i].failed) change->kept.error = LEDIG_ENO_MEMORY;
}

void store_commit(struct store *store, const struct store_commit *commit, store_commit_done done, void *arg) {
    struct change *change = change_create(store);
    size_t count = commit->count <= STORE_COMMIT_ENTITIES_MAX ? commit->count : 0; /* 0 is refused below */
    const char *entities[STORE_COMMIT_ENTITIES_MAX];
    change->committed = done;
    change->arg = arg;
    change->actions = store_allocate(count * sizeof *change->actions);
    change->expected = store_allocate(count * sizeof *change->expected);
    change->bytes = store_allocate(count * sizeof *change->bytes);
    change->not_before_ms = store_allocate(count * sizeof *change->not_before_ms);
    for (size_t i = 0; i < count; i++) {
        entities[i] = commit->writes[i].entity;
        copy_write(change, i, &commit->writes[i]);
        change->bytes_count++;
    }
    for (size_t i = 0; i < commit->kept_count; i++) {
        kept_add(&change->kept, &commit->kept[i]);
    }
    change_enter(change, commit->company, entities, count);
}

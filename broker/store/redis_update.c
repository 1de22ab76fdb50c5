/* Updates: what they make of the entities as they stand, one after the other, each on what those before it left. */
#include "broker/store/redis_change.h"

#include <stdlib.h>
#include <string.h>

#define KEPT_ID_BYTES_MAX 640 /* the id of a call, a time, and what they stand in */

/* ---- Kept entries ---- */

static bool is_good(const struct store_kept *entry) {
    if (!log_name_is_good(entry->log)) return false;
    if (entry->destroys) return true;
    return entry->id != NULL && entry->id[0] != '\0' &&
           strnlen(entry->id, KEPT_ID_BYTES_MAX + 1) <= KEPT_ID_BYTES_MAX && entry->at_ms >= 0;
}

void kept_add(struct store_kept_list *list, const struct store_kept *entry) {
    if (list->error != 0) return;
    if (!is_good(entry)) {
        list->error = LEDIG_EBAD_REQUEST;
        return;
    }
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 4 : list->capacity * 2;
        struct store_kept *at = realloc(list->at, capacity * sizeof *at);
        if (at == NULL) {
            list->error = LEDIG_ENO_MEMORY;
            return;
        }
        list->at = at;
        list->capacity = capacity;
    }
    const char *id = entry->destroys ? "" : entry->id; /* an entry has one */
    size_t length = entry->destroys ? 0 : entry->length;
    list->at[list->count++] = (struct store_kept){.log = store_copy(entry->log, strlen(entry->log)),
                                                  .id = store_copy(id, strlen(id)),
                                                  .at_ms = entry->destroys ? 0 : entry->at_ms,
                                                  .bytes = (uint8_t *)store_copy(entry->bytes, length),
                                                  .length = length,
                                                  .destroys = entry->destroys};
}

void kept_cut(struct store_kept_list *list, size_t count) {
    while (list->count > count) {
        struct store_kept *entry = &list->at[--list->count];
        free((char *)(uintptr_t)entry->log);
        free((char *)(uintptr_t)entry->id);
        free((uint8_t *)(uintptr_t)entry->bytes);
    }
    list->error = 0;
}

void kept_free(struct store_kept_list *list) {
    kept_cut(list, 0);
    free(list->at);
    list->at = NULL;
    list->capacity = 0;
}

void store_keep(struct store_kept_list *kept, const struct store_kept *entry) {
    kept_add(kept, entry);
}

/* ---- Applying ---- */

static struct store_record current_record(const struct part *part) {
    struct store_record record = {.entity = part->slot->name, .revision = part->revision};
    const struct buffer *bytes = part->touched ? &part->bytes : &part->base;
    if (part->touched ? part->action != STORE_WRITE : !part->exists) return record;
    record.bytes = bytes->bytes != NULL ? bytes->bytes : (const uint8_t *)"";
    record.length = bytes->length;
    return record;
}

static void merge(struct change *change, struct part *part, struct store_next *next) {
    if (next->not_before_ms > part->not_before_ms) part->not_before_ms = next->not_before_ms;
    if (next->not_before_ms > change->bound_ms) change->bound_ms = next->not_before_ms;
    if (next->action == STORE_CHECK) return;
    part->touched = true;
    part->action = next->action;
    struct buffer old = part->bytes;
    part->bytes = next->bytes;
    next->bytes = old;
}

/* What to do with a change that finds all as it wishes, or that must be refused as things stand: it is done if it is
 * certain that they stand so, or else waits for the commit to confirm it. */
static bool is_certain(struct part *const *parts, size_t count, uint64_t *version) {
    *version = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i]->touched || !parts[i]->verified) return false;
        if (parts[i]->revision > *version) *version = parts[i]->revision;
    }
    return true;
}

static int first_failure(const struct store_next *next, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (next[i].bytes.failed) return LEDIG_ENO_MEMORY;
        if ((unsigned)next[i].action > STORE_REMOVE) return LEDIG_EBAD_REQUEST;
    }
    return 0;
}

static void apply_change(struct batch *batch, struct change *change) {
    size_t count = change->count, kept = batch->kept.count;
    struct part **parts = store_allocate(count * sizeof *parts);
    struct store_record *current = store_allocate(count * sizeof *current);
    struct store_next *next = store_allocate(count * sizeof *next);
    uint64_t version = 0;
    for (size_t i = 0; i < count; i++) {
        parts[i] = &batch->parts[change->places[i].slot->part];
        current[i] = current_record(parts[i]);
    }
    change->bound_ms = 0;
    int result = change->update.apply(change->update.arg, current, next, &batch->kept);
    if (result == 0) result = batch->kept.error;
    if (result == 0) result = first_failure(next, count);
    if (result != 0) kept_cut(&batch->kept, kept);
    change->verdict = result < 0 ? result : 0;
    bool done = result != 0 && is_certain(parts, count, &version);
    for (size_t i = 0; i < count; i++) {
        if (result == 0) merge(change, parts[i], &next[i]);
        buffer_free(&next[i].bytes);
    }
    free(next);
    free(current);
    free(parts);
    if (done) change_end(change, change->verdict, change->verdict < 0 ? 0 : version, NULL);
}

/* A write of what stands there already makes no version: so an update applied again after a lost reply. */
static void drop_empty_writes(struct part *part) {
    bool same = false;
    if (part->action == STORE_WRITE) {
        same = part->exists && part->base.length == part->bytes.length &&
               (part->bytes.length == 0 || memcmp(part->base.bytes, part->bytes.bytes, part->bytes.length) == 0);
    } else if (part->action == STORE_TOMBSTONE) {
        same = !part->exists;
    } else if (part->action == STORE_REMOVE) {
        same = part->revision == 0;
    }
    if (same) part->action = STORE_CHECK;
}

void batch_apply(struct batch *batch) {
    kept_cut(&batch->kept, 0);
    for (size_t i = 0; i < batch->count; i++) {
        struct part *part = &batch->parts[i];
        part->action = STORE_CHECK;
        part->touched = false;
        part->not_before_ms = 0;
        buffer_clear(&part->bytes);
    }
    for (size_t i = 0; i < batch->change_count; i++) {
        if (batch->changes[i] != NULL) apply_change(batch, batch->changes[i]);
    }
    for (size_t i = 0; i < batch->count; i++) {
        drop_empty_writes(&batch->parts[i]);
    }
}

#include "broker/service/import.h"
#include "broker/model/schedule.h"
#include "broker/service/dial_plan.h"
#include "broker/service/edit.h"
#include "broker/service/entitlement.h"
#include "broker/service/number_index.h"
#include "broker/service/tenant.h"

#include <stdlib.h>
#include <string.h>

static void check_numbers(struct import *import);
static void read_entries(struct import *import);

/* ---- Beginning and end ---- */

static void free_import(uv_handle_t *handle) {
    struct import *import = handle->data;
    for (size_t i = 0; i < import->dropped_count; i++)
        free(import->dropped[i].number);
    free(import->dropped);
    roster_close(import->roster);
    free(import->bytes);
    free(import);
}

void import_end(struct import *import, int error) {
    struct import **link = &import->service->imports;
    while (*link != import)
        link = &(*link)->next;
    *link = import->next;
    import->done(import, error);
    uv_close((uv_handle_t *)&import->idle, free_import);
}

/* A service that closes lets each idle handle run once more before it goes, so an import that waits for nothing else
 * ends here, and one that waits for the store ends with the answer that store_close gives. */
static void on_idle(uv_idle_t *idle) {
    struct import *import = idle->data;
    int result = import->service->closing ? LEDIG_EUNAVAILABLE
                 : import->is_read        ? 0
                                          : roster_read(import->roster, IMPORT_LINES_A_STEP);
    if (result == 1) return;
    import->is_read = true;
    if (result == 0 && edit_runs(import->service, import->company))
        return; /* they end soon, and none begins while an import runs */
    uv_idle_stop(idle);
    if (result < 0 || import->roster->fault_count > 0)
        import_end(import, result);
    else
        check_numbers(import);
}

static void on_plan(void *arg, int error, const struct numbering_plan *plan) {
    struct import *import = arg;
    import->roster->plan = plan;
    if (error)
        import_end(import, error);
    else
        uv_idle_start(&import->idle, on_idle);
}

bool import_runs(const struct service *service, const char *company) {
    for (const struct import *import = service->imports; import; import = import->next)
        if (strcmp(import->company, company) == 0) return true;
    return false;
}

int import_start(struct service *service, const char *company, bool dry_run, struct http_exchange *exchange,
                 const uint8_t *bytes, size_t length, import_done done) {
    struct import *import = calloc(1, sizeof *import);
    if (!import) return LEDIG_ENO_MEMORY;
    import->service = service;
    import->exchange = exchange;
    import->done = done;
    import->dry_run = dry_run;
    memcpy(import->company, company, strlen(company));
    import->bytes = malloc(length + 1);
    if (import->bytes) {
        if (length > 0) memcpy(import->bytes, bytes, length);
        import->roster = roster_open(import->company, import->bytes, length);
        if (import->roster) import->roster->names = service->names;
    }
    if (!import->roster) {
        free(import->bytes);
        free(import);
        return LEDIG_ENO_MEMORY;
    }
    int error = dial_plan_read(service, company, on_plan, import);
    if (error) {
        roster_close(import->roster);
        free(import->bytes);
        free(import);
        return error;
    }
    import->next = service->imports;
    service->imports = import;
    import->idle.data = import;
    uv_idle_init(service->loop, &import->idle);
    return 0;
}

/* ---- Does somebody else have the numbers? ---- */

static void on_numbers_found(void *arg, int error, const char *const *owners, size_t count) {
    struct import *import = arg;
    struct roster *roster = import->roster;
    if (import->service->closing) error = LEDIG_EUNAVAILABLE;
    if (error) {
        import_end(import, error);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct roster_number *number = &roster->numbers[import->at + i];
        number->is_free = owners[i] == NULL;
        if (owners[i] && strcmp(owners[i], number->owner) != 0)
            roster_complain(roster, number->line, "numbers", "a number is in use by another");
    }
    import->at += count;
    check_numbers(import);
}

static void check_numbers(struct import *import) {
    const struct roster *roster = import->roster;
    const char *numbers[IMPORT_NUMBERS_A_STEP];
    size_t count = 0;
    while (count < IMPORT_NUMBERS_A_STEP && import->at + count < roster->number_count) {
        numbers[count] = roster->numbers[import->at + count].number;
        count++;
    }
    if (count > 0) {
        number_index_find(import->service, numbers, count, on_numbers_found, import);
        return;
    }
    import->at = 0;
    read_entries(import);
}

/* ---- What would change? ---- */

static int note_dropped(struct import *import, const char *number, const struct roster_entry *entry) {
    if (import->dropped_count == import->dropped_capacity) {
        size_t capacity = import->dropped_capacity ? import->dropped_capacity * 2 : 16;
        struct import_dropped *dropped = realloc(import->dropped, capacity * sizeof *dropped);
        if (!dropped) return LEDIG_ENO_MEMORY;
        import->dropped = dropped;
        import->dropped_capacity = capacity;
    }
    struct import_dropped dropped = {strdup(number), entry};
    if (!dropped.number) return LEDIG_ENO_MEMORY;
    import->dropped[import->dropped_count++] = dropped;
    return 0;
}

/* A person may have a schedule that the company has. */
static void check_schedule(struct import *import, const struct roster_entry *entry,
                           const struct company_record *settings) {
    if (entry->schedule && !schedule_find(settings, entry->schedule))
        roster_complain(import->roster, entry->line, "schedule", "no such schedule in this company");
}

static int read_settings(const struct store_record *stored, struct arena *arena,
                         const struct company_record **settings) {
    struct record *record = arena_take(arena, sizeof *record);
    *settings = NULL;
    if (!record) return LEDIG_ENO_MEMORY;
    if (!stored->bytes) return 0;
    int error = record_decode(stored->bytes, stored->length, arena, record);
    if (error) return error;
    if (record->kind != RECORD_COMPANY) return LEDIG_EDAMAGED;
    *settings = &record->company;
    return 0;
}

int import_note_dropped(struct import *import, const struct roster_entry *entry, const struct texts *before,
                        const struct texts *after) {
    int error = 0;
    for (uint32_t i = 0; !error && i < before->count; i++)
        if (!roster_rules_have(after, before->at[i])) error = note_dropped(import, before->at[i], entry);
    return error;
}

static int look_at_entry(struct import *import, struct roster_entry *entry, const struct store_record *stored,
                         struct arena *arena) {
    struct record *record = arena_take(arena, sizeof *record);
    if (!record) return LEDIG_ENO_MEMORY;
    enum record_kind kind = entry->is_queue ? RECORD_QUEUE : RECORD_PROFILE;
    struct texts before = {0};
    if (stored->bytes) {
        int error = record_decode(stored->bytes, stored->length, arena, record);
        if (error) return error;
        if (record->kind != kind) return LEDIG_EDAMAGED;
        before = entry->is_queue ? record->queue.numbers : record->profile.numbers;
    }
    record->kind = kind;
    bool changes = import_merge(import->roster, entry, stored->bytes != NULL, record);
    entry->change = !stored->bytes ? ROSTER_CREATED : changes ? ROSTER_CHANGED : ROSTER_UNCHANGED;
    const struct texts *after = entry->is_queue ? &record->queue.numbers : &record->profile.numbers;
    return import_note_dropped(import, entry, &before, after);
}

/* ---- Are they more than was ordered? ---- */

static void go_on(struct import *import) {
    if (import->dry_run || import->roster->fault_count > 0)
        import_end(import, 0);
    else
        import_apply(import);
}

static void on_counted(void *arg, int error) {
    struct import *import = arg;
    struct company_record settings = {.people_max = import->people_max};
    size_t more = 0;
    bool is_counted = !error || tenant_is_ready(import->tenant);
    for (size_t i = 0; is_counted && i < import->roster->count; i++) {
        const struct roster_entry *entry = &import->roster->entries[i];
        if (entry->is_queue || entry->change != ROSTER_CREATED) continue;
        if (!entitlement_has_room(import->service, import->company, &settings, ++more))
            roster_complain(import->roster, entry->line, "people_max", ENTITLEMENT_FULL);
    }
    tenant_release(import->tenant);
    if (!is_counted || import->service->closing)
        import_end(import, LEDIG_EUNAVAILABLE);
    else
        go_on(import);
}

static void count_people(struct import *import) {
    if (import->people_max <= 0) {
        go_on(import);
        return;
    }
    import->tenant = tenant_hold(import->service, import->company);
    int error = import->tenant ? tenant_when_ready(import->tenant, true, on_counted, import) : LEDIG_ENO_MEMORY;
    if (!error) return;
    if (import->tenant) tenant_release(import->tenant);
    import_end(import, error);
}

static void on_entries_read(void *arg, int error, const struct store_head *head, const struct store_record *records,
                            size_t count) {
    struct import *import = arg;
    struct arena *arena = arena_create();
    const struct company_record *settings;
    if (!error && !arena) error = LEDIG_ENO_MEMORY;
    if (import->service->closing) error = LEDIG_EUNAVAILABLE;
    if (!error) error = read_settings(&records[0], arena, &settings);
    if (!error) {
        import->company_exists = records[0].bytes != NULL;
        import->people_max = settings ? settings->people_max : 0;
        import->version = head->version;
    }
    for (size_t i = 1; !error && i < count; i++) {
        struct roster_entry *entry = &import->roster->entries[import->at++];
        check_schedule(import, entry, settings);
        error = look_at_entry(import, entry, &records[i], arena);
    }
    arena_free(arena);
    if (error)
        import_end(import, error);
    else if (import->at < import->roster->count)
        read_entries(import);
    else
        count_people(import);
}

/* The company's record first, then a page of the others. */
static void read_entries(struct import *import) {
    const struct roster *roster = import->roster;
    char(*names)[ENTITY_NAME_BYTES_MAX] = malloc((IMPORT_READS_A_STEP + 1) * sizeof *names);
    const char *entities[IMPORT_READS_A_STEP + 1];
    if (!names) {
        import_end(import, LEDIG_ENO_MEMORY);
        return;
    }
    size_t count = 0;
    entity_name(import->service->names, RECORD_COMPANY, import->company, names[count++]);
    for (size_t i = import->at; i < roster->count && count <= IMPORT_READS_A_STEP; i++) {
        const struct roster_entry *entry = &roster->entries[i];
        entity_name(import->service->names, entry->is_queue ? RECORD_QUEUE : RECORD_PROFILE, entry->id, names[count++]);
    }
    for (size_t i = 0; i < count; i++)
        entities[i] = names[i];
    store_read(import->service->store, import->company, entities, count, on_entries_read, import);
    free(names);
}

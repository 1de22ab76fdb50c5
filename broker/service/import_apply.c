/* The second half of an import, once all of it is known to be right. */
#include "broker/log.h"
#include "broker/service/company_api.h"
#include "broker/service/import.h"
#include "broker/service/number_index.h"
#include "broker/service/roster_rules.h"

#include <string.h>

static void take_numbers(struct import *import);
static void write_entries(struct import *import);
static void settle_numbers(struct import *import);

/* A queue that people name and no line defines only comes into being. */
bool import_merge(const struct roster *roster, const struct roster_entry *entry, bool exists, struct record *record) {
    return roster_rules_merge(entry, entry->name ? roster_fields(roster) : 0, exists, record);
}

/* ---- Giving numbers back, since one of them was taken by another meanwhile ---- */

static void on_given_back(void *arg, int error);

static void give_back_taken(struct import *import) {
    const struct roster *roster = import->roster;
    const char *numbers[IMPORT_NUMBERS_A_STEP], *owners[IMPORT_NUMBERS_A_STEP];
    size_t count = 0;
    for (; import->at < import->taken && count < IMPORT_NUMBERS_A_STEP; import->at++) {
        if (!roster->numbers[import->at].is_free) continue;
        numbers[count] = roster->numbers[import->at].number;
        owners[count++] = roster->numbers[import->at].owner;
    }
    if (count > 0)
        number_index_give(import->service, numbers, owners, count, on_given_back, import);
    else
        import_end(import, 0);
}

static void on_given_back(void *arg, int error) {
    struct import *import = arg;
    if (import->service->closing) error = LEDIG_EUNAVAILABLE;
    if (error)
        import_end(import, error);
    else
        give_back_taken(import);
}

/* ---- Taking numbers ---- */

static void on_taken(void *arg, int error, size_t which) {
    struct import *import = arg;
    if (import->service->closing) error = LEDIG_EUNAVAILABLE;
    if (error == LEDIG_ECONFLICT) {
        roster_complain(import->roster, import->number_batch[which]->line, "numbers", "a number is in use by another");
        import->at = 0;
        give_back_taken(import);
    } else if (error) {
        import_end(import, error);
    } else {
        import->taken = import->at;
        take_numbers(import);
    }
}

static int apply_company(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    const struct import *import = arg;
    (void)count;
    if (entities[0].current) return UPDATE_NOTHING;
    entities[0].action = STORE_WRITE;
    entities[0].next.company.id = import->company;
    return company_record_begin(&entities[0].next.company, arena);
}

static void on_written(void *arg, int error, uint64_t version) {
    struct import *import = arg;
    if (import->service->closing && !error) error = LEDIG_EUNAVAILABLE;
    if (error) {
        import_end(import, error);
        return;
    }
    if (version > import->version) import->version = version;
    write_entries(import);
}

static void take_numbers(struct import *import) {
    struct roster *roster = import->roster;
    const char *numbers[IMPORT_NUMBERS_A_STEP], *owners[IMPORT_NUMBERS_A_STEP];
    size_t count = 0;
    for (; import->at < roster->number_count && count < IMPORT_NUMBERS_A_STEP; import->at++) {
        struct roster_number *number = &roster->numbers[import->at];
        if (!number->is_free) continue;
        numbers[count] = number->number;
        owners[count] = number->owner;
        import->number_batch[count++] = number;
    }
    if (count > 0) {
        number_index_take(import->service, numbers, owners, count, on_taken, import);
        return;
    }
    import->at = 0;
    if (import->company_exists) {
        write_entries(import);
        return;
    }
    struct update_target company = {RECORD_COMPANY, import->company};
    update_start(import->service, import->company, &company, 1, apply_company, on_written, import);
}

void import_apply(struct import *import) {
    import->at = 0;
    import->taken = 0;
    take_numbers(import);
}

/* ---- Writing ---- */

static int apply_entries(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    struct import *import = arg;
    bool changes = false;
    (void)arena;
    for (size_t i = 0; i < count; i++) {
        bool exists = entities[i].current != NULL, is_queue = import->batch[i]->is_queue;
        struct record *next = &entities[i].next;
        const struct texts *numbers = is_queue ? &next->queue.numbers : &next->profile.numbers;
        struct texts before = *numbers; /* another worker may have given them since the file was checked */
        if (!import_merge(import->roster, import->batch[i], exists, next)) continue;
        int error = import_note_dropped(import, import->batch[i], &before, numbers);
        if (error) return error;
        if (!exists && next->kind == RECORD_PROFILE) next->profile.created_at = service_now_ms(import->service);
        entities[i].action = STORE_WRITE;
        changes = true;
    }
    return changes ? 0 : UPDATE_NOTHING;
}

/* The next entries that change: first all queues, then the people. */
static size_t fill_batch(struct import *import, struct update_target *targets) {
    struct roster *roster = import->roster;
    size_t count = 0;
    for (; import->at < roster->count && count < IMPORT_WRITES_A_STEP; import->at++) {
        struct roster_entry *entry = &roster->entries[import->at];
        if (entry->change == ROSTER_UNCHANGED || entry->is_queue == import->queues_done) continue;
        import->batch[count] = entry;
        targets[count++] = (struct update_target){entry->is_queue ? RECORD_QUEUE : RECORD_PROFILE, entry->id};
    }
    return count;
}

static void write_entries(struct import *import) {
    struct update_target targets[IMPORT_WRITES_A_STEP];
    size_t count = fill_batch(import, targets);
    if (count == 0 && !import->queues_done) {
        import->queues_done = true;
        import->at = 0;
        count = fill_batch(import, targets);
    }
    if (count > 0) {
        update_start(import->service, import->company, targets, count, apply_entries, on_written, import);
        return;
    }
    import->at = 0;
    settle_numbers(import);
}

/* ---- What the index knows of the numbers of all that changed, and of those that were dropped ---- */

static void on_settled(void *arg, int error) {
    struct import *import = arg;
    if (error || import->service->closing) {
        /* all is applied; the sweep mends the index */
        log_event(LOG_WARNING, "numbers_not_settled", "company=%s", import->company);
        import_end(import, 0);
        return;
    }
    settle_numbers(import);
}

static size_t add_items(const struct roster_entry *entry, struct number_item *items, size_t count) {
    for (uint32_t i = 0; i < entry->numbers.count; i++)
        items[count++] = (struct number_item){entry->numbers.at[i], entry->id, entry->is_queue, false};
    return count;
}

/* Entries first, then dropped numbers: `at` counts through both. */
static void settle_numbers(struct import *import) {
    const struct roster *roster = import->roster;
    struct number_item items[IMPORT_NUMBERS_A_STEP];
    size_t count = 0, end = roster->count + import->dropped_count;
    for (; import->at < end && count + LEDIG_NUMBERS_COUNT_MAX <= IMPORT_NUMBERS_A_STEP; import->at++) {
        if (import->at >= roster->count) {
            const struct import_dropped *dropped = &import->dropped[import->at - roster->count];
            items[count++] = (struct number_item){dropped->number, dropped->entry->id, dropped->entry->is_queue, false};
        } else if (roster->entries[import->at].change != ROSTER_UNCHANGED) {
            count = add_items(&roster->entries[import->at], items, count);
        }
    }
    if (count == 0)
        import_end(import, 0);
    else if (number_index_settle(import->service, import->company, items, count, on_settled, import) != 0)
        on_settled(import, LEDIG_ENO_MEMORY);
}

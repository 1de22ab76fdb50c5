#include "broker/service/rewrap.h"
#include "broker/log.h"
#include "broker/privacy/vault.h"

#include <stdlib.h>
#include <string.h>

#define GROUP_ENTITIES_MAX 32       /* of one commit */
#define GROUP_BYTES_MAX (32 * 1024) /* so that its doorbell is whole, and nobody has to read anew */
#define GROUP_TRIES_MAX 16          /* where others are faster each time, the next pass sees to it */
#define MARGIN_MS 1000

struct name { /* of a company, or of an entity */
    struct name *next;
    char text[];
};

struct rewrap {
    struct service *service;
    struct rewrap_report report;
    unsigned generation;    /* of the keys that the report is about */
    uint64_t at;            /* where the search for companies goes on */
    bool is_asking;         /* the store has not answered yet */
    bool in_pass;           /* which is not through */
    bool was_found;         /* all companies of this pass are known */
    bool begins_anew;       /* the keys have changed in the middle of a pass */
    uint64_t failed_before; /* `failed` at the beginning of the pass */
    uint64_t next_ms;       /* the loop's time at which the next pass may begin */
    struct name *companies; /* found, and still to be looked at; the first is the one at hand */
    struct name *entities;  /* of it, to be written again */
    bool is_read;           /* the company at hand */
    unsigned tries;         /* of the first group of these */
};

static void next_step(struct rewrap *rewrap);

static int push(struct name **list, const char *text) {
    struct name *name = malloc(sizeof *name + strlen(text) + 1);
    if (!name) return LEDIG_ENO_MEMORY;
    strcpy(name->text, text);
    name->next = *list;
    *list = name;
    return 0;
}

static void drop(struct name **list, size_t count) {
    for (struct name *name = *list; name && count > 0; name = *list, count--) {
        *list = name->next;
        free(name);
    }
}

uint32_t rewrap_settle_ms(const struct service *service) {
    return VAULT_LOOK_S * 1000 + service->options.store_timeout_ms + MARGIN_MS;
}

/* ---- Writing again ---- */

static size_t group_of(const struct rewrap *rewrap, const char *entities[static GROUP_ENTITIES_MAX]) {
    size_t count = 0;
    for (const struct name *name = rewrap->entities; name && count < GROUP_ENTITIES_MAX; name = name->next)
        entities[count++] = name->text;
    return count;
}

static void group_ended(struct rewrap *rewrap, size_t count) {
    drop(&rewrap->entities, count);
    rewrap->tries = 0;
}

struct group { /* a commit under way */
    struct rewrap *rewrap;
    size_t looked_at, written;
};

static void on_committed(void *arg, int error, uint64_t version, const struct store_record *moved) {
    struct group *group = arg;
    struct rewrap *rewrap = group->rewrap;
    (void)version;
    (void)moved; /* it is read again, and is not old any more, or no more at all */
    if (!error)
        rewrap->report.rewritten += group->written;
    else if (error != LEDIG_EMOVED_ON)
        rewrap->report.failed++;
    if (error != LEDIG_EMOVED_ON) group_ended(rewrap, group->looked_at);
    free(group);
    next_step(rewrap);
}

static bool is_readable(const struct store_record *record) {
    return record->bytes && record->length > 0;
}

/* As they stand now, with nothing changed. */
static void on_group(void *arg, int error, const struct store_head *head, const struct store_record *records,
                     size_t count) {
    struct rewrap *rewrap = arg;
    struct store_write writes[GROUP_ENTITIES_MAX];
    size_t written = 0, bytes = 0, at = 0;
    (void)head;
    for (; !error && at < count && bytes < GROUP_BYTES_MAX; at++) {
        const struct store_record *record = &records[at];
        if (!record->seal_is_old || !is_readable(record)) continue;
        writes[written++] = (struct store_write){.entity = record->entity,
                                                 .action = STORE_WRITE,
                                                 .expected = record->revision,
                                                 .bytes = record->bytes,
                                                 .length = record->length};
        bytes += record->length;
    }
    struct group *group = written > 0 ? malloc(sizeof *group) : NULL;
    if (error || (written > 0 && !group)) rewrap->report.failed++;
    if (!group) {
        group_ended(rewrap, error ? GROUP_ENTITIES_MAX : at);
        next_step(rewrap);
        return;
    }
    *group = (struct group){rewrap, at, written};
    store_commit(rewrap->service->store,
                 &(struct store_commit){.company = rewrap->companies->text, .writes = writes, .count = written},
                 on_committed, group);
}

static void write_group(struct rewrap *rewrap) {
    const char *entities[GROUP_ENTITIES_MAX];
    size_t count = group_of(rewrap, entities);
    if (rewrap->tries++ == GROUP_TRIES_MAX) {
        rewrap->report.failed++;
        group_ended(rewrap, count);
        count = group_of(rewrap, entities);
    }
    if (count == 0)
        next_step(rewrap);
    else
        store_read(rewrap->service->store, rewrap->companies->text, entities, count, on_group, rewrap);
}

/* ---- Looking ---- */

static void on_page(void *arg, const struct store_record *records, size_t count) {
    struct rewrap *rewrap = arg;
    for (size_t i = 0; i < count; i++) {
        if (!records[i].bytes) continue;
        rewrap->report.records++;
        if (!is_readable(&records[i]))
            rewrap->report.unreadable++;
        else if (records[i].seal_is_old)
            rewrap->report.old++;
        else
            continue;
        if (is_readable(&records[i]) && push(&rewrap->entities, records[i].entity) != 0) rewrap->report.failed++;
    }
}

static void on_read(void *arg, int error, const struct store_head *head) {
    struct rewrap *rewrap = arg;
    (void)head;
    if (error) rewrap->report.failed++;
    rewrap->is_read = true;
    next_step(rewrap);
}

static void on_found(void *arg, int error, uint64_t next, const char *const *companies, size_t count) {
    struct rewrap *rewrap = arg;
    for (size_t i = 0; i < count; i++)
        if (push(&rewrap->companies, companies[i]) != 0) rewrap->report.failed++;
    if (error) rewrap->report.failed++;
    rewrap->at = next;
    rewrap->was_found = next == 0;
    next_step(rewrap);
}

/* ---- Passes ---- */

static void begin_pass(struct rewrap *rewrap) {
    rewrap->in_pass = true;
    rewrap->was_found = false;
    rewrap->at = 0;
    rewrap->failed_before = rewrap->report.failed;
    rewrap->report.records = rewrap->report.old = rewrap->report.unreadable = 0;
}

static void end_pass(struct rewrap *rewrap) {
    struct rewrap_report *report = &rewrap->report;
    bool clean = report->old == 0 && report->unreadable == 0 && report->failed == rewrap->failed_before;
    rewrap->in_pass = false;
    rewrap->next_ms = uv_now(rewrap->service->loop) + rewrap_settle_ms(rewrap->service);
    if (rewrap->begins_anew) return;
    report->passes++;
    report->clean_passes = clean ? report->clean_passes + 1 : 0;
    if (report->unreadable > 0)
        log_event(LOG_WARNING, "keys_missing", "records=%llu unreadable=%llu", (unsigned long long)report->records,
                  (unsigned long long)report->unreadable);
    if (report->clean_passes < REWRAP_CLEAN_PASSES) return;
    report->running = false;
    report->done = true;
    log_event(LOG_INFO, "keys_rewrapped", "records=%llu rewritten=%llu passes=%llu",
              (unsigned long long)report->records, (unsigned long long)report->rewritten,
              (unsigned long long)report->passes);
}

/* What is asked for next, if anything; the store answers later. */
static void next_step(struct rewrap *rewrap) {
    struct service *service = rewrap->service;
    rewrap->is_asking = false;
    if (service->closing) return;
    if (rewrap->is_read && !rewrap->entities) {
        rewrap->is_read = false;
        drop(&rewrap->companies, 1);
    }
    rewrap->is_asking = true;
    if (rewrap->entities) {
        write_group(rewrap);
    } else if (rewrap->companies) {
        store_read_since(service->store, rewrap->companies->text, 0, on_page, on_read, rewrap);
    } else if (!rewrap->was_found) {
        store_companies_find(service->store, rewrap->at, on_found, rewrap);
    } else {
        rewrap->is_asking = false;
        end_pass(rewrap);
    }
}

static void begin_anew(struct rewrap *rewrap) {
    rewrap->begins_anew = false;
    rewrap->report = (struct rewrap_report){.running = true};
    rewrap->failed_before = 0;
    rewrap->next_ms = 0;
}

static struct rewrap *rewrap_of(struct service *service) {
    if (!service->rewrap) service->rewrap = calloc(1, sizeof *service->rewrap);
    if (service->rewrap) service->rewrap->service = service;
    return service->rewrap;
}

int rewrap_begin(struct service *service) {
    if (!service->options.vault) return LEDIG_EUNSUPPORTED;
    struct rewrap *rewrap = rewrap_of(service);
    if (!rewrap) return LEDIG_ENO_MEMORY;
    rewrap->generation = vault_generation(service->options.vault);
    if (rewrap->in_pass)
        rewrap->begins_anew = rewrap->report.running = true; /* once that pass is through */
    else
        begin_anew(rewrap);
    rewrap->report.done = false;
    return 0;
}

void rewrap_sweep(struct service *service) {
    struct vault *vault = service->options.vault;
    if (service->options.serves_apps || service->closing || !vault) return;
    struct rewrap *rewrap = rewrap_of(service);
    vault_refresh(vault);
    if (!rewrap || !store_is_connected(service->store)) return;
    if (rewrap->generation != vault_generation(vault)) {
        if (vault_masters(vault) > 1) {
            rewrap_begin(service);
        } else if (!rewrap->in_pass) {
            rewrap->generation = vault_generation(vault);
            rewrap->report = (struct rewrap_report){.done = rewrap->report.done, .records = rewrap->report.records};
        }
    }
    if (rewrap->is_asking || !rewrap->report.running) return;
    if (rewrap->begins_anew) begin_anew(rewrap);
    if (uv_now(service->loop) < rewrap->next_ms) return;
    begin_pass(rewrap);
    next_step(rewrap);
}

void rewrap_close(struct service *service) {
    struct rewrap *rewrap = service->rewrap;
    if (!rewrap) return;
    drop(&rewrap->companies, SIZE_MAX);
    drop(&rewrap->entities, SIZE_MAX);
    free(rewrap);
}

void rewrap_tell(const struct service *service, struct rewrap_report *report) {
    *report = service->rewrap ? service->rewrap->report : (struct rewrap_report){0};
}

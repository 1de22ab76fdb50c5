#include "broker/service/retention_sweep.h"
#include "broker/log.h"
#include "broker/privacy/retention.h"

#include <stdlib.h>
#include <string.h>

struct old_log {
    struct old_log *next;
    enum retention_kind kind;
    char company[LEDIG_ID_CHARS_MAX + 1];
    char name[];
};

struct retention_sweep {
    struct service *service;
    uint64_t at;                     /* where the search goes on */
    bool has_begun;                  /* and is not through */
    bool is_asking;                  /* the store has not answered yet */
    struct old_log *logs;            /* found, and still to be looked at */
    uint64_t taken[RETENTION_COUNT]; /* in this round: entries of each kind */
};

static void next_step(struct retention_sweep *sweep);

static void drop_first(struct retention_sweep *sweep) {
    struct old_log *log = sweep->logs;
    sweep->logs = log->next;
    free(log);
}

/* What cannot be done now is done by the next sweep. */
static void on_trimmed(void *arg, int error, uint64_t count) {
    struct retention_sweep *sweep = arg;
    if (sweep->service->closing) return;
    if (!error) {
        sweep->taken[sweep->logs->kind] += count;
        sweep->service->metrics->retired += count;
    }
    drop_first(sweep);
    next_step(sweep);
}

static int begins_at(const struct retention_sweep *sweep, const struct store_record *stored, int64_t *at_ms) {
    struct arena *arena = arena_create();
    struct record *record = arena ? arena_take(arena, sizeof *record) : NULL;
    int error = record ? 0 : LEDIG_ENO_MEMORY;
    if (!error && stored->bytes) error = record_decode(stored->bytes, stored->length, arena, record);
    if (!error)
        *at_ms = retention_begins_at(sweep->logs->kind, stored->bytes ? &record->company : NULL,
                                     service_now_ms(sweep->service));
    arena_free(arena);
    return error;
}

static void on_settings(void *arg, int error, const struct store_head *head, const struct store_record *records,
                        size_t count) {
    struct retention_sweep *sweep = arg;
    struct service *service = sweep->service;
    int64_t before_ms;
    (void)head;
    (void)count;
    if (!error) error = begins_at(sweep, &records[0], &before_ms);
    if (error || service->closing)
        on_trimmed(sweep, error, 0);
    else
        store_log_trim(service->store, sweep->logs->company, sweep->logs->name, before_ms, on_trimmed, sweep);
}

static void trim_first(struct retention_sweep *sweep) {
    const struct old_log *log = sweep->logs;
    char name[ENTITY_NAME_BYTES_MAX];
    const char *entity = name;
    entity_name(sweep->service->names, RECORD_COMPANY, log->company, name);
    store_read(sweep->service->store, log->company, &entity, 1, on_settings, sweep);
}

static void take(struct retention_sweep *sweep, const struct store_log *found) {
    enum retention_kind kind = retention_of_log(found->log);
    if (kind == RETENTION_COUNT) return; /* of a later version, which deletes it */
    struct old_log *log = malloc(sizeof *log + strlen(found->log) + 1);
    if (!log) return; /* the next sweep finds it again */
    snprintf(log->company, sizeof log->company, "%s", found->company);
    strcpy(log->name, found->log);
    log->kind = kind;
    log->next = sweep->logs;
    sweep->logs = log;
}

static void on_found(void *arg, int error, uint64_t next, const struct store_log *logs, size_t count) {
    struct retention_sweep *sweep = arg;
    sweep->is_asking = false;
    if (error || sweep->service->closing) return; /* it is asked again */
    for (size_t i = 0; i < count; i++)
        take(sweep, &logs[i]);
    sweep->at = next;
    sweep->has_begun = next != 0;
    next_step(sweep);
}

/* A round is over: how much went, of each kind. */
static void report(struct retention_sweep *sweep) {
    for (size_t i = 0; i < RETENTION_COUNT; i++)
        if (sweep->taken[i] > 0)
            log_event(LOG_INFO, "over_age_deleted", "kind=%s entries=%llu", retention_name((enum retention_kind)i),
                      (unsigned long long)sweep->taken[i]);
    memset(sweep->taken, 0, sizeof sweep->taken);
}

/* Or else the search goes on with the next call of history_sweep. */
static void next_step(struct retention_sweep *sweep) {
    sweep->is_asking = sweep->logs != NULL;
    if (sweep->is_asking)
        trim_first(sweep);
    else if (!sweep->has_begun)
        report(sweep);
}

static bool is_due(struct service *service, const struct retention_sweep *sweep) {
    uint64_t now_ms = uv_now(service->loop);
    if (sweep->has_begun) return true;
    if (service->retention_swept_ms && now_ms - service->retention_swept_ms < service->options.history_sweep_ms)
        return false;
    service->retention_swept_ms = now_ms;
    return true;
}

void retention_sweep(struct service *service) {
    struct retention_sweep *sweep = service->retention_sweep;
    if (service->options.serves_apps || service->closing || !store_is_connected(service->store)) return;
    if (!sweep) sweep = service->retention_sweep = calloc(1, sizeof *sweep);
    if (!sweep) return;
    sweep->service = service;
    if (sweep->is_asking || !is_due(service, sweep)) return;
    sweep->has_begun = sweep->is_asking = true;
    store_logs_find(service->store, "", sweep->at, on_found, sweep);
}

void retention_sweep_close(struct service *service) {
    struct retention_sweep *sweep = service->retention_sweep;
    while (sweep && sweep->logs)
        drop_first(sweep);
    free(sweep);
}

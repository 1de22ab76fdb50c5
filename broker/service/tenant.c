#include "broker/log.h"
#include "broker/service/attendance.h"
#include "broker/service/claim_line.h"
#include "broker/service/tenant_state.h"
#include "broker/service/withdrawal.h"

#include <stdlib.h>
#include <string.h>

#define TOMBSTONE_KEEP_MS 86400000LL /* a day: as long as a place is good (PLACE_MS_MAX) */

static void tenant_read(struct tenant *tenant);

struct tenant *tenant_find(const struct service *service, const char *company) {
    struct tenant *tenant = NULL;
    HASH_FIND_STR(service->tenants, company, tenant);
    return tenant;
}

bool tenant_is_ready(const struct tenant *tenant) {
    return tenant->ready;
}

bool tenant_exists(const struct tenant *tenant) {
    return tenant->ready && company_settings(tenant->company);
}

struct company *tenant_company(const struct tenant *tenant) {
    return tenant->company;
}

const char *tenant_id(const struct tenant *tenant) {
    return tenant->id;
}

/* ---- The clock ---- */

static void on_due(uv_timer_t *timer) {
    struct tenant *tenant = timer->data;
    int64_t now_ms = service_now_ms(tenant->service);
    company_tick(tenant->company, now_ms, false);
    tenant_changed(tenant, now_ms);
}

void tenant_changed(struct tenant *tenant, int64_t now_ms) {
    int64_t due_ms = company_next_due(tenant->company);
    if (due_ms == NEVER)
        uv_timer_stop(&tenant->timer);
    else
        uv_timer_start(&tenant->timer, on_due, due_ms > now_ms ? (uint64_t)(due_ms - now_ms) : 1, 0);
    if (!tenant->moved_ns && company_last_place(tenant->company) > tenant->flush_place) tenant->moved_ns = uv_hrtime();
    fanout_mark(&tenant->service->fanout, tenant);
    claim_line_moved(tenant->service);
    tenant->service->watches.moved = true;
}

/* ---- Reading ---- */

/* The list is taken first: whoever is called may wait again. */
static void call_waiters(struct tenant_waiter *waiter, int error) {
    while (waiter) {
        struct tenant_waiter *next = waiter->next;
        waiter->done(waiter->arg, error);
        free(waiter);
        waiter = next;
    }
}

static void mark(struct tenant *tenant, const char *user) {
    struct attendee *attendee = user && tenant->attendees ? attendance_find(tenant, user) : NULL;
    if (attendee) attendance_mark(attendee);
}

/* A profile goes only where somebody removes the person, and a queue likewise. */
static void note_removal(struct tenant *tenant, const struct store_record *record) {
    enum record_kind kind = entity_kind(record->entity);
    const char *id = kind == RECORD_PROFILE ? company_entity_user(tenant->company, record->entity)
                     : kind == RECORD_QUEUE ? company_entity_queue(tenant->company, record->entity)
                                            : NULL;
    if (id) erasure_note(tenant, kind, id, record->revision);
}

/* Returns whether the replica has to be compared again. */
static bool apply(struct tenant *tenant, const struct store_record *record, bool contiguous, int64_t now_ms) {
    char user[LEDIG_ID_CHARS_MAX + 1] = "";
    const char *known = company_entity_user(tenant->company, record->entity);
    if (known) snprintf(user, sizeof user, "%s", known);
    mark(tenant, known); /* before: a removal makes it unknown */
    if (!known && entity_kind(record->entity) == RECORD_COMPANY) attendance_mark_all(tenant); /* what `me` asks for */
    if (tenant->comparing && known) withdrawal_watch(tenant, user);
    struct company_write write = {record->entity, record->revision, record->bytes, record->length};
    if (tenant->withdrawals && known && withdrawal_hides(tenant, user, record->entity)) write.bytes = NULL;
    if (!record->bytes && !tenant->comparing) note_removal(tenant, record);
    if (record->bytes && erasure_hides(tenant, record->entity, record->revision)) write.bytes = NULL;
    int error = company_apply(tenant->company, &write, contiguous, tenant->comparing, now_ms);
    if (error)
        log_event(LOG_ERROR, "record_refused", "company=%s error=\"%s\"", tenant->id, ledig_error_meaning(error));
    if (!known) mark(tenant, company_entity_user(tenant->company, record->entity));
    return tenant->withdrawals && known && withdrawal_settle(tenant, user);
}

/* ---- Tombstones that have served their time: noted as they are met, taken out when the read is over ---- */

static void note_old(struct tenant *tenant, const struct store_record *record, int64_t now_ms) {
    if (!record->removed_at_ms || record->removed_at_ms + TOMBSTONE_KEEP_MS > now_ms) return;
    if (tenant->old_count == TENANT_OLD_MAX) return; /* the next read meets the others */
    char *name = strdup(record->entity);
    if (name) tenant->old[tenant->old_count++] = (struct store_record){.entity = name, .revision = record->revision};
}

static void forget_old(struct tenant *tenant) {
    while (tenant->old_count > 0)
        free((char *)(uintptr_t)tenant->old[--tenant->old_count].entity);
}

static void on_pruned(void *arg, int error) {
    (void)arg;
    (void)error; /* whoever reads the company next tries again */
}

static void prune(struct tenant *tenant) {
    if (tenant->old_count > 0)
        store_prune(tenant->service->store, tenant->id, tenant->old, tenant->old_count, on_pruned, NULL);
    forget_old(tenant);
}

/* ---- A read ---- */

static void on_page(void *arg, const struct store_record *records, size_t count) {
    struct tenant *tenant = arg;
    int64_t now_ms = service_now_ms(tenant->service);
    for (size_t i = 0; i < count; i++) {
        note_old(tenant, &records[i], now_ms);
        uint64_t held = company_revision(tenant->company, records[i].entity);
        if (tenant->comparing && held == records[i].revision)
            company_seen(tenant->company, records[i].entity);
        else if (apply(tenant, &records[i], false, now_ms))
            tenant->compares_again = true;
    }
}

static void take_head(struct tenant *tenant, const struct store_head *head, int64_t now_ms) {
    struct company_epoch earlier[COMPANY_EPOCHS_MAX];
    _Static_assert(COMPANY_EPOCHS_MAX == STORE_EPOCHS_MAX, "a head remembers as many epochs as a replica");
    for (size_t i = 0; i < head->earlier_count; i++) {
        memcpy(earlier[i].epoch, head->earlier[i].epoch, sizeof earlier[i].epoch);
        earlier[i].version = head->earlier[i].version;
    }
    if (tenant->comparing) {
        company_compare_end(tenant->company, head->version, now_ms);
        withdrawal_compared(tenant);
        attendance_mark_all(tenant); /* who was not named is gone */
    }
    company_set_history(tenant->company, head->pruned, earlier, head->earlier_count);
    company_reached(tenant->company, head->epoch, head->version);
    tenant->comparing = false;
    tenant->behind = false;
    if (!tenant->ready && company_settings(tenant->company))
        log_event(LOG_INFO, "company_loaded", "company=%s members=%zu", tenant->id,
                  company_member_count(tenant->company));
    tenant->ready = true;
}

static void on_failed(struct tenant *tenant) {
    struct tenant_waiter *now = tenant->waiters, *later = tenant->next_waiters;
    tenant->waiters = tenant->next_waiters = NULL;
    call_waiters(now, LEDIG_EUNAVAILABLE);
    call_waiters(later, LEDIG_EUNAVAILABLE); /* the next verify batch, or whoever asks, begins anew */
}

static void on_read(void *arg, int error, const struct store_head *head) {
    struct tenant *tenant = arg;
    int64_t now_ms = service_now_ms(tenant->service);
    tenant->reading = false;
    if (error) {
        forget_old(tenant);
        on_failed(tenant);
        return;
    }
    bool other_history = strcmp(head->epoch, company_epoch(tenant->company)) != 0;
    bool missed_removals = company_version(tenant->company) < head->pruned;
    if (!tenant->comparing && (other_history || missed_removals)) {
        tenant->ready = tenant->ready && company_epoch(tenant->company)[0];
        tenant->compares_again = true; /* what was read is not enough */
        tenant_read(tenant);
        return;
    }
    take_head(tenant, head, now_ms);
    prune(tenant);
    tenant_changed(tenant, now_ms);
    struct tenant_waiter *waiters = tenant->waiters;
    bool again = tenant->next_waiters || tenant->heard > head->version || tenant->compares_again;
    tenant->waiters = tenant->next_waiters;
    tenant->next_waiters = NULL;
    tenant->heard = 0;
    if (again) tenant_read(tenant);
    call_waiters(waiters, 0);
}

static void on_watched(void *arg, int error) {
    struct tenant *tenant = arg;
    if (error) {
        on_read(tenant, error, NULL);
        return;
    }
    tenant->watched = true;
    tenant->reading = false;
    tenant_read(tenant);
}

/* The doorbell first, so that nothing falls between the read and what it tells. */
static void tenant_read(struct tenant *tenant) {
    if (tenant->reading || tenant->service->closing) return;
    struct store *store = tenant->service->store;
    tenant->reading = true;
    if (!tenant->watched) {
        store_watch(store, tenant->id, on_watched, tenant);
        return;
    }
    if (!tenant->ready || tenant->compares_again) tenant->comparing = true;
    tenant->compares_again = false;
    if (tenant->comparing) company_compare_begin(tenant->company);
    store_read_since(store, tenant->id, tenant->comparing ? 0 : company_version(tenant->company), on_page, on_read,
                     tenant);
}

void tenant_heard(struct tenant *tenant, const struct store_news *news) {
    if (!tenant->ready || tenant->reading) {
        if (news->version > tenant->heard) tenant->heard = news->version;
        return;
    }
    bool same_epoch = strcmp(news->epoch, company_epoch(tenant->company)) == 0;
    uint64_t version = company_version(tenant->company);
    if (same_epoch && news->version <= version) return;
    if (!same_epoch || !news->whole || news->version != version + 1) {
        if (!same_epoch) tenant->compares_again = true;
        tenant_read(tenant);
        return;
    }
    int64_t now_ms = service_now_ms(tenant->service);
    for (size_t i = 0; i < news->count; i++)
        if (apply(tenant, &news->records[i], true, now_ms)) tenant->compares_again = true;
    company_reached(tenant->company, news->epoch, news->version);
    tenant_changed(tenant, now_ms);
    if (tenant->compares_again) tenant_read(tenant);
}

void tenant_verified(struct tenant *tenant, const struct store_head *head, bool leases_changed, int64_t now_ms) {
    if (tenant->ready) {
        company_tick(tenant->company, now_ms, leases_changed);
        tenant_changed(tenant, now_ms);
    }
    withdrawal_retry(tenant);
    erasure_retry(tenant);
    if (tenant->reading) return;
    uint64_t version = company_version(tenant->company);
    bool same_epoch = strcmp(head->epoch, company_epoch(tenant->company)) == 0;
    /* A head below the replica was read before a doorbell that has come since; where it stays there, the company was
     * put back to an earlier state. */
    bool below = same_epoch && head->version < version;
    bool put_back = below && tenant->behind;
    tenant->behind = below;
    if (put_back || !same_epoch) tenant->compares_again = true;
    if (!tenant->ready || !same_epoch || head->version > version || put_back) tenant_read(tenant);
}

/* ---- Holding ---- */

struct tenant *tenant_hold(struct service *service, const char *id) {
    struct tenant *tenant = tenant_find(service, id);
    if (tenant) {
        tenant->holds++;
        return tenant;
    }
    tenant = calloc(1, sizeof *tenant + strlen(id) + 1);
    if (!tenant) return NULL;
    strcpy(tenant->id, id);
    tenant->service = service;
    tenant->company = company_open(id, service->leases, service->names);
    if (!tenant->company) {
        free(tenant);
        return NULL;
    }
    company_set_zones(tenant->company, zones_source(service->zones));
    tenant->holds = 1;
    tenant->timer.data = tenant;
    uv_timer_init(service->loop, &tenant->timer);
    HASH_ADD_STR(service->tenants, id, tenant);
    tenant_read(tenant);
    return tenant;
}

void tenant_release(struct tenant *tenant) {
    if (--tenant->holds == 0) tenant->idle_since_ms = uv_now(tenant->service->loop);
}

static void on_timer_closed(uv_handle_t *handle) {
    free(handle->data);
}

void tenant_close(struct tenant *tenant) {
    fanout_forget_tenant(&tenant->service->fanout, tenant);
    HASH_DEL(tenant->service->tenants, tenant);
    company_close(tenant->company);
    forget_old(tenant);
    withdrawal_forget(tenant);
    erasure_forget(tenant);
    uv_close((uv_handle_t *)&tenant->timer, on_timer_closed);
}

void tenant_unload_if_idle(struct tenant *tenant) {
    struct service *service = tenant->service;
    if (tenant->holds > 0 || tenant->reading || tenant->attendees)
        return; /* an attendee may be still to be committed */
    /* one that does not exist is kept for nobody: a stranger may have named it */
    bool exists = !tenant->ready || company_settings(tenant->company);
    if (exists && uv_now(service->loop) - tenant->idle_since_ms < service->options.idle_ms) return;
    if (tenant->watched) store_unwatch(service->store, tenant->id);
    if (exists) log_event(LOG_INFO, "company_unloaded", "company=%s", tenant->id);
    tenant_close(tenant);
}

int tenant_when_ready(struct tenant *tenant, bool fresh, tenant_done done, void *arg) {
    struct tenant_waiter *waiter = malloc(sizeof *waiter);
    if (!waiter) return LEDIG_ENO_MEMORY;
    *waiter = (struct tenant_waiter){.done = done, .arg = arg};
    /* a read that had begun before may miss what is asked for */
    struct tenant_waiter **list = tenant->reading && tenant->ready && fresh ? &tenant->next_waiters : &tenant->waiters;
    waiter->next = *list;
    *list = waiter;
    tenant_read(tenant);
    return 0;
}

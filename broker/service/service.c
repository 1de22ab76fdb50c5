#include "broker/service/service.h"
#include "broker/log.h"
#include "broker/privacy/vault.h"
#include "broker/service/attendance.h"
#include "broker/service/call_sweep.h"
#include "broker/service/claim_line.h"
#include "broker/service/claims.h"
#include "broker/service/import.h"
#include "broker/service/number_sweep.h"
#include "broker/service/retention_sweep.h"
#include "broker/service/rewrap.h"
#include "broker/service/router_link.h"
#include "broker/service/routers.h"
#include "broker/service/tenant_state.h"

#include <stdlib.h>
#include <string.h>

#define SWEEP_MS_MAX 500
#define SWEEP_MS_MIN 20
#define VERIFIES_MISSED_MAX 3 /* then what is answered may be old, and readiness ends */

static const struct entity_names unkeyed; /* where nothing is sealed */

int64_t service_now_ms(const struct service *service) {
    return store_now_ms(service->store);
}

bool service_is_ready(const struct service *service) {
    return store_is_connected(service->store) &&
           store_stale_ms(service->store) <= (int64_t)service->options.verify_ms * VERIFIES_MISSED_MAX + 1000 &&
           (!service->options.serves_apps || service->incarnation.id[0]);
}

void service_measure(const struct service *service) {
    struct metrics *metrics = service->metrics;
    size_t members = 0, imports = 0;
    for (const struct tenant *tenant = service->tenants; tenant; tenant = tenant->hh.next)
        if (tenant->ready) members += company_member_count(tenant->company);
    for (const struct import *import = service->imports; import; import = import->next)
        imports++;
    metrics->connections = service->connections;
    metrics->companies = HASH_COUNT(service->tenants);
    metrics->members = members;
    metrics->imports = imports;
    store_measure(service->store);
}

/* ---- What the store tells ---- */

static void on_connected(void *arg) {
    struct service *service = arg;
    log_event(LOG_INFO, "store_connected", "stale_ms=%lld", (long long)store_stale_ms(service->store));
    incarnation_refresh(service);
}

static void on_lost(void *arg, const char *why) {
    (void)arg;
    log_event(LOG_WARNING, "store_lost", "why=\"%s\"", why);
}

static void on_changed(void *arg, const struct store_news *news) {
    struct tenant *tenant = tenant_find(arg, news->company);
    if (tenant) tenant_heard(tenant, news);
}

static void on_verified(void *arg, const struct store_reading *reading) {
    struct service *service = arg;
    leases_reading_begin(service->leases, reading->now_ms);
    for (size_t i = 0; i < reading->lease_count; i++)
        leases_reading_put(service->leases, reading->leases[i].id, reading->leases[i].ended_at_ms);
    bool changed = leases_reading_end(service->leases);
    for (size_t i = 0; i < reading->company_count; i++) {
        struct tenant *tenant = tenant_find(service, reading->companies[i].company);
        if (!tenant) continue;
        tenant_verified(tenant, reading->companies[i].head, changed, reading->now_ms);
        attendance_retry(tenant);
    }
}

static bool on_known(void *arg, const char *company, const char *entity, struct store_record *record) {
    const struct tenant *tenant = tenant_find(arg, company);
    if (!tenant || !tenant_is_ready(tenant)) return false;
    if (tenant->withdrawals || erasure_is_lost(tenant)) return false; /* the replica hides what has to be destroyed */
    record->entity = entity;
    record->revision = company_revision(tenant->company, entity);
    return company_lend_record(tenant->company, entity, &record->bytes, &record->length) == 0;
}

/* ---- Opening and closing ---- */

static uint32_t least(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

static void on_sweep(uv_timer_t *timer) {
    struct service *service = timer->data;
    struct tenant *tenant, *next;
    session_sweep(service);
    router_link_sweep(service);
    routers_sweep(service);
    call_sweep(service);
    retention_sweep(service);
    number_sweep(service);
    rewrap_sweep(service);
    HASH_ITER(hh, service->tenants, tenant, next) tenant_unload_if_idle(tenant);
}

static int start_timers(struct service *service) {
    const struct service_options *o = &service->options;
    uint32_t sweep_ms =
        least(least(o->hello_ms, o->ping_ms), least(o->grace_ms, least(o->stall_ms, o->background_ms))) / 8;
    sweep_ms = sweep_ms > SWEEP_MS_MAX ? SWEEP_MS_MAX : sweep_ms < SWEEP_MS_MIN ? SWEEP_MS_MIN : sweep_ms;
    service->sweep.data = service;
    if (uv_timer_init(service->loop, &service->sweep) != 0) return LEDIG_EIO;
    if (claim_line_open(service) != 0 || route_watches_open(&service->watches, service) != 0) return LEDIG_EIO;
    if (uv_timer_start(&service->sweep, on_sweep, sweep_ms, sweep_ms) != 0) return LEDIG_EIO;
    int error = incarnation_open(service);
    return error ? error : fanout_open(&service->fanout, service);
}

static void or_default(uint32_t *value, uint32_t standard) {
    if (*value == 0) *value = standard;
}

static void fill_defaults(struct service_options *options) {
    or_default(&options->store_timeout_ms, 2000);
    or_default(&options->verify_ms, 2000);
    or_default(&options->hello_ms, 5000);
    or_default(&options->ping_ms, 25000);
    or_default(&options->background_ms, 20000);
    or_default(&options->grace_ms, SESSION_GRACE_MS);
    or_default(&options->slice_ms, 1);
    or_default(&options->flush_ms, 5);
    or_default(&options->stall_ms, 60000);
    or_default(&options->idle_ms, 600000);
    or_default(&options->lease_ms, 10000);
    or_default(&options->router_lease_ms, 30000);
    or_default(&options->number_sweep_ms, 600000);
    or_default(&options->history_sweep_ms, 3600000);
}

static int on_seal(void *arg, const char *company, const char *entity, const uint8_t *plain, size_t length,
                   struct buffer *sealed) {
    return vault_seal(arg, company, entity, plain, length, sealed);
}

static int on_open(void *arg, const char *company, const char *entity, const uint8_t *sealed, size_t length,
                   struct buffer *plain) {
    return vault_unseal(arg, company, entity, sealed, length, plain);
}

static int open_store(struct service *service) {
    struct store_options options = {.url = service->options.redis_url,
                                    .user = service->options.redis_user,
                                    .password = service->options.redis_password,
                                    .timeout_ms = service->options.store_timeout_ms,
                                    .verify_ms = service->options.verify_ms,
                                    .lease_ms = service->options.lease_ms,
                                    .events = {.connected = on_connected,
                                               .lost = on_lost,
                                               .changed = on_changed,
                                               .verified = on_verified,
                                               .known = on_known},
                                    .metrics = service->metrics,
                                    .arg = service};
    if (service->options.vault)
        options.seal = (struct store_seal){.seal = on_seal, .open = on_open, .arg = service->options.vault};
    return store_open(service->loop, &options, &service->store);
}

int service_open(uv_loop_t *loop, const struct service_options *options, const struct token_key *key,
                 struct service **out) {
    struct service *service = calloc(1, sizeof *service);
    if (!service) return LEDIG_ENO_MEMORY;
    service->loop = loop;
    service->options = *options;
    service->metrics = options->metrics ? options->metrics : &service->own_metrics;
    service->key = key;
    service->names = options->vault ? vault_names(options->vault) : &unkeyed;
    fill_defaults(&service->options);
    service->leases = leases_create();
    service->zones = zones_open();
    service->arena = arena_create();
    if (service->leases) leases_set_grace(service->leases, service->options.grace_ms);
    int error = service->leases && service->zones && service->arena ? open_store(service) : LEDIG_ENO_MEMORY;
    if (!error) error = start_timers(service);
    if (error) {
        leases_free(service->leases);
        zones_close(service->zones);
        arena_free(service->arena);
        free(service);
        return error; /* only before anything runs: the process ends */
    }
    *out = service;
    return 0;
}

/* The service's own handles are part of it, so it goes with the last of them. */
static void go_if_all_is_closed(struct service *service) {
    if (service->handles > 0 || service->jobs > 0) return;
    void (*closed)(void *) = service->closed;
    void *arg = service->closed_arg;
    free(service);
    closed(arg);
}

static void on_handle_closed(uv_handle_t *handle) {
    struct service *service = handle->data;
    service->handles--;
    go_if_all_is_closed(service);
}

void service_job_ended(struct service *service) {
    service->jobs--;
    if (service->handles_closing) go_if_all_is_closed(service);
}

static void close_handle(struct service *service, uv_handle_t *handle) {
    service->handles++;
    handle->data = service;
    uv_close(handle, on_handle_closed);
}

static void on_store_closed(void *arg) {
    struct service *service = arg;
    struct tenant *tenant, *next;
    HASH_ITER(hh, service->tenants, tenant, next) tenant_close(tenant);
    retention_sweep_close(service);
    number_sweep_close(service);
    rewrap_close(service);
    routing_close(&service->routing);
    routers_close(service);
    fanout_close(&service->fanout);
    leases_free(service->leases);
    zones_close(service->zones);
    arena_free(service->arena);
    buffer_free(&service->scratch);
    service->handles_closing = true;
    close_handle(service, (uv_handle_t *)&service->sweep);
    close_handle(service, (uv_handle_t *)&service->incarnation.timer);
    close_handle(service, (uv_handle_t *)&service->fanout.prepare);
    close_handle(service, (uv_handle_t *)&service->fanout.idle);
    close_handle(service, (uv_handle_t *)&service->fanout.gathering);
    close_handle(service, (uv_handle_t *)&service->line);
    close_handle(service, (uv_handle_t *)&service->watches.prepare);
    close_handle(service, (uv_handle_t *)&service->watches.idle);
}

static void on_lease_ended(void *arg, int error) {
    struct service *service = arg;
    (void)error; /* then it ends by itself */
    store_close(service->store, on_store_closed, service);
}

void service_drain(struct service *service) {
    struct tenant *tenant, *next;
    service->draining = true;
    claims_drain(service);
    router_link_drain(service);
    HASH_ITER(hh, service->tenants, tenant, next)
    for (struct audience *audience = tenant->audiences; audience; audience = audience->next)
        for (uint32_t i = audience->count; i-- > 0;) /* from the end: one that is ended leaves the list */
            session_drain(audience->live[i]);
}

void service_close(struct service *service, void (*closed)(void *arg), void *arg) {
    struct tenant *tenant, *next;
    service->closing = true;
    service->closed = closed;
    service->closed_arg = arg;
    uv_timer_stop(&service->sweep);
    uv_timer_stop(&service->incarnation.timer);
    uv_prepare_stop(&service->fanout.prepare);
    uv_timer_stop(&service->fanout.gathering);
    HASH_ITER(hh, service->tenants, tenant, next) attendance_dismiss(tenant);
    if (service->incarnation.id[0])
        store_lease_end(service->store, service->incarnation.id, on_lease_ended, service);
    else
        on_lease_ended(service, 0);
}

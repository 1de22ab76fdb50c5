#include "broker/service/call_sweep.h"
#include "broker/service/call_change.h"
#include "broker/service/calls.h"
#include "broker/service/tenant_state.h"

#include <stdlib.h>
#include <string.h>

#define OLD_MAX 256 /* of one company, in one commit */
#define LOST_MAX 16

struct sweep { /* of one company */
    struct service *service;
    int64_t now_ms;
    size_t old_count, lost_count;
    const char *old[OLD_MAX], *lost[LOST_MAX]; /* the replica's */
};

/* No event has come for as long as a call may last, or its router has ended. */
static bool is_lost(const struct sweep *sweep, const struct call_record *call) {
    return call->event_at + CALL_LEASE_MS <= sweep->now_ms ||
           leases_ended_at(sweep->service->leases, call->router) != 0;
}

static void look(void *arg, const struct call_record *call) {
    struct sweep *sweep = arg;
    if (call->ended_at) {
        if (call->ended_at + CALL_KEPT_MS <= sweep->now_ms && sweep->old_count < OLD_MAX)
            sweep->old[sweep->old_count++] = call->id;
    } else if (sweep->lost_count < LOST_MAX && is_lost(sweep, call)) {
        sweep->lost[sweep->lost_count++] = call->id;
    }
}

static int forget_old(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    const struct service *service = arg;
    int64_t now_ms = service_now_ms(service);
    int result = UPDATE_NOTHING;
    (void)arena;
    for (size_t i = 0; i < count; i++) {
        const struct record *record = entities[i].current;
        if (!record || !record->call.ended_at || record->call.ended_at + CALL_KEPT_MS > now_ms) continue;
        entities[i].action = STORE_TOMBSTONE;
        result = 0;
    }
    return result;
}

static void on_done(void *arg, int error, uint64_t version) {
    (void)arg;
    (void)error; /* the next sweep tries again */
    (void)version;
}

static void sweep_company(struct service *service, struct tenant *tenant) {
    struct sweep sweep = {.service = service, .now_ms = service_now_ms(service)};
    struct update_target targets[OLD_MAX];
    company_each_call(tenant->company, look, &sweep);
    for (size_t i = 0; i < sweep.old_count; i++)
        targets[i] = (struct update_target){RECORD_CALL, sweep.old[i]};
    if (sweep.old_count > 0) update_start(service, tenant->id, targets, sweep.old_count, forget_old, on_done, service);
    for (size_t i = 0; i < sweep.lost_count; i++)
        calls_end(service, tenant->id, sweep.lost[i]);
}

void call_sweep(struct service *service) {
    struct tenant *tenant, *next;
    uint64_t now_ms = uv_now(service->loop);
    if (service->options.serves_apps || service->closing || now_ms - service->calls_swept_ms < CALL_SWEEP_MS) return;
    service->calls_swept_ms = now_ms;
    if (!store_is_connected(service->store)) return;
    HASH_ITER(hh, service->tenants, tenant, next)
    if (tenant_is_ready(tenant)) sweep_company(service, tenant);
}

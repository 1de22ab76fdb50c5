#include "broker/service/claim_line.h"
#include "broker/service/claim.h"
#include "broker/service/tenant.h"

#include <utlist.h>

static bool has_expired(const struct claim *claim) {
    return uv_now(claim->service->loop) >= claim->expires_ms;
}

/* Whether something may have become different for it since it was last looked at. */
static bool may_come_next(const struct claim *claim) {
    return company_last_place(tenant_company(claim->tenant)) != claim->seen_place || claim->free_since_ms != 0;
}

static void look(struct claim *claim) {
    if (claim->commits) return;
    if (http_is_abandoned(claim->exchange))
        claim_leave(claim);
    else if (has_expired(claim))
        claim_answer_nobody(claim);
    else if (may_come_next(claim))
        claim_try(claim);
}

static void on_look(uv_timer_t *timer) {
    struct service *service = timer->data;
    struct claim *claim, *next;
    bool any = false;
    DL_FOREACH_SAFE2(service->claims, claim, next, next) {
        if (!claim_line_has(claim)) continue;
        any = true;
        look(claim);
    }
    if (any)
        uv_timer_start(timer, on_look, CLAIM_LOOK_MS, CLAIM_LOOK_MS);
    else
        uv_timer_stop(timer);
}

int claim_line_open(struct service *service) {
    service->line.data = service;
    return uv_timer_init(service->loop, &service->line) == 0 ? 0 : LEDIG_EIO;
}

#define TURNS_MAX 8

/* The first turn that an agent has stayed free lets one more come into question, each further one four times as many:
 * so many places as nobody claims for, of callers who are gone or of a worker that is, are passed within a second. */
static size_t turns_passed(struct claim *claim, size_t free_count) {
    uint64_t now_ms = uv_now(claim->service->loop);
    if (free_count == 0) {
        claim->free_since_ms = 0;
        return 0;
    }
    if (claim->free_since_ms == 0) claim->free_since_ms = now_ms;
    size_t turns = (size_t)(now_ms - claim->free_since_ms) / CLAIM_TURN_MS;
    if (turns > TURNS_MAX) turns = TURNS_MAX;
    return (((size_t)1 << 2 * turns) - 1) / 3; /* 1, 5, 21, 85, … */
}

static int64_t arrival(const struct claim *claim) {
    const struct call_record *call = company_call(tenant_company(claim->tenant), claim->call);
    return call && call->arrived_at && !call->ended_at ? call->arrived_at : INT64_MAX; /* a fresh one comes last */
}

bool claim_line_lets(struct claim *claim, size_t free_count) {
    const struct company *company = tenant_company(claim->tenant);
    claim->seen_place = company_last_place(company);
    claim->position = company_waiting_before(company, claim->queue, arrival(claim), claim->call);
    size_t turns = claim_line_has(claim) ? turns_passed(claim, free_count) : 0;
    if (claim->position < free_count) claim->free_since_ms = 0;
    return free_count > 0 && claim->position < free_count + turns;
}

bool claim_line_join(struct claim *claim) {
    struct service *service = claim->service;
    if (claim->expires_ms == 0) claim->expires_ms = uv_now(service->loop) + claim->request.wait_ms;
    if (service->draining || service->closing || has_expired(claim)) return false;
    if (!uv_is_active((uv_handle_t *)&service->line))
        uv_timer_start(&service->line, on_look, CLAIM_LOOK_MS, CLAIM_LOOK_MS);
    return true;
}

bool claim_line_has(const struct claim *claim) {
    return claim->expires_ms != 0;
}

void claim_line_leave(struct claim *claim) {
    claim->expires_ms = 0;
}

uint32_t claim_line_left_ms(const struct claim *claim) {
    uint64_t now_ms = uv_now(claim->service->loop);
    if (!claim_line_has(claim)) return claim->request.wait_ms;
    return claim->expires_ms > now_ms ? (uint32_t)(claim->expires_ms - now_ms) : 0;
}

void claim_line_moved(struct service *service) {
    if (uv_is_active((uv_handle_t *)&service->line)) uv_timer_start(&service->line, on_look, 0, CLAIM_LOOK_MS);
}

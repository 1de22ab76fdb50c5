#include "broker/service/claim_line.h"
#include "broker/service/claim.h"
#include "broker/service/tenant.h"

#include <string.h>
#include <utlist.h>

static bool has_expired(const struct claim *claim) {
    return uv_now(claim->footing.service->loop) >= claim->expires_ms;
}

static const struct call_record *call_of(const struct claim *claim) {
    return company_call(tenant_company(claim->footing.tenant), claim->call);
}

static uint64_t place_of(const struct claim *claim) {
    return company_last_place(tenant_company(claim->footing.tenant));
}

static bool is_lull(const struct claim *claim) {
    const struct claim_lull *lull = &claim->footing.service->lull;
    return lull->tenant == claim->footing.tenant && lull->place == place_of(claim) &&
           strcmp(lull->queue, claim->queue) == 0;
}

static void note_lull(const struct claim *claim) {
    struct claim_lull *lull = &claim->footing.service->lull;
    lull->tenant = claim->footing.tenant;
    lull->place = place_of(claim);
    strcpy(lull->queue, claim->queue); /* an id */
}

/* Whether something may have become different for it since it was last looked at. */
static bool may_come_next(struct claim *claim) {
    const struct call_record *call = call_of(claim);
    if (call && call->legs.count > 0) return true; /* asked for twice, and the other got one */
    if (place_of(claim) == claim->seen_place && claim->free_since_ms == 0) return false;
    if (!is_lull(claim)) return true;
    claim->seen_place = place_of(claim);
    claim->free_since_ms = 0;
    return false;
}

/* Why the call needs nobody any more, as far as the replica has heard of it; NULL: it waits. */
static const char *find_end(const struct claim *claim) {
    const struct call_record *call = call_of(claim);
    if (!call) return NULL;
    if (call->ended_at) return CLAIM_ENDED;
    if (call->answered_at) return CLAIM_ANSWERED;
    /* what the replica has may be from before it stood in the line */
    if (!claim->waits_since || company_version(tenant_company(claim->footing.tenant)) < claim->waits_since) return NULL;
    return claim_change_waits_no_longer(call) ? CLAIM_GIVEN_BACK : NULL;
}

static void look(struct claim *claim) {
    if (claim->commits) return;
    const char *end = find_end(claim);
    if (end)
        claim_answer_over(claim, end);
    else if (claim->asker.is_gone(claim->asker.arg))
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

/* Since when agents are free while others come first: as long as any of those who wait here has seen it. So many who
 * wait only shortly, one after the other, do not each begin anew. */
static uint64_t free_since(const struct claim *claim, uint64_t now_ms) {
    uint64_t since_ms = now_ms;
    for (const struct claim *other = claim->footing.service->claims; other; other = other->next)
        if (other->footing.tenant == claim->footing.tenant && other->free_since_ms && other->free_since_ms < since_ms &&
            strcmp(other->queue, claim->queue) == 0)
            since_ms = other->free_since_ms;
    return since_ms;
}

/* The first turn that an agent has stayed free lets one more come into question, each further one four times as many:
 * so many places as nobody claims for, of callers who are gone or of a worker that is, are passed within a second. */
static size_t turns_passed(struct claim *claim, size_t free_count) {
    uint64_t now_ms = uv_now(claim->footing.service->loop);
    if (free_count == 0) {
        claim->free_since_ms = 0;
        return 0;
    }
    if (claim->free_since_ms == 0) claim->free_since_ms = free_since(claim, now_ms);
    size_t turns = (size_t)(now_ms - claim->free_since_ms) / CLAIM_TURN_MS;
    if (turns > TURNS_MAX) turns = TURNS_MAX;
    return (((size_t)1 << 2 * turns) - 1) / 3; /* 1, 5, 21, 85, … */
}

static int64_t arrival(const struct claim *claim) {
    const struct call_record *call = call_of(claim);
    return call && call->arrived_at && !call->ended_at ? call->arrived_at : INT64_MAX; /* a fresh one comes last */
}

size_t claim_line_position(const struct claim *claim) {
    return company_waiting_before(tenant_company(claim->footing.tenant), claim->queue, arrival(claim), claim->call);
}

bool claim_line_lets(struct claim *claim, size_t free_count) {
    claim->seen_place = place_of(claim);
    size_t turns = claim_line_has(claim) ? turns_passed(claim, free_count) : 0;
    if (free_count == 0) {
        note_lull(claim);
        return false;
    }
    size_t position = claim_line_position(claim);
    if (position < free_count) claim->free_since_ms = 0;
    return position < free_count + turns;
}

bool claim_line_join(struct claim *claim) {
    struct service *service = claim->footing.service;
    if (claim->expires_ms == 0) claim->expires_ms = uv_now(service->loop) + claim->wait_ms;
    if (service->draining || service->closing || has_expired(claim)) return false;
    if (!uv_is_active((uv_handle_t *)&service->line))
        uv_timer_start(&service->line, on_look, CLAIM_LOOK_MS, CLAIM_LOOK_MS);
    return true;
}

bool claim_line_has(const struct claim *claim) {
    return claim->expires_ms != 0;
}

void claim_line_leave(struct claim *claim) {
    struct claim_lull *lull = &claim->footing.service->lull;
    if (lull->tenant == claim->footing.tenant) lull->tenant = NULL; /* which is held no longer */
    claim->expires_ms = 0;
}

uint32_t claim_line_left_ms(const struct claim *claim) {
    uint64_t now_ms = uv_now(claim->footing.service->loop);
    if (!claim_line_has(claim)) return claim->wait_ms;
    return claim->expires_ms > now_ms ? (uint32_t)(claim->expires_ms - now_ms) : 0;
}

void claim_line_moved(struct service *service) {
    if (uv_is_active((uv_handle_t *)&service->line)) uv_timer_start(&service->line, on_look, 0, CLAIM_LOOK_MS);
}

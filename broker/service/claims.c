#include "broker/service/claims.h"
#include "broker/service/claim.h"
#include "broker/service/claim_line.h"
#include "broker/service/http_problem.h"
#include "broker/service/routers.h"
#include "broker/service/tenant.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define TRIES_MAX 16     /* each finds that others were faster with all that it had chosen */
#define CANDIDATES_MAX 8 /* looked at in one commit, where one is wanted: the first may be gone */

static void end(struct claim *claim) {
    claim_line_leave(claim);
    DL_DELETE2(claim->service->claims, claim, before, next);
    tenant_release(claim->tenant);
    claim_request_free(&claim->request);
    free(claim);
}

static void refuse(struct claim *claim, int error, const char *field, const char *why) {
    http_problem(claim->exchange, error, field, why);
    end(claim);
}

/* ---- Who comes into question? ---- */

static bool stands_in(char list[][LEDIG_ID_CHARS_MAX + 1], size_t count, const char *user) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], user) == 0) return true;
    return false;
}

static void add_person(struct claim *claim, const char *user) {
    struct claim_change *change = &claim->change;
    if (change->people_count == CLAIM_PEOPLE_MAX || stands_in(claim->people, change->people_count, user)) return;
    change->people[change->people_count] = strcpy(claim->people[change->people_count], user);
    change->people_count++;
}

/* Calls that come together shall not all try the same first agent: whom another claim under way has chosen first comes
 * last. */
static bool is_wanted_by_another(const struct claim *claim, const char *user) {
    for (const struct claim *other = claim->service->claims; other; other = other->next)
        if (other != claim && other->tenant == claim->tenant && other->chosen > 0 &&
            strcmp(other->people[0], user) == 0)
            return true;
    return false;
}

static void add_agents(struct claim *claim, const struct agent *agents, size_t count, bool wanted_by_others) {
    size_t most = claim->change.strategy == STRATEGY_RING_ALL ? CLAIM_AGENTS_MAX : CANDIDATES_MAX;
    for (size_t i = 0; i < count && claim->change.people_count < most; i++) {
        const char *user = member_user(agents[i].member);
        if (claim_request_excludes(&claim->request, user) || stands_in(claim->tried, claim->tried_count, user))
            continue;
        if (is_wanted_by_another(claim, user) == wanted_by_others) add_person(claim, user);
    }
}

static void note_next_free(struct claim *claim, const struct agent *agents, size_t count, int64_t now_ms) {
    claim->next_free_at = 0;
    for (size_t i = 0; i < count; i++)
        if (agents[i].free_at > now_ms && (!claim->next_free_at || agents[i].free_at < claim->next_free_at))
            claim->next_free_at = agents[i].free_at;
}

static void add_former(struct claim *claim) {
    const struct call_record *call = company_call(tenant_company(claim->tenant), claim->call);
    const struct leg *legs = call ? call->legs.at : NULL;
    for (uint32_t i = 0; call && i < call->legs.count; i++)
        add_person(claim, legs[i].user);
}

static bool choose(struct claim *claim) {
    const struct company *company = tenant_company(claim->tenant);
    struct agent *agents = malloc(AGENTS_MAX * sizeof *agents);
    size_t free_count;
    if (!agents) return false;
    claim->change.people_count = 0;
    int64_t now_ms = service_now_ms(claim->service);
    size_t count = agents_of(company, claim->queue, claim->change.strategy, now_ms, agents, &free_count);
    if (claim_line_lets(claim, free_count)) {
        add_agents(claim, agents, free_count, false);
        add_agents(claim, agents, free_count, true);
    }
    claim->chosen = claim->change.people_count;
    note_next_free(claim, agents, count, now_ms);
    free(agents);
    add_former(claim);
    return true;
}

/* ---- The answer ---- */

/* The number at which the person is to be called. */
static const char *target_of(const struct claim *claim, const char *user) {
    const struct member *member = company_member(tenant_company(claim->tenant), user);
    const struct texts *numbers = member ? &member_profile(member)->numbers : NULL;
    return numbers && numbers->count > 0 ? numbers->at[0] : NULL;
}

static void answer_claimed(struct claim *claim) {
    const struct claim_outcome *outcome = &claim->change.outcome;
    json_t *list = json_array();
    for (size_t i = 0; list && i < outcome->count; i++)
        json_array_append_new(
            list, json_pack("{s:s,s:s*}", "user", outcome->users[i], "target", target_of(claim, outcome->users[i])));
    int64_t left_ms = outcome->until_ms - service_now_ms(claim->service);
    http_answer_json(claim->exchange, outcome->is_new ? 201 : 200,
                     json_pack("{s:s,s:o,s:I}", "call", claim->call, "claims", list, "lease_ms",
                               (json_int_t)(left_ms > 0 ? left_ms : 0)));
    end(claim);
}

void claim_answer_nobody(struct claim *claim) {
    http_problem_as(claim->exchange, 409, LEDIG_ECONFLICT, NULL, "no agent of the queue is free",
                    json_pack("{s:i,s:o*,s:o*}", "free", 0, "next_free_at",
                              claim->next_free_at ? json_integer(claim->next_free_at) : NULL, "position",
                              claim->request.wait_ms ? json_integer((json_int_t)claim->position + 1) : NULL));
    end(claim);
}

static void answer_conflict(struct claim *claim) {
    bool ended = claim->change.outcome.has_ended;
    refuse(claim, LEDIG_ECONFLICT, "call", ended ? "the call has ended" : "the call was answered");
}

/* ---- The commit ---- */

static void try_again(struct claim *claim);
static void pass_over(struct claim *claim);

static void on_done(void *arg, int error, uint64_t version) {
    struct claim *claim = arg;
    const struct claim_outcome *outcome = &claim->change.outcome;
    (void)version;
    claim->commits = false;
    if (claim->leaves)
        refuse(claim, LEDIG_EUNAVAILABLE, NULL, NULL); /* to nobody */
    else if (error == LEDIG_EMOVED_ON)
        try_again(claim);
    else if (error == LEDIG_ETOO_EARLY)
        pass_over(claim);
    else if (error == LEDIG_ECONFLICT)
        answer_conflict(claim);
    else if (error)
        refuse(claim, error, NULL, NULL);
    else if (claim->releases) {
        http_answer(claim->exchange, 204, "application/json", "", 0);
        end(claim);
    } else if (outcome->count > 0)
        answer_claimed(claim);
    else
        try_again(claim);
}

static int apply(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    struct claim *claim = arg;
    (void)count;
    claim->change.now_ms = service_now_ms(claim->service);
    claim->change.incarnation = claim->service->incarnation.id[0] ? claim->service->incarnation.id : NULL;
    claim->change.wait_ms = claim_line_left_ms(claim);
    claim->change.settings = company_settings(tenant_company(claim->tenant));
    if (claim->leaves) return claim_change_leave(&claim->change, entities);
    return claim->releases ? claim_change_release(&claim->change, entities, arena)
                           : claim_change_apply(&claim->change, entities, arena);
}

static void commit(struct claim *claim) {
    struct update_target targets[1 + 2 * CLAIM_PEOPLE_MAX] = {{RECORD_CALL, claim->call}};
    const struct claim_change *change = &claim->change;
    for (size_t i = 0; i < change->people_count; i++) {
        targets[1 + 2 * i] = (struct update_target){RECORD_PROFILE, change->people[i]};
        targets[2 + 2 * i] = (struct update_target){RECORD_STATE, change->people[i]};
    }
    claim->commits = true;
    if (update_start(claim->service, tenant_id(claim->tenant), targets, 1 + 2 * change->people_count, apply, on_done,
                     claim) != 0)
        refuse(claim, LEDIG_EUNAVAILABLE, NULL, "out of memory");
}

/* It waits on: whom others were faster to take may be free again, or not have been taken after all. */
static void forget_tried(struct claim *claim) {
    claim->tries = 0;
    claim->tried_count = 0;
    claim->seen_place = 0; /* so that it is looked at again, also where nothing moves */
}

void claim_try(struct claim *claim) {
    if (!claim->releases && !choose(claim)) {
        refuse(claim, LEDIG_EUNAVAILABLE, NULL, "out of memory");
        return;
    }
    for (size_t i = 0; i < claim->change.outcome.missing_count; i++)
        add_person(claim, claim->change.outcome.missing[i]);
    if (claim->chosen > 0 || !claim_line_has(claim) || claim->change.outcome.missing_count > 0)
        commit(claim);
    else if (claim->tried_count > 0)
        forget_tried(claim);
}

void claim_leave(struct claim *claim) {
    claim->leaves = true;
    claim->change.people_count = 0;
    commit(claim);
}

static void wait_or_answer(struct claim *claim) {
    claim->tries = 0;
    claim->tried_count = 0;
    if (claim->request.wait_ms == 0 || !claim_line_join(claim)) claim_answer_nobody(claim);
}

/* All whom it had chosen were taken by others, or somebody was on the call of whom it did not know. */
static void try_again(struct claim *claim) {
    if (claim->change.outcome.missing_count == 0) {
        if (claim->chosen == 0) {
            wait_or_answer(claim);
            return;
        }
        for (size_t i = 0; i < claim->chosen && claim->tried_count < CLAIM_TRIED_MAX; i++)
            strcpy(claim->tried[claim->tried_count++], claim->people[i]);
    }
    if (++claim->tries < TRIES_MAX)
        claim_try(claim);
    else
        wait_or_answer(claim);
}

/* By the store's clock these are not free yet, though they will be in a moment. */
static void pass_over(struct claim *claim) {
    const struct claim_outcome *outcome = &claim->change.outcome;
    for (size_t i = 0; i < outcome->taken_over_count && claim->tried_count < CLAIM_TRIED_MAX; i++)
        strcpy(claim->tried[claim->tried_count++], outcome->taken_over[i]);
    if (++claim->tries < TRIES_MAX)
        claim_try(claim);
    else
        wait_or_answer(claim);
}

/* ---- The request ---- */

static void go_on(void *arg, int error) {
    struct claim *claim = arg;
    const struct company *company = tenant_company(claim->tenant);
    if (error && !tenant_is_ready(claim->tenant)) {
        refuse(claim, LEDIG_EUNAVAILABLE, NULL, NULL);
        return;
    }
    if (!tenant_exists(claim->tenant)) {
        refuse(claim, LEDIG_ENOT_FOUND, NULL, "no such company");
        return;
    }
    const struct queue_record *queue = company_queue(company, claim->queue);
    if (!claim->releases && !queue) {
        refuse(claim, LEDIG_ENOT_FOUND, "queue", "no such queue in this company");
        return;
    }
    const char *strategy = claim->request.strategy ? claim->request.strategy : queue ? queue->strategy : NULL;
    if (!strategy_parse(strategy, &claim->change.strategy)) claim->change.strategy = STRATEGY_LONGEST_IDLE;
    if (claim->releases) add_former(claim);
    claim_try(claim);
}

static void wait_for_company(struct claim *claim) {
    if (tenant_is_ready(claim->tenant))
        go_on(claim, 0);
    else if (tenant_when_ready(claim->tenant, false, go_on, claim) != 0)
        refuse(claim, LEDIG_EUNAVAILABLE, NULL, "out of memory");
}

static void on_router(void *arg, int error, const char *lease) {
    struct claim *claim = arg;
    if (error == LEDIG_ELEASE_ENDED) {
        routers_answer_gone(claim->exchange);
        end(claim);
        return;
    }
    if (error) {
        refuse(claim, error, NULL, NULL);
        return;
    }
    snprintf(claim->router, sizeof claim->router, "%s", lease);
    claim->change.router = claim->router;
    wait_for_company(claim);
}

/* NULL after an answer. */
static struct claim *claim_create(struct service *service, const char *company, struct http_exchange *exchange) {
    struct claim *claim = calloc(1, sizeof *claim);
    if (claim) claim->tenant = tenant_hold(service, company);
    if (!claim || !claim->tenant) {
        free(claim);
        http_problem(exchange, LEDIG_EUNAVAILABLE, NULL, "out of memory");
        return NULL;
    }
    claim->service = service;
    claim->exchange = exchange;
    claim->change.call = claim->call;
    claim->change.queue = claim->queue;
    claim->change.leases = service->leases;
    DL_APPEND2(service->claims, claim, before, next);
    return claim;
}

void claims_take(struct service *service, const char *subject, const char *company, const char *queue,
                 struct http_exchange *exchange, const struct http_request *request) {
    const char *field, *why;
    struct claim *claim = claim_create(service, company, exchange);
    if (!claim) return;
    int error = claim_request_read(request->body, request->length, &claim->request, &field, &why);
    if (error) {
        refuse(claim, error, field, why);
        return;
    }
    snprintf(claim->queue, sizeof claim->queue, "%s", queue);
    snprintf(claim->call, sizeof claim->call, "%s", claim->request.call);
    claim->change.lease_ms = claim->request.lease_ms ? claim->request.lease_ms : CLAIM_LEASE_MS;
    claim->change.excluded_count = claim->request.excluded_count;
    memcpy(claim->change.excluded, claim->request.excluded, sizeof claim->change.excluded);
    if (claim->request.router)
        routers_keep(service, subject, claim->request.router, on_router, claim);
    else
        wait_for_company(claim);
}

void claims_release(struct service *service, const char *company, const char *call, struct http_exchange *exchange) {
    struct claim *claim = claim_create(service, company, exchange);
    if (!claim) return;
    claim->releases = true;
    snprintf(claim->call, sizeof claim->call, "%s", call);
    wait_for_company(claim);
}

void claims_drain(struct service *service) {
    struct claim *claim, *next;
    DL_FOREACH_SAFE2(service->claims, claim, next, next)
    if (claim_line_has(claim) && !claim->commits)
        refuse(claim, LEDIG_EUNAVAILABLE, NULL, "this broker is about to end; ask again at once");
}

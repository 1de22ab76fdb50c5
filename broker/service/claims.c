#include "broker/service/claims.h"
#include "broker/service/claim.h"
#include "broker/service/claim_line.h"
#include "broker/service/tenant.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define TRIES_MAX 16     /* each finds that others were faster with all that it had chosen */
#define CANDIDATES_MAX 8 /* looked at in one commit, where one is wanted: the first may be gone */

static const struct fault no_memory = {.error = LEDIG_EUNAVAILABLE, .why = "out of memory"};

static struct company *company_of(const struct claim *claim) {
    return tenant_company(claim->footing.tenant);
}

static int64_t now_ms_of(const struct claim *claim) {
    return service_now_ms(claim->footing.service);
}

/* Whom others were faster to take may be free again by now, so it is looked at again, also where nothing moves. */
static void end_attempt(struct claim *claim) {
    if (claim->attempt && claim->attempt->tried_count > 0) claim->seen_place = 0;
    if (claim->attempt) free(claim->attempt->tried);
    free(claim->attempt);
    claim->attempt = NULL;
}

static void end(struct claim *claim) {
    claim_line_leave(claim);
    DL_DELETE2(claim->footing.service->claims, claim, before, next);
    footing_leave(&claim->footing);
    end_attempt(claim);
    free(claim);
}

static void answer(struct claim *claim, const struct claim_result *result) {
    claim->asker.done(claim->asker.arg, result);
    end(claim);
}

static void answer_fault(struct claim *claim, const struct fault *fault) {
    answer(claim, &(struct claim_result){.fault = fault});
}

static void refuse(struct claim *claim, int error, const char *field, const char *why) {
    struct fault fault = {.error = error, .field = field, .why = why};
    answer_fault(claim, &fault);
}

/* ---- Who comes into question? ---- */

static bool stands_in(char list[][LEDIG_ID_CHARS_MAX + 1], size_t count, const char *user) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], user) == 0) return true;
    return false;
}

static void add_person(struct claim_attempt *attempt, const char *user) {
    struct claim_change *change = &attempt->change;
    if (change->people_count == CLAIM_PEOPLE_MAX || stands_in(attempt->people, change->people_count, user)) return;
    change->people[change->people_count] = strcpy(attempt->people[change->people_count], user);
    change->people_count++;
}

static bool is_excluded(const struct claim *claim, const char *user) {
    for (size_t i = 0; i < claim->excluded_count; i++)
        if (strcmp(claim->excluded[i], user) == 0) return true;
    return false;
}

/* Calls that come together shall not all try the same first agent: whom another claim under way has chosen first comes
 * last. */
static bool is_wanted_by_another(const struct claim *claim, const char *user) {
    for (const struct claim *other = claim->footing.service->claims; other; other = other->next)
        if (other != claim && other->footing.tenant == claim->footing.tenant && other->attempt &&
            other->attempt->chosen > 0 && strcmp(other->attempt->people[0], user) == 0)
            return true;
    return false;
}

static void add_agents(struct claim *claim, const struct agent *agents, size_t count, bool wanted_by_others) {
    struct claim_attempt *attempt = claim->attempt;
    size_t most = claim->strategy == STRATEGY_RING_ALL ? CLAIM_AGENTS_MAX : CANDIDATES_MAX;
    for (size_t i = 0; i < count && attempt->change.people_count < most; i++) {
        const char *user = member_user(agents[i].member);
        if (is_excluded(claim, user) || stands_in(attempt->tried, attempt->tried_count, user)) continue;
        if (is_wanted_by_another(claim, user) == wanted_by_others) add_person(attempt, user);
    }
}

static void add_former(struct claim *claim) {
    const struct call_record *call = company_call(company_of(claim), claim->call);
    const struct leg *legs = call ? call->legs.at : NULL;
    for (uint32_t i = 0; call && i < call->legs.count; i++)
        add_person(claim->attempt, legs[i].user);
}

static bool choose(struct claim *claim) {
    struct agent *agents = malloc(AGENTS_MAX * sizeof *agents);
    size_t free_count;
    if (!agents) return false;
    claim->attempt->change.people_count = claim->attempt->change.candidate_count = 0;
    agents_of(company_of(claim), claim->queue, claim->strategy, now_ms_of(claim), agents, &free_count);
    if (claim_line_lets(claim, free_count)) {
        add_agents(claim, agents, free_count, false);
        add_agents(claim, agents, free_count, true);
    }
    claim->attempt->chosen = claim->attempt->change.candidate_count = claim->attempt->change.people_count;
    free(agents);
    add_former(claim);
    return true;
}

/* ---- The answer ---- */

/* The number at which the person is to be called. */
static const char *target_of(const struct claim *claim, const char *user) {
    const struct member *member = company_member(company_of(claim), user);
    const struct texts *numbers = member ? &member_profile(member)->numbers : NULL;
    return numbers && numbers->count > 0 ? numbers->at[0] : NULL;
}

static void answer_claimed(struct claim *claim) {
    const struct claim_outcome *outcome = &claim->attempt->change.outcome;
    int64_t left_ms = outcome->until_ms - now_ms_of(claim);
    struct claim_result result = {
        .is_new = outcome->is_new, .call = claim->call, .count = outcome->count, .lease_ms = left_ms > 0 ? left_ms : 0};
    for (size_t i = 0; i < outcome->count; i++)
        result.agents[i] = (struct claim_agent){outcome->users[i], target_of(claim, outcome->users[i])};
    answer(claim, &result);
}

/* 0 = not known. */
static int64_t find_next_free(const struct claim *claim) {
    struct agent *agents = malloc(AGENTS_MAX * sizeof *agents);
    int64_t now_ms = now_ms_of(claim), next_free_at = 0;
    size_t free_count;
    if (!agents) return 0;
    size_t count = agents_of(company_of(claim), claim->queue, claim->strategy, now_ms, agents, &free_count);
    for (size_t i = 0; i < count; i++)
        if (agents[i].free_at > now_ms && (!next_free_at || agents[i].free_at < next_free_at))
            next_free_at = agents[i].free_at;
    free(agents);
    return next_free_at;
}

void claim_answer_nobody(struct claim *claim) {
    static const struct fault nobody = {.error = LEDIG_ECONFLICT, .why = "no agent of the queue is free"};
    answer(claim, &(struct claim_result){.fault = &nobody,
                                         .is_nobody = true,
                                         .next_free_at = find_next_free(claim),
                                         .position = claim->wait_ms ? claim_line_position(claim) + 1 : 0});
}

void claim_answer_over(struct claim *claim, const char *why) {
    refuse(claim, LEDIG_ECONFLICT, "call", why);
}

static void answer_conflict(struct claim *claim) {
    const struct claim_outcome *outcome = &claim->attempt->change.outcome;
    claim_answer_over(claim, outcome->has_ended        ? CLAIM_ENDED
                             : outcome->was_given_back ? CLAIM_GIVEN_BACK
                                                       : CLAIM_ANSWERED);
}

/* ---- The commit ---- */

static void try_again(struct claim *claim);
static void pass_over(struct claim *claim);

static void on_done(void *arg, int error, uint64_t version) {
    struct claim *claim = arg;
    const struct claim_outcome *outcome = &claim->attempt->change.outcome;
    claim->commits = false;
    if (!error && outcome->arrived_at) claim->waits_since = version;
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
    else if (claim->releases)
        answer(claim, &(struct claim_result){.call = claim->call});
    else if (outcome->count > 0)
        answer_claimed(claim);
    else
        try_again(claim);
}

/* By one who came back to it, and whose place it is now. */
static bool is_asked_again(const struct claim *claim) {
    for (const struct claim *other = claim->footing.service->claims; other; other = other->next)
        if (other != claim && other->footing.tenant == claim->footing.tenant && !other->releases && !other->leaves &&
            strcmp(other->call, claim->call) == 0)
            return true;
    return false;
}

static int apply(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    struct claim *claim = arg;
    const struct service *service = claim->footing.service;
    struct claim_change *change = &claim->attempt->change;
    (void)count;
    change->now_ms = service_now_ms(service);
    change->incarnation = service->incarnation.id[0] ? service->incarnation.id : NULL;
    change->wait_ms = claim_line_left_ms(claim);
    change->has_waited = claim->waits_since != 0;
    change->settings = company_settings(company_of(claim));
    if (claim->leaves) return is_asked_again(claim) ? UPDATE_NOTHING : claim_change_leave(change, entities);
    return claim->releases ? claim_change_release(change, entities, arena)
                           : claim_change_apply(change, entities, arena);
}

static void commit(struct claim *claim) {
    struct update_target targets[1 + 2 * CLAIM_PEOPLE_MAX] = {{RECORD_CALL, claim->call}};
    const struct claim_change *change = &claim->attempt->change;
    for (size_t i = 0; i < change->people_count; i++) {
        targets[1 + 2 * i] = (struct update_target){RECORD_PROFILE, change->people[i]};
        targets[2 + 2 * i] = (struct update_target){RECORD_STATE, change->people[i]};
    }
    claim->commits = true;
    if (update_start(claim->footing.service, tenant_id(claim->footing.tenant), targets, 1 + 2 * change->people_count,
                     apply, on_done, claim) != 0)
        answer_fault(claim, &no_memory);
}

static bool begin_attempt(struct claim *claim) {
    if (claim->attempt) return true;
    struct claim_attempt *attempt = claim->attempt = calloc(1, sizeof *attempt);
    if (!attempt) return false;
    struct claim_change *change = &attempt->change;
    change->call = claim->call;
    change->queue = claim->queue;
    change->router = claim->footing.router[0] ? claim->footing.router : NULL;
    change->strategy = claim->strategy;
    change->lease_ms = claim->lease_ms;
    change->leases = claim->footing.service->leases;
    change->zones = zones_source(claim->footing.service->zones);
    change->excluded_count = claim->excluded_count;
    for (size_t i = 0; i < claim->excluded_count; i++)
        change->excluded[i] = claim->excluded[i];
    return true;
}

void claim_try(struct claim *claim) {
    if (!begin_attempt(claim) || (!claim->releases && !choose(claim))) {
        answer_fault(claim, &no_memory);
        return;
    }
    struct claim_attempt *attempt = claim->attempt;
    if (claim->releases) add_former(claim);
    for (size_t i = 0; i < attempt->change.outcome.missing_count; i++)
        add_person(attempt, attempt->change.outcome.missing[i]);
    /* once it waits, only where there is something to find out */
    if (!claim_line_has(claim) || attempt->change.people_count > 0)
        commit(claim);
    else
        end_attempt(claim); /* it goes on waiting */
}

void claim_leave(struct claim *claim) {
    if (!begin_attempt(claim)) {
        answer_fault(claim, &no_memory);
        return;
    }
    claim->leaves = true;
    claim->attempt->change.people_count = claim->attempt->change.candidate_count = 0;
    commit(claim);
}

static void wait_or_answer(struct claim *claim) {
    end_attempt(claim);
    if (claim->wait_ms == 0 || !claim_line_join(claim)) claim_answer_nobody(claim);
}

static void on_looked_anew(void *arg, int error) {
    struct claim *claim = arg;
    if (error)
        wait_or_answer(claim);
    else
        claim_try(claim);
}

/* Whoever gave back an agent a moment ago, here or by another worker, may have had the answer before this worker's
 * replica heard of it: that nobody is free is said by what the store knows now. */
static void look_anew(struct claim *claim) {
    bool first = claim->wait_ms == 0 && !claim->looked_anew;
    claim->looked_anew = true;
    if (!first || tenant_when_ready(claim->footing.tenant, true, on_looked_anew, claim) != 0) wait_or_answer(claim);
}

/* Whoever cannot be noted is chosen again, and found taken again. */
static void note_tried(struct claim_attempt *attempt, char (*users)[LEDIG_ID_CHARS_MAX + 1], size_t user_count) {
    size_t count = attempt->tried_count + user_count;
    if (user_count == 0 || count > CLAIM_TRIED_MAX) return;
    char(*tried)[LEDIG_ID_CHARS_MAX + 1] = realloc(attempt->tried, count * sizeof *tried);
    if (!tried) return;
    attempt->tried = tried;
    for (size_t i = 0; i < user_count; i++)
        strcpy(tried[attempt->tried_count++], users[i]);
}

/* All whom it had chosen were taken by others, or somebody was on the call of whom it did not know. */
static void try_again(struct claim *claim) {
    struct claim_attempt *attempt = claim->attempt;
    if (attempt->change.outcome.missing_count == 0) {
        if (attempt->chosen == 0) {
            look_anew(claim);
            return;
        }
        note_tried(attempt, attempt->people, attempt->chosen);
    }
    if (++attempt->tries < TRIES_MAX)
        claim_try(claim);
    else
        wait_or_answer(claim);
}

/* By the store's clock these are not free yet, though they will be in a moment. */
static void pass_over(struct claim *claim) {
    struct claim_attempt *attempt = claim->attempt;
    note_tried(attempt, attempt->change.outcome.taken_over, attempt->change.outcome.taken_over_count);
    if (++attempt->tries < TRIES_MAX)
        claim_try(claim);
    else
        wait_or_answer(claim);
}

/* ---- The request ---- */

static void go_on(void *arg, const struct fault *fault) {
    struct claim *claim = arg;
    if (fault) {
        answer_fault(claim, fault);
        return;
    }
    const struct queue_record *queue = claim->releases ? NULL : company_queue(company_of(claim), claim->queue);
    if (!claim->releases && !queue) {
        refuse(claim, LEDIG_ENOT_FOUND, "queue", "no such queue in this company");
        return;
    }
    if (!claim->says_strategy && queue && !strategy_parse(queue->strategy, &claim->strategy))
        claim->strategy = STRATEGY_LONGEST_IDLE;
    claim_try(claim);
}

static size_t room_of(const char *text) {
    return text ? strlen(text) + 1 : 0;
}

static const char *put_text(char **room, const char *text) {
    char *at = *room;
    if (!text) return NULL;
    *room = stpcpy(at, text) + 1;
    return at;
}

/* One block with all that it keeps of the request; NULL after an answer. */
static struct claim *claim_create(struct service *service, const char *company, const struct claim_request *request,
                                  const struct claim_asker *asker) {
    size_t bytes = room_of(request->call) + room_of(request->queue);
    size_t pointers = request->excluded_count * sizeof *request->excluded;
    for (size_t i = 0; i < request->excluded_count; i++)
        bytes += room_of(request->excluded[i]);
    struct claim *claim = calloc(1, sizeof *claim + pointers + bytes);
    if (!claim || footing_take(&claim->footing, service, company) != 0) {
        free(claim);
        asker->done(asker->arg, &(struct claim_result){.fault = &no_memory});
        return NULL;
    }
    claim->excluded = (const char **)claim->texts;
    char *room = claim->texts + pointers;
    for (size_t i = 0; i < request->excluded_count; i++)
        claim->excluded[i] = put_text(&room, request->excluded[i]);
    claim->excluded_count = request->excluded_count;
    claim->call = put_text(&room, request->call);
    claim->queue = put_text(&room, request->queue);
    claim->asker = *asker;
    DL_APPEND2(service->claims, claim, before, next);
    return claim;
}

void claims_take(struct service *service, const char *subject, const char *company, const struct claim_request *request,
                 const struct claim_asker *asker) {
    struct claim *claim = claim_create(service, company, request, asker);
    if (!claim) return;
    claim->lease_ms = request->lease_ms ? request->lease_ms : CLAIM_LEASE_MS;
    claim->wait_ms = request->wait_ms;
    claim->says_strategy = request->strategy && strategy_parse(request->strategy, &claim->strategy);
    footing_settle(&claim->footing, subject, request->router, go_on, claim);
}

void claims_release(struct service *service, const char *company, const char *call, const struct claim_asker *asker) {
    struct claim *claim = claim_create(service, company, &(struct claim_request){.call = call}, asker);
    if (!claim) return;
    claim->releases = true;
    footing_settle(&claim->footing, NULL, NULL, go_on, claim);
}

void claims_drain(struct service *service) {
    struct claim *claim, *next;
    DL_FOREACH_SAFE2(service->claims, claim, next, next)
    if (claim_line_has(claim) && !claim->commits)
        refuse(claim, LEDIG_EUNAVAILABLE, NULL, "this broker is about to end; ask again at once");
}

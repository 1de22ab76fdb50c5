#include "broker/service/withdrawal.h"
#include "broker/log.h"
#include "broker/service/member_change.h"
#include "broker/service/request.h"
#include "broker/service/tenant_state.h"

#include <stdlib.h>
#include <string.h>

static const char *const purposes[] = {"presence", "call_history"};
#define PURPOSES (sizeof purposes / sizeof *purposes)
#define PRESENCE purposes[0]

static const struct consent *find_in(const struct profile_record *profile, const char *purpose) {
    const struct consent *consents = profile ? profile->consents.at : NULL;
    for (uint32_t i = 0; consents && i < profile->consents.count; i++)
        if (strcmp(consents[i].purpose, purpose) == 0) return &consents[i];
    return NULL;
}

static const struct consent *find_consent(const struct tenant *tenant, const char *user, const char *purpose) {
    const struct member *member = company_member(tenant->company, user);
    return find_in(member ? member_profile(member) : NULL, purpose);
}

static struct withdrawal *find(const struct tenant *tenant, const char *user, const char *purpose) {
    struct withdrawal *one = tenant->withdrawals;
    while (one && (strcmp(one->user, user) != 0 || strcmp(one->purpose, purpose) != 0))
        one = one->next;
    return one;
}

static void forget(struct tenant *tenant, struct withdrawal *gone) {
    struct withdrawal **at = &tenant->withdrawals;
    while (*at != gone)
        at = &(*at)->next;
    *at = gone->next;
    free(gone);
}

static void watch(struct tenant *tenant, const char *user, const char *purpose) {
    const struct consent *consent = find_consent(tenant, user, purpose);
    if (!consent || consent->granted || find(tenant, user, purpose)) return;
    struct withdrawal *one = calloc(1, sizeof *one);
    if (!one) abort(); /* a person's word cannot be forgotten for want of a few bytes; the worker starts anew */
    one->purpose = purpose;
    one->at_ms = consent->at;
    snprintf(one->user, sizeof one->user, "%s", user);
    one->next = tenant->withdrawals;
    tenant->withdrawals = one;
}

void withdrawal_watch(struct tenant *tenant, const char *user) {
    for (size_t i = 0; i < PURPOSES; i++)
        watch(tenant, user, purposes[i]);
}

bool withdrawal_hides(struct tenant *tenant, const char *user, const char *entity) {
    char state[ENTITY_NAME_BYTES_MAX];
    struct withdrawal *one = find(tenant, user, PRESENCE);
    if (!one) return false;
    entity_name(RECORD_STATE, user, state);
    if (strcmp(entity, state) != 0) return false;
    one->has_hidden = true;
    return true;
}

/* ---- Withdrawing anew ---- */

/* What the store says now decides: a consent that was given since is not touched. */
static int apply(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    const struct request *request = arg;
    const struct consent *consent =
        find_in(entities[0].current ? &entities[0].current->profile : NULL, request->consent.purpose);
    if (!entities[0].current || (consent && consent->at > request->consent.withdrawn_at_ms && consent->granted))
        return UPDATE_NOTHING;
    return member_change_consent(arg, entities, count, arena);
}

static void on_withdrawn(void *arg, int error, uint64_t version) {
    struct request *request = arg;
    struct tenant *tenant = tenant_find(request->service, request->company);
    struct withdrawal *one = tenant ? find(tenant, request->user, request->consent.purpose) : NULL;
    if (one) one->is_asking = false; /* it goes when the replica hears of it */
    request_finish(request, error, version);
}

static void withdraw(struct tenant *tenant, struct withdrawal *one) {
    const struct consent *consent = find_consent(tenant, one->user, one->purpose);
    struct request *request = request_begin_own(tenant->service, tenant->id, one->user);
    if (!request) return;
    request->consent.purpose = one->purpose;
    request->consent.granted = false;
    request->consent.withdrawn_at_ms = one->at_ms;
    request->consent.text = request_text(request, consent ? consent->text : NULL);
    struct update_target targets[] = {{RECORD_PROFILE, request->user}, {RECORD_STATE, request->user}};
    log_event(LOG_WARNING, "withdrawal_kept", "company=%s", tenant->id);
    int error = update_start(request->service, request->company, targets, 2, apply, on_withdrawn, request);
    if (error)
        request_finish(request, error, 0);
    else
        one->is_asking = true;
}

static bool settle(struct tenant *tenant, const char *user, const char *purpose) {
    struct withdrawal *one = find(tenant, user, purpose);
    if (!one) return false;
    const struct consent *consent = find_consent(tenant, user, purpose);
    if (consent && consent->granted && consent->at < one->at_ms) {
        one->is_lost = true;
        if (!one->is_asking) withdraw(tenant, one);
        return false;
    }
    if (consent && consent->at == one->at_ms) return false; /* the profile is still to come */
    bool shows_again = one->has_hidden && consent && consent->granted;
    forget(tenant, one);
    return shows_again;
}

bool withdrawal_settle(struct tenant *tenant, const char *user) {
    bool shows_again = false;
    for (size_t i = 0; i < PURPOSES; i++)
        shows_again |= settle(tenant, user, purposes[i]);
    return shows_again;
}

void withdrawal_compared(struct tenant *tenant) {
    for (struct withdrawal *one = tenant->withdrawals, *next; one; one = next) {
        next = one->next;
        if (one->has_hidden) one->is_lost = true; /* a state that stands without consent */
        if (!one->is_lost) forget(tenant, one);
    }
}

void withdrawal_retry(struct tenant *tenant) {
    for (struct withdrawal *one = tenant->withdrawals; one; one = one->next)
        if (one->is_lost && !one->is_asking) withdraw(tenant, one);
}

void withdrawal_forget(struct tenant *tenant) {
    while (tenant->withdrawals)
        forget(tenant, tenant->withdrawals);
}

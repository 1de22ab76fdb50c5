#include "broker/service/routing.h"
#include "broker/service/number_index.h"
#include "broker/service/routing_hints.h"
#include "broker/service/routing_question.h"
#include "broker/service/service.h"
#include "broker/service/tenant.h"

#include <stdlib.h>
#include <string.h>

#define SEARCH_STEPS_MAX 100000 /* looks into replicas for one question while the store is away */

/* ---- From a replica ---- */

static bool tell_from_replica(struct routing_question *question, struct routed *routed, const char *id) {
    const struct tenant *tenant = tenant_find(question->service, id);
    if (!tenant || !tenant_is_ready(tenant)) return false;
    return routing_tell_from(question, routed, tenant_company(tenant), tenant_id(tenant));
}

/* A company that is asked about again is loaded, and stays so for idle_ms after the last question: to be held for a
 * moment is enough for that. */
static void note_company(struct routing_question *question, const char *id) {
    struct service *service = question->service;
    bool again = routing_note(&service->routing, id, question->serial, service_now_ms(service));
    if (!again && !tenant_find(service, id)) return;
    struct tenant *tenant = tenant_hold(service, id);
    if (tenant) tenant_release(tenant);
}

/* A number is looked for where it was found the last time, or in the one company that the token is for. */
static bool tell_from_hint(struct routing_question *question, struct routed *routed) {
    struct routing *routing = &question->service->routing;
    const char *id = routing_hint(routing, routed->number);
    if (id && token_covers(&question->claims, id)) {
        if (tell_from_replica(question, routed, id)) {
            note_company(question, routed->company);
            return true;
        }
        const struct tenant *tenant = tenant_find(question->service, id);
        if (tenant && tenant_is_ready(tenant)) routing_forget(routing, routed->number);
    }
    if (!shape_is_id(question->claims.companies)) return false;
    if (!tell_from_replica(question, routed, question->claims.companies)) return false;
    routing_remember(routing, routed->number, routed->company);
    note_company(question, routed->company);
    return true;
}

/* While the store is away: any company that was asked about lately may be loaded and have the number. */
static void tell_from_any(struct routing_question *question) {
    struct routing *routing = &question->service->routing;
    size_t steps = 0;
    for (size_t i = 0; i < question->count; i++) {
        struct routed *routed = &question->numbers[i];
        struct routing_company *company, *next;
        if (routed->is_known) continue;
        HASH_ITER(hh, routing->companies, company, next) {
            if (++steps > SEARCH_STEPS_MAX) return;
            if (token_covers(&question->claims, company->id) && tell_from_replica(question, routed, company->id)) break;
        }
    }
}

/* ---- From the store ---- */

struct routing_read { /* the records of some people and queues of one company */
    struct routing_question *question;
    size_t count;
    struct routed *numbers[];
};

static bool has_number(const struct texts *numbers, const char *number) {
    for (uint32_t i = 0; i < numbers->count; i++)
        if (strcmp(numbers->at[i], number) == 0) return true;
    return false;
}

/* Decodes a record that may be missing; `record->kind` is RECORD_NONE then. */
static int open_record(const struct store_record *stored, enum record_kind kind, struct arena *arena,
                       struct record *record) {
    record->kind = RECORD_NONE;
    if (!stored->bytes) return 0;
    int error = record_decode(stored->bytes, stored->length, arena, record);
    return error ? error : record->kind == kind ? 0 : LEDIG_EDAMAGED;
}

struct office {                            /* what a read knows of the company */
    const struct company_record *settings; /* NULL: there is none */
    struct hours *hours;                   /* of each schedule, once somebody works by it */
};

static const struct hours *hours_of(const struct service *service, const struct office *office,
                                    const struct profile_record *profile, int64_t now_ms) {
    const struct schedule *schedule = schedule_of(office->settings, profile);
    if (!schedule) return NULL;
    struct hours *hours = &office->hours[schedule - (const struct schedule *)office->settings->schedules.at];
    if (now_ms < hours->since || now_ms >= hours->until)
        schedule_hours(schedule, office->settings, zones_source(service->zones), now_ms, hours);
    return hours;
}

static int open_office(const struct store_record *stored, struct arena *arena, struct office *office) {
    struct record *company = arena_take(arena, sizeof *company);
    if (!company) return LEDIG_ENO_MEMORY;
    int error = open_record(stored, RECORD_COMPANY, arena, company);
    if (error || company->kind == RECORD_NONE) return error;
    office->settings = &company->company;
    office->hours = arena_take(arena, (company->company.schedules.count + 1u) * sizeof *office->hours);
    return office->hours ? 0 : LEDIG_ENO_MEMORY;
}

/* The index may name someone who is gone, or has another number by now: then nobody has it. */
static int tell_from_records(struct routing_question *question, struct routed *routed, const struct office *office,
                             const struct store_record *stored, uint64_t version, struct arena *arena) {
    struct record *first = arena_take(arena, sizeof *first), *state = arena_take(arena, sizeof *state);
    if (!first || !state) return LEDIG_ENO_MEMORY;
    int error = open_record(&stored[0], routed->is_queue ? RECORD_QUEUE : RECORD_PROFILE, arena, first);
    if (error) return error;
    const struct texts *numbers = routed->is_queue ? &first->queue.numbers : &first->profile.numbers;
    if (first->kind == RECORD_NONE || !has_number(numbers, routed->number)) {
        routing_tell_nobody(question, routed);
        return 0;
    }
    if (routed->is_queue) {
        routing_tell_queue(question, routed, first->queue.id, version);
        return 0;
    }
    error = open_record(&stored[1], RECORD_STATE, arena, state);
    if (error) return error;
    const struct service *service = question->service;
    int64_t now_ms = service_now_ms(service);
    struct view view;
    availability_derive(state->kind == RECORD_NONE ? NULL : &state->state,
                        hours_of(service, office, &first->profile, now_ms), now_ms, service->leases, &view);
    struct forwarded forwarded = {.action = availability_route(&view, office->settings)};
    routed->needs_company = forwarded.action == ROUTE_FORWARD;
    if (!routed->needs_company) routing_tell_person(question, routed, first->profile.id, &view, &forwarded, version);
    return 0;
}

static int tell_all_from_records(struct routing_read *read, const struct store_head *head,
                                 const struct store_record *records) {
    struct arena *arena = arena_create();
    struct office office = {0};
    int error = arena ? open_office(&records[0], arena, &office) : LEDIG_ENO_MEMORY;
    size_t at = 1;
    for (size_t i = 0; !error && i < read->count; i++) {
        error = tell_from_records(read->question, read->numbers[i], &office, &records[at], head->version, arena);
        at += read->numbers[i]->is_queue ? 1 : 2;
    }
    arena_free(arena);
    return error;
}

/* ---- Forwards, where the company was not loaded ---- */

struct routing_wait {
    struct routing_question *question;
    struct tenant *tenant; /* held */
};

static void finish(struct routing_question *question);

static void on_loaded(void *arg, int error) {
    struct routing_wait *wait = arg;
    struct routing_question *question = wait->question;
    const char *id = tenant_id(wait->tenant);
    for (size_t i = 0; i < question->count; i++) {
        struct routed *routed = &question->numbers[i];
        if (!routed->needs_company || routed->is_known || strcmp(routed->company, id) != 0) continue;
        routed->needs_company = false;
        if (tell_from_replica(question, routed, id)) continue;
        if (error)
            question->error = error;
        else
            routing_tell_nobody(question, routed); /* has left in this very moment */
    }
    tenant_release(wait->tenant);
    free(wait);
    if (--question->reads == 0) finish(question);
}

/* Where nothing can be waited for, those in need of it stay without an answer. */
static void wait_for_company(struct routing_question *question, const char *id) {
    struct routing_wait *wait = malloc(sizeof *wait);
    struct tenant *tenant = wait ? tenant_hold(question->service, id) : NULL;
    if (tenant) *wait = (struct routing_wait){question, tenant};
    question->reads++;
    if (tenant && tenant_when_ready(tenant, false, on_loaded, wait) == 0) return;
    question->reads--;
    question->error = LEDIG_EUNAVAILABLE;
    if (tenant) tenant_release(tenant);
    free(wait);
}

/* Each company once. Returns whether any is waited for. */
static bool wait_for_companies(struct routing_question *question) {
    for (size_t i = 0; i < question->count; i++) {
        const struct routed *routed = &question->numbers[i];
        bool again = false;
        for (size_t j = 0; j < i && !again; j++)
            again = question->numbers[j].needs_company && strcmp(question->numbers[j].company, routed->company) == 0;
        if (routed->needs_company && !again) wait_for_company(question, routed->company);
    }
    return question->reads > 0;
}

static void finish(struct routing_question *question) {
    if (!question->error && wait_for_companies(question)) return;
    for (size_t i = 0; !question->error && i < question->count; i++)
        if (!question->numbers[i].is_known) question->error = LEDIG_ENO_MEMORY;
    routing_question_close(question);
}

static void on_read(void *arg, int error, const struct store_head *head, const struct store_record *records,
                    size_t count) {
    struct routing_read *read = arg;
    struct routing_question *question = read->question;
    (void)count;
    if (!error) error = tell_all_from_records(read, head, records);
    if (error) question->error = error;
    free(read);
    if (--question->reads == 0) finish(question);
}

/* One read for all numbers of the company at `first`. */
static int read_company(struct routing_question *question, size_t first, bool *taken) {
    const char *company = question->numbers[first].company;
    size_t rest = question->count - first;
    struct routing_read *read = malloc(sizeof *read + rest * sizeof *read->numbers);
    char(*names)[ENTITY_NAME_BYTES_MAX] = malloc((2 * rest + 1) * sizeof *names);
    const char **entities = malloc((2 * rest + 1) * sizeof *entities);
    int error = read && names && entities ? 0 : LEDIG_ENO_MEMORY;
    size_t count = 0;
    if (!error) {
        *read = (struct routing_read){.question = question};
        entity_name(question->service->names, RECORD_COMPANY, company, names[count++]);
    }
    for (size_t i = first; !error && i < question->count; i++) {
        struct routed *routed = &question->numbers[i];
        if (taken[i] || strcmp(routed->company, company) != 0) continue;
        taken[i] = true;
        read->numbers[read->count++] = routed;
        entity_name_hashed(routed->is_queue ? RECORD_QUEUE : RECORD_PROFILE, routed->hash, names[count++]);
        if (!routed->is_queue) entity_name_hashed(RECORD_STATE, routed->hash, names[count++]);
    }
    if (!error) {
        for (size_t i = 0; i < count; i++)
            entities[i] = names[i];
        question->reads++;
        store_read(question->service->store, company, entities, count, on_read, read);
    } else {
        free(read);
    }
    free(names);
    free(entities);
    return error;
}

static int read_companies(struct routing_question *question) {
    bool *taken = calloc(question->count, sizeof *taken);
    if (!taken) return LEDIG_ENO_MEMORY;
    int error = 0;
    for (size_t i = 0; i < question->count; i++)
        taken[i] = question->numbers[i].is_known;
    for (size_t i = 0; !error && i < question->count; i++)
        if (!taken[i]) error = read_company(question, i, taken);
    free(taken);
    return error;
}

/* ---- The index ---- */

static int take_owners(struct routing_question *question, const char *const *owners) {
    struct routing *routing = &question->service->routing;
    for (size_t i = 0, found = 0; i < question->count; i++) {
        struct routed *routed = &question->numbers[i];
        if (routed->is_known) continue;
        int error = routing_question_own(question, routed, owners[found++]);
        if (error) return error;
        if (!routed->owner) {
            routing_tell_nobody(question, routed);
            continue;
        }
        routing_remember(routing, routed->number, routed->company);
        note_company(question, routed->company);
    }
    return 0;
}

static void on_found(void *arg, int error, const char *const *owners, size_t count) {
    struct routing_question *question = arg;
    (void)count;
    if (error) {
        tell_from_any(question);
        for (size_t i = 0; i < question->count; i++)
            if (!question->numbers[i].is_known) question->error = error;
        finish(question);
        return;
    }
    question->reads = 1; /* ours, so that nothing is finished while it begins */
    error = take_owners(question, owners);
    if (!error) error = read_companies(question);
    if (error) question->error = error;
    if (--question->reads == 0) finish(question);
}

void routing_ask(struct service *service, const struct token_claims *claims, const struct routing_numbers *numbers,
                 routing_done done, void *arg) {
    struct routing_question *question = routing_question_open(service, claims, numbers, done, arg);
    if (!question) {
        done(arg, LEDIG_ENO_MEMORY, NULL, 0, INT64_MAX);
        return;
    }
    const char **open = calloc(question->count + 1, sizeof *open);
    size_t count = 0;
    for (size_t i = 0; open && i < question->count; i++)
        if (!tell_from_hint(question, &question->numbers[i])) open[count++] = question->numbers[i].number;
    if (!open) question->error = LEDIG_ENO_MEMORY;
    if (count > 0)
        number_index_find(service, open, count, on_found, question);
    else
        finish(question);
    free(open);
}

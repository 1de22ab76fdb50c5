#include "broker/model/company_state.h"

#include <stdlib.h>

struct company *company_open(const char *id, const struct leases *leases, const struct entity_names *names) {
    size_t length = strlen(id);
    struct company *company = calloc(1, sizeof *company + length + 1);
    if (company == NULL) return NULL;
    memcpy(company->id, id, length + 1);
    company->leases = leases;
    company->names = names;
    company->arena = arena_create();
    if (company->arena != NULL) return company;
    free(company);
    return NULL;
}

void company_close(struct company *company) {
    if (company == NULL) return;
    filters_orphan(company);
    struct member *member, *next_member;
    HASH_ITER(hh, company->members, member, next_member)
    member_free(company, member);
    struct entity *entity, *next_entity;
    HASH_ITER(hh, company->entities, entity, next_entity) {
        if (entity->kind == RECORD_CALL && entity->call != NULL) call_free(company, entity->call);
        entity_free(company, entity);
    }
    struct queue *queue, *next_queue;
    HASH_ITER(hh, company->queues, queue, next_queue)
    queue_free(company, queue);
    free(company->cards);
    free(company->settings);
    free(company->work);
    change_list_close(&company->list);
    agenda_close(&company->agenda);
    arena_free(company->arena);
    buffer_free(&company->row);
    buffer_free(&company->bytes);
    free(company);
}

void company_set_zones(struct company *company, const struct zone_source *zones) {
    company->zones = zones;
}

/* ---- Versions ---- */

static void copy_epoch(char to[LEDIG_ID_CHARS_MAX + 1], const char *epoch) {
    size_t length = strnlen(epoch, LEDIG_ID_CHARS_MAX);
    memmove(to, epoch, length);
    to[length] = '\0';
}

void company_reached(struct company *company, const char *epoch, uint64_t version) {
    copy_epoch(company->epoch, epoch);
    company->version = version;
}

uint64_t company_version(const struct company *company) {
    return company->version;
}

const char *company_epoch(const struct company *company) {
    return company->epoch;
}

void company_set_history(struct company *company, uint64_t pruned, const struct company_epoch *earlier, size_t count) {
    company->pruned = pruned;
    company->earlier_count = count < COMPANY_EPOCHS_MAX ? count : COMPANY_EPOCHS_MAX;
    for (size_t i = 0; i < company->earlier_count; i++) {
        copy_epoch(company->earlier[i].epoch, earlier[i].epoch);
        company->earlier[i].version = earlier[i].version;
    }
}

uint64_t company_revision(const struct company *company, const char *name) {
    const struct entity *entity = entity_find(company, name);
    return entity != NULL ? entity->revision : 0;
}

int company_lend_record(struct company *company, const char *name, const uint8_t **bytes, size_t *length) {
    const struct entity *entity = entity_find(company, name);
    *bytes = NULL;
    *length = 0;
    if (entity == NULL || !entity->is_there) return 0;
    const void *record = entity_record(company, entity);
    if (entity->kind == RECORD_ACCESS) return LEDIG_ENOT_FOUND;
    if (record == NULL) return LEDIG_ENO_MEMORY; /* there was none when it was taken in */
    buffer_clear(&company->bytes);
    int error = record_encode_kept((enum record_kind)entity->kind, record, &company->bytes);
    if (error != 0) return error;
    *bytes = company->bytes.bytes;
    *length = company->bytes.length;
    return 0;
}

const char *company_entity_user(const struct company *company, const char *name) {
    const struct entity *entity = entity_find(company, name);
    if (entity != NULL && entity->kind == RECORD_ACCESS)
        return entity->admission != NULL ? admission_user(entity->admission) : NULL;
    if (entity == NULL || (entity->kind != RECORD_PROFILE && entity->kind != RECORD_STATE) || entity->member == NULL)
        return NULL;
    return entity->member->user;
}

/* ---- The clock and the leases ---- */

static void look_at_all(struct company *company, int64_t now_ms) {
    for (struct member *member = company->members; member != NULL; member = member->hh.next)
        member_look(company, member, now_ms);
}

static void look_at_waiting(struct company *company, int64_t now_ms) {
    for (struct queue *queue = company->queues; queue != NULL; queue = queue->hh.next)
        for (struct call *call = queue->calls; call != NULL; call = call->next)
            call_look(company, call, now_ms);
}

static void look_at_due(struct company *company, struct agenda_item *item, int64_t now_ms) {
    switch ((enum due_kind)item->kind) {
    case DUE_MEMBER:
        member_due(company, (void *)((char *)item - offsetof(struct member, due)), now_ms);
        break;
    case DUE_CALL:
        call_due(company, (void *)((char *)item - offsetof(struct call, due)), now_ms);
        break;
    }
}

void company_tick(struct company *company, int64_t now_ms, bool leases_changed) {
    if (leases_changed) {
        look_at_all(company, now_ms);
        look_at_waiting(company, now_ms);
    }
    for (struct agenda_item *item; (item = agenda_first(&company->agenda)) != NULL && item->due_ms <= now_ms;)
        look_at_due(company, item, now_ms);
    queues_settle(company);
}

int64_t company_next_due(const struct company *company) {
    const struct agenda_item *item = agenda_first(&company->agenda);
    return item != NULL ? item->due_ms : NEVER;
}

/* ---- What can be asked ---- */

const struct company_record *company_settings(const struct company *company) {
    return company->settings;
}

int64_t company_day(const struct company *company, int64_t at_ms) {
    return schedule_day(company->settings, company->zones, at_ms);
}

int64_t company_day_begins_at(const struct company *company, int64_t at_ms) {
    return schedule_day_begins_at(company->settings, company->zones, at_ms);
}

static const struct member *shown(const struct member *member) {
    return member != NULL && member->profile != NULL ? member : NULL;
}

const struct member *company_member(const struct company *company, const char *user) {
    return shown(member_find(company, user));
}

const struct member *company_member_by_number(const struct company *company, const char *text) {
    const struct number *number = number_find(company, text);
    return number != NULL ? shown(number->member) : NULL;
}

const struct queue_record *company_queue(const struct company *company, const char *id) {
    const struct queue *queue = queue_find(company, id);
    return queue != NULL ? queue->record : NULL;
}

const struct call_record *company_call(const struct company *company, const char *id) {
    const struct entity *entity = entity_of(company, RECORD_CALL, id);
    return entity != NULL && entity->call != NULL ? entity->call->record : NULL;
}

size_t company_waiting_before(const struct company *company, const char *id, int64_t arrived_at, const char *name) {
    const struct queue *queue = queue_find(company, id);
    size_t count = 0;
    for (const struct call *call = queue != NULL ? queue->calls : NULL; call != NULL; call = call->next) {
        const struct call_record *record = call->record;
        if (!call->waiting || strcmp(record->id, name) == 0) continue;
        count += record->arrived_at < arrived_at || (record->arrived_at == arrived_at && strcmp(record->id, name) < 0);
    }
    return count;
}

void company_each_agent(const struct company *company, const char *id,
                        void (*tell)(void *arg, const struct member *member), void *arg) {
    const struct queue *queue = queue_find(company, id);
    for (const struct duty *duty = queue != NULL ? queue->duties : NULL; duty != NULL; duty = duty->next)
        if (duty->member->profile != NULL) tell(arg, duty->member);
}

void company_each_call(const struct company *company, void (*tell)(void *arg, const struct call_record *record),
                       void *arg) {
    for (const struct call *call = company->calls; call != NULL; call = call->after)
        if (call->record != NULL) tell(arg, call->record);
}

void company_each_member(const struct company *company, void (*tell)(void *arg, const struct member *member),
                         void *arg) {
    for (const struct member *member = company->members; member != NULL; member = member->hh.next)
        if (member->profile != NULL) tell(arg, member);
}

void company_each_queue(const struct company *company, void (*tell)(void *arg, const struct queue_record *queue),
                        void *arg) {
    for (const struct queue *queue = company->queues; queue != NULL; queue = queue->hh.next)
        if (queue->record != NULL) tell(arg, queue->record);
}

bool company_has_queue(const struct company *company, const char *id) {
    const struct queue *queue = queue_find(company, id);
    return queue != NULL && queue->record != NULL;
}

const char *company_queue_by_number(const struct company *company, const char *text) {
    const struct number *number = number_find(company, text);
    return number != NULL && number->queue != NULL ? number->queue->id : NULL;
}

void company_search(const struct company *company, const struct search *search,
                    bool (*look)(void *arg, const struct member *member), void *arg) {
    for (size_t i = 0; i < company->members_count; i++)
        if (search_may_fit(search, &company->cards[i].marks) && !look(arg, company->cards[i].member)) return;
}

size_t company_member_count(const struct company *company) {
    return company->members_count;
}

const char *member_user(const struct member *member) {
    return member->user;
}

const struct view *member_view(const struct member *member) {
    return &member->view;
}

const struct profile_record *member_profile(const struct member *member) {
    return member->profile;
}

const struct state_record *member_state(const struct member *member) {
    return member->state;
}

/* What the store says, taken in: one record after the other, or the whole index compared. */
#include "broker/model/company_state.h"

#include <stdlib.h>

/* Decodes and checks: a record must be that of its entity, and a company's own that of this company. */
static int read_record(struct company *company, const struct company_write *write, struct record *record) {
    arena_reset(company->arena);
    int error = record_decode(write->bytes, write->length, company->arena, record);
    if (error != 0) return error;
    char name[ENTITY_NAME_BYTES_MAX];
    entity_name(company->names, record->kind, record_id(record), name);
    bool own = record->kind != RECORD_COMPANY || strcmp(record->company.id, company->id) == 0;
    return own && strcmp(name, write->entity) == 0 ? 0 : LEDIG_EDAMAGED;
}

static int set_settings(struct company *company, struct entity *entity, struct company_record *settings,
                        int64_t now_ms) {
    int error = work_set_settings(company, settings);
    if (error != 0) {
        free(settings);
        return error;
    }
    company->settings_entity = entity;
    for (struct member *member = company->members; member != NULL; member = member->hh.next)
        member_look(company, member, now_ms);
    return 0;
}

/* A tombstone of one whose name was never heard: nobody can be told, so whoever has an older place begins anew. */
static void note_unnamed(struct company *company, uint64_t revision) {
    if (revision > company->unnamed) company->unnamed = revision;
}

struct change {
    struct entity *entity;
    void *record; /* kept; NULL = tombstone */
    const char *id;
    bool contiguous;
    int64_t now_ms;
};

static int change_member(struct company *company, const struct change *change) {
    struct entity *entity = change->entity;
    if (entity->member == NULL && change->record == NULL) {
        if (entity->kind == RECORD_PROFILE) note_unnamed(company, entity->revision);
        return 0;
    }
    struct member *member = entity->member != NULL ? entity->member : member_for(company, change->id);
    if (member == NULL) {
        free(change->record);
        return LEDIG_ENO_MEMORY;
    }
    if (entity->kind == RECORD_PROFILE)
        return member_set_profile(company, member, change->record, entity->revision, change->contiguous,
                                  change->now_ms);
    return member_set_state(company, member, change->record, entity->revision, change->contiguous, change->now_ms);
}

static int change_queue(struct company *company, const struct change *change) {
    struct entity *entity = change->entity;
    if (entity->queue == NULL && change->record == NULL) {
        note_unnamed(company, entity->revision);
        return 0;
    }
    if (entity->queue == NULL) entity->queue = queue_for(company, change->id);
    if (entity->queue == NULL) {
        free(change->record);
        return LEDIG_ENO_MEMORY;
    }
    return queue_set_record(company, entity->queue, change->record, entity->revision, change->contiguous);
}

static int change_call(struct company *company, const struct change *change) {
    struct entity *entity = change->entity;
    if (entity->call == NULL && call_create(company, entity) == NULL) {
        free(change->record);
        return LEDIG_ENO_MEMORY;
    }
    return call_set_record(company, entity->call, change->record, change->now_ms);
}

/* The password's hash and the like are not held in any replica. */
static int change_admission(const struct change *change) {
    struct entity *entity = change->entity;
    struct admission *admission = change->record != NULL ? admission_of(change->record) : NULL;
    bool failed = change->record != NULL && admission == NULL;
    free(change->record);
    free(entity->admission);
    entity->admission = admission;
    return failed ? LEDIG_ENO_MEMORY : 0;
}

static int change(struct company *company, const struct change *change) {
    switch ((enum record_kind)change->entity->kind) {
    case RECORD_COMPANY:
        return set_settings(company, change->entity, change->record, change->now_ms);
    case RECORD_PROFILE:
    case RECORD_STATE:
        return change_member(company, change);
    case RECORD_QUEUE:
        return change_queue(company, change);
    case RECORD_CALL:
        return change_call(company, change);
    case RECORD_ACCESS:
        return change_admission(change);
    case RECORD_NONE:
    case RECORD_PAST_CALL:
    case RECORD_AUDIT:
    case RECORD_SECURITY:
    case RECORD_ACTIVITY: /* these stand in logs */
    case RECORD_KIND_COUNT:
        break;
    }
    free(change->record); /* cannot be: it was decoded */
    return 0;
}

static bool is_known(const struct entity *entity, uint64_t revision, bool compare) {
    return entity != NULL && (compare ? revision == entity->revision : revision <= entity->revision);
}

/* A copy of the decoded record; NULL for a tombstone. */
static int take_record(struct company *company, const struct company_write *write, struct record *record, void **kept) {
    *kept = NULL;
    if (write->bytes == NULL) return 0;
    int error = read_record(company, write, record);
    if (error != 0) return error;
    *kept = record_keep(record);
    return *kept != NULL ? 0 : LEDIG_ENO_MEMORY;
}

int company_apply(struct company *company, const struct company_write *write, bool contiguous, bool compare,
                  int64_t now_ms) {
    struct entity *entity = entity_find(company, write->entity);
    if (entity != NULL && compare) entity->seen = company->comparison;
    if (is_known(entity, write->revision, compare)) return 0;
    struct record record = {0};
    void *kept;
    int error = take_record(company, write, &record, &kept);
    if (error != 0) return error;
    if (entity == NULL) entity = entity_create(company, write->entity);
    if (entity == NULL) {
        free(kept);
        return LEDIG_ENO_MEMORY;
    }
    entity->seen = company->comparison;
    uint64_t before = entity->revision;
    entity->revision = write->revision;
    entity->is_there = kept != NULL;
    error = change(company, &(struct change){.entity = entity,
                                             .record = kept,
                                             .id = kept != NULL ? record_id(&record) : NULL,
                                             .contiguous = contiguous && !compare,
                                             .now_ms = now_ms});
    if (error != 0)
        entity->revision = before; /* or an older record would be lent as this one; compared, it comes again */
    queues_settle(company);
    return error;
}

/* ---- Comparing ---- */

void company_compare_begin(struct company *company) {
    company->comparison++;
}

void company_seen(struct company *company, const char *name) {
    struct entity *entity = entity_find(company, name);
    if (entity != NULL) entity->seen = company->comparison;
}

int company_compare_end(struct company *company, uint64_t version, int64_t now_ms) {
    int first_error = 0;
    for (struct entity *entity = company->entities; entity != NULL; entity = entity->hh.next) {
        if (entity->seen == company->comparison || !entity->is_there) continue;
        entity->revision = version;
        entity->is_there = false;
        int error = change(company, &(struct change){.entity = entity, .now_ms = now_ms});
        if (first_error == 0) first_error = error;
    }
    queues_settle(company);
    return first_error;
}

/* What the store says, by name. */
#include "broker/model/company_state.h"

#include <stdlib.h>

struct entity *entity_find(const struct company *company, const char *name) {
    struct entity *entity;
    HASH_FIND_STR(company->entities, name, entity);
    return entity;
}

struct entity *entity_of(const struct company *company, enum record_kind kind, const char *id) {
    char name[ENTITY_NAME_BYTES_MAX];
    entity_name(company->names, kind, id, name);
    return entity_find(company, name);
}

struct entity *entity_create(struct company *company, const char *name) {
    size_t length = strlen(name);
    struct entity *entity = calloc(1, sizeof *entity + length + 1);
    if (entity == NULL) return NULL;
    memcpy(entity->name, name, length + 1);
    entity->kind = (uint8_t)entity_kind(name);
    HASH_ADD_KEYPTR(hh, company->entities, entity->name, length, entity);
    if (entity->hh.tbl == NULL) {
        free(entity);
        return NULL;
    }
    return entity;
}

void entity_free(struct company *company, struct entity *entity) {
    HASH_DEL(company->entities, entity);
    if (entity->kind == RECORD_ACCESS) free(entity->admission);
    free(entity);
}

const void *entity_record(const struct company *company, const struct entity *entity) {
    switch ((enum record_kind)entity->kind) {
    case RECORD_COMPANY:
        return company->settings;
    case RECORD_PROFILE:
        return entity->member != NULL ? entity->member->profile : NULL;
    case RECORD_STATE:
        return entity->member != NULL ? entity->member->state : NULL;
    case RECORD_QUEUE:
        return entity->queue != NULL ? entity->queue->record : NULL;
    case RECORD_CALL:
        return entity->call != NULL ? entity->call->record : NULL;
    case RECORD_ACCESS:
        return NULL; /* what is secret in it is not held */
    case RECORD_NONE:
    case RECORD_PAST_CALL:
    case RECORD_AUDIT:
    case RECORD_SECURITY:
    case RECORD_ACTIVITY: /* these stand in logs */
    case RECORD_KIND_COUNT:
        break;
    }
    return NULL;
}

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
    entity_name(kind, id, name);
    return entity_find(company, name);
}

struct entity *entity_create(struct company *company, const char *name) {
    size_t length = strlen(name);
    struct entity *entity = calloc(1, sizeof *entity + length + 1);
    if (entity == NULL) return NULL;
    memcpy(entity->name, name, length + 1);
    entity->kind = entity_kind(name);
    HASH_ADD_KEYPTR(hh, company->entities, entity->name, length, entity);
    if (entity->hh.tbl == NULL) {
        free(entity);
        return NULL;
    }
    return entity;
}

void entity_free(struct company *company, struct entity *entity) {
    HASH_DEL(company->entities, entity);
    free(entity->bytes);
    free(entity);
}

void entity_set_bytes(struct entity *entity, uint64_t revision, uint8_t *bytes, size_t length) {
    free(entity->bytes);
    entity->bytes = bytes;
    entity->length = (uint32_t)length;
    entity->revision = revision;
}

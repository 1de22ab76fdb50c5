#include "broker/service/update.h"
#include "broker/service/service.h"
#include "broker/service/tenant.h"

#include <stdlib.h>
#include <string.h>

struct update {
    struct service *service;
    char company[LEDIG_ID_CHARS_MAX + 1];
    update_apply apply;
    update_done done;
    void *arg;
    size_t count;
    enum record_kind kinds[];
};

/* Opens what stands in the store. */
static int open_entities(const struct update *update, const struct store_record *current, struct arena *arena,
                         struct update_entity *entities) {
    struct record *records = arena_take(arena, update->count * sizeof *records);
    if (!records) return LEDIG_ENO_MEMORY;
    for (size_t i = 0; i < update->count; i++) {
        entities[i].action = STORE_CHECK;
        entities[i].next.kind = update->kinds[i];
        if (!current[i].bytes) continue;
        int error = record_decode(current[i].bytes, current[i].length, arena, &records[i]);
        if (error) return error;
        if (records[i].kind != update->kinds[i]) return LEDIG_EDAMAGED;
        entities[i].current = &records[i];
        entities[i].next = records[i];
    }
    return 0;
}

static int seal_entities(const struct update *update, struct update_entity *entities, struct store_next *next) {
    for (size_t i = 0; i < update->count; i++) {
        next[i].action = entities[i].action;
        next[i].not_before_ms = entities[i].not_before_ms;
        if (entities[i].action != STORE_WRITE) continue;
        int error = record_encode(&entities[i].next, &next[i].bytes);
        if (error) return error;
        if (next[i].bytes.length > RECORD_BYTES_MAX) return LEDIG_ETOO_LARGE;
    }
    return 0;
}

static int apply(void *arg, const struct store_record *current, struct store_next *next, struct store_kept_list *kept) {
    (void)kept;
    struct update *update = arg;
    struct arena *arena = arena_create();
    struct update_entity *entities = arena ? arena_take(arena, update->count * sizeof *entities) : NULL;
    int result = entities ? open_entities(update, current, arena, entities) : LEDIG_ENO_MEMORY;
    if (!result) result = update->apply(update->arg, entities, update->count, arena);
    if (!result) result = seal_entities(update, entities, next);
    arena_free(arena);
    return result;
}

static void done(void *arg, int error, uint64_t version) {
    struct update *update = arg;
    if (!error && version == 0) {
        struct tenant *tenant = tenant_find(update->service, update->company);
        if (tenant && tenant_is_ready(tenant)) version = company_version(tenant_company(tenant));
    }
    update->done(update->arg, error, version);
    free(update);
}

int update_start(struct service *service, const char *company, const struct update_target *targets, size_t count,
                 update_apply apply_, update_done done_, void *arg) {
    struct update *update = calloc(1, sizeof *update + count * sizeof *update->kinds);
    char(*names)[ENTITY_NAME_BYTES_MAX] = malloc(count * sizeof *names);
    const char **entities = malloc(count * sizeof *entities);
    int error = update && names && entities ? 0 : LEDIG_ENO_MEMORY;
    if (error) {
        free(update);
    } else {
        *update = (struct update){.service = service, .apply = apply_, .done = done_, .arg = arg, .count = count};
        snprintf(update->company, sizeof update->company, "%s", company);
        for (size_t i = 0; i < count; i++) {
            update->kinds[i] = targets[i].kind;
            entity_name(targets[i].kind, targets[i].id, names[i]);
            entities[i] = names[i];
        }
        store_update(service->store, &(struct store_update){.company = update->company,
                                                            .entities = entities,
                                                            .count = count,
                                                            .apply = apply,
                                                            .done = done,
                                                            .arg = update});
    }
    free(names);
    free(entities);
    return error;
}

#include "broker/service/update.h"
#include "broker/privacy/vault.h"
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
        entities[i].revision = current[i].revision;
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

/* A log has its key before its first entry. It is a change of the profile, but of nothing that others see. */
static int give_keys(const struct update *update, struct update_entity *entities, struct arena *arena) {
    for (size_t i = 0; i < update->count; i++) {
        struct update_entity *entity = &entities[i];
        bool stays = entity->action == STORE_CHECK || entity->action == STORE_WRITE;
        if (!entity->activities || entity->next.profile.activity_key || !stays) continue;
        char key[VAULT_LOG_KEY_CHARS + 1];
        vault_log_key_make(key);
        entity->next.profile.activity_key = arena_text(arena, key, VAULT_LOG_KEY_CHARS);
        if (!entity->next.profile.activity_key) return LEDIG_ENO_MEMORY;
        entity->action = STORE_WRITE;
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

/* Once by call and beginning: what is reported twice, or found by two, counts once. */
static int keep_past_call(const struct update *update, const struct record *record, const char *key, const char *log,
                          struct store_kept_list *kept) {
    const struct past_call_record *past = &record->past_call;
    char hash[ENTITY_HASH_CHARS + 1], id[ENTITY_HASH_CHARS + 32];
    struct buffer plain = {0}, sealed = {0};
    entity_hash(update->service->names, past->call, hash);
    snprintf(id, sizeof id, "%lld:%s", (long long)past->started_at, hash);
    int error = record_encode(record, &plain);
    if (!error) error = vault_seal_entry(key, update->company, log, id, plain.bytes, plain.length, &sealed);
    if (!error)
        store_keep(
            kept, &(struct store_kept){
                      .log = log, .id = id, .at_ms = past->started_at, .bytes = sealed.bytes, .length = sealed.length});
    buffer_free(&plain);
    buffer_free(&sealed);
    return error;
}

static void keep_count(const struct entity_names *names, const struct update_entity *call,
                       struct store_kept_list *kept) {
    char log[CALL_LOG_BYTES_MAX], id[ENTITY_HASH_CHARS + 1];
    queue_log_name(names, call->counts_for, log);
    entity_hash(names, call->next.call.id, id);
    store_keep(kept,
               &(struct store_kept){.log = log, .id = id, .at_ms = call->counts_at_ms, .bytes = (const uint8_t *)""});
}

/* Only a company that is loaded is set anything in. */
static int keep_audit(const struct update *update, const struct update_entity *entity, struct store_kept_list *kept) {
    const struct tenant *tenant = tenant_find(update->service, update->company);
    const struct company_record *settings = tenant ? company_settings(tenant_company(tenant)) : NULL;
    char id[ENTITY_HASH_CHARS + 1];
    struct buffer plain = {0}, sealed = {0};
    entity_hash(update->service->names, entity->audit_id, id);
    int error = settings ? record_encode(entity->audit, &plain) : LEDIG_EUNAVAILABLE;
    if (!error)
        error = vault_seal_entry(settings->log_key, update->company, AUDIT_LOG, id, plain.bytes, plain.length, &sealed);
    if (!error)
        store_keep(kept, &(struct store_kept){.log = AUDIT_LOG,
                                              .id = id,
                                              .at_ms = entity->audit->audit.at,
                                              .bytes = sealed.bytes,
                                              .length = sealed.length});
    buffer_free(&plain);
    buffer_free(&sealed);
    return error;
}

static int keep_security(const struct update *update, const struct update_entity *company,
                         struct store_kept_list *kept) {
    char id[ENTITY_HASH_CHARS + 1];
    struct buffer plain = {0}, sealed = {0};
    entity_hash(update->service->names, company->security_id, id);
    int error = record_encode(company->security, &plain);
    if (!error)
        error = vault_seal_entry(company->next.company.log_key, update->company, SECURITY_LOG, id, plain.bytes,
                                 plain.length, &sealed);
    if (!error)
        store_keep(kept, &(struct store_kept){.log = SECURITY_LOG,
                                              .id = id,
                                              .at_ms = company->security->security.at,
                                              .bytes = sealed.bytes,
                                              .length = sealed.length});
    buffer_free(&plain);
    buffer_free(&sealed);
    return error;
}

static int keep_calls(const struct update *update, const struct update_entity *entities, struct store_kept_list *kept) {
    const struct entity_names *names = update->service->names;
    char log[CALL_LOG_BYTES_MAX];
    int error = 0;
    for (size_t i = 0; i < update->count; i++) {
        if (entities[i].counts_for) keep_count(names, &entities[i], kept);
        if (entities[i].audit) error = keep_audit(update, &entities[i], kept);
        if (!error && entities[i].security) error = keep_security(update, &entities[i], kept);
        if (error) return error;
        if (!entities[i].past_calls && !entities[i].forgets_calls) continue;
        const struct profile_record *profile = &entities[i].current->profile;
        call_log_name(names, profile->id, log);
        if (entities[i].forgets_calls) store_keep(kept, &(struct store_kept){.log = log, .destroys = true});
        for (const struct update_past_call *past = entities[i].past_calls; !error && past; past = past->next)
            error = keep_past_call(update, &past->record, profile->log_key, log, kept);
    }
    return error;
}

static int keep_activity(const struct update *update, const struct update_activity *activity, const char *key,
                         const char *log, struct store_kept_list *kept) {
    char hash[ENTITY_HASH_CHARS + 1], id[ENTITY_HASH_CHARS + 32];
    int64_t at_ms = activity->record.activity.at;
    struct buffer plain = {0}, sealed = {0};
    if (activity->once) {
        entity_hash(update->service->names, activity->once, hash);
        snprintf(id, sizeof id, "once:%s", hash);
    } else {
        uint64_t random = 0;
        uv_random(NULL, NULL, &random, sizeof random, 0, NULL);
        snprintf(id, sizeof id, "%lld:%016llx", (long long)at_ms, (unsigned long long)random);
    }
    int error = record_encode(&activity->record, &plain);
    if (!error) error = vault_seal_entry(key, update->company, log, id, plain.bytes, plain.length, &sealed);
    if (!error)
        store_keep(kept, &(struct store_kept){
                             .log = log, .id = id, .at_ms = at_ms, .bytes = sealed.bytes, .length = sealed.length});
    buffer_free(&plain);
    buffer_free(&sealed);
    return error;
}

static int keep_activities(const struct update *update, const struct update_entity *entities,
                           struct store_kept_list *kept) {
    char log[CALL_LOG_BYTES_MAX];
    int error = 0;
    for (size_t i = 0; i < update->count; i++) {
        const struct update_entity *entity = &entities[i];
        if (!entity->activities && !entity->forgets_activities) continue;
        activity_log_name(update->service->names, entity->next.profile.id, log);
        if (entity->forgets_activities) store_keep(kept, &(struct store_kept){.log = log, .destroys = true});
        bool stays = entity->action == STORE_CHECK || entity->action == STORE_WRITE;
        for (const struct update_activity *one = entity->activities; stays && !error && one; one = one->next)
            error = keep_activity(update, one, entity->next.profile.activity_key, log, kept);
    }
    return error;
}

static int apply(void *arg, const struct store_record *current, struct store_next *next, struct store_kept_list *kept) {
    struct update *update = arg;
    struct arena *arena = arena_create();
    struct update_entity *entities = arena ? arena_take(arena, update->count * sizeof *entities) : NULL;
    int result = entities ? open_entities(update, current, arena, entities) : LEDIG_ENO_MEMORY;
    if (!result) result = update->apply(update->arg, entities, update->count, arena);
    if (!result) result = give_keys(update, entities, arena);
    if (!result) result = seal_entities(update, entities, next);
    if (!result) result = keep_calls(update, entities, kept);
    if (!result) result = keep_activities(update, entities, kept);
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
            entity_name(service->names, targets[i].kind, targets[i].id, names[i]);
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

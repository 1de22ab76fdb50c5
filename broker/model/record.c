#include "broker/model/record.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define FORMAT_PLAIN 0
#define HEAD_BYTES 3 /* format, length of the empty key id, kind */

#define OF_TEXT(of) NULL
#define OF_ID(of) NULL
#define OF_COUNT(of) NULL
#define OF_NUMBER(of) NULL
#define OF_FLAG(of) NULL
#define OF_TEXTS(of) NULL
#define OF_IDS(of) NULL
#define OF_MAPS(of) &of##_shape
#define OF_REST(of) NULL

/* One name for the struct of either, so that FIELD can tell its offset. */
#define PART(name, meaning) typedef struct name name##_layout;
#define RECORD(name, meaning) typedef struct name##_record name##_layout;
#define FIELD(owner, name, key, kind, required, max, of, meaning)
#define END(owner) static const struct shape owner##_shape;
#include "broker/model/records.def"
#undef PART
#undef RECORD
#undef FIELD
#undef END

#define PART(name, meaning) static const struct shape_field name##_fields[] = {
#define RECORD(name, meaning) static const struct shape_field name##_fields[] = {
#define FIELD(owner, name, key, kind, required, max, of, meaning)                                                      \
    {key, SHAPE_##kind, required, max, offsetof(owner##_layout, name), OF_##kind(of), meaning},
#define END(owner)                                                                                                     \
    }                                                                                                                  \
    ;
#include "broker/model/records.def"
#undef PART
#undef RECORD
#undef FIELD
#undef END

#define SHAPE(name, meaning)                                                                                           \
    static const struct shape name##_shape = {#name, meaning, sizeof(name##_layout), name##_fields,                    \
                                              sizeof name##_fields / sizeof name##_fields[0]};
#define PART(name, meaning) SHAPE(name, meaning)
#define RECORD(name, meaning) SHAPE(name, meaning)
#define FIELD(owner, name, key, kind, required, max, of, meaning)
#define END(owner)
#include "broker/model/records.def"
#undef PART
#undef RECORD

/* In the order of the enumeration, which is that of the table. */
static const struct shape *const shapes[RECORD_KIND_COUNT] = {
    NULL,
#define PART(name, meaning)
#define RECORD(name, meaning) &name##_shape,
#include "broker/model/records.def"
#undef PART
#undef RECORD
#undef FIELD
#undef END
};

const struct shape *record_shape(enum record_kind kind) {
    return kind > RECORD_NONE && kind < RECORD_KIND_COUNT ? shapes[kind] : NULL;
}

/* All structs of the union begin at the same address. */
static const void *body_of(const struct record *record) {
    return &record->company;
}

int record_decode(const uint8_t *bytes, size_t length, struct arena *arena, struct record *record) {
    memset(record, 0, sizeof *record);
    if (length < 1 || length > RECORD_BYTES_MAX) return LEDIG_EDAMAGED;
    if (bytes[0] != FORMAT_PLAIN) return LEDIG_EUNSUPPORTED;
    if (length <= HEAD_BYTES || bytes[1] != 0 || bytes[2] == RECORD_NONE) return LEDIG_EDAMAGED;
    if (bytes[2] >= RECORD_KIND_COUNT) return LEDIG_EUNSUPPORTED;
    struct fault fault = {0};
    int error =
        shape_decode(shapes[bytes[2]], bytes + HEAD_BYTES, length - HEAD_BYTES, arena, &record->company, &fault);
    if (error != 0) return error == LEDIG_ENO_MEMORY ? error : LEDIG_EDAMAGED;
    record->kind = (enum record_kind)bytes[2];
    return 0;
}

int record_encode_kept(enum record_kind kind, const void *kept, struct buffer *out) {
    const uint8_t head[HEAD_BYTES] = {FORMAT_PLAIN, 0, (uint8_t)kind};
    buffer_append(out, head, sizeof head);
    return shape_encode(shapes[kind], kept, NULL, out);
}

/* What nobody could read again must not come into the store: the entity would be lost to every change after it. */
static bool has_room(const struct shape *shape, const void *body) {
    for (size_t i = 0; i < shape->count; i++) {
        const struct shape_field *field = &shape->fields[i];
        const void *at = (const uint8_t *)body + field->offset;
        if (field->kind == SHAPE_MAPS && ((const struct list *)at)->count > field->max) return false;
        if ((field->kind == SHAPE_TEXTS || field->kind == SHAPE_IDS) && ((const struct texts *)at)->count > field->max)
            return false;
    }
    return true;
}

int record_encode(const struct record *record, struct buffer *out) {
    if (!has_room(shapes[record->kind], body_of(record))) return LEDIG_ETOO_LARGE;
    return record_encode_kept(record->kind, body_of(record), out);
}

const char *record_id(const struct record *record) {
    switch (record->kind) {
    case RECORD_COMPANY:
        return record->company.id;
    case RECORD_PROFILE:
        return record->profile.id;
    case RECORD_STATE:
        return record->state.id;
    case RECORD_ACCESS:
        return record->access.id;
    case RECORD_QUEUE:
        return record->queue.id;
    case RECORD_CALL:
        return record->call.id;
    case RECORD_PAST_CALL:
        return record->past_call.call;
    case RECORD_AUDIT:
        return record->audit.actor;
    case RECORD_SECURITY:
        return record->security.what;
    case RECORD_ACTIVITY:
        return record->activity.what;
    case RECORD_NONE:
    case RECORD_KIND_COUNT:
        break;
    }
    return NULL;
}

bool profile_has_queue(const struct profile_record *profile, const char *queue) {
    for (uint32_t i = 0; i < profile->queues.count; i++)
        if (strcmp(profile->queues.at[i], queue) == 0) return true;
    return false;
}

bool profile_consents(const struct profile_record *profile, const char *purpose) {
    const struct consent *consents = profile->consents.at;
    for (uint32_t i = 0; i < profile->consents.count; i++)
        if (strcmp(consents[i].purpose, purpose) == 0) return consents[i].granted;
    return false;
}

void entity_hash(const struct entity_names *names, const char *id, char hash[static ENTITY_HASH_CHARS + 1]) {
    uint8_t digest[16];
    crypto_generichash(digest, sizeof digest, (const uint8_t *)id, strlen(id), names->key, sizeof names->key);
    sodium_bin2base64(hash, ENTITY_HASH_CHARS + 1, digest, sizeof digest, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

#define QUEUE_LOG_PREFIX CALL_LOGS_PREFIX "_of:"

static void log_name(const struct entity_names *names, const char *prefix, const char *id,
                     char name[static CALL_LOG_BYTES_MAX]) {
    char hash[ENTITY_HASH_CHARS + 1];
    entity_hash(names, id, hash);
    snprintf(name, CALL_LOG_BYTES_MAX, "%s%s", prefix, hash);
}

void call_log_name(const struct entity_names *names, const char *user, char name[static CALL_LOG_BYTES_MAX]) {
    log_name(names, CALL_LOGS_PREFIX ":", user, name);
}

void queue_log_name(const struct entity_names *names, const char *queue, char name[static CALL_LOG_BYTES_MAX]) {
    log_name(names, QUEUE_LOG_PREFIX, queue, name);
}

void activity_log_name(const struct entity_names *names, const char *user, char name[static CALL_LOG_BYTES_MAX]) {
    log_name(names, ACTIVITY_LOGS_PREFIX ":", user, name);
}

unsigned profile_tier(const struct profile_record *profile, const char *queue) {
    const struct queue_tier *tiers = profile->tiers.at;
    for (uint32_t i = 0; i < profile->tiers.count; i++)
        if (strcmp(tiers[i].queue, queue) == 0)
            return tiers[i].tier > TIER_LAST    ? TIER_LAST
                   : tiers[i].tier < TIER_FIRST ? TIER_FIRST
                                                : (unsigned)tiers[i].tier;
    return TIER_FIRST;
}

void entity_name(const struct entity_names *names, enum record_kind kind, const char *id,
                 char name[static ENTITY_NAME_BYTES_MAX]) {
    char hash[ENTITY_HASH_CHARS + 1];
    if (kind == RECORD_COMPANY) {
        snprintf(name, ENTITY_NAME_BYTES_MAX, "%s", shapes[kind]->name);
        return;
    }
    entity_hash(names, id, hash);
    entity_name_hashed(kind, hash, name);
}

void entity_name_hashed(enum record_kind kind, const char *hash, char name[static ENTITY_NAME_BYTES_MAX]) {
    snprintf(name, ENTITY_NAME_BYTES_MAX, "%s:%.*s", shapes[kind]->name, ENTITY_HASH_CHARS, hash);
}

enum record_kind entity_kind(const char *name) {
    size_t length = strcspn(name, ":");
    for (int kind = RECORD_NONE + 1; kind < RECORD_KIND_COUNT; kind++)
        if (strlen(shapes[kind]->name) == length && memcmp(shapes[kind]->name, name, length) == 0)
            return (enum record_kind)kind;
    return RECORD_NONE;
}

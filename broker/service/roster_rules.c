#include "broker/service/roster_rules.h"

#include <stdio.h>
#include <string.h>

/* ---- Is it allowed? ---- */

const char *roster_rules_text(const char *text, size_t length) {
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) return "a control character";
    return shape_characters(text, length) > LEDIG_NAME_CHARS_MAX ? "longer than 120 characters" : NULL;
}

const char *roster_rules_id(const char *id) {
    if (shape_is_id(id)) return NULL;
    return id[0] ? "no id: up to 64 of a-z, 0-9, dot, dash, underscore" : "is missing";
}

const char *roster_rules_number(const struct numbering_plan *plan, const char *text, size_t length, uint32_t count,
                                char number[static E164_BYTES]) {
    if (e164_parse_in(plan, text, length, number) != 0)
        return "no number: a plus and 5 to 15 digits, or as it is dialled in the company's country";
    return count >= LEDIG_NUMBERS_COUNT_MAX ? "more than 16 numbers" : NULL;
}

const char *roster_rules_queue(const char *queue, uint32_t count) {
    if (!shape_is_id(queue)) return "no id of a queue: up to 64 of a-z, 0-9, dot, dash, underscore";
    return count >= LEDIG_QUEUES_COUNT_MAX ? "more than 64 queues" : NULL;
}

const char *roster_rules_schedule(const char *schedule) {
    return shape_is_id(schedule) ? NULL : "no id of a schedule: up to 64 of a-z, 0-9, dot, dash, underscore";
}

void roster_rules_split(char *queue, unsigned *tier) {
    char *colon = strchr(queue, ':');
    *tier = TIER_FIRST;
    if (!colon) return;
    bool is_tier = colon[1] >= '0' + TIER_FIRST && colon[1] <= '0' + TIER_LAST && !colon[2];
    *tier = is_tier ? (unsigned)(colon[1] - '0') : 0;
    *colon = '\0';
}

const char *roster_rules_tier(int64_t tier) {
    return tier >= TIER_FIRST && tier <= TIER_LAST ? NULL : "a tier is a number from 1 to 9";
}

const char *roster_rules_role(const char *role, size_t length, const char **stored) {
    static const char *const roles[] = {"member", "switchboard", "lead", "admin"};
    *stored = NULL;
    if (length == 0) return NULL;
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        if (strlen(roles[i]) != length || memcmp(roles[i], role, length) != 0) continue;
        *stored = i > 0 ? roles[i] : NULL;
        return NULL;
    }
    return "none of member, switchboard, lead, admin";
}

/* ---- What it makes of the record ---- */

static bool set_text(const char **to, const char *text) {
    if (shape_same_text(*to, text)) return false;
    *to = text;
    return true;
}

static bool set_texts(struct texts *to, const struct texts *texts) {
    bool same = to->count == texts->count;
    for (uint32_t i = 0; same && i < texts->count; i++)
        same = strcmp(to->at[i], texts->at[i]) == 0;
    if (same) return false;
    *to = *texts;
    return true;
}

static bool set_tiers(struct list *to, const struct list *tiers) {
    const struct queue_tier *old = to->at, *new = tiers->at;
    bool same = to->count == tiers->count;
    for (uint32_t i = 0; same && i < tiers->count; i++)
        same = strcmp(old[i].queue, new[i].queue) == 0 && old[i].tier == new[i].tier;
    if (same) return false;
    *to = *tiers;
    return true;
}

bool roster_rules_merge(const struct roster_entry *entry, unsigned fields, bool exists, struct record *record) {
    bool changes = !exists;
    if (entry->is_queue) {
        struct queue_record *queue = &record->queue;
        queue->id = entry->id;
        if (fields & ROSTER_FIELD(ROSTER_NAME)) changes |= set_text(&queue->name, entry->name);
        if (fields & ROSTER_FIELD(ROSTER_NUMBERS)) changes |= set_texts(&queue->numbers, &entry->numbers);
        return changes;
    }
    struct profile_record *profile = &record->profile;
    profile->id = entry->id;
    if (fields & ROSTER_FIELD(ROSTER_NAME)) changes |= set_text(&profile->name, entry->name);
    if (fields & ROSTER_FIELD(ROSTER_NUMBERS)) changes |= set_texts(&profile->numbers, &entry->numbers);
    if (fields & ROSTER_FIELD(ROSTER_DEPARTMENT)) changes |= set_text(&profile->department, entry->department);
    if (fields & ROSTER_FIELD(ROSTER_QUEUES)) {
        changes |= set_texts(&profile->queues, &entry->queues);
        changes |= set_tiers(&profile->tiers, &entry->tiers);
    }
    if (fields & ROSTER_FIELD(ROSTER_SCHEDULE)) changes |= set_text(&profile->schedule, entry->schedule);
    if (!(fields & ROSTER_FIELD(ROSTER_ROLE))) return changes;
    if (profile->role && strcmp(profile->role, "member") == 0) profile->role = NULL; /* the two are the same */
    changes |= set_text(&profile->role, entry->role);
    return changes;
}

bool roster_rules_have(const struct texts *texts, const char *text) {
    for (uint32_t i = 0; i < texts->count; i++)
        if (strcmp(texts->at[i], text) == 0) return true;
    return false;
}

void roster_rules_owner(const struct entity_names *names, const char *company, bool is_queue, const char *id,
                        char owner[static ROSTER_OWNER_BYTES]) {
    char hash[ENTITY_HASH_CHARS + 1];
    if (names) entity_hash(names, id, hash);
    snprintf(owner, ROSTER_OWNER_BYTES, "%s/%s/%s", company, is_queue ? "queue" : "user", names ? hash : id);
}

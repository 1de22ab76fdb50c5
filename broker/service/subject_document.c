/* What records hold on a person, as JSON: field by field, in words that people understand. */
#include "broker/service/subject.h"

static json_t *texts_of(const struct texts *texts) {
    json_t *list = json_array();
    for (uint32_t i = 0; list && i < texts->count; i++)
        json_array_append_new(list, json_string(texts->at[i]));
    return list;
}

static void put_time(json_t *map, const char *name, int64_t at_ms) {
    if (at_ms) json_object_set_new(map, name, json_integer((json_int_t)at_ms));
}

json_t *subject_profile(const struct profile_record *profile) {
    const struct queue_tier *tiers = profile->tiers.at;
    json_t *map = json_pack("{s:s,s:s*,s:o,s:s*,s:s,s:o,s:s*}", "user", profile->id, "name", profile->name, "numbers",
                            texts_of(&profile->numbers), "department", profile->department, "role",
                            profile->role ? profile->role : "member", "queues", texts_of(&profile->queues), "schedule",
                            profile->schedule);
    json_t *list = profile->tiers.count > 0 ? json_array() : NULL;
    for (uint32_t i = 0; list && i < profile->tiers.count; i++)
        json_array_append_new(list, json_pack("{s:s,s:I}", "queue", tiers[i].queue, "tier", (json_int_t)tiers[i].tier));
    if (map && list) json_object_set_new(map, "tiers", list);
    if (map) put_time(map, "created_at", profile->created_at);
    return map;
}

json_t *subject_consents(const struct profile_record *profile) {
    const struct consent *consents = profile->consents.at;
    json_t *list = json_array();
    for (uint32_t i = 0; list && i < profile->consents.count; i++)
        json_array_append_new(list,
                              json_pack("{s:s,s:b,s:s*,s:s*,s:I,s:s*}", "purpose", consents[i].purpose, "granted",
                                        consents[i].granted, "text", consents[i].text, "language", consents[i].language,
                                        "at", (json_int_t)consents[i].at, "device", consents[i].device));
    return list;
}

static json_t *sessions_of(const struct list *sessions) {
    const struct own_session *at = sessions->at;
    json_t *list = json_array();
    for (uint32_t i = 0; list && i < sessions->count; i++)
        json_array_append_new(list, json_pack("{s:s,s:s,s:s*,s:s,s:I}", "session", at[i].session, "device",
                                              at[i].device, "kind", at[i].kind, "state", at[i].state, "state_at",
                                              (json_int_t)at[i].state_at));
    return list;
}

static json_t *calls_of(const struct list *calls) {
    const struct own_call *at = calls->at;
    json_t *list = json_array();
    for (uint32_t i = 0; list && i < calls->count; i++) {
        json_t *map =
            json_pack("{s:s,s:s,s:I,s:s*,s:s*,s:s*}", "call", at[i].call, "state", at[i].state, "since_at",
                      (json_int_t)at[i].since, "direction", at[i].direction, "peer", at[i].peer, "queue", at[i].queue);
        if (map) put_time(map, "started_at", at[i].started_at);
        if (map) put_time(map, "answered_at", at[i].answered_at);
        json_array_append_new(list, map);
    }
    return list;
}

static json_t *log_ins_of(const struct list *log_ins) {
    const struct log_in *at = log_ins->at;
    json_t *list = json_array();
    for (uint32_t i = 0; list && i < log_ins->count; i++)
        json_array_append_new(list, json_pack("{s:s,s:I,s:s*}", "queue", at[i].queue, "since_at",
                                              (json_int_t)at[i].since, "pause", at[i].pause));
    return list;
}

json_t *subject_state(const struct state_record *state) {
    json_t *map =
        json_pack("{s:s*,s:s*,s:s*,s:s*,s:s*,s:b,s:o,s:o,s:o,s:I}", "status", state->status, "activity",
                  state->activity, "note", state->note, "forward", state->forward, "set_by", state->set_by, "open",
                  state->open, "devices", sessions_of(&state->sessions), "calls", calls_of(&state->calls), "queues",
                  log_ins_of(&state->log_ins), "calls_counted", (json_int_t)state->calls_today);
    if (!map) return NULL;
    put_time(map, "until_at", state->until);
    put_time(map, "set_at", state->set_at);
    put_time(map, "last_active_at", state->last_active);
    put_time(map, "last_call_ended_at", state->last_call_ended_at);
    put_time(map, "wrap_up_until_at", state->wrap_up_until);
    put_time(map, "claimed_at", state->claimed_at);
    put_time(map, "calls_counted_day_at", state->calls_day * 86400000LL);
    return map;
}

json_t *subject_access(const struct access_record *access) {
    const struct device_known *devices = access->devices.at;
    json_t *list = json_array();
    for (uint32_t i = 0; list && i < access->devices.count; i++)
        json_array_append_new(list, json_pack("{s:s,s:s,s:s*,s:s*,s:s*,s:I,s:I}", "login", devices[i].login, "device",
                                              devices[i].device, "kind", devices[i].kind, "os", devices[i].os, "app",
                                              devices[i].app, "at", (json_int_t)devices[i].at, "seen_at",
                                              (json_int_t)devices[i].seen_at));
    json_t *map = json_pack("{s:b,s:b,s:I,s:o}", "has_password", access->password != NULL, "is_invited",
                            access->invitation != NULL, "refused", (json_int_t)access->refused, "devices", list);
    if (!map) return NULL;
    put_time(map, "password_at", access->password_at);
    put_time(map, "invited_until_at", access->invited_until);
    put_time(map, "tokens_void_before_at", access->not_before);
    return map;
}

json_t *subject_call(const struct past_call_record *call) {
    json_t *map = json_pack("{s:s,s:s*,s:s,s:s*,s:s*,s:I,s:I}", "call", call->call, "direction", call->direction,
                            "result", call->result, "peer", call->peer, "queue", call->queue, "started_at",
                            (json_int_t)call->started_at, "ended_at", (json_int_t)call->ended_at);
    if (map) put_time(map, "answered_at", call->answered_at);
    return map;
}

json_t *subject_activity(const struct activity_record *activity) {
    json_t *map = json_pack("{s:I,s:s,s:s*,s:s*,s:s*}", "at", (json_int_t)activity->at, "what", activity->what, "actor",
                            activity->actor, "device", activity->device, "detail", activity->detail);
    if (map && activity->times) json_object_set_new(map, "times", json_integer((json_int_t)activity->times));
    return map;
}

json_t *subject_security(const struct security_record *security) {
    return json_pack("{s:I,s:s,s:s*,s:s*}", "at", (json_int_t)security->at, "what", security->what, "actor",
                     security->actor, "user", security->user);
}

json_t *subject_audit(const struct audit_record *audit) {
    return json_pack("{s:I,s:s,s:s,s:s,s:s*,s:s}", "at", (json_int_t)audit->at, "actor", audit->actor, "user",
                     audit->user, "status", audit->status, "forward", audit->forward, "result", audit->result);
}

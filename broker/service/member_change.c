#include "broker/service/member_change.h"
#include "broker/privacy/vault.h"
#include "broker/service/activity.h"
#include "broker/service/attendance.h"
#include "broker/service/audit.h"
#include "broker/service/request.h"
#include "broker/service/tenant_state.h"

#include <string.h>

const char *consent_purpose(const char *purpose) {
    static const char *const purposes[] = {"presence", "call_history", "analytics", "marketing"};
    for (size_t i = 0; i < sizeof purposes / sizeof *purposes; i++)
        if (strcmp(purpose, purposes[i]) == 0) return purposes[i];
    return NULL;
}

static void clear_manual(struct state_record *state) {
    state->status = state->activity = state->note = state->forward = state->set_by = NULL;
    state->until = state->set_at = 0;
    state->open = false;
}

/* Every commit of a person's state also brings the devices up to date, and drops what has passed. */
static int tidy(const struct request *request, struct state_record *state, struct arena *arena) {
    if (state->until && state->until <= service_now_ms(request->service)) {
        int64_t passed_at = state->until;
        clear_manual(state);
        state->set_at = passed_at; /* what shows now began then */
    }
    const struct tenant *tenant = tenant_find(request->service, request->company);
    return tenant && attendance_find(tenant, request->user) ? attendance_apply(tenant, request->user, state, arena)
                                                            : UPDATE_NOTHING;
}

static bool is_set_already(const struct state_record *state, const struct message_set *set, bool cleared) {
    if (cleared) return !state->status;
    return shape_same_text(state->status, set->status) && shape_same_text(state->activity, set->activity) &&
           shape_same_text(state->note, set->note) && shape_same_text(state->forward, set->forward) &&
           state->until == set->until && state->open == set->open;
}

/* Who has set it, for the person to see; not what was said. */
static int note_set(const struct request *request, struct update_entity *profile, struct arena *arena) {
    int64_t now_ms = service_now_ms(request->service);
    char once[2 * LEDIG_ID_CHARS_MAX + 32];
    snprintf(once, sizeof once, "set:%lld:%s:%s", (long long)(now_ms / ACTIVITY_SET_MS), request->actor,
             request->set.status);
    const char *kept = arena_text(arena, once, strlen(once));
    return kept
               ? activity_note(profile,
                               &(struct activity_record){
                                   .what = "set", .at = now_ms, .actor = request->actor, .detail = request->set.status},
                               kept, arena)
               : LEDIG_ENO_MEMORY;
}

int member_change_set(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    const struct request *request = arg;
    const struct message_set *set = &request->set;
    if (!entities[0].current) return LEDIG_ECONSENT_REQUIRED;
    struct state_record *state = &entities[0].next.state;
    int result = tidy(request, state, arena);
    if (result < 0) return result;
    /* available without a return time: nothing is set by hand any more */
    bool cleared = strcmp(set->status, "available") == 0 && !set->until;
    if (is_set_already(state, set, cleared)) {
        if (result == UPDATE_NOTHING) return UPDATE_NOTHING;
    } else {
        clear_manual(state);
        state->set_at = service_now_ms(request->service);
        if (!cleared) {
            state->status = set->status;
            state->activity = set->activity;
            state->note = set->note;
            state->forward = set->forward;
            state->until = set->until;
            state->open = set->open;
            if (strcmp(request->actor, request->user) != 0) state->set_by = request->actor;
        }
        result = audit_set(request, &entities[0], arena);
        if (result) return result;
    }
    entities[0].action = STORE_WRITE;
    return count > 1 ? note_set(request, &entities[1], arena) : 0;
}

/* ---- Queues ---- */

/* Puts the log-in into the list, takes it out, or changes its pause; those of queues that are no longer assigned go.
 * Returns UPDATE_NOTHING where all stands so. */
static int put_log_in(const struct request *request, const struct profile_record *profile, struct state_record *state,
                      struct arena *arena) {
    const struct message_queue *wish = &request->queue;
    const struct log_in *old = state->log_ins.at;
    struct log_in *list = arena_take(arena, (state->log_ins.count + 1u) * sizeof *list);
    uint32_t count = 0;
    bool stands = false, differs = false;
    if (!list) return LEDIG_ENO_MEMORY;
    for (uint32_t i = 0; i < state->log_ins.count; i++) {
        bool meant = strcmp(old[i].queue, wish->queue) == 0;
        if ((meant && !wish->member) || !profile_has_queue(profile, old[i].queue)) {
            differs = true;
            continue;
        }
        list[count] = old[i];
        if (meant) {
            stands = true;
            differs |= !shape_same_text(old[i].pause, wish->pause);
            list[count].pause = wish->pause;
        }
        count++;
    }
    if (wish->member && !stands) {
        list[count++] =
            (struct log_in){.queue = wish->queue, .since = service_now_ms(request->service), .pause = wish->pause};
        differs = true;
    }
    state->log_ins.at = list;
    state->log_ins.count = count;
    return differs ? 0 : UPDATE_NOTHING;
}

int member_change_queue(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    (void)count;
    const struct request *request = arg;
    if (!entities[0].current) return LEDIG_ENOT_FOUND; /* has left meanwhile */
    if (!entities[1].current) return LEDIG_ECONSENT_REQUIRED;
    const struct profile_record *profile = &entities[0].current->profile;
    struct state_record *state = &entities[1].next.state;
    if (request->queue.member && !profile_has_queue(profile, request->queue.queue)) return LEDIG_EFORBIDDEN;
    int tidied = tidy(request, state, arena);
    if (tidied < 0) return tidied;
    int result = put_log_in(request, profile, state, arena);
    if (result < 0 || (result == UPDATE_NOTHING && tidied == UPDATE_NOTHING)) return result;
    entities[1].action = STORE_WRITE;
    return 0;
}

/* ---- Consent ---- */

/* Puts the consent into the list, in the place of an earlier one. Returns whether that is a change. */
static int put_consent(struct profile_record *profile, const struct consent *consent, struct arena *arena) {
    const struct consent *old = profile->consents.at;
    struct consent *list = arena_take(arena, (profile->consents.count + 1u) * sizeof *list);
    if (!list) return LEDIG_ENO_MEMORY;
    uint32_t count = profile->consents.count, at = count;
    for (uint32_t i = 0; i < count; i++) {
        list[i] = old[i];
        if (strcmp(old[i].purpose, consent->purpose) == 0) at = i;
    }
    if (at < count && list[at].granted == consent->granted &&
        (!consent->granted ||
         (shape_same_text(list[at].text, consent->text) && shape_same_text(list[at].language, consent->language))))
        return UPDATE_NOTHING;
    struct rest rest = at < count ? list[at].rest : (struct rest){0};
    list[at] = *consent;
    list[at].rest = rest;
    profile->consents.at = list;
    profile->consents.count = at < count ? count : count + 1;
    return 0;
}

/* The call history is destroyed in the step that withdraws the consent to it, and its key with it. */
static int begin_or_forget_history(struct update_entity *profile, bool granted, struct arena *arena) {
    profile->forgets_calls = !granted;
    if (!granted) profile->next.profile.log_key = NULL;
    if (!granted || profile->next.profile.log_key) return 0; /* another text, the same history */
    char key[VAULT_LOG_KEY_CHARS + 1];
    vault_log_key_make(key);
    profile->next.profile.log_key = arena_text(arena, key, VAULT_LOG_KEY_CHARS);
    return profile->next.profile.log_key ? 0 : LEDIG_ENO_MEMORY;
}

/* By HTTP the device is known by the log-in that its token is of. */
static const char *device_of(const struct request *request, const struct update_entity *access) {
    const struct device_known *devices = access->current ? access->current->access.devices.at : NULL;
    for (uint32_t i = 0; devices && i < access->current->access.devices.count; i++)
        if (shape_same_text(devices[i].login, request->consent.login)) return devices[i].device;
    return NULL;
}

static int note_consent(const struct request *request, struct update_entity *profile, const struct consent *consent,
                        struct arena *arena) {
    char detail[LEDIG_WORD_CHARS_MAX + 16];
    snprintf(detail, sizeof detail, "%s %s", consent->purpose, consent->granted ? "granted" : "withdrawn");
    const char *kept = arena_text(arena, detail, strlen(detail));
    struct activity_record activity = {.what = "consent", .at = consent->at, .device = consent->device, .detail = kept};
    if (strcmp(request->actor, request->user) != 0) activity.actor = request->actor;
    return kept ? activity_note(profile, &activity, NULL, arena) : LEDIG_ENO_MEMORY;
}

int member_change_consent(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    const struct request *request = arg;
    if (!entities[0].current) return LEDIG_ENOT_FOUND; /* has left meanwhile */
    bool is_presence = strcmp(request->consent.purpose, "presence") == 0;
    struct consent consent = {.purpose = request->consent.purpose,
                              .granted = request->consent.granted,
                              .text = request->consent.text,
                              .at = service_now_ms(request->service),
                              .device = count > 2 ? device_of(request, &entities[2]) : request->consent.device,
                              .language = request->consent.language};
    int result = put_consent(&entities[0].next.profile, &consent, arena);
    if (result < 0) return result;
    if (result == 0) {
        entities[0].action = STORE_WRITE;
        int error = note_consent(request, &entities[0], &consent, arena);
        if (error) return error;
    }
    if (!is_presence) {
        bool is_history = strcmp(consent.purpose, "call_history") == 0;
        return result == 0 && is_history ? begin_or_forget_history(&entities[0], consent.granted, arena) : result;
    }
    bool has_state = entities[1].current != NULL;
    if (consent.granted && !has_state) {
        struct state_record *state = &entities[1].next.state;
        state->id = request->user;
        result = tidy(request, state, arena);
        if (result < 0) return result;
        entities[1].action = STORE_WRITE;
        return 0;
    }
    if (!consent.granted && has_state) {
        entities[1].action = STORE_TOMBSTONE;
        return 0;
    }
    return result;
}

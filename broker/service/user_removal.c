/* A person leaves the company: one commit takes them out without a trace, and out of the calls that they are on. The
 * workers that have their devices end those when they hear of it (attendance.c). */
#include "broker/service/user_api.h"

#include <string.h>

#define CALLS_MAX 64 /* of one person at a time, as in records.def */
#define FIXED 4      /* company, profile, state, access; the calls follow */
#define TRIES_MAX 8  /* each finds that a call has come meanwhile */

struct removal { /* in the arena of the edit */
    size_t count;
    unsigned tries;
    const char *calls[CALLS_MAX];
};

static void commit(struct edit *edit);

static bool has_call(const struct removal *removal, const char *call) {
    for (size_t i = 0; i < removal->count; i++)
        if (strcmp(removal->calls[i], call) == 0) return true;
    return false;
}

/* Whether all calls that the person is on stand among the entities; if not, they will, next time. */
static int know_calls(struct edit *edit, const struct state_record *state) {
    struct removal *removal = edit->removal;
    const struct own_call *calls = state->calls.at;
    size_t before = removal->count;
    for (uint32_t i = 0; i < state->calls.count; i++) {
        if (has_call(removal, calls[i].call)) continue;
        if (removal->count == CALLS_MAX) return LEDIG_EUNAVAILABLE; /* many calls came and went meanwhile */
        char *call = arena_text(edit->arena, calls[i].call, strlen(calls[i].call));
        if (!call) return LEDIG_ENO_MEMORY;
        removal->calls[removal->count++] = call;
    }
    return removal->count > before ? LEDIG_EMOVED_ON : 0;
}

static int leave_call(const char *user, struct update_entity *entity, struct arena *arena) {
    if (!entity->current) return 0;
    struct call_record *call = &entity->next.call;
    const struct leg *old = call->legs.at;
    struct leg *legs = arena_take(arena, (call->legs.count + 1u) * sizeof *legs);
    uint32_t count = 0;
    if (!legs) return LEDIG_ENO_MEMORY;
    for (uint32_t i = 0; i < call->legs.count; i++)
        if (strcmp(old[i].user, user) != 0) legs[count++] = old[i];
    if (count == call->legs.count) return 0;
    call->legs.at = legs;
    call->legs.count = count;
    entity->action = STORE_WRITE;
    return 0;
}

static int apply(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    struct edit *edit = arg;
    static const struct texts none = {0};
    edit->has_company = entities[0].current != NULL;
    if (!edit->has_company || !entities[1].current) return LEDIG_ENOT_FOUND;
    if (edit->removed_version && entities[1].revision >= edit->removed_version) return UPDATE_NOTHING;
    int error = entities[2].current ? know_calls(edit, &entities[2].current->state) : 0;
    for (size_t i = FIXED; !error && i < count; i++)
        error = leave_call(edit->id, &entities[i], arena);
    if (error) return error;
    edit_note_dropped(edit, &entities[1].current->profile.numbers, &none);
    for (size_t i = 1; i < FIXED; i++)
        entities[i].action = STORE_REMOVE; /* a tombstone of them, too */
    entities[1].forgets_calls = entities[1].forgets_activities = true;
    return 0;
}

static void on_done(void *arg, int error, uint64_t version) {
    struct edit *edit = arg;
    struct removal *removal = edit->removal;
    if (error == LEDIG_EMOVED_ON && ++removal->tries < TRIES_MAX)
        commit(edit);
    else
        edit_committed(edit, error == LEDIG_EMOVED_ON ? LEDIG_EUNAVAILABLE : error, version);
}

static void commit(struct edit *edit) {
    const struct removal *removal = edit->removal;
    struct update_target targets[FIXED + CALLS_MAX] = {{RECORD_COMPANY, edit->company},
                                                       {RECORD_PROFILE, edit->id},
                                                       {RECORD_STATE, edit->id},
                                                       {RECORD_ACCESS, edit->id}};
    for (size_t i = 0; i < removal->count; i++)
        targets[FIXED + i] = (struct update_target){RECORD_CALL, removal->calls[i]};
    int error = update_start(edit->service, edit->company, targets, FIXED + removal->count, apply, on_done, edit);
    if (error) edit_committed(edit, error, 0);
}

void user_removal_start(struct edit *edit) {
    edit->removal = arena_take(edit->arena, sizeof(struct removal));
    if (edit->removal)
        commit(edit);
    else
        edit_committed(edit, LEDIG_ENO_MEMORY, 0);
}

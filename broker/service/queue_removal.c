/* A queue goes: first it is taken from those who are assigned to it or logged in to it, so many in one commit, then the
 * queue itself. Where that breaks off it can be asked for again. */
#include "broker/service/queue_api.h"
#include "broker/service/tenant.h"

#include <stdlib.h>
#include <string.h>

#define PEOPLE_A_STEP 100 /* with profile and state: others get their turn in between */

struct removal {
    struct edit *edit;
    struct tenant *tenant; /* held */
    char (*people)[LEDIG_ID_CHARS_MAX + 1];
    size_t count, at, step;
};

static void next_step(struct removal *removal);

static void end(struct removal *removal, int error, uint64_t version) {
    struct edit *edit = removal->edit;
    tenant_release(removal->tenant);
    free(removal->people);
    free(removal);
    edit_committed(edit, error, version);
}

/* ---- The people ---- */

static void leave_tier(const char *queue, struct list *tiers, struct queue_tier *at) {
    const struct queue_tier *old = tiers->at;
    uint32_t count = 0;
    for (uint32_t i = 0; i < tiers->count; i++)
        if (strcmp(old[i].queue, queue) != 0) at[count++] = old[i];
    tiers->at = at;
    tiers->count = count;
}

static int leave_profile(const char *queue, struct update_entity *entity, struct arena *arena) {
    struct texts *queues = &entity->next.profile.queues;
    if (!entity->current || !roster_rules_have(queues, queue)) return 0;
    struct list *tiers = &entity->next.profile.tiers;
    const char **at = arena_take(arena, queues->count * sizeof *at);
    struct queue_tier *tiers_at = arena_take(arena, (tiers->count + 1) * sizeof *tiers_at);
    uint32_t count = 0;
    if (!at || !tiers_at) return LEDIG_ENO_MEMORY;
    leave_tier(queue, tiers, tiers_at);
    for (uint32_t i = 0; i < queues->count; i++)
        if (strcmp(queues->at[i], queue) != 0) at[count++] = queues->at[i];
    queues->at = at;
    queues->count = count;
    entity->action = STORE_WRITE;
    return 0;
}

static int leave_state(const char *queue, struct update_entity *entity, struct arena *arena) {
    if (!entity->current) return 0;
    struct list *log_ins = &entity->next.state.log_ins;
    const struct log_in *old = log_ins->at;
    struct log_in *at = arena_take(arena, (log_ins->count + 1u) * sizeof *at);
    uint32_t count = 0;
    if (!at) return LEDIG_ENO_MEMORY;
    for (uint32_t i = 0; i < log_ins->count; i++)
        if (strcmp(old[i].queue, queue) != 0) at[count++] = old[i];
    if (count == log_ins->count) return 0;
    log_ins->at = at;
    log_ins->count = count;
    entity->action = STORE_WRITE;
    return 0;
}

static int apply_people(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    const struct removal *removal = arg;
    bool changes = false;
    for (size_t i = 0; i < count; i += 2) {
        int error = leave_profile(removal->edit->id, &entities[i], arena);
        if (!error) error = leave_state(removal->edit->id, &entities[i + 1], arena);
        if (error) return error;
        changes |= entities[i].action == STORE_WRITE || entities[i + 1].action == STORE_WRITE;
    }
    return changes ? 0 : UPDATE_NOTHING;
}

static void on_people(void *arg, int error, uint64_t version) {
    struct removal *removal = arg;
    if (removal->edit->service->closing) error = LEDIG_EUNAVAILABLE;
    removal->at += removal->step;
    if (error)
        end(removal, error, version);
    else
        next_step(removal);
}

/* ---- The queue ---- */

static int apply_queue(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    struct edit *edit = ((struct removal *)arg)->edit;
    static const struct texts none = {0};
    (void)count;
    (void)arena;
    edit->has_company = entities[0].current != NULL;
    if (!edit->has_company || !entities[1].current) return LEDIG_ENOT_FOUND;
    edit_note_dropped(edit, &entities[1].current->queue.numbers, &none);
    entities[1].action = STORE_REMOVE;
    return 0;
}

static void on_queue(void *arg, int error, uint64_t version) {
    end(arg, error, version);
}

static void next_step(struct removal *removal) {
    struct edit *edit = removal->edit;
    struct update_target targets[2 * PEOPLE_A_STEP];
    size_t left = removal->count - removal->at;
    removal->step = left < PEOPLE_A_STEP ? left : PEOPLE_A_STEP;
    for (size_t i = 0; i < removal->step; i++) {
        targets[2 * i] = (struct update_target){RECORD_PROFILE, removal->people[removal->at + i]};
        targets[2 * i + 1] = (struct update_target){RECORD_STATE, removal->people[removal->at + i]};
    }
    if (removal->step == 0) {
        targets[0] = (struct update_target){RECORD_COMPANY, edit->company};
        targets[1] = (struct update_target){RECORD_QUEUE, edit->id};
    }
    int error =
        removal->step > 0
            ? update_start(edit->service, edit->company, targets, 2 * removal->step, apply_people, on_people, removal)
            : update_start(edit->service, edit->company, targets, 2, apply_queue, on_queue, removal);
    if (error) end(removal, error, 0);
}

/* ---- Who is in it? ---- */

static bool is_in(const struct member *member, const char *queue) {
    const struct state_record *state = member_state(member);
    const struct log_in *log_ins = state ? state->log_ins.at : NULL;
    for (uint32_t i = 0; state && i < state->log_ins.count; i++)
        if (strcmp(log_ins[i].queue, queue) == 0) return true;
    return profile_has_queue(member_profile(member), queue);
}

static void gather(void *arg, const struct member *member) {
    struct removal *removal = arg;
    if (is_in(member, removal->edit->id)) strcpy(removal->people[removal->count++], member_user(member));
}

static void on_ready(void *arg, int error) {
    struct removal *removal = arg;
    struct edit *edit = removal->edit;
    const struct company *company = tenant_company(removal->tenant);
    edit->has_company = tenant_exists(removal->tenant);
    if (error || edit->service->closing) {
        end(removal, LEDIG_EUNAVAILABLE, 0);
        return;
    }
    if (!edit->has_company || !company_has_queue(company, edit->id)) {
        end(removal, LEDIG_ENOT_FOUND, 0);
        return;
    }
    removal->people = calloc(company_member_count(company) + 1, sizeof *removal->people);
    if (!removal->people) {
        end(removal, LEDIG_ENO_MEMORY, 0);
        return;
    }
    company_each_member(company, gather, removal);
    next_step(removal);
}

void queue_removal_start(struct edit *edit) {
    struct removal *removal = calloc(1, sizeof *removal);
    if (removal) removal->tenant = tenant_hold(edit->service, edit->company);
    if (!removal || !removal->tenant) {
        free(removal);
        edit_committed(edit, LEDIG_ENO_MEMORY, 0);
        return;
    }
    removal->edit = edit;
    edit->entry.is_queue = true; /* whose numbers are given back */
    int error = tenant_when_ready(removal->tenant, true, on_ready, removal);
    if (error) end(removal, error, 0);
}

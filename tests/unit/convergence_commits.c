/* What is committed, at random. */
#include "tests/unit/convergence_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first
#include <cmocka.h>

static const struct entity_names unkeyed;

static void commit(struct world *world, struct worker *worker, const struct record *records, const char *const *gone,
                   size_t count, bool remove) {
    struct test_write writes[WRITES_MAX] = {{0}};
    char names[WRITES_MAX][ENTITY_NAME_BYTES_MAX];
    for (size_t i = 0; i < count; i++) {
        if (gone != NULL) {
            writes[i].name = gone[i];
            continue;
        }
        entity_name(&unkeyed, records[i].kind, record_id(&records[i]), names[i]);
        buffer_clear(&world->bytes);
        assert_int_equal(record_encode(&records[i], &world->bytes), 0);
        writes[i].name = names[i];
        writes[i].bytes = test_store_keep(&world->store, world->bytes.bytes, world->bytes.length);
        writes[i].length = world->bytes.length;
    }
    for (int attempt = 0; attempt < 5; attempt++) {
        for (size_t i = 0; i < count; i++)
            writes[i].expected = company_revision(worker->company, writes[i].name);
        int error = test_store_commit(&world->store, worker->lineage, writes, count, remove);
        if (error == 0) return;
        if (error == LEDIG_ELINEAGE)
            worker_repair(worker);
        else
            worker_compare(worker);
    }
}

static int64_t soon(struct world *world) {
    static const int64_t steps_ms[] = {-4000, -50, 50, 3000, 20000, 90000};
    return world->store.clock_ms + steps_ms[random_below(&world->random, 6)];
}

static const char *one_of(struct world *world, const char *const *words, uint32_t count) {
    return words[random_below(&world->random, count)];
}

static const char *any_user(struct world *world) {
    return world->users[random_below(&world->random, world->user_count)];
}

#define SCHEDULES 2
static const char *const world_schedules[SCHEDULES] = {"day", "night"};

static const char *any_schedule(struct world *world) {
    uint32_t which = random_below(&world->random, SCHEDULES + 1);
    return which < SCHEDULES ? world_schedules[which] : NULL;
}

#define DEVICES_MAX 3

/* A person's state, at random. What it points to lies in `parts`. */
struct parts {
    struct own_session sessions[DEVICES_MAX];
    struct own_call calls[2];
    struct log_in log_ins[QUEUES];
};

static struct record make_state(struct world *world, const char *user, struct parts *parts) {
    static const char *const statuses[] = {"busy", "away", "dnd", "available", NULL, NULL, NULL};
    static const char *const call_states[] = {"claimed", "ringing", "active"};
    static const char *const presences[] = {"active", "idle", "background", NULL};
    struct random *random = &world->random;
    struct record record = {.kind = RECORD_STATE, .state = {.id = user}};
    struct state_record *state = &record.state;
    state->status = one_of(world, statuses, 7);
    state->until = state->status != NULL && random_chance(random, .6) ? soon(world) : 0;
    state->set_at = state->status != NULL ? world->store.clock_ms / 8000 * 8000 : 0;
    state->wrap_up_until = random_chance(random, .15) ? soon(world) : 0;
    state->last_active = world->store.clock_ms;
    state->sessions = (struct list){parts->sessions, random_below(random, DEVICES_MAX + 1), true};
    for (uint32_t i = 0; i < state->sessions.count; i++)
        parts->sessions[i] = (struct own_session){.session = "s",
                                                  .device = "d",
                                                  .incarnation = test_store_pick_lease(&world->store)->id,
                                                  .state = one_of(world, presences, 3),
                                                  .state_at = world->store.clock_ms,
                                                  .before = one_of(world, presences, 4)};
    state->calls = (struct list){parts->calls, random_chance(random, .2), true};
    for (uint32_t i = 0; i < state->calls.count; i++)
        parts->calls[i] = (struct own_call){.call = "c",
                                            .state = one_of(world, call_states, 3),
                                            .since = world->store.clock_ms,
                                            .ends_at = random_chance(random, .5) ? soon(world) : 0,
                                            .router = test_store_pick_lease(&world->store)->id};
    state->log_ins = (struct list){parts->log_ins, random_below(random, QUEUES + 1), true};
    for (uint32_t i = 0; i < state->log_ins.count; i++)
        parts->log_ins[i] =
            (struct log_in){.queue = world_queues[i], .since = 1, .pause = random_chance(random, .2) ? "lunch" : NULL};
    return record;
}

void world_set_state(struct world *world, struct worker *worker) {
    struct parts parts;
    struct record record = make_state(world, any_user(world), &parts);
    if (random_chance(&world->random, .4)) { /* one of two, so that the same comes again */
        record.state = (struct state_record){.id = record.state.id, .last_active = world->store.clock_ms};
        record.state.status = random_chance(&world->random, .5) ? "busy" : NULL;
    }
    commit(world, worker, &record, NULL, 1, false);
}

/* A change that shows nothing now: another device or the time last seen; what it was made of may be kept or not. */
void world_touch_state(struct world *world, struct worker *worker) {
    const struct member *member = company_member(worker->company, any_user(world));
    if (member == NULL || member_state(member) == NULL) return;
    struct record record = {.kind = RECORD_STATE, .state = *member_state(member)};
    struct own_session sessions[DEVICES_MAX + 1];
    uint32_t count = record.state.sessions.count;
    record.state.last_active = world->store.clock_ms;
    if (count > 0 && count <= DEVICES_MAX && random_chance(&world->random, .7)) {
        const struct own_session *given = record.state.sessions.at;
        memcpy(sessions, given, count * sizeof sessions[0]);
        sessions[count] = given[0];
        sessions[count].incarnation = test_store_pick_lease(&world->store)->id;
        if (random_chance(&world->random, .7))
            sessions[count] = (struct own_session){.session = "s",
                                                   .device = "d",
                                                   .incarnation = sessions[count].incarnation,
                                                   .state = "active",
                                                   .state_at = world->store.clock_ms};
        uint32_t drop = random_below(&world->random, 2);
        record.state.sessions = (struct list){sessions + drop, count + 1 - drop, true};
    }
    commit(world, worker, &record, NULL, 1, false);
}

void world_set_profile(struct world *world, struct worker *worker) {
    char name[8], role[8];
    snprintf(name, sizeof name, "n%u", random_below(&world->random, 2));
    snprintf(role, sizeof role, "r%u", random_below(&world->random, 9));
    struct record record = {.kind = RECORD_PROFILE, .profile = {.id = any_user(world), .name = name, .role = role}};
    record.profile.queues = (struct texts){
        .at = world_queues, .count = random_chance(&world->random, .7) ? QUEUES : random_below(&world->random, QUEUES)};
    record.profile.schedule = any_schedule(world);
    record.profile.department = random_chance(&world->random, .5) ? "d0" : NULL;
    commit(world, worker, &record, NULL, 1, false);
}

void world_withdraw(struct world *world, struct worker *worker) {
    static const enum record_kind kinds[] = {RECORD_STATE, RECORD_PROFILE, RECORD_QUEUE};
    enum record_kind kind = kinds[random_below(&world->random, 3)];
    const char *id = kind == RECORD_QUEUE ? world_queues[random_below(&world->random, QUEUES)] : any_user(world);
    char name[ENTITY_NAME_BYTES_MAX];
    entity_name(&unkeyed, kind, id, name);
    const struct stored *record = test_store_find(&world->store, name);
    if (record == NULL) return;
    if (random_chance(&world->random, .3))
        test_store_prune(&world->store, name);
    else
        commit(world, worker, NULL, (const char *[]){name}, 1, false);
}

void world_remove_person(struct world *world, struct worker *worker) {
    const char *user = any_user(world);
    char state[ENTITY_NAME_BYTES_MAX], profile[ENTITY_NAME_BYTES_MAX];
    entity_name(&unkeyed, RECORD_STATE, user, state);
    entity_name(&unkeyed, RECORD_PROFILE, user, profile);
    commit(world, worker, NULL, (const char *[]){state, profile}, 2, true);
}

void world_set_company(struct world *world, struct worker *worker) {
    struct week_hours week[SCHEDULES][2];
    struct schedule schedules[SCHEDULES];
    struct department_schedule department = {.department = "d0",
                                             .schedule = world_schedules[random_below(&world->random, SCHEDULES)]};
    uint32_t minute = (uint32_t)(world->store.clock_ms / 60000);
    for (uint32_t s = 0; s < SCHEDULES; s++) {
        for (uint32_t i = 0; i < 2; i++) { /* the first day of all was a Thursday */
            uint32_t from = minute - 2 + random_below(&world->random, 6);
            week[s][i] = (struct week_hours){.day = 3, .from = from, .to = from + random_below(&world->random, 4)};
        }
        schedules[s] = (struct schedule){.id = world_schedules[s], .week = {week[s], 2, true}};
    }
    struct record record = {.kind = RECORD_COMPANY,
                            .company = {.id = "acme",
                                        .schedule = any_schedule(world),
                                        .schedules = {schedules, random_below(&world->random, SCHEDULES + 1), true},
                                        .departments = {&department, random_below(&world->random, 2), true}}};
    commit(world, worker, &record, NULL, 1, false);
}

void world_set_queue(struct world *world, struct worker *worker) {
    struct record record = {.kind = RECORD_QUEUE, .queue = {.id = world_queues[random_below(&world->random, QUEUES)]}};
    record.queue.wrap_up_ms = random_below(&world->random, 9);
    commit(world, worker, &record, NULL, 1, false);
}

/* A call waits, ends, or is claimed together with the state of the one who shall take it. */
void world_set_call(struct world *world, struct worker *worker) {
    struct random *random = &world->random;
    char id[8];
    snprintf(id, sizeof id, "c%u", random_below(random, CALLS));
    struct leg leg = {.user = any_user(world), .state = "claimed", .since = 1};
    struct parts parts;
    struct record records[2] = {{.kind = RECORD_CALL,
                                 .call = {.id = id,
                                          .queue = world_queues[random_below(random, QUEUES)],
                                          .arrived_at = world->store.clock_ms,
                                          .incarnation = test_store_pick_lease(&world->store)->id,
                                          .poll_until = soon(world)}},
                                make_state(world, leg.user, &parts)};
    if (random_chance(random, .3)) records[0].call.ended_at = world->store.clock_ms;
    bool claimed = random_chance(random, .3);
    if (claimed) records[0].call.legs = (struct list){&leg, 1, true};
    commit(world, worker, records, NULL, claimed ? 2 : 1, false);
}

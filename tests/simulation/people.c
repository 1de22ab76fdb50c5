/* The company's people, as their apps would have it: who is logged in where, pauses, does not want to be disturbed.
 * Their changes are commits like those of a worker that is not part of the simulation. */
#include "tests/simulation/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WRAP_UP_MS 3000

const char *const world_queues[WORLD_QUEUES] = {"idle", "turns", "all"};

static const struct entity_names unkeyed; /* as of a service without a vault */

void world_user(int agent, char user[LEDIG_ID_CHARS_MAX + 1]) {
    snprintf(user, LEDIG_ID_CHARS_MAX + 1, "a%02d", agent);
}

static void put(struct world *world, const struct record *record) {
    struct buffer bytes = {0};
    char name[ENTITY_NAME_BYTES_MAX];
    entity_name(&unkeyed, record->kind, record_id(record), name);
    if (record_encode(record, &bytes) != 0) abort();
    model_redis_write(&world->redis, WORLD_COMPANY, name, &bytes);
    buffer_free(&bytes);
}

static void write_agent(struct world *world, int agent) {
    char user[LEDIG_ID_CHARS_MAX + 1];
    const char *queues[WORLD_QUEUES];
    struct log_in log_ins[WORLD_QUEUES];
    uint32_t count = 0;
    world_user(agent, user);
    for (int q = 0; q < WORLD_QUEUES; q++) {
        /* each agent has one of the first two queues or both; few have the one that rings all */
        bool has = q == 2 ? agent % 8 == 0 : agent % 3 == 2 || agent % 3 == q;
        if (!has) continue;
        log_ins[count] = (struct log_in){.queue = world_queues[q], .since = model_redis_now_ms(&world->redis) + agent};
        queues[count++] = world_queues[q];
    }
    put(world, &(struct record){.kind = RECORD_PROFILE,
                                .profile = {.id = user, .name = user, .queues = {queues, count, true, false}}});
    put(world, &(struct record){.kind = RECORD_STATE, .state = {.id = user, .log_ins = {log_ins, count, true}}});
}

void people_set_up(struct world *world) {
    static const char *const strategies[WORLD_QUEUES] = {"longest_idle", "round_robin", "ring_all"};
    put(world, &(struct record){.kind = RECORD_COMPANY, .company = {.id = WORLD_COMPANY, .name = "Acme"}});
    for (int q = 0; q < WORLD_QUEUES; q++)
        put(world,
            &(struct record){.kind = RECORD_QUEUE,
                             .queue = {.id = world_queues[q], .strategy = strategies[q], .wrap_up_ms = WRAP_UP_MS}});
    for (int agent = 0; agent < WORLD_AGENTS; agent++)
        write_agent(world, agent);
}

/* ---- What they do ---- */

static void pause_or_go_on(struct dice *dice, struct log_in *log_ins, uint32_t count) {
    if (count == 0) return;
    struct log_in *one = &log_ins[dice_below(dice, count)];
    one->pause = one->pause ? NULL : "coffee";
}

static void set_status(struct world *world, struct state_record *state) {
    static const char *const statuses[] = {"dnd", "busy", "away"};
    int64_t now_ms = model_redis_now_ms(&world->redis);
    bool clears = state->status && (!state->until || state->until > now_ms);
    state->status = clears ? NULL : statuses[dice_below(&world->dice, 3)];
    state->until = state->status ? now_ms + dice_between(&world->dice, 500, 20000) : 0;
    state->set_at = state->status ? now_ms : 0;
}

static void log_in_or_out(struct world *world, const struct profile_record *profile, struct state_record *state,
                          struct log_in log_ins[WORLD_QUEUES]) {
    if (state->log_ins.count > 0) {
        state->log_ins.count = 0;
        return;
    }
    state->log_ins = (struct list){log_ins, profile->queues.count, true};
    for (uint32_t i = 0; i < profile->queues.count; i++)
        log_ins[i] = (struct log_in){.queue = profile->queues.at[i], .since = model_redis_now_ms(&world->redis)};
}

void people_act(struct world *world) {
    const struct truth_agent *agent = &world->judge.agents[dice_below(&world->dice, WORLD_AGENTS)];
    struct record record = {.kind = RECORD_STATE, .state = *agent->state};
    struct log_in log_ins[WORLD_QUEUES];
    uint32_t count = record.state.log_ins.count, what = dice_below(&world->dice, 10);
    if (count > 0) memcpy(log_ins, record.state.log_ins.at, count * sizeof *log_ins);
    bool is_out = count == 0 || log_ins[0].pause;
    if (what < 3 || (is_out && what < 7)) {
        if (count == 0) {
            log_in_or_out(world, agent->profile, &record.state, log_ins);
        } else {
            pause_or_go_on(&world->dice, log_ins, count);
            record.state.log_ins.at = log_ins;
        }
    } else if (what < 9) {
        set_status(world, &record.state);
    } else {
        log_in_or_out(world, agent->profile, &record.state, log_ins);
    }
    put(world, &record);
}

/* Every subscriber converges: whatever is committed, lost, restored or cut off, in whatever order, in the end each
 * client's view is what the rule makes of the store's records. Random schedules over the real replica, with a store in
 * memory; LEDIG_SEED names the first schedule, LEDIG_SCHEDULES their number. */
#include "tests/unit/convergence_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first
#include <cmocka.h>

static const struct entity_names unkeyed;

#define SERIES_MAX 2000 /* frames; a longer one does not end */
#define SCHEDULES 2000

/* ---- The truth: the rule, applied to the store's records, without a replica ---- */

struct truth {
    char members[USERS_MAX][ROW_MAX], profiles[USERS_MAX][ROW_MAX], queues[QUEUES][ROW_MAX];
    bool has_queue[QUEUES];
};

static bool load(struct world *world, enum record_kind kind, const char *id, struct record *record) {
    char name[ENTITY_NAME_BYTES_MAX];
    entity_name(&unkeyed, kind, id, name);
    const struct stored *stored = test_store_find(&world->store, name);
    if (stored == NULL || stored->bytes == NULL) return false;
    assert_int_equal(record_decode(stored->bytes, stored->length, world->arena, record), 0);
    return true;
}

static bool waits(struct world *world, const struct call_record *call, const struct leases *leases) {
    int64_t now = world->store.clock_ms, ended_at = leases_ended_at(leases, call->incarnation);
    return call->legs.count == 0 && call->ended_at == 0 && now < call->poll_until + 5000 &&
           (ended_at == 0 || now < ended_at + 5000);
}

static void count_seats(const struct profile_record *profile, const struct state_record *state, const struct view *view,
                        uint32_t seats[QUEUES][3]) {
    const struct log_in *log_ins = state->log_ins.at;
    for (uint32_t i = 0; i < state->log_ins.count; i++) {
        if (!profile_has_queue(profile, log_ins[i].queue)) continue;
        bool free_now = view->availability == AVAILABILITY_AVAILABLE;
        bool wrap_up = view->activity != NULL && strcmp(view->activity, "wrap_up") == 0;
        seats[queue_index(log_ins[i].queue)][log_ins[i].pause != NULL ? 1 : free_now ? 0 : wrap_up ? 2 : 1]++;
    }
}

static void find_truth(struct world *world, const struct leases *leases, struct truth *truth) {
    struct record company, profile, state, call;
    uint32_t seats[QUEUES][3] = {{0}}, waiting[QUEUES] = {0};
    int64_t oldest_at[QUEUES] = {0};
    memset(truth, 0, sizeof *truth);
    arena_reset(world->arena);
    bool settings = load(world, RECORD_COMPANY, "acme", &company);
    for (uint32_t u = 0; u < world->user_count; u++) {
        if (!load(world, RECORD_PROFILE, world->users[u], &profile)) continue;
        snprintf(truth->profiles[u], ROW_MAX, "%s", profile.profile.name);
        if (!load(world, RECORD_STATE, world->users[u], &state)) continue;
        struct view view;
        struct hours hours;
        int64_t now_ms = world->store.clock_ms;
        availability_derive(
            &state.state, schedule_hours_of(settings ? &company.company : NULL, &profile.profile, NULL, now_ms, &hours),
            now_ms, leases, &view);
        member_text(truth->members[u], availability_name(view.availability), view.activity, view.since, view.until,
                    presence_name(view.presence));
        count_seats(&profile.profile, &state.state, &view, seats);
    }
    for (uint32_t c = 0; c < CALLS; c++) {
        if (!load(world, RECORD_CALL, (const char *[]){"c0", "c1", "c2", "c3"}[c], &call) ||
            !waits(world, &call.call, leases))
            continue;
        uint32_t q = queue_index(call.call.queue);
        if (waiting[q]++ == 0 || call.call.arrived_at < oldest_at[q]) oldest_at[q] = call.call.arrived_at;
    }
    for (uint32_t q = 0; q < QUEUES; q++) {
        struct record queue;
        truth->has_queue[q] = load(world, RECORD_QUEUE, world_queues[q], &queue);
        snprintf(truth->queues[q], ROW_MAX, "%u %u %u %u %lld", seats[q][0], seats[q][1], seats[q][2], waiting[q],
                 (long long)oldest_at[q]);
    }
}

static bool differs(const char *what, int client, const char *id, const char *seen, const char *wanted) {
    if (strcmp(seen, wanted) == 0) return false;
    print_message("client %d, %s %s: sees '%s' instead of '%s'\n", client, what, id, seen, wanted);
    return true;
}

static bool client_is_right(struct world *world, const struct truth *truth, int number) {
    const struct client *client = &world->clients[number];
    bool wrong = false;
    for (uint32_t u = 0; u < world->user_count; u++) {
        bool wanted = client->follow.all || client->follow.users[u];
        wrong |= differs("profile", number, world->users[u], client->profiles[u], wanted ? truth->profiles[u] : "");
        wrong |= differs("member", number, world->users[u], client->members[u], wanted ? truth->members[u] : "");
    }
    for (uint32_t q = 0; q < QUEUES; q++) {
        const char *seen = client->queues[q];
        if (!client->follow.queues[q])
            wrong |= differs("queue", number, world_queues[q], seen, "");
        else if (truth->has_queue[q])
            wrong |= differs("queue", number, world_queues[q], seen, truth->queues[q]);
        else if (seen[0] != '\0') /* gone, or never there */
            wrong |= differs("queue", number, world_queues[q], seen, "0 0 0 0 0");
    }
    return !wrong;
}

/* ---- Schedules ---- */

static void step_clock(struct world *world) {
    static const int64_t steps_ms[] = {1, 40, 900, 4000, 4000, 35000};
    world->store.clock_ms += steps_ms[random_below(&world->random, 6)];
    for (size_t i = 0; i < WORKERS; i++)
        if (random_chance(&world->random, .9))
            company_tick(world->workers[i]->company, worker_now(world->workers[i]), false);
}

static void end_lease(struct world *world) {
    struct test_lease *lease = test_store_pick_lease(&world->store);
    if (lease->ended_at_ms == 0) lease->ended_at_ms = world->store.clock_ms; /* once */
    if (random_chance(&world->random, .5)) test_store_take_lease(&world->store);
}

static void restart(struct world *world) {
    static const size_t losses[] = {0, 0, 1, 3, 9};
    test_store_restart(&world->store, losses[random_below(&world->random, 5)]);
    for (size_t i = 0; i < WORKERS; i++) {
        world->workers[i]->inbox.count = 0;
        if (random_chance(&world->random, .7)) worker_verify(world->workers[i], true);
    }
}

static void replace_worker(struct world *world) {
    size_t index = random_below(&world->random, WORKERS);
    for (size_t i = 0; i < CLIENTS; i++)
        if (world->clients[i].worker == world->workers[index]) client_cut(&world->clients[i]);
    worker_close(world, index);
    worker_open(world, index);
}

static void act_as_client(struct world *world, struct worker *worker) {
    struct client *client = &world->clients[random_below(&world->random, CLIENTS)];
    double a = random_below(&world->random, 1000) / 1000.0;
    if (client->worker == NULL) {
        client_hello(world, client, worker);
    } else if (a < .11) {
        client_cut(client);
    } else if (a < .13 && client->live) {
        client_follow_anew(world, client);
        client_forget(client);
        client->live = false;
    } else {
        client_step(world, client);
    }
}

static void act(struct world *world) {
    struct worker *worker = world->workers[random_below(&world->random, WORKERS)];
    double a = random_below(&world->random, 100000) / 100000.0;
    if (a < .20)
        world_set_state(world, worker);
    else if (a < .26)
        world_touch_state(world, worker);
    else if (a < .30)
        world_set_profile(world, worker);
    else if (a < .32)
        world_withdraw(world, worker);
    else if (a < .325)
        world_remove_person(world, worker);
    else if (a < .33)
        world_set_queue(world, worker);
    else if (a < .36)
        world_set_call(world, worker);
    else if (a < .37)
        end_lease(world);
    else if (a < .376)
        world_set_company(world, worker);
    else if (a < .48)
        step_clock(world);
    else if (a < .60)
        worker_read_inbox(worker);
    else if (a < .65)
        worker_verify(worker, random_chance(&world->random, .7));
    else if (a < .665)
        restart(world);
    else if (a < .667)
        test_store_flush(&world->store);
    else if (a < .675)
        replace_worker(world);
    else
        act_as_client(world, worker);
}

static void begin(struct world *world, uint64_t seed) {
    memset(world, 0, sizeof *world);
    world->random.state = (seed + 1) * 0x9E3779B97F4A7C15u;
    world->arena = arena_create();
    test_store_open(&world->store, &world->random);
    for (int i = 0; i < 3; i++)
        test_store_take_lease(&world->store);
    static const uint32_t user_counts[] = {2, 4, USERS_MAX};
    world->user_count = user_counts[random_below(&world->random, 3)];
    for (uint32_t i = 0; i < world->user_count; i++)
        snprintf(world->users[i], sizeof world->users[i], "u%u", i);
    for (size_t i = 0; i < WORKERS; i++)
        worker_open(world, i);
    for (uint32_t i = 0; i < 2 * world->user_count; i++) {
        world_set_profile(world, world->workers[0]);
        world_set_state(world, world->workers[0]);
    }
    world_set_queue(world, world->workers[0]);
    for (size_t i = 0; i < CLIENTS; i++) {
        world->clients[i].encoding = random_below(&world->random, ENCODING_COUNT);
        client_follow_anew(world, &world->clients[i]);
    }
}

/* All links are up, the clocks agree, and everybody has had the time to look. */
static void come_to_rest(struct world *world) {
    world->store.clock_ms += 1000;
    for (size_t i = 0; i < WORKERS; i++)
        world->workers[i]->skew_ms = 0;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < WORKERS; i++) {
            worker_read_inbox(world->workers[i]);
            worker_verify(world->workers[i], true);
            company_tick(world->workers[i]->company, worker_now(world->workers[i]), false);
        }
    }
}

static bool run_schedule(struct world *world) {
    static const uint32_t lengths[] = {60, 200, 500};
    for (uint32_t i = lengths[random_below(&world->random, 3)]; i > 0; i--)
        act(world);
    come_to_rest(world);
    bool right = true;
    for (int i = 0; i < CLIENTS; i++) {
        struct client *client = &world->clients[i];
        if (client->worker == NULL) client_hello(world, client, world->workers[random_below(&world->random, WORKERS)]);
        uint32_t frames = 0;
        while (client_step(world, client) && right)
            right = ++frames < SERIES_MAX;
    }
    struct truth truth;
    find_truth(world, world->workers[0]->leases, &truth);
    for (int i = 0; i < CLIENTS; i++)
        right &= client_is_right(world, &truth, i);
    return right;
}

static void end(struct world *world) {
    for (size_t i = 0; i < WORKERS; i++)
        worker_close(world, i);
    for (size_t i = 0; i < CLIENTS; i++)
        filter_release(world->clients[i].filter);
    test_store_close(&world->store);
    arena_free(world->arena);
    buffer_free(&world->bytes);
    frame_free(&world->frame);
}

static uint64_t number_from(const char *variable, uint64_t otherwise) {
    const char *given = getenv(variable);
    return given != NULL ? strtoull(given, NULL, 10) : otherwise;
}

static void every_client_ends_with_the_derived_view(void **state) {
    (void)state;
    uint64_t first = number_from("LEDIG_SEED", 0), schedules = number_from("LEDIG_SCHEDULES", SCHEDULES), wrong = 0;
    print_message("LEDIG_SEED=%llu LEDIG_SCHEDULES=%llu\n", (unsigned long long)first, (unsigned long long)schedules);
    struct world *world = malloc(sizeof *world);
    assert_non_null(world);
    for (uint64_t seed = first; seed < first + schedules; seed++) {
        begin(world, seed);
        if (!run_schedule(world)) {
            print_message("wrong: LEDIG_SEED=%llu LEDIG_SCHEDULES=1\n", (unsigned long long)seed);
            wrong++;
        }
        end(world);
    }
    free(world);
    assert_int_equal(wrong, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_client_ends_with_the_derived_view),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

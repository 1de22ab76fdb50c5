/* Every subscriber converges: whatever is committed, lost, restored or cut off, in whatever order, in the end each
 * client's view is what the rule makes of the store's records. Random schedules over the real replica, with a store in
 * memory; LEDIG_SEED names the first schedule, LEDIG_SCHEDULES their number. */
#include "tests/unit/convergence_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first
#include <cmocka.h>

#define USERS_MAX 8
#define QUEUES 2
#define CALLS 4
#define WORKERS 2
#define CLIENTS 5
#define ROW_MAX 200
#define SERIES_MAX 2000 /* frames; a longer one does not end */
#define SCHEDULES 2000
#define ENVELOPE_BYTES 640 /* what a frame sets aside for all that is not rows */

static const char *const queue_ids[QUEUES] = {"support", "sales"};

struct worker {
    struct test_store *store;
    struct company *company;
    struct leases *leases;
    struct inbox inbox;
    uint64_t lineage; /* of the server that it is connected to */
    int64_t skew_ms;  /* of its clock */
};

struct follow {
    bool all, users[USERS_MAX], queues[QUEUES];
    int number; /* tells one follow from the next */
};

struct client {
    struct follow follow;
    struct filter *filter;
    enum encoding encoding;
    struct worker *worker; /* NULL = cut off */
    uint64_t cursor;
    bool live, more;
    char epoch[LEDIG_ID_CHARS_MAX + 1]; /* the place; "" = none */
    uint64_t version;
    int64_t now_ms;
    int place_follow;
    char members[USERS_MAX][ROW_MAX], profiles[USERS_MAX][ROW_MAX], queues[QUEUES][ROW_MAX];
};

struct world {
    struct random random;
    struct test_store store;
    struct worker *workers[WORKERS];
    struct client clients[CLIENTS];
    char users[USERS_MAX][16];
    uint32_t user_count;
    int follows;
    struct arena *arena;
    struct buffer bytes;
    struct frame frame;
};

/* ---- Workers ---- */

static int64_t worker_now(const struct worker *worker) {
    return worker->store->clock_ms + worker->skew_ms;
}

static void take_head(struct worker *worker) {
    const struct head *head = &worker->store->now.head;
    company_set_history(worker->company, head->pruned, head->earlier, head->earlier_count);
    company_reached(worker->company, head->epoch, head->version);
    worker->lineage = worker->store->lineage;
}

static int by_revision(const void *a, const void *b) {
    uint64_t x = ((const struct stored *)a)->revision, y = ((const struct stored *)b)->revision;
    return (x > y) - (x < y);
}

static void apply(struct worker *worker, const struct stored *record, bool contiguous, bool compare) {
    struct company_write write = {record->name, record->revision, record->bytes, record->length};
    assert_int_equal(company_apply(worker->company, &write, contiguous, compare, worker_now(worker)), 0);
}

static void compare(struct worker *worker) {
    test_store_adopt_if_needed(worker->store);
    struct stored records[ENTITIES_MAX];
    size_t count = worker->store->now.count;
    memcpy(records, worker->store->now.records, count * sizeof records[0]);
    qsort(records, count, sizeof records[0], by_revision);
    company_compare_begin(worker->company);
    for (size_t i = 0; i < count; i++) {
        if (company_revision(worker->company, records[i].name, NULL, NULL) == records[i].revision)
            company_seen(worker->company, records[i].name);
        else
            apply(worker, &records[i], false, true);
    }
    assert_int_equal(company_compare_end(worker->company, worker->store->now.head.version, worker_now(worker)), 0);
    take_head(worker);
}

/* What changed behind our version; all, where that is not known: another history, or entities taken out since. */
static void repair(struct worker *worker) {
    test_store_adopt_if_needed(worker->store);
    const struct head *head = &worker->store->now.head;
    uint64_t version = company_version(worker->company);
    if (strcmp(head->epoch, company_epoch(worker->company)) != 0 || version < head->pruned) {
        compare(worker);
        return;
    }
    struct stored records[ENTITIES_MAX];
    size_t count = worker->store->now.count;
    memcpy(records, worker->store->now.records, count * sizeof records[0]);
    qsort(records, count, sizeof records[0], by_revision);
    for (size_t i = 0; i < count; i++)
        if (records[i].revision > version)
            apply(worker, &records[i], false, false);
    take_head(worker);
}

static void read_inbox(struct worker *worker) {
    while (worker->inbox.count > 0) {
        struct doorbell bell = worker->inbox.bells[worker->inbox.first];
        worker->inbox.first = (worker->inbox.first + 1) % INBOX_MAX;
        worker->inbox.count--;
        uint64_t version = company_version(worker->company);
        if (bell.lineage != worker->lineage || bell.lineage != worker->store->lineage || bell.version <= version)
            continue; /* that connection is gone, or it is known */
        if (bell.version != version + 1) {
            repair(worker);
            continue;
        }
        for (size_t i = 0; i < bell.count; i++)
            apply(worker, &bell.records[i], true, false);
        company_reached(worker->company, company_epoch(worker->company), bell.version);
    }
}

static void read_leases(struct worker *worker) {
    const struct test_store *store = worker->store;
    leases_reading_begin(worker->leases, store->clock_ms);
    for (size_t i = 0; i < store->lease_count; i++)
        assert_int_equal(leases_reading_put(worker->leases, store->leases[i].id, store->leases[i].ended_at_ms), 0);
    bool changed = leases_reading_end(worker->leases);
    company_tick(worker->company, worker_now(worker), changed);
}

/* The verify batch; the repair that it leads to may take its time. */
static void verify(struct worker *worker, bool repair_at_once) {
    const struct head *head = &worker->store->now.head;
    read_leases(worker);
    bool behind = worker->lineage != worker->store->lineage || head->version != company_version(worker->company) ||
                  strcmp(head->epoch, company_epoch(worker->company)) != 0;
    if (behind && repair_at_once)
        repair(worker);
}

static struct worker *worker_open(struct world *world, size_t index) {
    struct worker *worker = calloc(1, sizeof *worker);
    assert_non_null(worker);
    worker->store = &world->store;
    worker->leases = leases_create();
    worker->company = company_open("acme", worker->leases);
    worker->skew_ms = (int64_t)random_below(&world->random, 401) - 200;
    world->store.inboxes[index] = &worker->inbox;
    world->workers[index] = worker;
    if (random_chance(&world->random, .5))
        read_leases(worker);
    compare(worker);
    read_leases(worker);
    return worker;
}

static void worker_close(struct world *world, size_t index) {
    struct worker *worker = world->workers[index];
    world->store.inboxes[index] = NULL;
    company_close(worker->company);
    leases_free(worker->leases);
    free(worker);
}

/* ---- Commits ---- */

static void commit(struct world *world, struct worker *worker, const struct record *records, const char *const *gone,
                   size_t count, bool remove) {
    struct test_write writes[WRITES_MAX] = {{0}};
    char names[WRITES_MAX][ENTITY_NAME_BYTES_MAX];
    for (size_t i = 0; i < count; i++) {
        if (gone != NULL) {
            writes[i].name = gone[i];
            continue;
        }
        entity_name(records[i].kind, record_id(&records[i]), names[i]);
        buffer_clear(&world->bytes);
        assert_int_equal(record_encode(&records[i], &world->bytes), 0);
        writes[i].name = names[i];
        writes[i].bytes = test_store_keep(&world->store, world->bytes.bytes, world->bytes.length);
        writes[i].length = world->bytes.length;
    }
    for (int attempt = 0; attempt < 5; attempt++) {
        for (size_t i = 0; i < count; i++)
            writes[i].expected = company_revision(worker->company, writes[i].name, NULL, NULL);
        int error = test_store_commit(&world->store, worker->lineage, writes, count, remove);
        if (error == 0)
            return;
        if (error == LEDIG_ELINEAGE)
            repair(worker);
        else
            compare(worker);
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
        parts->log_ins[i] = (struct log_in){
            .queue = queue_ids[i], .since = 1, .pause = random_chance(random, .2) ? "lunch" : NULL};
    return record;
}

static void set_state(struct world *world, struct worker *worker) {
    struct parts parts;
    struct record record = make_state(world, any_user(world), &parts);
    if (random_chance(&world->random, .4)) { /* one of two, so that the same comes again */
        record.state = (struct state_record){.id = record.state.id, .last_active = world->store.clock_ms};
        record.state.status = random_chance(&world->random, .5) ? "busy" : NULL;
    }
    commit(world, worker, &record, NULL, 1, false);
}

/* A change that shows nothing now: another device or the time last seen; what it was made of may be kept or not. */
static void touch_state(struct world *world, struct worker *worker) {
    const struct member *member = company_member(worker->company, any_user(world));
    if (member == NULL || member_state(member) == NULL)
        return;
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

static void set_profile(struct world *world, struct worker *worker) {
    char name[8], role[8];
    snprintf(name, sizeof name, "n%u", random_below(&world->random, 2));
    snprintf(role, sizeof role, "r%u", random_below(&world->random, 9));
    struct record record = {.kind = RECORD_PROFILE, .profile = {.id = any_user(world), .name = name, .role = role}};
    commit(world, worker, &record, NULL, 1, false);
}

static void withdraw(struct world *world, struct worker *worker) {
    static const enum record_kind kinds[] = {RECORD_STATE, RECORD_PROFILE, RECORD_QUEUE};
    enum record_kind kind = kinds[random_below(&world->random, 3)];
    const char *id = kind == RECORD_QUEUE ? queue_ids[random_below(&world->random, QUEUES)] : any_user(world);
    char name[ENTITY_NAME_BYTES_MAX];
    entity_name(kind, id, name);
    const struct stored *record = test_store_find(&world->store, name);
    if (record == NULL)
        return;
    if (random_chance(&world->random, .3))
        test_store_prune(&world->store, name);
    else
        commit(world, worker, NULL, (const char *[]){name}, 1, false);
}

static void remove_person(struct world *world, struct worker *worker) {
    const char *user = any_user(world);
    char state[ENTITY_NAME_BYTES_MAX], profile[ENTITY_NAME_BYTES_MAX];
    entity_name(RECORD_STATE, user, state);
    entity_name(RECORD_PROFILE, user, profile);
    commit(world, worker, NULL, (const char *[]){state, profile}, 2, true);
}

static void set_company(struct world *world, struct worker *worker) {
    struct shift shifts[2] = {{.from_at = 1, .until_at = soon(world)}, {.from_at = soon(world), .until_at = soon(world)}};
    struct record record = {.kind = RECORD_COMPANY, .company = {.id = "acme", .shifts = {shifts, 2, true}}};
    record.company.shifts.count = random_below(&world->random, 3);
    commit(world, worker, &record, NULL, 1, false);
}

static void set_queue(struct world *world, struct worker *worker) {
    struct record record = {.kind = RECORD_QUEUE, .queue = {.id = queue_ids[random_below(&world->random, QUEUES)]}};
    record.queue.wrap_up_ms = random_below(&world->random, 9);
    commit(world, worker, &record, NULL, 1, false);
}

/* A call waits, ends, or is claimed together with the state of the one who shall take it. */
static void set_call(struct world *world, struct worker *worker) {
    struct random *random = &world->random;
    char id[8];
    snprintf(id, sizeof id, "c%u", random_below(random, CALLS));
    struct leg leg = {.user = any_user(world), .state = "claimed", .since = 1};
    struct parts parts;
    struct record records[2] = {{.kind = RECORD_CALL,
                                 .call = {.id = id,
                                          .queue = queue_ids[random_below(random, QUEUES)],
                                          .arrived_at = world->store.clock_ms,
                                          .incarnation = test_store_pick_lease(&world->store)->id,
                                          .poll_until = soon(world)}},
                                make_state(world, leg.user, &parts)};
    if (random_chance(random, .3))
        records[0].call.ended_at = world->store.clock_ms;
    bool claimed = random_chance(random, .3);
    if (claimed)
        records[0].call.legs = (struct list){&leg, 1, true};
    commit(world, worker, records, NULL, claimed ? 2 : 1, false);
}

/* ---- Clients ---- */

static void make_up_follow(struct world *world, struct client *client) {
    struct follow *follow = &client->follow;
    const char *users[2], *queues[QUEUES];
    struct texts user_texts = {.at = users, .present = true}, queue_texts = {.at = queues, .present = true};
    *follow = (struct follow){.all = random_chance(&world->random, .6), .number = ++world->follows};
    user_texts.all = follow->all;
    for (; !follow->all && user_texts.count < 2; user_texts.count++) {
        uint32_t user = random_below(&world->random, world->user_count);
        follow->users[user] = true;
        users[user_texts.count] = world->users[user];
    }
    for (size_t i = 0; i < QUEUES; i++) {
        follow->queues[i] = random_chance(&world->random, .5);
        if (follow->queues[i])
            queues[queue_texts.count++] = queue_ids[i];
    }
    uint32_t self = random_below(&world->random, world->user_count);
    follow->users[self] = true;
    filter_free(client->filter);
    client->filter = filter_create(&user_texts, &queue_texts, world->users[self]);
    assert_non_null(client->filter);
}

static void forget(struct client *client) {
    client->cursor = 0;
    client->epoch[0] = '\0';
    client->version = 0;
    client->now_ms = 0;
    client->more = false;
    memset(client->members, 0, sizeof client->members);
    memset(client->profiles, 0, sizeof client->profiles);
    memset(client->queues, 0, sizeof client->queues);
}

static void cut(struct client *client) {
    client->worker = NULL;
    client->live = false;
}

static void hello(struct client *client, struct worker *worker) {
    client->worker = worker;
    if (client->epoch[0] != '\0' && client->follow.number == client->place_follow) {
        if (company_version(worker->company) < client->version)
            repair(worker);
        struct place place = {
            .epoch = client->epoch, .version = client->version, .now_ms = client->now_ms, .more = client->more};
        if (company_resume(worker->company, &place, worker_now(worker), &client->cursor))
            return;
    }
    forget(client);
}

static uint32_t user_index(const char *user) {
    return (uint32_t)strtoul(user + 1, NULL, 10);
}

static uint32_t queue_index(const char *queue) {
    return strcmp(queue, queue_ids[0]) == 0 ? 0 : 1;
}

static const char *shown(const char *text) {
    return text != NULL ? text : "-";
}

static void member_text(char text[ROW_MAX], const char *availability, const char *activity, int64_t since,
                        int64_t until, const char *presence) {
    snprintf(text, ROW_MAX, "%s %s %lld %lld %s", availability, shown(activity), (long long)since, (long long)until,
             shown(presence));
    if (strcmp(availability, "unknown") == 0)
        text[0] = '\0'; /* the same as no row */
}

static void take_rows(struct client *client, const struct message_changes *changes) {
    const struct part_member *members = changes->members.at;
    for (uint32_t i = 0; i < changes->members.count; i++)
        member_text(client->members[user_index(members[i].user)], members[i].availability, members[i].activity,
                    members[i].since, members[i].until, members[i].presence);
    const struct part_profile *profiles = changes->profiles.at;
    for (uint32_t i = 0; i < changes->profiles.count; i++)
        snprintf(client->profiles[user_index(profiles[i].user)], ROW_MAX, "%s", profiles[i].name);
    const struct part_queue_row *queues = changes->queues.at;
    for (uint32_t i = 0; i < changes->queues.count; i++)
        snprintf(client->queues[queue_index(queues[i].queue)], ROW_MAX, "%u %u %u %u %lld", queues[i].free,
                 queues[i].busy, queues[i].wrap_up, queues[i].waiting, (long long)queues[i].oldest_at);
    for (uint32_t i = 0; i < changes->removed.count; i++) {
        client->members[user_index(changes->removed.at[i])][0] = '\0';
        client->profiles[user_index(changes->removed.at[i])][0] = '\0';
    }
}

/* The next frame, if there is one: nothing, where the client is live and nothing stands behind its cursor. The frame
 * begins nearly full, so that few rows make a series. */
static bool step(struct world *world, struct client *client) {
    struct worker *worker = client->worker;
    if (client->live && client->cursor == company_last_place(worker->company))
        return false;
    frame_begin(&world->frame, client->encoding);
    world->frame.length = LEDIG_MESSAGE_BYTES_MAX - ENVELOPE_BYTES - 200;
    bool more = company_walk(worker->company, client->filter, &client->cursor, &world->frame);
    buffer_clear(&world->bytes);
    assert_int_equal(frame_end_changes(&world->frame, more, company_epoch(worker->company),
                                       (int64_t)company_version(worker->company), leases_read_at(worker->leases),
                                       &world->bytes),
                     0);
    struct message message;
    struct fault fault;
    arena_reset(world->arena);
    assert_int_equal(message_decode(client->encoding, SIDE_BROKER, world->bytes.bytes, world->bytes.length,
                                    world->arena, &message, NULL, &fault),
                     0);
    take_rows(client, &message.changes);
    client->more = message.changes.more;
    if (message.changes.more)
        return true;
    snprintf(client->epoch, sizeof client->epoch, "%s", message.changes.epoch);
    client->version = (uint64_t)message.changes.to;
    client->now_ms = message.changes.now;
    client->place_follow = client->follow.number;
    client->live = true;
    return true;
}

/* ---- The truth: the rule, applied to the store's records, without a replica ---- */

struct truth {
    char members[USERS_MAX][ROW_MAX], profiles[USERS_MAX][ROW_MAX], queues[QUEUES][ROW_MAX];
    bool has_queue[QUEUES];
};

static bool load(struct world *world, enum record_kind kind, const char *id, struct record *record) {
    char name[ENTITY_NAME_BYTES_MAX];
    entity_name(kind, id, name);
    const struct stored *stored = test_store_find(&world->store, name);
    if (stored == NULL || stored->bytes == NULL)
        return false;
    assert_int_equal(record_decode(stored->bytes, stored->length, world->arena, record), 0);
    return true;
}

static bool waits(struct world *world, const struct call_record *call, const struct leases *leases) {
    int64_t now = world->store.clock_ms, ended_at = leases_ended_at(leases, call->incarnation);
    return call->legs.count == 0 && call->ended_at == 0 && now < call->poll_until + 5000 &&
           (ended_at == 0 || now < ended_at + 5000);
}

static void count_seats(const struct state_record *state, const struct view *view, uint32_t seats[QUEUES][3]) {
    const struct log_in *log_ins = state->log_ins.at;
    for (uint32_t i = 0; i < state->log_ins.count; i++) {
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
        if (!load(world, RECORD_PROFILE, world->users[u], &profile))
            continue;
        snprintf(truth->profiles[u], ROW_MAX, "%s", profile.profile.name);
        if (!load(world, RECORD_STATE, world->users[u], &state))
            continue;
        struct view view;
        availability_derive(&state.state, settings ? &company.company : NULL, world->store.clock_ms, leases, &view);
        member_text(truth->members[u], availability_name(view.availability), view.activity, view.since, view.until,
                    presence_name(view.presence));
        count_seats(&state.state, &view, seats);
    }
    for (uint32_t c = 0; c < CALLS; c++) {
        if (!load(world, RECORD_CALL, (const char *[]){"c0", "c1", "c2", "c3"}[c], &call) ||
            !waits(world, &call.call, leases))
            continue;
        uint32_t q = queue_index(call.call.queue);
        if (waiting[q]++ == 0 || call.call.arrived_at < oldest_at[q])
            oldest_at[q] = call.call.arrived_at;
    }
    for (uint32_t q = 0; q < QUEUES; q++) {
        struct record queue;
        truth->has_queue[q] = load(world, RECORD_QUEUE, queue_ids[q], &queue);
        snprintf(truth->queues[q], ROW_MAX, "%u %u %u %u %lld", seats[q][0], seats[q][1], seats[q][2], waiting[q],
                 (long long)oldest_at[q]);
    }
}

static bool differs(const char *what, int client, const char *id, const char *seen, const char *wanted) {
    if (strcmp(seen, wanted) == 0)
        return false;
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
            wrong |= differs("queue", number, queue_ids[q], seen, "");
        else if (truth->has_queue[q])
            wrong |= differs("queue", number, queue_ids[q], seen, truth->queues[q]);
        else if (seen[0] != '\0') /* gone, or never there */
            wrong |= differs("queue", number, queue_ids[q], seen, "0 0 0 0 0");
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
    if (lease->ended_at_ms == 0)
        lease->ended_at_ms = world->store.clock_ms; /* once */
    if (random_chance(&world->random, .5))
        test_store_take_lease(&world->store);
}

static void restart(struct world *world) {
    static const size_t losses[] = {0, 0, 1, 3, 9};
    test_store_restart(&world->store, losses[random_below(&world->random, 5)]);
    for (size_t i = 0; i < WORKERS; i++) {
        world->workers[i]->inbox.count = 0;
        if (random_chance(&world->random, .7))
            verify(world->workers[i], true);
    }
}

static void replace_worker(struct world *world) {
    size_t index = random_below(&world->random, WORKERS);
    for (size_t i = 0; i < CLIENTS; i++)
        if (world->clients[i].worker == world->workers[index])
            cut(&world->clients[i]);
    worker_close(world, index);
    worker_open(world, index);
}

static void act_as_client(struct world *world, struct worker *worker) {
    struct client *client = &world->clients[random_below(&world->random, CLIENTS)];
    double a = random_below(&world->random, 1000) / 1000.0;
    if (client->worker == NULL) {
        hello(client, worker);
    } else if (a < .11) {
        cut(client);
    } else if (a < .13 && client->live) {
        make_up_follow(world, client);
        forget(client);
        client->live = false;
    } else {
        step(world, client);
    }
}

static void act(struct world *world) {
    struct worker *worker = world->workers[random_below(&world->random, WORKERS)];
    double a = random_below(&world->random, 100000) / 100000.0;
    if (a < .20)
        set_state(world, worker);
    else if (a < .26)
        touch_state(world, worker);
    else if (a < .30)
        set_profile(world, worker);
    else if (a < .32)
        withdraw(world, worker);
    else if (a < .325)
        remove_person(world, worker);
    else if (a < .33)
        set_queue(world, worker);
    else if (a < .36)
        set_call(world, worker);
    else if (a < .37)
        end_lease(world);
    else if (a < .376)
        set_company(world, worker);
    else if (a < .48)
        step_clock(world);
    else if (a < .60)
        read_inbox(worker);
    else if (a < .65)
        verify(worker, random_chance(&world->random, .7));
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
        set_profile(world, world->workers[0]);
        set_state(world, world->workers[0]);
    }
    set_queue(world, world->workers[0]);
    for (size_t i = 0; i < CLIENTS; i++) {
        world->clients[i].encoding = random_below(&world->random, ENCODING_COUNT);
        make_up_follow(world, &world->clients[i]);
    }
}

/* All links are up, the clocks agree, and everybody has had the time to look. */
static void come_to_rest(struct world *world) {
    world->store.clock_ms += 1000;
    for (size_t i = 0; i < WORKERS; i++)
        world->workers[i]->skew_ms = 0;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < WORKERS; i++) {
            read_inbox(world->workers[i]);
            verify(world->workers[i], true);
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
        if (client->worker == NULL)
            hello(client, world->workers[random_below(&world->random, WORKERS)]);
        uint32_t frames = 0;
        while (step(world, client) && right)
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
        filter_free(world->clients[i].filter);
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

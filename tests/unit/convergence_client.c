/* A client: it follows, breaks off, resumes, and notes down what it sees. */
#include "tests/unit/convergence_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first
#include <cmocka.h>

#define ENVELOPE_BYTES 640 /* what a frame sets aside for all that is not rows */

const char *const world_queues[QUEUES] = {"support", "sales"};

/* The filter is its worker's. */
static void set_filter(struct world *world, struct client *client) {
    const struct follow *follow = &client->follow;
    const char *users[USERS_MAX], *queues[QUEUES];
    struct texts user_texts = {.at = users, .present = true}, queue_texts = {.at = queues, .present = true};
    user_texts.all = follow->all;
    for (uint32_t i = 0; i < world->user_count; i++)
        if (!follow->all && follow->users[i]) users[user_texts.count++] = world->users[i];
    for (size_t i = 0; i < QUEUES; i++)
        if (follow->queues[i]) queues[queue_texts.count++] = world_queues[i];
    filter_release(client->filter);
    client->filter = filter_create(client->worker->company, &user_texts, &queue_texts, NULL);
    assert_non_null(client->filter);
}

void client_follow_anew(struct world *world, struct client *client) {
    struct follow *follow = &client->follow;
    *follow = (struct follow){.all = random_chance(&world->random, .6), .number = ++world->follows};
    for (int i = 0; i < 2; i++)
        follow->users[random_below(&world->random, world->user_count)] = true;
    for (size_t i = 0; i < QUEUES; i++)
        follow->queues[i] = random_chance(&world->random, .5);
    if (client->worker != NULL) set_filter(world, client);
}

void client_forget(struct client *client) {
    client->cursor = 0;
    client->epoch[0] = '\0';
    client->version = 0;
    client->now_ms = 0;
    client->more = false;
    memset(client->members, 0, sizeof client->members);
    memset(client->profiles, 0, sizeof client->profiles);
    memset(client->queues, 0, sizeof client->queues);
}

void client_cut(struct client *client) {
    client->worker = NULL;
    client->live = false;
}

void client_hello(struct world *world, struct client *client, struct worker *worker) {
    client->worker = worker;
    set_filter(world, client);
    if (client->epoch[0] != '\0' && client->follow.number == client->place_follow) {
        if (client->more || company_version(worker->company) < client->version) worker_repair(worker);
        struct place place = {
            .epoch = client->epoch, .version = client->version, .now_ms = client->now_ms, .more = client->more};
        if (company_resume(worker->company, client->filter, &place, worker_now(worker), &client->cursor)) return;
    }
    client_forget(client);
}

static uint32_t user_index(const char *user) {
    return (uint32_t)strtoul(user + 1, NULL, 10);
}

uint32_t queue_index(const char *queue) {
    return strcmp(queue, world_queues[0]) == 0 ? 0 : 1;
}

static const char *shown(const char *text) {
    return text != NULL ? text : "-";
}

void member_text(char text[ROW_MAX], const char *availability, const char *activity, int64_t since, int64_t until,
                 const char *presence) {
    snprintf(text, ROW_MAX, "%s %s %lld %lld %s", availability, shown(activity), (long long)since, (long long)until,
             shown(presence));
    if (strcmp(availability, "unknown") == 0) text[0] = '\0'; /* the same as no row */
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

static void ignore(void *owner) {
    (void)owner;
}

/* One that is live is looked at only when something has moved that it follows. The frame begins nearly full, so that
 * few rows make a series. */
bool client_step(struct world *world, struct client *client) {
    struct worker *worker = client->worker;
    company_tell(worker->company, ignore);
    if (client->live && client->cursor >= filter_last_place(client->filter)) return false;
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
    if (message.changes.more) return true;
    snprintf(client->epoch, sizeof client->epoch, "%s", message.changes.epoch);
    client->version = (uint64_t)message.changes.to;
    client->now_ms = message.changes.now;
    client->place_follow = client->follow.number;
    client->live = true;
    return true;
}

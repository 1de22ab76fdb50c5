/* What the broker says: rows to the caller, answers to requests, and what a resume will need. */
#include "clients/c/client.h"

#include <stdio.h>
#include <string.h>

/* ---- Rows ---- */

typedef void (*row_taker)(void *arg, const struct ledig_change *change);

/* The taker, looked up anew for each row: it is gone once the caller has freed the client. */
struct rows {
    struct ledig_client *client;
    row_taker row; /* of an `ask`; NULL: the client's own `change` */
    void *arg;
};

static void give(struct rows *rows, const struct ledig_change *change) {
    if (rows->client->freed) return;
    row_taker taker = rows->row ? rows->row : rows->client->events.change;
    if (taker) taker(rows->row ? rows->arg : rows->client->arg, change);
}

static void give_profiles(struct rows *rows, const struct list *list) {
    const struct part_profile *row = list->at;
    for (uint32_t i = 0; i < list->count; i++, row++)
        give(rows, &(struct ledig_change){.kind = LEDIG_PROFILE,
                                          .profile = {.user = row->user,
                                                      .name = row->name,
                                                      .department = row->department,
                                                      .numbers = row->numbers.at,
                                                      .number_count = row->numbers.count,
                                                      .queues = row->queues.at,
                                                      .queue_count = row->queues.count}});
}

static void give_members(struct rows *rows, const struct list *list) {
    const struct part_member *row = list->at;
    for (uint32_t i = 0; i < list->count; i++, row++)
        give(rows, &(struct ledig_change){.kind = LEDIG_MEMBER,
                                          .member = {.user = row->user,
                                                     .availability = row->availability,
                                                     .activity = row->activity,
                                                     .since = row->since,
                                                     .until = row->until,
                                                     .note = row->note,
                                                     .presence = row->presence,
                                                     .last_active = row->last_active}});
}

static void give_queues(struct rows *rows, const struct list *list) {
    const struct part_queue_row *row = list->at;
    for (uint32_t i = 0; i < list->count; i++, row++)
        give(rows, &(struct ledig_change){.kind = LEDIG_QUEUE,
                                          .queue = {.queue = row->queue,
                                                    .free = row->free,
                                                    .busy = row->busy,
                                                    .wrap_up = row->wrap_up,
                                                    .waiting = row->waiting,
                                                    .oldest_at = row->oldest_at}});
}

static void give_removed(struct rows *rows, const struct texts *users) {
    for (uint32_t i = 0; i < users->count; i++)
        give(rows, &(struct ledig_change){.kind = LEDIG_REMOVED, .removed = users->at[i]});
}

/* ---- What a person asks of themselves. A callback may free the client, and the request with it. ---- */

static void give_calls(const struct ledig_client *client, const struct request *request, const struct list *calls) {
    const struct part_call_row *row = calls->at;
    void (*call)(void *, const struct ledig_past_call *) = request->call;
    void *arg = request->arg;
    for (uint32_t i = 0; call && i < calls->count && !client->freed; i++, row++)
        call(arg, &(struct ledig_past_call){.call = row->call,
                                            .direction = row->direction,
                                            .result = row->result,
                                            .started_at = row->started_at,
                                            .answered_at = row->answered_at,
                                            .ended_at = row->ended_at,
                                            .peer = row->peer,
                                            .queue = row->queue});
}

static void give_activity(const struct ledig_client *client, const struct request *request, const struct list *rows) {
    const struct part_activity_row *row = rows->at;
    void (*activity)(void *, const struct ledig_activity *) = request->activity;
    void *arg = request->arg;
    for (uint32_t i = 0; activity && i < rows->count && !client->freed; i++, row++)
        activity(arg, &(struct ledig_activity){.what = row->what,
                                               .at = row->at,
                                               .actor = row->actor,
                                               .device = row->device,
                                               .detail = row->detail,
                                               .times = row->times});
}

static void give_usage(const struct ledig_client *client, const struct request *request, const struct list *usage) {
    const struct part_usage_row *row = usage->at;
    void (*sum)(void *, const struct ledig_usage *) = request->sum;
    void *arg = request->arg;
    for (uint32_t i = 0; sum && i < usage->count && !client->freed; i++, row++)
        sum(arg, &(struct ledig_usage){.queue = row->queue,
                                       .calls = row->calls,
                                       .in = row->in,
                                       .out = row->out,
                                       .internal = row->internal,
                                       .answered = row->answered,
                                       .missed = row->missed,
                                       .talk_ms = row->talk_ms});
}

/* ---- Messages ---- */

static void forget(struct ledig_client *client) {
    client->place = (struct place){0};
    if (client->events.forget) client->events.forget(client->arg);
}

static void take_welcome(struct ledig_client *client, const struct message_welcome *welcome) {
    retry_accepted(&client->retry);
    client->ping_ms = welcome->ping_ms;
    client_watch_silence(client);
    if (!welcome->resumed) forget(client);
    if (client->freed) return;
    client_say(client, &(struct ledig_status){.phase = LEDIG_CONNECTED,
                                              .resumed = welcome->resumed,
                                              .user = welcome->user,
                                              .company = welcome->company});
    if (client->freed) return;
    client_follow_queues(client);
    client_send_requests(client);
}

static void take_place(struct ledig_client *client, const struct message_changes *changes) {
    if (changes->more) {
        client->place.more = true;
        return;
    }
    client->place = (struct place){.version = changes->to, .now_ms = changes->now};
    if (!changes->epoch || strlen(changes->epoch) >= sizeof client->place.epoch) return;
    memcpy(client->place.epoch, changes->epoch, strlen(changes->epoch) + 1);
    client->place.known = true;
}

static void take_changes(struct ledig_client *client, const struct message_changes *changes) {
    struct rows rows = {.client = client};
    give_profiles(&rows, &changes->profiles); /* names before what their bearers do */
    give_members(&rows, &changes->members);
    give_queues(&rows, &changes->queues);
    give_removed(&rows, &changes->removed);
    if (client->freed) return;
    take_place(client, changes);
    if (!changes->more && client->phase == LEDIG_CONNECTED && !client->follow_is_ours) client_became_live(client);
}

static void take_ok(struct ledig_client *client, const struct message_ok *ok) {
    bool ours = ok->id == client->follow_id && client->follow_is_ours;
    struct request *request = requests_find(&client->requests, ok->id);
    if (request ? request->follows : ours) {
        client_drop_follow(client, ok->id, true);
        client->phase = LEDIG_CONNECTED; /* the state begins anew */
        forget(client);
        if (client->freed) return; /* the request went with it */
    }
    if (request) requests_complete(&client->requests, request, &(struct ledig_result){.version = ok->version});
}

static void take_answer(struct ledig_client *client, const struct message_answer *answer) {
    struct request *request = requests_find(&client->requests, answer->id);
    if (!request) return;
    struct rows rows = {.client = client, .row = request->row, .arg = request->arg};
    if (rows.row) {
        give_profiles(&rows, &answer->profiles);
        give_members(&rows, &answer->members);
        give_queues(&rows, &answer->queues);
    }
    if (!client->freed) give_calls(client, request, &answer->calls);
    if (!client->freed) give_activity(client, request, &answer->activity);
    if (!client->freed) give_usage(client, request, &answer->usage);
    if (client->freed || answer->more) return;
    requests_complete(&client->requests, request,
                      &(struct ledig_result){.stale_ms = answer->stale_ms, .before = answer->before});
}

static void take_error(struct ledig_client *client, const struct message_error *error) {
    if (error->id == 0 && error->expires_at > 0) {
        if (client->events.expiring) client->events.expiring(client->arg, error->expires_at);
        return;
    }
    if (error->id == 0) { /* it concerns the line, and a close follows */
        client->told_ms = error->retry_ms;
        client->told_error = ledig_error_from_name(error->code);
        snprintf(client->told, sizeof client->told, "%s", error->message);
        return;
    }
    struct request *request = requests_find(&client->requests, error->id);
    client_drop_follow(client, error->id, false);
    if (!request) return;
    struct ledig_result result = {.error = ledig_error_from_name(error->code),
                                  .message = error->message,
                                  .field = error->field,
                                  .retry_ms = error->retry_ms};
    requests_complete(&client->requests, request, &result);
}

static void take_bye(struct ledig_client *client, const struct message_bye *bye) {
    client->told_ms = bye->retry_ms;
    snprintf(client->told, sizeof client->told, "%s", bye->reason);
}

static void take(struct ledig_client *client, const struct message *message) {
    switch (message->type) {
    case MESSAGE_welcome:
        take_welcome(client, &message->welcome);
        break;
    case MESSAGE_changes:
        take_changes(client, &message->changes);
        break;
    case MESSAGE_ok:
        take_ok(client, &message->ok);
        break;
    case MESSAGE_answer:
        take_answer(client, &message->answer);
        break;
    case MESSAGE_error:
        take_error(client, &message->error);
        break;
    case MESSAGE_bye:
        take_bye(client, &message->bye);
        break;
    default:
        break; /* `me` is for those who listen to `message` */
    }
}

void client_take(struct ledig_client *client, const uint8_t *bytes, size_t length) {
    struct message message;
    struct fault fault;
    client->heard_ms = uv_now(client->loop);
    arena_reset(client->arena);
    int error = message_decode(ENCODING_MSGPACK, SIDE_BROKER, bytes, length, client->arena, &message, NULL, &fault);
    if (error == LEDIG_EUNSUPPORTED) return; /* of a later version: to be borne */
    if (error) {
        client_end_line(client, error == LEDIG_ENO_MEMORY ? 0 : 1002,
                        error == LEDIG_ENO_MEMORY ? "out of memory" : "the broker sent what no message can be");
        return;
    }
    if (client->events.message) client->events.message(client->arg, &message);
    if (!client->freed) take(client, &message);
}

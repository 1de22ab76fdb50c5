/* Requests: from arguments to encoded messages, sent as soon as there is a line. */
#include "clients/c/client.h"

#include <stdlib.h>

static bool can_send(const struct ledig_client *client) {
    return client->phase == LEDIG_CONNECTED || client->phase == LEDIG_LIVE;
}

void client_send_requests(struct ledig_client *client) {
    if (!can_send(client)) return;
    for (struct request *request = client->requests.first; request; request = request->next) {
        if (request->sent) continue;
        if (link_send(&client->link, request->bytes.bytes, request->bytes.length)) return; /* its deadline will tell */
        request->sent = true;
    }
}

/* ---- Deadlines ---- */

static void deadline(uv_timer_t *timer) {
    struct ledig_client *client = timer->data;
    struct request *request = client->requests.first;
    while (request && request->deadline_ms <= uv_now(client->loop)) {
        if (request->follows && request->sent) { /* done or not, nobody knows: begin anew */
            client_end_line(client, 0, "no answer in time");
            break;
        }
        if (request->follows) client_drop_follow(client, request->id, false);
        struct ledig_result result = {.error = LEDIG_EUNAVAILABLE,
                                      .message = request->sent ? "no answer in time" : "no line in time"};
        requests_complete(&client->requests, request, &result);
        if (client->freed) return;
        request = client->requests.first;
    }
    if (!client->freed) client_arm_request_timer(client);
}

void client_arm_request_timer(struct ledig_client *client) {
    struct request *first = client->requests.first; /* all wait equally long, so the first is the oldest */
    uint64_t now_ms = uv_now(client->loop);
    if (!first) return;
    uv_timer_start(&client->request_timer, deadline, first->deadline_ms > now_ms ? first->deadline_ms - now_ms : 0, 0);
}

static int submit(struct ledig_client *client, const struct message *message, uint32_t id, ledig_done done, void *arg,
                  struct request **out) {
    struct request *request;
    int error = client->stopped ? client->stopped : requests_add(&client->requests, message, id, &request);
    if (error) return error;
    request->done = done;
    request->arg = arg;
    request->deadline_ms = uv_now(client->loop) + client->request_timeout_ms;
    if (client->requests.first == request) client_arm_request_timer(client);
    client_send_requests(client);
    if (out) *out = request;
    return 0;
}

/* ---- Requests ---- */

int ledig_set(struct ledig_client *client, const struct ledig_availability *availability, ledig_done done, void *arg) {
    if (!availability->status || availability->until < 0) return LEDIG_EBAD_REQUEST;
    uint32_t id = requests_next_id(&client->requests);
    struct message message = {.type = MESSAGE_set,
                              .set = {.id = id,
                                      .status = availability->status,
                                      .activity = availability->activity,
                                      .note = availability->note,
                                      .until = availability->until,
                                      .forward = availability->forward,
                                      .user = availability->user,
                                      .open = availability->open}};
    return submit(client, &message, id, done, arg, NULL);
}

int ledig_device(struct ledig_client *client, const char *state, ledig_done done, void *arg) {
    char *copy = client_copy(state);
    if (!copy) return state ? LEDIG_ENO_MEMORY : LEDIG_EBAD_REQUEST;
    uint32_t id = requests_next_id(&client->requests);
    struct message message = {.type = MESSAGE_device, .device = {.id = id, .state = state}};
    int error = submit(client, &message, id, done, arg, NULL);
    if (error) {
        free(copy);
        return error;
    }
    free(client->state); /* the next `hello` says the same */
    client->state = copy;
    return 0;
}

int ledig_consent(struct ledig_client *client, const char *purpose, bool granted, const char *text,
                  const char *language, ledig_done done, void *arg) {
    if (!purpose || !text) return LEDIG_EBAD_REQUEST;
    uint32_t id = requests_next_id(&client->requests);
    struct message message = {
        .type = MESSAGE_consent,
        .consent = {.id = id, .purpose = purpose, .granted = granted, .text = text, .language = language}};
    return submit(client, &message, id, done, arg, NULL);
}

int ledig_queue(struct ledig_client *client, const char *queue, bool member, const char *pause, ledig_done done,
                void *arg) {
    if (!queue) return LEDIG_EBAD_REQUEST;
    uint32_t id = requests_next_id(&client->requests);
    struct message message = {.type = MESSAGE_queue,
                              .queue = {.id = id, .queue = queue, .member = member, .pause = pause}};
    return submit(client, &message, id, done, arg, NULL);
}

static struct texts lent(const char *const *texts, size_t count) {
    return (struct texts){.at = texts, .count = (uint32_t)count, .present = count > 0};
}

int ledig_ask(struct ledig_client *client, const struct ledig_question *question,
              void (*row)(void *arg, const struct ledig_change *row), ledig_done done, void *arg) {
    size_t most = LEDIG_ASK_COUNT_MAX;
    if (question->user_count > most || question->number_count > most || question->queue_count > most ||
        question->user_count + question->number_count + question->queue_count > most)
        return LEDIG_ETOO_LARGE;
    uint32_t id = requests_next_id(&client->requests);
    struct message message = {.type = MESSAGE_ask,
                              .ask = {.id = id,
                                      .users = lent(question->users, question->user_count),
                                      .numbers = lent(question->numbers, question->number_count),
                                      .queues = lent(question->queues, question->queue_count)}};
    struct request *request;
    int error = submit(client, &message, id, done, arg, &request);
    if (!error) request->row = row;
    return error;
}

int ledig_calls(struct ledig_client *client, int64_t before, uint32_t limit,
                void (*call)(void *arg, const struct ledig_past_call *call), ledig_done done, void *arg) {
    if (before < 0) return LEDIG_EBAD_REQUEST;
    uint32_t id = requests_next_id(&client->requests);
    struct message message = {.type = MESSAGE_calls, .calls = {.id = id, .before = before, .limit = limit}};
    struct request *request;
    int error = submit(client, &message, id, done, arg, &request);
    if (!error) request->call = call;
    return error;
}

int ledig_activity(struct ledig_client *client, int64_t before, uint32_t limit,
                   void (*activity)(void *arg, const struct ledig_activity *activity), ledig_done done, void *arg) {
    if (before < 0) return LEDIG_EBAD_REQUEST;
    uint32_t id = requests_next_id(&client->requests);
    struct message message = {.type = MESSAGE_activity, .activity = {.id = id, .before = before, .limit = limit}};
    struct request *request;
    int error = submit(client, &message, id, done, arg, &request);
    if (!error) request->activity = activity;
    return error;
}

int ledig_usage(struct ledig_client *client, int64_t from, int64_t to,
                void (*sum)(void *arg, const struct ledig_usage *sum), ledig_done done, void *arg) {
    if (from < 0 || to < 0) return LEDIG_EBAD_REQUEST;
    uint32_t id = requests_next_id(&client->requests);
    struct message message = {.type = MESSAGE_usage, .usage = {.id = id, .from = from, .to = to}};
    struct request *request;
    int error = submit(client, &message, id, done, arg, &request);
    if (!error) request->sum = sum;
    return error;
}

int ledig_renew(struct ledig_client *client, const char *token, ledig_done done, void *arg) {
    int error = ledig_set_token(client, token);
    if (error) return error;
    uint32_t id = requests_next_id(&client->requests);
    struct message message = {.type = MESSAGE_token, .token = {.id = id, .token = token}};
    return submit(client, &message, id, done, arg, NULL);
}

/* ---- Follow ---- */

static struct message follow_message(uint32_t id, const struct following *following) {
    struct message message = {.type = MESSAGE_follow, .follow = {.id = id, .users = following->users}};
    if (following->queues.count > 0) message.follow.queues = following->queues;
    return message;
}

int ledig_follow(struct ledig_client *client, const char *const *users, size_t user_count, const char *const *queues,
                 size_t queue_count, ledig_done done, void *arg) {
    if (client->follow_id) return LEDIG_ECONFLICT;
    int error = following_copy(&client->asked, users, user_count, users == NULL, queues, queue_count);
    if (error) return error;
    uint32_t id = requests_next_id(&client->requests);
    struct message message = follow_message(id, &client->asked);
    struct request *request;
    error = submit(client, &message, id, done, arg, &request);
    if (error) {
        following_free(&client->asked);
        return error;
    }
    request->follows = true;
    client->follow_id = id;
    return 0;
}

void client_drop_follow(struct ledig_client *client, uint32_t id, bool kept) {
    if (id == 0 || client->follow_id != id) return;
    if (kept && !client->follow_is_ours) {
        following_free(&client->following);
        client->following = client->asked;
        client->asked = (struct following){0};
    } else {
        following_free(&client->asked);
    }
    client->follow_id = 0;
    client->follow_is_ours = false;
}

void client_follow_queues(struct ledig_client *client) {
    if (client->following.queues.count == 0 || client->follow_id) return;
    uint32_t id = requests_next_id(&client->requests);
    struct message message = follow_message(id, &client->following);
    struct buffer bytes = {0};
    int error = message_encode(ENCODING_MSGPACK, &message, &bytes);
    if (!error) error = link_send(&client->link, bytes.bytes, bytes.length);
    buffer_free(&bytes);
    if (error) return; /* the line is going down, or will by its silence */
    client->follow_id = id;
    client->follow_is_ours = true;
}

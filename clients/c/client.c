#include "clients/c/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_TIMEOUT_MS 10000
#define CONNECT_TIMEOUT_MS 10000
#define RETRY_BASE_MS 500
#define RETRY_MAX_MS 30000
#define FAULT_RETRY_MS 60000
#define SETTLED_MS 5000 /* a line that has lasted so long was no failure */
#define DEVICE_ID_BYTES 12

static void attempt(uv_timer_t *timer);

/* ---- Small parts ---- */

char *client_copy(const char *text) {
    return text ? strdup(text) : NULL;
}

static int texts_copy(struct texts *to, const char *const *from, size_t count) {
    char **at = calloc(count ? count : 1, sizeof *at);
    *to = (struct texts){.at = (const char *const *)at, .present = true};
    if (!at) return LEDIG_ENO_MEMORY;
    for (; to->count < count; to->count++) {
        at[to->count] = client_copy(from[to->count]);
        if (!at[to->count]) return from[to->count] ? LEDIG_ENO_MEMORY : LEDIG_EBAD_REQUEST;
    }
    return 0;
}

static void texts_free(struct texts *texts) {
    for (uint32_t i = 0; i < texts->count; i++)
        free((void *)texts->at[i]);
    free((void *)texts->at);
    *texts = (struct texts){0};
}

void following_free(struct following *following) {
    texts_free(&following->users);
    texts_free(&following->queues);
}

int following_copy(struct following *to, const char *const *users, size_t user_count, bool all,
                   const char *const *queues, size_t queue_count) {
    *to = (struct following){0};
    if (user_count > LEDIG_FOLLOW_COUNT_MAX || queue_count > LEDIG_QUEUES_COUNT_MAX) return LEDIG_ETOO_LARGE;
    int error = texts_copy(&to->users, users, all ? 0 : user_count);
    to->users.all = all;
    if (!error) error = texts_copy(&to->queues, queues, queue_count);
    if (error) following_free(to);
    return error;
}

static uint64_t random_number(void) {
    uint64_t number = 0;
    if (uv_random(NULL, NULL, &number, sizeof number, 0, NULL)) number = uv_hrtime(); /* spreads well enough */
    return number;
}

void client_say(struct ledig_client *client, const struct ledig_status *status) {
    client->phase = status->phase;
    if (client->events.status) client->events.status(client->arg, status);
}

/* ---- Connecting ---- */

static void attempt_timed_out(uv_timer_t *timer) {
    client_end_line(timer->data, 0, "no answer in time");
}

static void attempt(uv_timer_t *timer) {
    struct ledig_client *client = timer->data;
    client->told_ms = 0;
    client->told_error = 0;
    client->told[0] = 0;
    uv_timer_start(timer, attempt_timed_out, client->connect_timeout_ms, 0);
    client_say(client, &(struct ledig_status){.phase = LEDIG_CONNECTING, .failures = client->retry.failures});
    if (client->freed) return;
    if (link_open(&client->link)) client_end_line(client, 0, "out of memory");
}

static void say_hello(void *arg) {
    struct ledig_client *client = arg;
    struct part_device device = {
        .id = client->device_id, .kind = client->device_kind, .os = client->device_os, .app = client->app};
    struct part_resume resume = {.epoch = client->place.epoch,
                                 .version = client->place.version,
                                 .now = client->place.now_ms,
                                 .more = client->place.more};
    struct message message = {
        .type = MESSAGE_hello,
        .hello = {.token = client->token, .device = &device, .state = client->state},
    };
    if (client->following.queues.count > 0)
        message.hello.follow = (struct texts){.present = true}; /* `follow` comes next, with the queues */
    else if (!client->following.users.all)
        message.hello.follow = client->following.users;
    if (client->place.known && client->following.queues.count == 0) message.hello.resume = &resume;

    struct buffer bytes = {0};
    int error = message_encode(ENCODING_MSGPACK, &message, &bytes);
    if (!error) error = link_send(&client->link, bytes.bytes, bytes.length);
    if (bytes.bytes) explicit_bzero(bytes.bytes, bytes.length);
    buffer_free(&bytes);
    if (error) client_end_line(client, 0, "out of memory");
}

static void link_message(void *arg, const uint8_t *bytes, size_t length) {
    client_take(arg, bytes, length);
}

/* ---- The end of a line ---- */

static void stop(struct ledig_client *client, const struct ledig_status *why) {
    client->stopped = why->error;
    uv_timer_stop(&client->timer);
    client_say(client, why);
    struct ledig_result result = {.error = why->error, .message = why->reason};
    requests_fail(&client->requests, false, &result);
}

static void ask_for_token(struct ledig_client *client, struct ledig_status *why) {
    if (!client->events.token) {
        why->phase = LEDIG_STOPPED;
        stop(client, why);
        return;
    }
    why->phase = LEDIG_NEEDS_TOKEN;
    uv_timer_stop(&client->timer);
    client_say(client, why);
    if (!client->freed) client->events.token(client->arg);
}

/* A close frame can be lost where the broker hangs up in the middle of what we send; its `error` came before. */
static uint16_t code_that_was_meant(const struct ledig_client *client, uint16_t code) {
    if (code != 0) return code;
    if (client->told_error == LEDIG_EUNAUTHORIZED) return 4401;
    return client->told_error == LEDIG_EFORBIDDEN ? 4403 : 0;
}

static void lost(void *arg, uint16_t code, const char *reason) {
    struct ledig_client *client = arg;
    code = code_that_was_meant(client, code);
    if (client->phase == LEDIG_LIVE && uv_now(client->loop) - client->live_ms >= SETTLED_MS)
        retry_settled(&client->retry);
    struct retry_verdict verdict = retry_after(&client->retry, code, client->told_ms, random_number());
    char why_text[sizeof client->told]; /* the callbacks may begin anew */
    snprintf(why_text, sizeof why_text, "%s", client->told[0] ? client->told : reason ? reason : "");
    struct ledig_status why = {.error = verdict.error,
                               .reason = why_text[0] ? why_text : NULL,
                               .close_code = code,
                               .retry_ms = verdict.wait_ms,
                               .failures = client->retry.failures};
    if (client->follow_id) { /* done or not, nobody knows: the next `hello` names it, and starts from nothing */
        client_drop_follow(client, client->follow_id, true);
        client->place = (struct place){0};
    }
    client->phase = LEDIG_WAITING;
    if (verdict.action == RETRY_LATER) uv_timer_start(&client->timer, attempt, verdict.wait_ms, 0);

    struct ledig_result result = {.error = LEDIG_EUNAVAILABLE, .message = "the line broke before the answer came"};
    requests_fail(&client->requests, true, &result);
    if (client->freed) return;
    switch (verdict.action) {
    case RETRY_LATER:
        why.phase = LEDIG_WAITING;
        client_say(client, &why);
        break;
    case RETRY_WITH_TOKEN:
        ask_for_token(client, &why);
        break;
    case RETRY_NEVER:
        why.phase = LEDIG_STOPPED;
        stop(client, &why);
        break;
    }
}

void client_end_line(struct ledig_client *client, uint16_t code, const char *reason) {
    link_close(&client->link, code ? code : 1001);
    lost(client, code, reason);
}

static void silence(uv_timer_t *timer) {
    struct ledig_client *client = timer->data;
    uint64_t limit_ms = 2 * (uint64_t)client->ping_ms, quiet_ms = uv_now(client->loop) - client->heard_ms;
    if (quiet_ms < limit_ms)
        uv_timer_start(timer, silence, limit_ms - quiet_ms, 0);
    else
        client_end_line(client, 0, "the line is dead: nothing came for twice the ping time");
}

void client_became_live(struct ledig_client *client) {
    client->live_ms = uv_now(client->loop);
    client_say(client, &(struct ledig_status){.phase = LEDIG_LIVE});
}

void client_watch_silence(struct ledig_client *client) {
    uv_timer_start(&client->timer, silence, 2 * (uint64_t)client->ping_ms, 0);
}

/* ---- Birth and end ---- */

static const struct link_events link_events = {.opened = say_hello, .message = link_message, .closed = lost};

static void release(struct ledig_client *client) {
    requests_fail(&client->requests, false, &(struct ledig_result){.error = LEDIG_EUNAVAILABLE});
    following_free(&client->following);
    following_free(&client->asked);
    if (client->token) explicit_bzero(client->token, strlen(client->token));
    char *texts[] = {client->token,     client->device_id, client->device_kind,
                     client->device_os, client->app,       client->state};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        free(texts[i]);
    arena_free(client->arena);
    free(client);
}

static int make_device_id(struct ledig_client *client, const char *given) {
    if (given) {
        client->device_id = client_copy(given);
        return client->device_id ? 0 : LEDIG_ENO_MEMORY;
    }
    uint8_t bytes[DEVICE_ID_BYTES];
    char text[2 * DEVICE_ID_BYTES + 1];
    if (uv_random(NULL, NULL, bytes, sizeof bytes, 0, NULL)) return LEDIG_EIO;
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    client->device_id = client_copy(text);
    return client->device_id ? 0 : LEDIG_ENO_MEMORY;
}

static int take_options(struct ledig_client *client, const struct ledig_options *options) {
    if (endpoint_parse(options->url, &client->endpoint) || !client->endpoint.websocket || !options->token)
        return LEDIG_EBAD_REQUEST;
    if (!client->endpoint.path[0]) memcpy(client->endpoint.path, "/v1", 4);
    const char *kind = options->device_kind ? options->device_kind : "desktop";
    client->token = client_copy(options->token);
    client->device_kind = client_copy(kind);
    client->device_os = client_copy(options->device_os);
    client->app = client_copy(options->app);
    client->state = client_copy(options->state);
    client->arena = arena_create();
    if (!client->token || !client->device_kind || !client->arena || (options->device_os && !client->device_os) ||
        (options->app && !client->app) || (options->state && !client->state))
        return LEDIG_ENO_MEMORY;
    client->request_timeout_ms = options->request_timeout_ms ? options->request_timeout_ms : REQUEST_TIMEOUT_MS;
    client->connect_timeout_ms = options->connect_timeout_ms ? options->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    client->retry.base_ms = options->retry_base_ms ? options->retry_base_ms : RETRY_BASE_MS;
    client->retry.max_ms = options->retry_max_ms ? options->retry_max_ms : RETRY_MAX_MS;
    client->retry.fault_ms = options->fault_retry_ms ? options->fault_retry_ms : FAULT_RETRY_MS;
    int error = make_device_id(client, options->device_id);
    if (error) return error;
    return following_copy(&client->following, options->follow_users, options->follow_count, !options->follow_some,
                          options->queues, options->queue_count);
}

int ledig_connect(uv_loop_t *loop, const struct ledig_options *options, const struct ledig_events *events, void *arg,
                  struct ledig_client **out) {
    struct ledig_client *client = calloc(1, sizeof *client);
    if (!client) return LEDIG_ENO_MEMORY;
    client->loop = loop;
    client->arg = arg;
    if (events) client->events = *events;
    int error = take_options(client, options);
    if (!error) error = network_open(loop, link_protocols, client->endpoint.tls, options->ca_file, &client->network);
    if (error) {
        release(client);
        return error;
    }
    link_init(&client->link, loop, &client->endpoint, &link_events, client);
    client->link.network = client->network;
    uv_timer_init(loop, &client->timer);
    uv_timer_init(loop, &client->request_timer);
    client->timer.data = client->request_timer.data = client;
    client->phase = LEDIG_WAITING;
    uv_timer_start(&client->timer, attempt, 0, 0);
    *out = client;
    return 0;
}

static void part_closed(void *arg) {
    struct ledig_client *client = arg;
    if (--client->closing > 0) return;
    void (*done)(void *) = client->freed_done;
    void *done_arg = client->freed_arg;
    release(client);
    if (done) done(done_arg);
}

static void handle_closed(uv_handle_t *handle) {
    part_closed(handle->data);
}

void ledig_free(struct ledig_client *client, void (*freed)(void *arg), void *arg) {
    if (!client || client->freed) return;
    client->freed = true;
    client->freed_done = freed;
    client->freed_arg = arg;
    client->events = (struct ledig_events){0};
    client->stopped = LEDIG_EUNAVAILABLE;
    link_close(&client->link, 1000);
    requests_fail(&client->requests, false, &(struct ledig_result){.error = LEDIG_EUNAVAILABLE});
    client->closing = 4;
    client->link.redial.data = client;
    link_uninit(&client->link, handle_closed);
    uv_close((uv_handle_t *)&client->timer, handle_closed);
    uv_close((uv_handle_t *)&client->request_timer, handle_closed);
    network_close(client->network, part_closed, client);
}

int ledig_set_token(struct ledig_client *client, const char *token) {
    char *copy = client_copy(token);
    if (!copy) return token ? LEDIG_ENO_MEMORY : LEDIG_EBAD_REQUEST;
    explicit_bzero(client->token, strlen(client->token));
    free(client->token);
    client->token = copy;
    if (client->phase == LEDIG_NEEDS_TOKEN) {
        client->phase = LEDIG_WAITING;
        uv_timer_start(&client->timer, attempt, 0, 0);
    }
    return 0;
}

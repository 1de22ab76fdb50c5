#include "broker/store/redis_link_state.h"

#include "protocol/errors.h"

#include <stdlib.h>
#include <string.h>

#define WRITE_BATCH 64 /* commands given to one write */
#define BACKOFF_FIRST_MS 25
#define BACKOFF_MAX_MS 1000 /* well below a request's time-out, so that a short restart fails nobody */
#define STEADY_MS 250       /* a connection that lived this long lets the back-off begin anew */

static void on_flush(uv_idle_t *idle);

/* ---- Queues ---- */

static void queue_clear(struct queue *queue) {
    queue->first = NULL;
    queue->end = &queue->first;
}

static void queue_put(struct queue *queue, struct command *command) {
    command->next = NULL;
    *queue->end = command;
    queue->end = &command->next;
}

static struct command *queue_take(struct queue *queue) {
    struct command *command = queue->first;
    if (command != NULL) {
        queue->first = command->next;
        if (queue->first == NULL) queue->end = &queue->first;
    }
    return command;
}

static void command_end(struct command *command, const redisReply *reply, bool written) {
    command->answer(command->arg, reply, written);
    if (command->text != NULL) redisFreeCommand(command->text);
    free(command);
}

static void queue_fail(struct command *first, bool written) {
    while (first != NULL) {
        struct command *next = first->next;
        command_end(first, NULL, written);
        first = next;
    }
}

/* ---- Falling and closing ---- */

void link_part_closed(struct redis_link *link) {
    if (--link->open_parts > 0) return;
    void (*closed)(void *arg) = link->closed;
    void *arg = link->closed_arg;
    free(link->user);
    free(link->password);
    free(link);
    if (closed != NULL) closed(arg);
}

static void on_part_closed(uv_handle_t *handle) {
    link_part_closed(handle->data);
}

static void on_connection_closed(uv_handle_t *handle) {
    struct connection *connection = handle->data;
    struct redis_link *link = connection->link;
    redisReaderFree(connection->reader);
    if (connection->partial != NULL) redisFreeCommand(connection->partial);
    free(connection);
    link_part_closed(link);
}

static void wait_for_next_attempt(struct redis_link *link) {
    uint64_t delay = BACKOFF_MAX_MS;
    uint32_t random = 0;
    if (link->attempts < 6 && (uint64_t)BACKOFF_FIRST_MS << link->attempts < BACKOFF_MAX_MS) {
        delay = (uint64_t)BACKOFF_FIRST_MS << link->attempts;
    }
    if (uv_random(NULL, NULL, &random, sizeof random, 0, NULL) != 0) random = (uint32_t)uv_hrtime();
    delay = delay / 2 + random % (delay / 2 + 1);
    link->attempts++;
    link->state = STATE_WAITING;
    link_patience(link, delay);
}

void redis_link_drop(struct redis_link *link, const char *why) {
    if (link == NULL || link->state == STATE_WAITING || link->state == STATE_CLOSED) return;
    struct command *sent = link->sent.first, *unsent = link->unsent.first;
    if (link->state == STATE_UP && uv_now(link->loop) - link->up_ms >= STEADY_MS) link->attempts = 0;
    queue_clear(&link->sent);
    queue_clear(&link->unsent);
    link->greetings = 0;
    uv_idle_stop(&link->flush);
    if (link->connection != NULL) {
        link->connection->dropped = true;
        uv_close(&link->connection->uv.handle, on_connection_closed);
        link->connection = NULL;
    }
    wait_for_next_attempt(link);
    queue_fail(sent, true);
    queue_fail(unsent, false);
    link->options.down(link->options.arg, why);
}

void redis_link_close(struct redis_link *link, void (*closed)(void *arg), void *arg) {
    bool resolving = link->state == STATE_RESOLVING;
    link->options.up = NULL;
    redis_link_drop(link, "closed");
    link->state = STATE_CLOSED;
    link->closed = closed;
    link->closed_arg = arg;
    if (resolving) uv_cancel((uv_req_t *)&link->resolving);
    uv_close((uv_handle_t *)&link->timer, on_part_closed);
    uv_close((uv_handle_t *)&link->flush, on_part_closed);
}

/* ---- Writing ---- */

static void on_written(uv_write_t *request, int status) {
    struct connection *connection = request->data;
    redisFreeCommand(connection->partial);
    connection->partial = NULL;
    if (connection->dropped) return;
    if (status < 0) {
        redis_link_drop(connection->link, uv_strerror(status));
        return;
    }
    struct redis_link *link = connection->link;
    if (link->unsent.first != NULL) uv_idle_start(&link->flush, on_flush);
}

/* The rest of a command that the socket took in part, or did not take at all: from here on it counts as written. */
static void write_rest(struct redis_link *link, struct command *command, size_t from) {
    struct connection *connection = link->connection;
    uv_buf_t rest = uv_buf_init(command->text + from, (unsigned)(command->length - from));
    connection->partial = command->text;
    command->text = NULL;
    queue_put(&link->sent, command);
    connection->writing.data = connection;
    int error = uv_write(&connection->writing, &connection->uv.stream, &rest, 1, on_written);
    if (error != 0) redis_link_drop(link, uv_strerror(error));
}

static void flush(struct redis_link *link) {
    while (link->connection != NULL && link->unsent.first != NULL && link->connection->partial == NULL) {
        uv_buf_t buffers[WRITE_BATCH];
        unsigned count = 0;
        for (struct command *at = link->unsent.first; at != NULL && count < WRITE_BATCH; at = at->next) {
            buffers[count++] = uv_buf_init(at->text, (unsigned)at->length);
        }
        int result = uv_try_write(&link->connection->uv.stream, buffers, count);
        if (result < 0 && result != UV_EAGAIN) {
            redis_link_drop(link, uv_strerror(result));
            return;
        }
        size_t written = result > 0 ? (size_t)result : 0;
        while (count-- > 0) {
            struct command *command = queue_take(&link->unsent);
            if (written < command->length) {
                write_rest(link, command, written);
                break;
            }
            written -= command->length;
            redisFreeCommand(command->text);
            command->text = NULL;
            queue_put(&link->sent, command);
        }
    }
}

static void on_flush(uv_idle_t *idle) {
    uv_idle_stop(idle);
    flush(idle->data);
}

static void watch_oldest(struct redis_link *link) {
    if (link->state != STATE_UP || uv_is_active((uv_handle_t *)&link->timer)) return;
    link_patience(link, link->options.timeout_ms);
}

int link_enqueue(struct redis_link *link, size_t count, const char *const *words, const size_t *lengths,
                 redis_answer answer, void *arg) {
    struct command *command = calloc(1, sizeof *command);
    if (command == NULL) return LEDIG_ENO_MEMORY;
    const char **argv = (const char **)(uintptr_t)words; /* hiredis takes it without the second const, and only reads */
    long long length = redisFormatCommandArgv(&command->text, (int)count, argv, lengths);
    if (length < 0 || length > INT_MAX) {
        free(command);
        return LEDIG_ENO_MEMORY;
    }
    command->length = (size_t)length;
    command->answer = answer;
    command->arg = arg;
    command->queued_ms = uv_now(link->loop);
    queue_put(&link->unsent, command);
    uv_idle_start(&link->flush, on_flush);
    watch_oldest(link);
    return 0;
}

int redis_link_send(struct redis_link *link, size_t count, const char *const *words, const size_t *lengths,
                    redis_answer answer, void *arg) {
    if (!redis_link_is_up(link)) return LEDIG_EUNAVAILABLE;
    return link_enqueue(link, count, words, lengths, answer, arg);
}

size_t redis_link_unsend(struct redis_link *link, const void *arg) {
    struct queue kept;
    size_t count = 0;
    if (link == NULL) return 0;
    queue_clear(&kept);
    for (struct command *command = queue_take(&link->unsent); command != NULL; command = queue_take(&link->unsent)) {
        if (command->arg != arg) {
            queue_put(&kept, command);
            continue;
        }
        redisFreeCommand(command->text);
        free(command);
        count++;
    }
    queue_clear(&link->unsent);
    while (kept.first != NULL) {
        queue_put(&link->unsent, queue_take(&kept));
    }
    return count;
}

/* ---- Reading ---- */

static bool is_message(const redisReply *reply) {
    return reply->type == REDIS_REPLY_ARRAY && reply->elements == 3 && reply->element[0]->type == REDIS_REPLY_STRING &&
           strcmp(reply->element[0]->str, "message") == 0;
}

static void take_reply(struct redis_link *link, const redisReply *reply) {
    if (link->options.told != NULL && is_message(reply)) {
        link->options.told(link->options.arg, reply);
        return;
    }
    struct command *command = queue_take(&link->sent);
    if (command == NULL) {
        redis_link_drop(link, reply->type == REDIS_REPLY_ERROR ? reply->str : "an answer that nobody asked for");
        return;
    }
    command_end(command, reply, true);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
    struct connection *connection = handle->data;
    (void)suggested;
    *buffer = uv_buf_init(connection->link->read_buffer, LINK_READ_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
    struct connection *connection = stream->data;
    struct redis_link *link = connection->link;
    if (connection->dropped || count == 0) return;
    if (count < 0) {
        redis_link_drop(link, count == UV_EOF ? "the server closed the connection" : uv_strerror((int)count));
        return;
    }
    if (redisReaderFeed(connection->reader, buffer->base, (size_t)count) != REDIS_OK) {
        redis_link_drop(link, "out of memory");
        return;
    }
    while (!connection->dropped) {
        void *reply = NULL;
        if (redisReaderGetReply(connection->reader, &reply) != REDIS_OK) {
            redis_link_drop(link, "the server does not speak the Redis protocol");
            return;
        }
        if (reply == NULL) return;
        take_reply(link, reply);
        freeReplyObject(reply);
    }
}

int link_read(struct connection *connection) {
    return uv_read_start(&connection->uv.stream, on_alloc, on_read);
}

/* ---- Time ---- */

static void on_timer(uv_timer_t *timer) {
    struct redis_link *link = timer->data;
    if (link->state == STATE_WAITING) {
        link_connect(link);
        return;
    }
    if (link->state == STATE_RESOLVING) { /* its request is not free for another attempt before it ends */
        uv_cancel((uv_req_t *)&link->resolving);
        link_patience(link, link->options.timeout_ms);
        return;
    }
    if (link->state != STATE_UP) {
        redis_link_drop(link, "no connection in time");
        return;
    }
    const struct command *oldest = link->sent.first != NULL ? link->sent.first : link->unsent.first;
    if (oldest == NULL) return;
    uint64_t age = uv_now(link->loop) - oldest->queued_ms;
    if (age >= link->options.timeout_ms) {
        redis_link_drop(link, "no answer in time");
    } else {
        link_patience(link, link->options.timeout_ms - age);
    }
}

void link_patience(struct redis_link *link, uint64_t ms) {
    uv_timer_start(&link->timer, on_timer, ms, 0);
}

/* ---- Opening ---- */

int redis_link_open(uv_loop_t *loop, const struct redis_link_options *options, struct redis_link **link) {
    struct redis_link *made = calloc(1, sizeof *made);
    if (made == NULL) return LEDIG_ENO_MEMORY;
    made->loop = loop;
    made->options = *options;
    made->address = *options->address;
    made->options.address = &made->address;
    made->user = options->user != NULL ? strdup(options->user) : NULL;
    made->password = options->password != NULL ? strdup(options->password) : NULL;
    if ((options->user != NULL && made->user == NULL) || (options->password != NULL && made->password == NULL)) {
        free(made->user);
        free(made->password);
        free(made);
        return LEDIG_ENO_MEMORY;
    }
    made->options.user = made->user;
    made->options.password = made->password;
    queue_clear(&made->sent);
    queue_clear(&made->unsent);
    uv_timer_init(loop, &made->timer);
    uv_idle_init(loop, &made->flush);
    made->timer.data = made;
    made->flush.data = made;
    made->open_parts = 2;
    made->state = STATE_WAITING;
    link_patience(made, 0);
    *link = made;
    return 0;
}

bool redis_link_is_up(const struct redis_link *link) {
    return link != NULL && link->state == STATE_UP;
}

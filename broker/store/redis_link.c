#include "broker/store/redis_link.h"

#include "protocol/errors.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES 65536
#define WRITE_BATCH 64 /* commands given to one write */
#define BACKOFF_FIRST_MS 25
#define BACKOFF_MAX_MS 1000 /* well below a request's time-out, so that a short restart fails nobody */
#define STEADY_MS 1000      /* a connection that lived this long lets the back-off begin anew */
#define KEEPALIVE_S 15

enum state { STATE_RESOLVING, STATE_CONNECTING, STATE_GREETING, STATE_UP, STATE_WAITING, STATE_CLOSED };

struct command {
    struct command *next;
    char *text; /* in the protocol; NULL once written */
    size_t length;
    redis_answer answer;
    void *arg;
    uint64_t queued_ms;
};

struct queue {
    struct command *first, **end;
};

/* The socket; outlives its place in the link until libuv has closed it. */
struct connection {
    struct redis_link *link;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_pipe_t pipe;
        uv_tcp_t tcp;
    } uv;
    uv_connect_t connecting;
    uv_write_t writing;
    char *partial; /* the command that `writing` is about */
    redisReader *reader;
    bool dropped;
};

struct redis_link {
    uv_loop_t *loop;
    struct redis_address address;
    char *user, *password;
    struct redis_link_options options;
    enum state state;
    struct connection *connection; /* NULL while there is none */
    uv_timer_t timer;              /* the back-off, the connect time-out, or the oldest command's */
    uv_idle_t flush;
    uv_getaddrinfo_t resolving;
    struct queue sent, unsent;
    size_t greetings; /* answers of the greeting that are still to come */
    unsigned attempts;
    uint64_t up_ms;
    unsigned open_parts; /* what libuv still holds */
    void (*closed)(void *arg);
    void *closed_arg;
    char read_buffer[READ_BYTES];
};

static void on_timer(uv_timer_t *timer);
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

static void part_closed(struct redis_link *link) {
    if (--link->open_parts > 0) return;
    void (*closed)(void *arg) = link->closed;
    void *arg = link->closed_arg;
    free(link->user);
    free(link->password);
    free(link);
    if (closed != NULL) closed(arg);
}

static void on_part_closed(uv_handle_t *handle) {
    part_closed(handle->data);
}

static void on_connection_closed(uv_handle_t *handle) {
    struct connection *connection = handle->data;
    struct redis_link *link = connection->link;
    redisReaderFree(connection->reader);
    if (connection->partial != NULL) redisFreeCommand(connection->partial);
    free(connection);
    part_closed(link);
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
    uv_timer_start(&link->timer, on_timer, delay, 0);
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
    uv_timer_start(&link->timer, on_timer, link->options.timeout_ms, 0);
}

static int enqueue(struct redis_link *link, size_t count, const char *const *words, const size_t *lengths,
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
    return enqueue(link, count, words, lengths, answer, arg);
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
    *buffer = uv_buf_init(connection->link->read_buffer, READ_BYTES);
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

/* ---- Connecting ---- */

static void on_greeted(void *arg, const redisReply *reply, bool written) {
    struct redis_link *link = arg;
    (void)written;
    if (reply == NULL) return;
    if (reply->type == REDIS_REPLY_ERROR) {
        char why[128]; /* what the server says of AUTH, SELECT and PING names no secret */
        snprintf(why, sizeof why, "the server refuses: %.100s", reply->str);
        redis_link_drop(link, why);
        return;
    }
    if (--link->greetings > 0) return;
    uv_timer_stop(&link->timer);
    link->state = STATE_UP;
    link->up_ms = uv_now(link->loop);
    if (link->options.up != NULL) link->options.up(link->options.arg);
}

static int greet(struct redis_link *link) {
    char database[16];
    const char *auth[3] = {"AUTH", link->user != NULL ? link->user : link->password, link->password};
    const char *select[2] = {"SELECT", database}, *ping[1] = {"PING"};
    int error = 0;
    snprintf(database, sizeof database, "%u", link->address.database);
    link->state = STATE_GREETING;
    if (link->password != NULL) {
        error = enqueue(link, link->user != NULL ? 3 : 2, auth, NULL, on_greeted, link);
        link->greetings++;
    }
    if (error == 0 && link->address.database != 0) {
        error = enqueue(link, 2, select, NULL, on_greeted, link);
        link->greetings++;
    }
    if (error == 0) {
        error = enqueue(link, 1, ping, NULL, on_greeted, link);
        link->greetings++;
    }
    return error;
}

static void on_connected(uv_connect_t *request, int status) {
    struct connection *connection = request->data;
    struct redis_link *link = connection->link;
    if (connection->dropped) return;
    if (status == 0) status = uv_read_start(&connection->uv.stream, on_alloc, on_read);
    if (status < 0) {
        redis_link_drop(link, uv_strerror(status));
        return;
    }
    if (greet(link) != 0) redis_link_drop(link, "out of memory");
}

static struct connection *connection_create(struct redis_link *link) {
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) return NULL;
    connection->reader = redisReaderCreate();
    if (connection->reader == NULL) {
        free(connection);
        return NULL;
    }
    connection->link = link;
    if (link->address.path[0] != '\0') {
        uv_pipe_init(link->loop, &connection->uv.pipe, 0);
    } else {
        uv_tcp_init(link->loop, &connection->uv.tcp);
    }
    connection->uv.handle.data = connection;
    connection->connecting.data = connection;
    link->connection = connection;
    link->open_parts++;
    return connection;
}

static void connect_unix(struct redis_link *link) {
    char name[108];
    int directory;
    if (redis_address_socket(&link->address, name, &directory) != 0) {
        redis_link_drop(link, strerror(errno));
        return;
    }
    struct connection *connection = connection_create(link);
    if (connection == NULL) {
        redis_link_drop(link, "out of memory");
    } else {
        uv_pipe_connect(&connection->connecting, &connection->uv.pipe, name, on_connected);
    }
    if (directory >= 0) close(directory); /* connect() has looked the name up by now */
}

static void connect_tcp(struct redis_link *link, const struct addrinfo *found) {
    unsigned count = 0, which;
    for (const struct addrinfo *at = found; at != NULL; at = at->ai_next) {
        count++;
    }
    which = count > 0 ? link->attempts % count : 0; /* the next attempt takes the next address */
    while (which-- > 0) {
        found = found->ai_next;
    }
    struct connection *connection = connection_create(link);
    if (connection == NULL) {
        redis_link_drop(link, "out of memory");
        return;
    }
    uv_tcp_nodelay(&connection->uv.tcp, 1);
    uv_tcp_keepalive(&connection->uv.tcp, 1, KEEPALIVE_S);
    int error = uv_tcp_connect(&connection->connecting, &connection->uv.tcp, found->ai_addr, on_connected);
    if (error != 0) redis_link_drop(link, uv_strerror(error));
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found) {
    struct redis_link *link = request->data;
    if (link->state == STATE_RESOLVING) {
        if (status < 0) {
            redis_link_drop(link, uv_strerror(status));
        } else {
            link->state = STATE_CONNECTING;
            connect_tcp(link, found);
        }
    }
    uv_freeaddrinfo(found);
    part_closed(link);
}

static void resolve(struct redis_link *link) {
    char port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
    snprintf(port, sizeof port, "%u", link->address.port);
    link->state = STATE_RESOLVING;
    link->resolving.data = link;
    link->open_parts++;
    int error = uv_getaddrinfo(link->loop, &link->resolving, on_resolved, link->address.host, port, &hints);
    if (error != 0) {
        link->open_parts--;
        redis_link_drop(link, uv_strerror(error));
    }
}

static void connect_begin(struct redis_link *link) {
    link->state = STATE_CONNECTING;
    uv_timer_start(&link->timer, on_timer, link->options.timeout_ms, 0);
    if (link->address.path[0] != '\0') {
        connect_unix(link);
    } else {
        resolve(link);
    }
}

static void on_timer(uv_timer_t *timer) {
    struct redis_link *link = timer->data;
    if (link->state == STATE_WAITING) {
        connect_begin(link);
        return;
    }
    if (link->state == STATE_RESOLVING) { /* its request is not free for another attempt before it ends */
        uv_cancel((uv_req_t *)&link->resolving);
        uv_timer_start(timer, on_timer, link->options.timeout_ms, 0);
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
        uv_timer_start(timer, on_timer, link->options.timeout_ms - age, 0);
    }
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
    uv_timer_start(&made->timer, on_timer, 0, 0);
    *link = made;
    return 0;
}

bool redis_link_is_up(const struct redis_link *link) {
    return link != NULL && link->state == STATE_UP;
}

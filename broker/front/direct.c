#include "broker/front/direct.h"
#include "broker/front/direct_head.h"
#include "broker/front/http_session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#define IDLE_MS 60000          /* between two requests; what libwebsockets is told, too */
#define AT_ONCE_BYTES_MAX 2048 /* an answer that is put together without a heap */

struct direct_line {
    struct front *front;
    uv_poll_t poll;
    int fd;
    uint64_t peer;                  /* see limits.h */
    struct http_exchange *exchange; /* asked and not answered yet */
    uint8_t *rest;                  /* of an answer that the socket did not take at once; NULL = none */
    size_t rest_length, rest_sent;
    uint64_t deadline_ms; /* the loop's time; 0 = none */
    bool paused;          /* not polled */
    bool closing;
    struct direct_line *before, *next; /* of the front */
};

static void on_ready(uv_poll_t *poll, int status, int events);

/* ---- Lines ---- */

static void wait_until_readable(struct direct_line *line) {
    uv_poll_start(&line->poll, UV_READABLE, on_ready);
    line->paused = false;
}

static void pause_polling(struct direct_line *line) {
    uv_poll_stop(&line->poll);
    line->paused = true;
}

static void set_deadline(struct direct_line *line, uint64_t in_ms) {
    line->deadline_ms = uv_now(line->front->loop) + in_ms;
}

static void on_closed(uv_handle_t *handle) {
    struct direct_line *line = handle->data;
    free(line->rest);
    free(line);
}

/* The descriptor is the caller's then. uv_close takes it off the loop at once, so that another may poll it. */
static int let_go(struct direct_line *line) {
    int fd = line->fd;
    if (line->exchange) line->exchange->line = NULL;
    line->exchange = NULL;
    line->closing = true;
    DL_DELETE2(line->front->lines, line, before, next);
    uv_close((uv_handle_t *)&line->poll, on_closed);
    return fd;
}

static void hang_up(struct direct_line *line) {
    if (line->closing) return;
    limits_hang_up(line->front->http.limits, line->peer);
    close(let_go(line));
}

static void hand_over(struct direct_line *line) {
    front_adopt(line->front, let_go(line), line->peer);
}

void direct_take(struct front *front, int fd, uint64_t peer) {
    struct direct_line *line = calloc(1, sizeof *line);
    if (!line || uv_poll_init(front->loop, &line->poll, fd) != 0) {
        free(line);
        front_adopt(front, fd, peer);
        return;
    }
    line->front = front;
    line->fd = fd;
    line->peer = peer;
    line->poll.data = line;
    DL_APPEND2(front->lines, line, before, next);
    set_deadline(line, HTTP_HEAD_MS);
    wait_until_readable(line);
}

void direct_look(struct front *front) {
    struct direct_line *line, *next;
    uint64_t now_ms = uv_now(front->loop);
    DL_FOREACH_SAFE2(front->lines, line, next, next)
    if (line->deadline_ms && line->deadline_ms <= now_ms) hang_up(line);
}

void direct_close(struct front *front) {
    struct direct_line *line, *next;
    DL_FOREACH_SAFE2(front->lines, line, next, next)
    hang_up(line);
}

int direct_descriptor(const struct direct_line *line) {
    return line->fd;
}

/* ---- Answering ---- */

/* How much the socket takes now; -1 where the connection is dead. */
static ptrdiff_t put(const struct direct_line *line, const uint8_t *bytes, size_t length) {
    ssize_t sent = send(line->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) return sent;
    return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

/* The next request is not looked at before the answer is gone. */
static void keep_rest(struct direct_line *line, const uint8_t *bytes, size_t length) {
    line->rest = malloc(length);
    if (!line->rest) {
        hang_up(line);
        return;
    }
    memcpy(line->rest, bytes, length);
    line->rest_length = length;
    line->rest_sent = 0;
    set_deadline(line, HTTP_STALL_MS);
    uv_poll_start(&line->poll, UV_WRITABLE, on_ready);
    line->paused = false;
}

static void put_rest(struct direct_line *line) {
    ptrdiff_t sent = put(line, line->rest + line->rest_sent, line->rest_length - line->rest_sent);
    if (sent < 0) {
        hang_up(line);
        return;
    }
    if (sent > 0) set_deadline(line, HTTP_STALL_MS);
    line->rest_sent += (size_t)sent;
    if (line->rest_sent < line->rest_length) return;
    free(line->rest);
    line->rest = NULL;
    set_deadline(line, IDLE_MS);
    wait_until_readable(line);
}

static void put_whole(struct direct_line *line, const uint8_t *bytes, size_t length) {
    ptrdiff_t sent = put(line, bytes, length);
    if (sent < 0) {
        hang_up(line);
    } else if ((size_t)sent < length) {
        keep_rest(line, bytes + sent, length - (size_t)sent);
    } else {
        set_deadline(line, IDLE_MS);
        if (line->paused) wait_until_readable(line);
    }
}

void direct_answer(struct direct_line *line, int status, uint32_t retry_s, const char *content_type, const void *body,
                   size_t length) {
    uint8_t at_once[AT_ONCE_BYTES_MAX], *bytes = at_once;
    char head[HTTP_HEAD_BYTES_MAX];
    line->exchange = NULL;
    http_count_answer(&line->front->http, status);
    size_t head_length = http_print_head(&line->front->http, status, retry_s, content_type, length, "", head);
    if (head_length + length > sizeof at_once) bytes = malloc(head_length + length);
    if (!bytes) {
        hang_up(line);
        return;
    }
    memcpy(bytes, head, head_length);
    if (length > 0) memcpy(bytes + head_length, body, length);
    put_whole(line, bytes, head_length + length);
    if (bytes != at_once) free(bytes);
}

/* ---- Reading ---- */

static void ask(struct direct_line *line, struct http_request *request) {
    const struct http_server *server = &line->front->http;
    struct http_exchange *exchange = malloc(sizeof *exchange);
    if (!exchange) {
        hang_up(line);
        return;
    }
    *exchange = (struct http_exchange){.line = line};
    line->exchange = exchange;
    line->deadline_ms = 0;
    request->peer = line->peer;
    server->handler(server->arg, exchange, request);
}

static void read_request(struct direct_line *line) {
    char bytes[DIRECT_BYTES_MAX];
    struct http_request request;
    size_t used;
    ssize_t length = recv(line->fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
    if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (length <= 0)
        hang_up(line);
    else if (!direct_head_read(bytes, (size_t)length, &request, &used) ||
             request.length > line->front->http.body_bytes_max)
        hand_over(line);
    else if (recv(line->fd, NULL, used, MSG_TRUNC | MSG_DONTWAIT) != (ssize_t)used) /* read; tcp(7) */
        hang_up(line);
    else
        ask(line, &request);
}

/* While an answer is awaited, what comes has to wait, be it a further request or the end. */
static void on_ready(uv_poll_t *poll, int status, int events) {
    struct direct_line *line = poll->data;
    (void)events;
    if (line->closing) return;
    if (line->exchange)
        pause_polling(line);
    else if (line->rest)
        put_rest(line);
    else if (status < 0)
        hang_up(line);
    else
        read_request(line);
}

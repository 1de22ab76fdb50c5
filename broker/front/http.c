#include "broker/front/direct.h"
#include "broker/front/http_session.h"
#include "broker/front/tls.h"
#include "broker/service/http_problem.h"
#include "protocol/errors.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define RETRY_AFTER_S "2"
#define HTTP_RETRY_MS 10 /* until a socket that took nothing more is tried again */

const size_t http_session_bytes = sizeof(struct http_session);

/* ---- Answering ---- */

static size_t append(char *head, size_t at, const char *text) {
    size_t length = strlen(text);
    if (at + length > HTTP_HEAD_BYTES_MAX) length = HTTP_HEAD_BYTES_MAX - at; /* cannot be: all of it is ours */
    memcpy(head + at, text, length);
    return at + length;
}

/* By hand: printf took a tenth of the time of a short request. */
size_t http_print_head(const struct http_server *server, int status, const char *content_type, size_t length,
                       const char *connection, char head[static HTTP_HEAD_BYTES_MAX]) {
    char digits[24] = "", *digit = digits + sizeof digits - 1;
    size_t left = length;
    do
        *--digit = (char)('0' + left % 10);
    while ((left /= 10) > 0);
    const char code[] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10), (char)('0' + status % 10), 0};
    size_t at = append(head, 0, "HTTP/1.1 ");
    at = append(head, at, code);
    at = append(head, at, " ");
    at = append(head, at, http_reason(status));
    at = append(head, at, "\r\nContent-Type: ");
    at = append(head, at, content_type);
    at = append(head, at, "\r\nContent-Length: ");
    at = append(head, at, digit);
    at = append(head, at, "\r\n");
    at = append(head, at, server->headers);
    at = append(head, at, connection);
    if (status == 401) at = append(head, at, "WWW-Authenticate: Bearer\r\n");
    if (status == 503 || status == 429) at = append(head, at, "Retry-After: " RETRY_AFTER_S "\r\n");
    return append(head, at, "\r\n");
}

void http_count_answer(const struct http_server *server, int status) {
    server->metrics->http_answers[(unsigned)status / 100 % METRICS_STATUS_COUNT]++;
}

/* Head and body in one piece, since a second write costs a third of the throughput. */
static void keep_answer(struct http_session *session, int status, const char *content_type, const void *body,
                        size_t length) {
    char head[HTTP_HEAD_BYTES_MAX];
    const struct http_server *server = lws_context_user(lws_get_context(session->wsi));
    size_t head_length = http_print_head(server, status, content_type, length,
                                         !session->keeps   ? "Connection: close\r\n"
                                         : session->is_old ? "Connection: keep-alive\r\n"
                                                           : "",
                                         head);
    size_t body_length = session->is_head ? 0 : length;
    session->answer = malloc(head_length + body_length);
    if (!session->answer) return;
    memcpy(session->answer, head, head_length);
    if (body_length > 0) memcpy(session->answer + head_length, body, body_length);
    session->length = head_length + body_length;
}

/* libwebsockets looks at what it has to do only after an event of its own. */
static void call_back_soon(struct http_session *session) {
    lws_cancel_service(lws_get_context(session->wsi));
}

/* What the client sends ahead of its answer is not looked at; libwebsockets would take it for a further request, or
 * turn in circles. While reading is paused it does not tell either when the socket can take more, so the rest of an
 * answer is tried again by the clock, and written past libwebsockets, which would ask for that event after a partial
 * write. */
static void pause_reading(struct http_session *session) {
    if (session->paused) return;
    session->paused = true;
    lws_rx_flow_control(session->wsi, 0);
}

/* The session's memory is gone after this. */
static int complete(struct http_session *session) {
    struct lws *wsi = session->wsi;
    bool paused = session->paused;
    if (!session->keeps || lws_http_transaction_completed(wsi)) return -1;
    if (paused) lws_rx_flow_control(wsi, 1);
    return 0;
}

/* libwebsockets goes on to the next request when the socket can take more, and turns in circles until then. */
static bool can_take_more(int fd) {
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    return poll(&poll_fd, 1, 0) == 1;
}

static int try_again_later(struct http_session *session, bool progress) {
    pause_reading(session);
    if (progress || !session->stalls) lws_set_timeout(session->wsi, PENDING_TIMEOUT_HTTP_CONTENT, HTTP_STALL_MS / 1000);
    session->stalls = true;
    lws_set_timer_usecs(session->wsi, HTTP_RETRY_MS * LWS_US_PER_MS);
    return 0;
}

/* As much as the socket takes. Returns -1 where the connection is to be closed; then, and where the answer is complete,
 * the session is not to be touched any more. */
static int write_answer(struct http_session *session) {
    int fd = lws_get_socket_fd(session->wsi);
    size_t before = session->sent;
    while (session->sent < session->length) {
        ptrdiff_t sent =
            tls_send(lws_get_ssl(session->wsi), fd, session->answer + session->sent, session->length - session->sent);
        if (sent < 0) return -1;
        if (sent == 0) break;
        session->sent += (size_t)sent;
    }
    if (session->lingers) {
        lws_set_timeout(session->wsi, PENDING_TIMEOUT_HTTP_CONTENT, HTTP_HEAD_MS / 1000);
        return session->sent == session->length ? 0 : -1; /* it has not even read the few bytes of its refusal */
    }
    if (session->sent == session->length && (!session->keeps || can_take_more(fd))) return complete(session);
    return try_again_later(session, session->sent > before);
}

void http_answer(struct http_exchange *exchange, int status, const char *content_type, const void *body,
                 size_t length) {
    struct http_session *session = exchange->session;
    struct direct_line *line = exchange->line;
    free(exchange);
    if (line) direct_answer(line, status, content_type, body, length);
    if (!session) return;
    session->exchange = NULL;
    http_count_answer(lws_context_user(lws_get_context(session->wsi)), status);
    keep_answer(session, status, content_type, body, length);
    if (session->is_asking) return;
    struct lws *wsi = session->wsi;
    call_back_soon(session);
    if (!session->answer || write_answer(session) != 0)
        lws_set_timeout(wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
}

/* Nothing is read while an answer is awaited, so libwebsockets does not tell; the socket does. */
bool http_is_abandoned(const struct http_exchange *exchange) {
    char byte;
    if (!exchange->session && !exchange->line) return true;
    int fd = exchange->line ? direct_descriptor(exchange->line) : lws_get_socket_fd(exchange->session->wsi);
    ssize_t waiting = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return waiting == 0 || (waiting < 0 && errno != EAGAIN && errno != EINTR);
}

/* ---- Asking ---- */

static bool open_exchange(struct http_session *session) {
    session->exchange = malloc(sizeof *session->exchange);
    if (!session->exchange) return false;
    *session->exchange = (struct http_exchange){.session = session};
    return true;
}

/* Answers what is not handed over. */
static int refuse(struct http_session *session, int status) {
    if (!open_exchange(session)) return -1;
    session->asked = true;
    session->is_asking = true;
    http_problem_as(session->exchange, status, status == 413 ? LEDIG_ETOO_LARGE : LEDIG_EBAD_REQUEST, NULL,
                    status == 413   ? "the body is larger than allowed here"
                    : status == 411 ? "a body needs a Content-Length"
                    : status == 400 ? "the head of the request is malformed"
                                    : "a part of the request's head is too long",
                    NULL);
    session->is_asking = false;
    return session->answer ? write_answer(session) : -1;
}

static int ask(struct http_session *session) {
    const struct http_server *server = lws_context_user(lws_get_context(session->wsi));
    struct http_texts texts;
    struct http_request request = {.body = session->body.bytes, .length = session->body.length};
    lws_set_timeout(session->wsi, NO_PENDING_TIMEOUT, 0);
    int status = http_head_request(session->wsi, &texts, &request);
    if (status) return refuse(session, status);
    if (!open_exchange(session)) return -1;
    session->asked = true;
    session->is_asking = true;
    if (server->handler)
        server->handler(server->arg, session->exchange, &request);
    else
        http_problem(session->exchange, LEDIG_ENOT_FOUND, NULL, "there is nothing at this path");
    session->is_asking = false;
    buffer_free(&session->body);
    if (session->answer) return write_answer(session);
    if (!session->exchange) return -1; /* answered, but there was no memory for it */
    pause_reading(session);
    return 0;
}

/* ---- Reading ---- */

static int on_head(struct http_session *session, struct lws *wsi) {
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const struct http_server *server = lws_context_user(lws_get_context(wsi));
    session->wsi = wsi;
    int status = http_head_take(session);
    if (!server->handler) session->keeps = false; /* there is nothing to come back for */
    if (!status && session->declared > server->body_bytes_max) status = 413;
    if (status) {
        session->keeps = false;
        session->lingers = http_head_has_body(wsi);
        return refuse(session, status);
    }
    /* for a POST with an empty body, too, libwebsockets tells when the body is complete */
    if (session->declared == 0 && lws_hdr_total_length(wsi, WSI_TOKEN_POST_URI) == 0) return ask(session);
    if (session->declared == 0 || !http_head_expects_continue(wsi)) return 0;
    ptrdiff_t sent = tls_send(lws_get_ssl(wsi), lws_get_socket_fd(wsi), go_on, sizeof go_on - 1);
    return sent == sizeof go_on - 1 ? 0 : -1;
}

/* libwebsockets (4.1 to 4.3) reads a request that came before the answer to the one before it from a list of its own,
 * and there takes the head of a request for its body. */
static bool is_own_head(const struct http_session *session, const uint8_t *bytes, size_t length) {
    const char *name = http_head_method_name(session->wsi);
    size_t name_length = strlen(name);
    return length > name_length + 1 && memcmp(bytes, name, name_length) == 0 && bytes[name_length] == ' ' &&
           bytes[name_length + 1] == '/';
}

/* Of what OpenSSL has read from the socket the loop does not tell, and libwebsockets (4.1) reads on by itself only
 * once.
 */
static void have_rest_read(struct http_session *session) {
    SSL *ssl = lws_get_ssl(session->wsi);
    if (ssl && SSL_pending(ssl) > 0) call_back_soon(session);
}

static int on_body(struct http_session *session, const uint8_t *bytes, size_t length) {
    const struct http_server *server = lws_context_user(lws_get_context(session->wsi));
    have_rest_read(session);
    if (session->lingers) {
        session->discarded += length;
        return session->discarded > server->body_bytes_max ? -1 : 0;
    }
    if (session->asked) return 0;
    if (session->body.length == 0 && is_own_head(session, bytes, length)) return -1;
    size_t left = session->declared - session->body.length;
    buffer_append(&session->body, bytes, length < left ? length : left);
    if (session->body.failed) return -1;
    if (length <= left) return 0;
    /* libwebsockets 4.3 gives what follows the body as a part of it; it is lost then, so the connection is not kept and
     * the client sends it again */
    session->keeps = false;
    return ask(session);
}

/* Where that fault strikes, the end of the body is told twice in a row, so a request with a body is handed over a
 * moment later, and only if it was told once: the client finds the connection closed and this request not carried out,
 * as whoever sends requests ahead must expect (RFC 9112, section 9.3.2). */
static int on_body_complete(struct http_session *session) {
    if (session->lingers || session->complete) return -1;
    session->complete = true;
    if (session->asked) return 0;
    if (session->declared == 0) return ask(session);
    pause_reading(session);
    lws_set_timer_usecs(session->wsi, 1);
    return 0;
}

static int on_timer(struct http_session *session) {
    if (session->complete && !session->asked) return ask(session);
    return session->answer && session->stalls ? write_answer(session) : 0;
}

static void release(struct http_session *session) {
    if (session->exchange) session->exchange->session = NULL;
    session->exchange = NULL;
    buffer_free(&session->body);
    free(session->answer);
    session->answer = NULL;
}

int http_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t length) {
    struct http_session *session = user;
    switch (reason) {
    case LWS_CALLBACK_HTTP:
        return session ? on_head(session, wsi) : -1;
    case LWS_CALLBACK_HTTP_BODY:
        return session && session->wsi ? on_body(session, in, length) : 0;
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return session && session->wsi ? on_body_complete(session) : 0;
    case LWS_CALLBACK_TIMER:
        return session && session->wsi ? on_timer(session) : 0;
    case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
    case LWS_CALLBACK_CLOSED_HTTP:
        if (session) release(session);
        return 0;
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return in && strcasecmp(in, "websocket") == 0 ? 0 : -1; /* not to HTTP/2 */
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:               /* a WebSocket that names no subprotocol comes here */
        lws_return_http_status(wsi, HTTP_STATUS_BAD_REQUEST, "A WebSocket must name a subprotocol that is served here");
        return -1;
    case LWS_CALLBACK_RAW_ADOPT:
    case LWS_CALLBACK_RAW_RX:
        return -1;
    default:
        return 0;
    }
}

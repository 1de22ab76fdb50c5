#include "broker/front/front_state.h"
#include "broker/front/origin.h"
#include "broker/service/connection.h"
#include "broker/service/session.h"
#include "protocol/limits.h"
#include "protocol/shape.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define PATH "/v1"
#define CLOSE_REASON_BYTES_MAX 123  /* a control frame holds 125, two of them are the code (RFC 6455, section 5.5) */
#define FRAMES_MAX 256              /* of one message; clients that cut theirs do it every few KiB */
#define CLOSE_WAIT_S 2              /* for the client's own close frame */
#define HELD_BYTES_MAX (128 * 1024) /* a TLS record has 16 KiB, and one message may end with it */

_Static_assert(CONNECTION_HEADROOM >= LWS_PRE, "libwebsockets writes its header before the payload");

struct intake {
    struct buffer assembly; /* of a message that came in pieces */
    struct buffer held;     /* messages that came by TLS while paused, each with its length before it */
    uint32_t frames;        /* of the message that is being put together */
};

/* libwebsockets' per-session data: zeroed by it, and gone after LWS_CALLBACK_CLOSED. */
struct connection {
    struct lws *wsi;
    struct session *session; /* NULL before ESTABLISHED and after CLOSED */
    SSL *ssl;                /* NULL: plain text */
    struct intake *intake;   /* NULL: all that came was delivered */
    int fd;
    bool is_text;
    bool paused;   /* nothing is to be delivered */
    bool closing;  /* a close was asked for */
    bool dead;     /* writing failed */
    bool given_up; /* by the kernel, since the client acknowledged nothing */
    bool wants_ping;
};

const size_t websocket_session_bytes = sizeof(struct connection);

/* ---- What the service may do with it ---- */

/* libwebsockets looks at its clock only after an event of its own, which may be long in coming. */
static void kill_after(struct connection *connection, int seconds) {
    lws_set_timeout(connection->wsi, PENDING_TIMEOUT_USER_OK, seconds);
    lws_cancel_service(lws_get_context(connection->wsi));
}

/* Writes the head of a frame right before the payload (RFC 6455, section 5.2: the last fragment, unmasked). */
static size_t put_head(uint8_t *payload, size_t length, bool is_text) {
    uint8_t opcode = is_text ? 0x81 : 0x82;
    if (length < 126) {
        payload[-2] = opcode;
        payload[-1] = (uint8_t)length;
        return 2;
    }
    if (length < 65536) {
        payload[-4] = opcode;
        payload[-3] = 126;
        payload[-2] = (uint8_t)(length >> 8);
        payload[-1] = (uint8_t)length;
        return 4;
    }
    payload[-10] = opcode;
    payload[-9] = 127;
    for (int i = 0; i < 8; i++)
        payload[i - 8] = (uint8_t)((uint64_t)length >> (56 - 8 * i));
    return 10;
}

/* TCP_USER_TIMEOUT ends with the error that ICMP told of last, or else with ETIMEDOUT (tcp_write_err in Linux). A
 * client that breaks off is ECONNRESET or EPIPE. */
static bool means_given_up(int error) {
    return error == ETIMEDOUT || error == EHOSTUNREACH || error == ENETUNREACH;
}

static int die(struct connection *connection) {
    connection->given_up = means_given_up(errno);
    connection->dead = true;
    kill_after(connection, LWS_TO_KILL_ASYNC);
    return LEDIG_EIO;
}

/* The path of every delivery: one system call, and nothing of libwebsockets but a look whether it holds back bytes of
 * an earlier message. What the socket does not take goes to libwebsockets, which keeps it, and with TLS writes it in
 * the same order and never less of it at once, as OpenSSL demands. lws_write would do the same at some 15 % of the time
 * of a send. */
int connection_send(struct connection *connection, uint8_t *payload, size_t length) {
    if (connection->dead || connection->closing) return LEDIG_EIO;
    uint8_t *frame = payload - put_head(payload, length, connection->is_text);
    size_t left = (size_t)(payload - frame) + length;
    if (!lws_partial_buffered(connection->wsi)) {
        ptrdiff_t sent = tls_send(connection->ssl, connection->fd, frame, left);
        if (sent < 0) return die(connection);
        if (sent == (ptrdiff_t)left) return 0;
        frame += sent, left -= (size_t)sent;
    }
    if (lws_write(connection->wsi, frame, left, LWS_WRITE_RAW) < 0) return die(connection);
    return lws_partial_buffered(connection->wsi) ? CONNECTION_CHOKED : 0;
}

void connection_fetch_ahead(const struct connection *connection) {
    __builtin_prefetch(connection);
}

bool connection_is_choked(const struct connection *connection) {
    return connection->dead || connection->closing || lws_partial_buffered(connection->wsi);
}

void connection_want_writable(struct connection *connection) {
    if (!connection->dead) lws_callback_on_writable(connection->wsi);
}

/* Of what OpenSSL has read already, libwebsockets (4.1 to 4.3) must not be told to stop: it would turn in circles for
 * ever between its own buffer, which it may not empty, and OpenSSL's. So the rest of a record is read, and its messages
 * are held here; reading stops with the record. */
static void stop_reading(struct connection *connection) {
    if (connection->closing || connection->dead) return;
    if (!connection->ssl || SSL_pending(connection->ssl) == 0) lws_rx_flow_control(connection->wsi, 0);
}

void connection_pause(struct connection *connection, bool paused) {
    if (connection->dead || connection->closing) return;
    connection->paused = paused;
    if (paused) {
        stop_reading(connection);
        return;
    }
    lws_rx_flow_control(connection->wsi, 1);
    if (connection->intake) lws_callback_on_writable(connection->wsi); /* for what is held */
}

void connection_ping(struct connection *connection) {
    connection->wants_ping = true;
    connection_want_writable(connection);
}

/* The close frame is written here and not by libwebsockets: 4.1.6 as Debian builds it (with _DEBUG) closes a connection
 * on libuv twice in a row, and the second time takes it down before the frame is sent. The client answers with a close
 * frame of its own, which ends the connection; one that does not is cut off. */
void connection_close(struct connection *connection, uint16_t code, const char *reason) {
    if (connection->dead || connection->closing) return;
    connection->closing = true;
    lws_rx_flow_control(connection->wsi, 1);     /* for the client's own close frame */
    if (lws_partial_buffered(connection->wsi)) { /* one that takes nothing will not take the reason either */
        kill_after(connection, LWS_TO_KILL_ASYNC);
        return;
    }
    uint8_t frame[LWS_PRE + 4 + CLOSE_REASON_BYTES_MAX + 1];
    uint8_t *head = frame + LWS_PRE;
    int length = snprintf((char *)head + 4, CLOSE_REASON_BYTES_MAX + 1, "%s", reason ? reason : "");
    if (length > CLOSE_REASON_BYTES_MAX) length = CLOSE_REASON_BYTES_MAX;
    head[0] = 0x88; /* the last fragment of a close, unmasked (RFC 6455, section 5.2) */
    head[1] = (uint8_t)(2 + length);
    head[2] = (uint8_t)(code >> 8);
    head[3] = (uint8_t)code;
    bool written = lws_write(connection->wsi, head, 4 + (size_t)length, LWS_WRITE_RAW) >= 0;
    kill_after(connection, written ? CLOSE_WAIT_S : LWS_TO_KILL_ASYNC);
}

/* The error is told once: to a write that fails, or else to us. */
static bool kernel_gave_up(const struct connection *connection) {
    int error = 0;
    socklen_t size = sizeof error;
    if (connection->given_up) return true;
    return getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && means_given_up(error);
}

/* ---- What comes from libwebsockets ---- */

/* NULL when out of memory. */
static struct intake *intake_of(struct connection *connection) {
    if (!connection->intake) connection->intake = calloc(1, sizeof *connection->intake);
    return connection->intake;
}

static void drop_intake(struct connection *connection) {
    if (!connection->intake) return;
    buffer_free(&connection->intake->assembly);
    buffer_free(&connection->intake->held);
    free(connection->intake);
    connection->intake = NULL;
}

static void refuse(struct connection *connection, int error, const char *why) {
    drop_intake(connection);
    session_refuse(connection->session, error, why);
}

/* Keeps a message until reading goes on. */
static void hold(struct connection *connection, const uint8_t *bytes, size_t length) {
    struct intake *intake = intake_of(connection);
    uint32_t stated = (uint32_t)length;
    if (intake && intake->held.length + length > HELD_BYTES_MAX) {
        refuse(connection, LEDIG_ERATE_LIMITED, "too many requests before their answers were taken");
        return;
    }
    if (intake) buffer_append(&intake->held, &stated, sizeof stated);
    if (intake) buffer_append(&intake->held, bytes, length);
    if (!intake || intake->held.failed) refuse(connection, LEDIG_EUNAVAILABLE, "out of memory");
}

static bool takes(const struct connection *connection) {
    return !connection->paused && !connection->closing && !connection->dead;
}

static void deliver_held(struct connection *connection) {
    struct intake *intake = connection->intake;
    size_t at = 0;
    while (intake && takes(connection) && at < intake->held.length) {
        uint32_t length;
        memcpy(&length, intake->held.bytes + at, sizeof length);
        at += sizeof length + length;
        session_receive(connection->session, intake->held.bytes + at - length, length);
    }
    if (at == 0) return;
    intake->held.length -= at;
    memmove(intake->held.bytes, intake->held.bytes + at, intake->held.length);
    if (intake->held.length == 0) buffer_free(&intake->held);
    if (intake->held.length == 0 && intake->assembly.length == 0) drop_intake(connection);
}

static void deliver(struct connection *connection, const uint8_t *bytes, size_t length) {
    if (connection->ssl && (connection->paused || (connection->intake && connection->intake->held.length > 0)))
        hold(connection, bytes, length);
    else
        session_receive(connection->session, bytes, length);
}

static void put_together(struct connection *connection, const uint8_t *bytes, size_t length, bool whole) {
    struct intake *intake = intake_of(connection);
    if (intake) buffer_append(&intake->assembly, bytes, length); /* as has come, whatever a header claims */
    if (!intake || intake->assembly.failed) {
        refuse(connection, LEDIG_EUNAVAILABLE, "out of memory");
        return;
    }
    if (!whole) return;
    struct buffer message = intake->assembly; /* ours: a refusal drops what the connection keeps */
    intake->assembly = (struct buffer){0};
    intake->frames = 0;
    if (intake->held.length == 0) drop_intake(connection);
    deliver(connection, message.bytes, message.length);
    buffer_free(&message);
}

static bool takes_tokens(struct connection *connection, uint32_t frames, size_t bytes) {
    const struct front *front = lws_context_user(lws_get_context(connection->wsi));
    uint64_t peer = front_peer(connection->wsi), now_ms = uv_now(front->loop);
    struct limits *limits = front->for_people ? front->http.limits : NULL;
    uint32_t retry_ms;
    if (peer == 0 || !limits) return true;
    if (limits_take_peer(limits, LIMIT_address_bytes, peer, (uint32_t)bytes, now_ms, &retry_ms) &&
        (frames == 0 || limits_take_peer(limits, LIMIT_address_messages, peer, frames, now_ms, &retry_ms)))
        return true;
    drop_intake(connection);
    session_limit(connection->session, "too much from this address", retry_ms);
    return false;
}

/* Frames without payload, or with a byte each, cost more than they bring. */
static bool is_in_too_many_pieces(struct connection *connection, bool frame_ends) {
    struct intake *intake = frame_ends ? intake_of(connection) : NULL;
    if (!intake || ++intake->frames <= FRAMES_MAX) return false;
    refuse(connection, LEDIG_ETOO_LARGE, "a message may come in 256 frames");
    return true;
}

static void receive(struct connection *connection, const uint8_t *bytes, size_t length) {
    struct lws *wsi = connection->wsi;
    if (connection->closing || connection->dead) return;
    if (!takes_tokens(connection, lws_remaining_packet_payload(wsi) == 0, length)) return;
    if ((lws_frame_is_binary(wsi) != 0) == connection->is_text) {
        refuse(connection, LEDIG_EBAD_REQUEST,
               connection->is_text ? "this subprotocol takes text frames" : "this subprotocol takes binary frames");
        return;
    }
    size_t so_far = connection->intake ? connection->intake->assembly.length : 0;
    size_t left = lws_remaining_packet_payload(wsi);
    if (so_far + length + left > LEDIG_MESSAGE_BYTES_MAX) {
        refuse(connection, LEDIG_ETOO_LARGE, "a message may have 65536 bytes");
        return;
    }
    bool whole = left == 0 && lws_is_final_fragment(wsi);
    if (is_in_too_many_pieces(connection, left == 0 && !whole)) return;
    if (whole && so_far == 0)
        deliver(connection, bytes, length);
    else
        put_together(connection, bytes, length, whole);
    if (connection->paused) stop_reading(connection);
}

static int writable(struct connection *connection) {
    if (connection->closing || connection->dead) return 0;
    if (connection->wants_ping) {
        uint8_t ping[LWS_PRE + 1] = {0}; /* not empty: libwebsockets does not tell of a pong without payload */
        connection->wants_ping = false;
        if (lws_write(connection->wsi, ping + LWS_PRE, 1, LWS_WRITE_PING) < 0) return -1;
    }
    if (!lws_partial_buffered(connection->wsi)) session_writable(connection->session);
    deliver_held(connection);
    return 0;
}

static bool is_our_path(struct lws *wsi) {
    char path[sizeof PATH + 1];
    return lws_hdr_copy(wsi, path, sizeof path, WSI_TOKEN_GET_URI) > 0 && strcmp(path, PATH) == 0;
}

/* One that comes without an origin is no page. One too long to be read is refused, as what it would be cut to might do.
 */
static bool may_connect(const struct front *front, struct lws *wsi) {
    char origin[ORIGIN_CHARS_MAX + 1], host[ORIGIN_CHARS_MAX + 1];
    if (lws_hdr_total_length(wsi, WSI_TOKEN_ORIGIN) == 0) return true;
    if (lws_hdr_copy(wsi, origin, sizeof origin, WSI_TOKEN_ORIGIN) <= 0) return false;
    if (lws_hdr_copy(wsi, host, sizeof host, WSI_TOKEN_HOST) <= 0) host[0] = '\0';
    return origin_may_connect(origin, front->origins, host, front->tls != NULL);
}

static int filter(const struct front *front, struct lws *wsi) {
    if (!front->service || !is_our_path(wsi)) {
        lws_return_http_status(wsi, HTTP_STATUS_NOT_FOUND, "There is no WebSocket at this path");
        return -1;
    }
    if (may_connect(front, wsi)) return 0;
    front->http.metrics->origins_refused++;
    lws_return_http_status(wsi, HTTP_STATUS_FORBIDDEN, "Pages of this origin may not connect");
    return -1;
}

int websocket_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len) {
    struct connection *connection = user;
    struct front *front = lws_context_user(lws_get_context(wsi));
    switch (reason) {
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
        return filter(front, wsi);
    case LWS_CALLBACK_ESTABLISHED:
        front->http.metrics->upgrades++;
        connection->wsi = wsi;
        connection->fd = lws_get_socket_fd(wsi);
        connection->ssl = lws_get_ssl(wsi);
        connection->is_text = lws_get_protocol(wsi)->id == ENCODING_JSON;
        connection->session = session_open(front->service, connection, (enum encoding)lws_get_protocol(wsi)->id);
        return connection->session ? 0 : -1;
    case LWS_CALLBACK_RECEIVE:
        receive(connection, in, len);
        return 0;
    case LWS_CALLBACK_RECEIVE_PONG:
        if (takes_tokens(connection, 1, len)) session_heard(connection->session);
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return writable(connection);
    case LWS_CALLBACK_CLOSED:
        drop_intake(connection);
        if (connection->session) session_closed(connection->session, kernel_gave_up(connection));
        connection->session = NULL;
        return 0;
    default:
        return 0;
    }
}

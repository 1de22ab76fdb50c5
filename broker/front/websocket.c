#include "broker/front/front_state.h"
#include "broker/service/connection.h"
#include "broker/service/session.h"
#include "protocol/limits.h"
#include "protocol/shape.h"

#include <string.h>

#define PATH "/v1"
#define CLOSE_REASON_BYTES_MAX 123 /* a control frame holds 125, two of them are the code (RFC 6455, section 5.5) */
#define CLOSE_WAIT_S 2             /* for the client's own close frame */

_Static_assert(CONNECTION_HEADROOM >= LWS_PRE, "libwebsockets writes its header before the payload");

/* libwebsockets' per-session data: zeroed by it, and gone after LWS_CALLBACK_CLOSED. */
struct connection {
    struct lws *wsi;
    struct session *session; /* NULL before ESTABLISHED and after CLOSED */
    struct buffer assembly;  /* of a message that came in pieces */
    bool is_text;
    bool closing;    /* a close was asked for */
    bool dead;       /* writing failed */
    bool wants_ping;
};

const size_t websocket_session_bytes = sizeof(struct connection);

/* ---- What the service may do with it ---- */

static void kill_after(struct connection *connection, int seconds) {
    lws_set_timeout(connection->wsi, PENDING_TIMEOUT_USER_OK, seconds);
}

int connection_send(struct connection *connection, uint8_t *payload, size_t length) {
    if (connection->dead || connection->closing) return LEDIG_EIO;
    int written =
        lws_write(connection->wsi, payload, length, connection->is_text ? LWS_WRITE_TEXT : LWS_WRITE_BINARY);
    if (written >= 0) return 0;
    connection->dead = true;
    kill_after(connection, LWS_TO_KILL_ASYNC);
    return LEDIG_EIO;
}

bool connection_is_choked(const struct connection *connection) {
    return connection->dead || connection->closing || lws_partial_buffered(connection->wsi);
}

void connection_want_writable(struct connection *connection) {
    if (!connection->dead) lws_callback_on_writable(connection->wsi);
}

void connection_pause(struct connection *connection, bool paused) {
    if (!connection->dead && !connection->closing) lws_rx_flow_control(connection->wsi, paused ? 0 : 1);
}

void connection_ping(struct connection *connection) {
    connection->wants_ping = true;
    connection_want_writable(connection);
}

/* The close frame is written here and not by libwebsockets: 4.1.6 as Debian builds it (with _DEBUG) closes a connection on
 * libuv twice in a row, and the second time takes it down before the frame is sent. The client answers with a close
 * frame of its own, which ends the connection; one that does not is cut off. */
void connection_close(struct connection *connection, uint16_t code, const char *reason) {
    if (connection->dead || connection->closing) return;
    connection->closing = true;
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

/* ---- What comes from libwebsockets ---- */

static void refuse(struct connection *connection, int error, const char *why) {
    buffer_free(&connection->assembly);
    session_refuse(connection->session, error, why);
}

static void receive(struct connection *connection, const uint8_t *bytes, size_t length) {
    struct lws *wsi = connection->wsi;
    if (connection->closing || connection->dead) return;
    if ((lws_frame_is_binary(wsi) != 0) == connection->is_text) {
        refuse(connection, LEDIG_EBAD_REQUEST,
               connection->is_text ? "this subprotocol takes text frames" : "this subprotocol takes binary frames");
        return;
    }
    struct buffer *assembly = &connection->assembly;
    size_t so_far = assembly->length, left = lws_remaining_packet_payload(wsi);
    if (so_far + length + left > LEDIG_MESSAGE_BYTES_MAX) {
        refuse(connection, LEDIG_ETOO_LARGE, "a message may have 65536 bytes");
        return;
    }
    bool whole = left == 0 && lws_is_final_fragment(wsi);
    if (whole && so_far == 0) {
        session_receive(connection->session, bytes, length);
        return;
    }
    buffer_append(assembly, bytes, length); /* room grows with what has come, whatever a header claims */
    if (assembly->failed) {
        refuse(connection, LEDIG_EUNAVAILABLE, "out of memory");
        return;
    }
    if (!whole) return;
    session_receive(connection->session, assembly->bytes, assembly->length);
    buffer_free(assembly);
}

static int writable(struct connection *connection) {
    if (connection->closing || connection->dead) return 0;
    if (connection->wants_ping) {
        uint8_t ping[LWS_PRE + 1] = {0}; /* not empty: libwebsockets does not tell of a pong without payload */
        connection->wants_ping = false;
        if (lws_write(connection->wsi, ping + LWS_PRE, 1, LWS_WRITE_PING) < 0) return -1;
    }
    if (!lws_partial_buffered(connection->wsi)) session_writable(connection->session);
    return 0;
}

static bool is_our_path(struct lws *wsi) {
    char path[sizeof PATH + 1];
    return lws_hdr_copy(wsi, path, sizeof path, WSI_TOKEN_GET_URI) > 0 && strcmp(path, PATH) == 0;
}

int websocket_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len) {
    struct connection *connection = user;
    struct front *front = lws_context_user(lws_get_context(wsi));
    switch (reason) {
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
        return front->service && is_our_path(wsi) ? 0 : -1;
    case LWS_CALLBACK_ESTABLISHED:
        connection->wsi = wsi;
        connection->is_text = lws_get_protocol(wsi)->id == ENCODING_JSON;
        connection->session = session_open(front->service, connection, (enum encoding)lws_get_protocol(wsi)->id);
        return connection->session ? 0 : -1;
    case LWS_CALLBACK_RECEIVE:
        receive(connection, in, len);
        return 0;
    case LWS_CALLBACK_RECEIVE_PONG:
        session_heard(connection->session);
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return writable(connection);
    case LWS_CALLBACK_CLOSED:
        buffer_free(&connection->assembly);
        if (connection->session) session_closed(connection->session);
        connection->session = NULL;
        return 0;
    default:
        return 0;
    }
}

#include "bench/websocket.h"
#include "bench/tls.h"
#include "protocol/message.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The sample of RFC 6455, section 1.3. The key only has to show that the answer is no cached one, so that a load
 * generator may use the same each time, and compare instead of compute. */
#define HANDSHAKE_KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define HANDSHAKE_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

#define FINAL 0x80
#define MASKED 0x80
enum opcode { OPCODE_CONTINUATION, OPCODE_TEXT, OPCODE_BINARY, OPCODE_CLOSE = 8, OPCODE_PING, OPCODE_PONG };

static int fail(struct websocket *websocket, int error) {
    websocket_close(websocket);
    return error;
}

static int open_socket(const struct websocket_target *target) {
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1, why;
    if (descriptor < 0) return -1;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr = target->source};
    bool bound = true;
    if (target->source.s_addr != 0) { /* the port is chosen with the connection, so that each pair of ends counts */
        setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        bound = bind(descriptor, (struct sockaddr *)&source, sizeof source) == 0;
    }
    if (bound && (connect(descriptor, (const struct sockaddr *)&target->address, sizeof target->address) == 0 ||
                  errno == EINPROGRESS))
        return descriptor;
    why = errno;
    close(descriptor);
    errno = why;
    return -1;
}

static int secure(struct websocket *websocket, SSL_CTX *tls, bool resumes) {
    websocket->ssl = SSL_new(tls);
    if (!websocket->ssl || SSL_set_fd(websocket->ssl, websocket->descriptor) != 1) return LEDIG_ENO_MEMORY;
    SSL_set_connect_state(websocket->ssl);
    tls_collect_session(websocket->ssl, &websocket->session);
    if (resumes && websocket->session) SSL_set_session(websocket->ssl, websocket->session);
    return 0;
}

static int write_request(struct websocket *websocket, const struct websocket_target *target) {
    char request[512];
    int length = snprintf(request, sizeof request,
                          "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " HANDSHAKE_KEY
                          "\r\nSec-WebSocket-Protocol: " LEDIG_SUBPROTOCOL_MSGPACK "\r\n\r\n",
                          target->path, target->host);
    if (length < 0 || (size_t)length >= sizeof request) return LEDIG_EIO;
    buffer_append(&websocket->out, request, (size_t)length);
    return websocket->out.failed ? LEDIG_ENO_MEMORY : 0;
}

int websocket_connect(struct websocket *websocket, const struct websocket_target *target, uint32_t seed) {
    buffer_free(&websocket->in);
    *websocket = (struct websocket){.session = websocket->session, .mask = seed | 1};
    websocket->descriptor = open_socket(target);
    if (websocket->descriptor < 0) return LEDIG_EIO;
    websocket->state = WEBSOCKET_CONNECTING;
    int error = target->tls ? secure(websocket, target->tls, !target->forgets_sessions) : 0;
    if (error == 0) error = write_request(websocket, target);
    return error ? fail(websocket, error) : 0;
}

int websocket_adopt(struct websocket *websocket, int descriptor, SSL_CTX *tls) {
    *websocket = (struct websocket){.descriptor = descriptor, .state = WEBSOCKET_OPEN, .mask = 1, .adopted = true};
    struct timeval none = {0};
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof none);
    if (!tls) return 0;
    if (fcntl(descriptor, F_SETFL, O_NONBLOCK) != 0) return fail(websocket, LEDIG_EIO);
    websocket->state = WEBSOCKET_SECURING;
    int error = secure(websocket, tls, false);
    if (error != 0) return fail(websocket, error);
    return websocket_write(websocket);
}

/* ---- Sending ---- */

bool websocket_wants_write(const struct websocket *websocket) {
    if (websocket->state == WEBSOCKET_CONNECTING) return true;
    if (websocket->state == WEBSOCKET_SECURING) return SSL_want_write(websocket->ssl);
    return websocket->out.length > 0;
}

static int finish_connecting(struct websocket *websocket) {
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(websocket->descriptor, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) return fail(websocket, LEDIG_EIO);
    websocket->state = websocket->ssl ? WEBSOCKET_SECURING : WEBSOCKET_HANDSHAKE;
    return 0;
}

/* 0 also where it goes on. */
static int go_on_securing(struct websocket *websocket) {
    int done = tls_shake(websocket->ssl);
    if (done < 0) return fail(websocket, done);
    if (done == 0) return 0;
    websocket->resumed_session = SSL_session_reused(websocket->ssl) == 1;
    websocket->state = websocket->adopted ? WEBSOCKET_OPEN : WEBSOCKET_HANDSHAKE;
    return 0;
}

static ssize_t put(struct websocket *websocket, const void *bytes, size_t length) {
    return websocket->ssl ? tls_write(websocket->ssl, bytes, length)
                          : send(websocket->descriptor, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int websocket_write(struct websocket *websocket) {
    int error = 0;
    if (websocket->state == WEBSOCKET_CLOSED) return LEDIG_EIO;
    if (websocket->state == WEBSOCKET_CONNECTING) error = finish_connecting(websocket);
    if (error == 0 && websocket->state == WEBSOCKET_SECURING) error = go_on_securing(websocket);
    if (error != 0 || websocket->state == WEBSOCKET_SECURING) return error;
    struct buffer *out = &websocket->out;
    while (out->length > 0) {
        ssize_t sent = put(websocket, out->bytes, out->length);
        if (sent < 0) {
            if (errno == EAGAIN) return 0;
            if (errno == EINTR) continue;
            return fail(websocket, LEDIG_EIO);
        }
        memmove(out->bytes, out->bytes + sent, out->length - (size_t)sent);
        out->length -= (size_t)sent;
    }
    buffer_free(out); /* an idle connection holds nothing */
    return 0;
}

static size_t put_header(uint8_t *header, enum opcode opcode, size_t length, uint8_t masked) {
    header[0] = (uint8_t)(FINAL | (unsigned)opcode);
    if (length < 126) {
        header[1] = (uint8_t)(masked | length);
        return 2;
    }
    if (length < 65536) {
        header[1] = masked | 126;
        header[2] = (uint8_t)(length >> 8);
        header[3] = (uint8_t)length;
        return 4;
    }
    header[1] = masked | 127;
    for (unsigned i = 0; i < 8; i++)
        header[2 + i] = (uint8_t)((uint64_t)length >> (56 - 8 * i));
    return 10;
}

static int send_frame(struct websocket *websocket, enum opcode opcode, const uint8_t *payload, size_t length) {
    uint8_t header[WEBSOCKET_HEADER_BYTES_MAX + 4], key[4];
    size_t header_length = put_header(header, opcode, length, MASKED);
    websocket->mask ^= websocket->mask << 13; /* xorshift32: no proxy here that a mask has to protect */
    websocket->mask ^= websocket->mask >> 17;
    websocket->mask ^= websocket->mask << 5;
    memcpy(key, &websocket->mask, 4);
    memcpy(header + header_length, key, 4);
    buffer_append(&websocket->out, header, header_length + 4);
    size_t begin = websocket->out.length;
    buffer_append(&websocket->out, payload, length);
    if (websocket->out.failed) return fail(websocket, LEDIG_ENO_MEMORY);
    for (size_t i = 0; i < length; i++)
        websocket->out.bytes[begin + i] ^= key[i & 3];
    return websocket->state == WEBSOCKET_OPEN ? websocket_write(websocket) : 0;
}

int websocket_send(struct websocket *websocket, const uint8_t *payload, size_t length) {
    if (websocket->state != WEBSOCKET_OPEN) return LEDIG_EIO;
    return send_frame(websocket, OPCODE_BINARY, payload, length);
}

int websocket_server_frame(const uint8_t *payload, size_t length, struct buffer *out) {
    uint8_t header[WEBSOCKET_HEADER_BYTES_MAX];
    buffer_append(out, header, put_header(header, OPCODE_BINARY, length, 0));
    buffer_append(out, payload, length);
    return out->failed ? LEDIG_ENO_MEMORY : 0;
}

/* ---- Receiving ---- */

struct frame_view {
    enum opcode opcode;
    const uint8_t *payload;
    size_t length, wire_bytes;
};

/* 1 with a whole frame, 0 where more bytes are needed, or an error. */
static int next_frame(const uint8_t *bytes, size_t length, struct frame_view *view) {
    if (length < 2) return 0;
    if (!(bytes[0] & FINAL) || (bytes[0] & 0x70) || (bytes[1] & MASKED)) return LEDIG_EBAD_REQUEST;
    uint64_t payload = bytes[1] & 0x7f;
    size_t header = 2;
    if (payload >= 126) {
        size_t wide = payload == 126 ? 2 : 8;
        header += wide;
        if (length < header) return 0;
        payload = 0;
        for (size_t i = 0; i < wide; i++)
            payload = payload << 8 | bytes[2 + i];
    }
    if (payload > WEBSOCKET_FRAME_BYTES_MAX) return LEDIG_ETOO_LARGE;
    if (length - header < payload) return 0;
    *view =
        (struct frame_view){(enum opcode)(bytes[0] & 0x0f), bytes + header, (size_t)payload, header + (size_t)payload};
    return 1;
}

/* Takes all whole frames from the front. Returns how many bytes were used, or an error. */
static ssize_t take_frames(struct websocket *websocket, const uint8_t *bytes, size_t length, websocket_message message,
                           void *arg) {
    size_t used = 0;
    struct frame_view view;
    int found;
    while (websocket->state == WEBSOCKET_OPEN && (found = next_frame(bytes + used, length - used, &view)) != 0) {
        if (found < 0) return fail(websocket, found);
        used += view.wire_bytes;
        switch (view.opcode) {
        case OPCODE_BINARY:
            message(arg, view.payload, view.length, view.wire_bytes);
            break;
        case OPCODE_PING:
            if (send_frame(websocket, OPCODE_PONG, view.payload, view.length) != 0) return LEDIG_EIO;
            break;
        case OPCODE_PONG:
            break;
        case OPCODE_CLOSE:
            if (view.length >= 2) websocket->close_code = (uint16_t)(view.payload[0] << 8 | view.payload[1]);
            return fail(websocket, LEDIG_EIO);
        case OPCODE_CONTINUATION:
        case OPCODE_TEXT:
        default:
            return fail(websocket, LEDIG_EBAD_REQUEST);
        }
    }
    return (ssize_t)used;
}

/* The length of the handshake's answer when it is there and agrees; 0 where more is needed. */
static ssize_t check_handshake(struct websocket *websocket, const uint8_t *bytes, size_t length) {
    const uint8_t *end = memmem(bytes, length, "\r\n\r\n", 4);
    if (!end) return length > WEBSOCKET_HANDSHAKE_BYTES_MAX ? fail(websocket, LEDIG_EBAD_REQUEST) : 0;
    size_t head = (size_t)(end - bytes) + 4;
    if (head < 12 || memcmp(bytes, "HTTP/1.1 101", 12) != 0 ||
        !memmem(bytes, head, HANDSHAKE_ACCEPT, strlen(HANDSHAKE_ACCEPT)) ||
        !memmem(bytes, head, LEDIG_SUBPROTOCOL_MSGPACK, strlen(LEDIG_SUBPROTOCOL_MSGPACK)))
        return fail(websocket, LEDIG_EUNAUTHORIZED);
    websocket->state = WEBSOCKET_OPEN;
    return (ssize_t)head;
}

static int take(struct websocket *websocket, const uint8_t *bytes, size_t length, size_t *used,
                websocket_message message, void *arg) {
    *used = 0;
    if (websocket->state == WEBSOCKET_HANDSHAKE) {
        ssize_t head = check_handshake(websocket, bytes, length);
        if (head <= 0) return (int)head;
        *used = (size_t)head;
        message(arg, NULL, 0, 0);
    }
    ssize_t frames = take_frames(websocket, bytes + *used, length - *used, message, arg);
    if (frames < 0) return (int)frames;
    *used += (size_t)frames;
    return websocket->state == WEBSOCKET_CLOSED ? LEDIG_EIO : 0;
}

static int take_all(struct websocket *websocket, const uint8_t *bytes, size_t length, websocket_message message,
                    void *arg) {
    struct buffer *in = &websocket->in;
    size_t used;
    if (in->length > 0) {
        buffer_append(in, bytes, length);
        if (in->failed) return fail(websocket, LEDIG_ENO_MEMORY);
        bytes = in->bytes;
        length = in->length;
    }
    int error = take(websocket, bytes, length, &used, message, arg);
    if (error != 0) return error;
    if (in->length > 0) { /* bytes of an earlier read were among them */
        memmove(in->bytes, in->bytes + used, length - used);
        in->length = length - used;
        if (in->length == 0) buffer_free(in);
    } else if (used < length) {
        buffer_append(in, bytes + used, length - used);
        if (in->failed) return fail(websocket, LEDIG_ENO_MEMORY);
    }
    return 0;
}

static ssize_t get(struct websocket *websocket, void *bytes, size_t length) {
    return websocket->ssl ? tls_read(websocket->ssl, bytes, length)
                          : recv(websocket->descriptor, bytes, length, MSG_DONTWAIT);
}

int websocket_read(struct websocket *websocket, uint8_t *scratch, websocket_message message, void *arg) {
    if (websocket->state == WEBSOCKET_SECURING) {
        int error = websocket_write(websocket);
        if (error != 0 || websocket->state == WEBSOCKET_SECURING) return error;
    }
    do { /* what TLS has read ahead is no event of the socket any more */
        ssize_t got = get(websocket, scratch, WEBSOCKET_SCRATCH_BYTES);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
        if (got <= 0) return fail(websocket, LEDIG_EIO);
        int error = take_all(websocket, scratch, (size_t)got, message, arg);
        if (error != 0) return error;
    } while (websocket->ssl && SSL_has_pending(websocket->ssl));
    return 0;
}

void websocket_close(struct websocket *websocket) {
    if (websocket->state == WEBSOCKET_NONE || websocket->state == WEBSOCKET_CLOSED) return;
    tls_drop(websocket->ssl);
    websocket->ssl = NULL;
    close(websocket->descriptor);
    websocket->descriptor = -1;
    websocket->state = WEBSOCKET_CLOSED;
    buffer_free(&websocket->out);
    /* `in` stays: a message in it may be what the caller looks at just now */
}

void websocket_free(struct websocket *websocket) {
    websocket_close(websocket);
    buffer_free(&websocket->in);
    SSL_SESSION_free(websocket->session);
    websocket->session = NULL;
}

#include "bench/peers/peer.h"
#include "protocol/errors.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_S 10             /* for a handshake */
#define HEAD_BYTES_MAX (4 * 1024) /* of the answer to it */

/* ---- Opening ---- */

/* Takes the answer's head, and not a byte more: frames may follow at once. */
static int read_head(int descriptor) {
    char head[HEAD_BYTES_MAX];
    for (size_t seen = 0;;) {
        ssize_t got = recv(descriptor, head, sizeof head, MSG_PEEK);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return LEDIG_EIO;
        const char *end = memmem(head, (size_t)got, "\r\n\r\n", 4);
        if (!end && (size_t)got == sizeof head) return LEDIG_EBAD_REQUEST;
        if (!end) { /* what was peeked at is still there: wait for more than that */
            int enough = (int)(seen = (size_t)got) + 1;
            setsockopt(descriptor, SOL_SOCKET, SO_RCVLOWAT, &enough, sizeof enough);
            continue;
        }
        int one = 1;
        if (seen > 0) setsockopt(descriptor, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof one);
        ssize_t length = end + 4 - head;
        if (recv(descriptor, head, (size_t)length, 0) != length) return LEDIG_EIO;
        return length > 12 && memcmp(head, "HTTP/1.1 101", 12) == 0 ? 0 : LEDIG_EUNAUTHORIZED;
    }
}

static int upgrade(struct link *link) {
    static const char request[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    const ssize_t length = sizeof request - 1;
    if (send(link->descriptor, request, sizeof request - 1, MSG_NOSIGNAL) != length) return LEDIG_EIO;
    int error = read_head(link->descriptor);
    return error ? error : websocket_adopt(&link->websocket, link->descriptor, NULL);
}

int peer_connect(const struct peer *peer, struct link *link, unsigned port, bool subscribes) {
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    int one = 1;
    *link = (struct link){.descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (link->descriptor < 0) return LEDIG_EIO;
    setsockopt(link->descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(link->descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(link->descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    int error = connect(link->descriptor, (const struct sockaddr *)&address, sizeof address) == 0 ? 0 : LEDIG_EIO;
    if (error == 0 && peer->speaks_websocket) error = upgrade(link);
    if (error == 0) {
        peer->greet(&link->out, subscribes);
        error = peer_flush(peer, link);
    }
    if (error != 0) peer_close(link);
    return error;
}

void peer_close(struct link *link) {
    if (link->websocket.state != WEBSOCKET_NONE)
        websocket_free(&link->websocket);
    else if (link->descriptor >= 0)
        close(link->descriptor);
    link->descriptor = -1;
    buffer_free(&link->in);
    buffer_free(&link->out);
}

/* ---- Receiving ---- */

struct reading {
    const struct peer *peer;
    struct link *link;
    peer_message message;
    void *arg;
    struct peer_receipt *receipt;
    int error;
};

/* Bytes of the peer's protocol, as they come: the beginning of a message is kept for the next time. */
static int take(struct reading *reading, const uint8_t *bytes, size_t length, uint32_t *messages) {
    struct link *link = reading->link;
    struct buffer *in = &link->in;
    const bool kept = in->length > 0;
    if (kept) {
        buffer_append(in, bytes, length);
        if (in->failed) return LEDIG_ENO_MEMORY;
        bytes = in->bytes;
        length = in->length;
    }
    ssize_t used = reading->peer->take(link, bytes, length, reading->message, reading->arg, messages);
    if (used < 0) return (int)used;
    const size_t left = length - (size_t)used;
    if (left == 0) {
        buffer_free(in); /* an idle connection holds nothing */
    } else if (kept) {
        memmove(in->bytes, in->bytes + used, left);
        in->length = left;
    } else {
        buffer_append(in, bytes + used, left);
    }
    return in->failed ? LEDIG_ENO_MEMORY : 0;
}

static void on_frame(void *arg, const uint8_t *payload, size_t length, size_t wire_bytes) {
    struct reading *reading = arg;
    uint32_t messages = 0;
    (void)wire_bytes;
    if (!payload || reading->error != 0) return;
    reading->error = take(reading, payload, length, &messages);
    if (messages > 0) reading->receipt->frames++;
    if (messages > 1) reading->receipt->merged++;
}

int peer_read(const struct peer *peer, struct link *link, uint8_t *scratch, peer_message message, void *arg,
              struct peer_receipt *receipt) {
    struct reading reading = {peer, link, message, arg, receipt, 0};
    if (peer->speaks_websocket) {
        int error = websocket_read(&link->websocket, scratch, on_frame, &reading);
        return reading.error ? reading.error : error;
    }
    uint32_t messages = 0;
    ssize_t got = recv(link->descriptor, scratch, WEBSOCKET_SCRATCH_BYTES, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (got <= 0) return LEDIG_EIO;
    int error = take(&reading, scratch, (size_t)got, &messages);
    receipt->frames += messages;
    return error;
}

/* ---- Sending ---- */

static int send_plain(struct link *link) {
    struct buffer *out = &link->out;
    size_t done = 0;
    while (done < out->length) {
        ssize_t sent = send(link->descriptor, out->bytes + done, out->length - done, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno == EAGAIN) break;
        if (sent < 0) return LEDIG_EIO;
        done += (size_t)sent;
    }
    memmove(out->bytes, out->bytes + done, out->length - done);
    out->length -= done;
    return 0;
}

int peer_flush(const struct peer *peer, struct link *link) {
    int error = 0;
    if (link->out.failed) return LEDIG_ENO_MEMORY;
    if (!peer->speaks_websocket) {
        if (link->out.length > 0) error = send_plain(link);
    } else if (link->out.length == 0) {
        error = websocket_write(&link->websocket);
    } else {
        error = websocket_send(&link->websocket, link->out.bytes, link->out.length);
        buffer_clear(&link->out);
    }
    if (link->out.length == 0) buffer_free(&link->out);
    return error;
}

bool peer_wants_write(const struct peer *peer, const struct link *link) {
    return peer->speaks_websocket ? websocket_wants_write(&link->websocket) : link->out.length > 0;
}

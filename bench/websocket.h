/* A WebSocket client (RFC 6455), over TCP or TLS, that is as light as a load generator needs: one non-blocking socket,
 * no buffers of its own while whole frames come and go. It knows nothing of what the messages mean, and takes no
 * fragmented ones, since the broker sends none.
 *
 * The owner watches the descriptor (level-triggered) and calls in when something can be read or written. */
#ifndef LEDIG_BENCH_WEBSOCKET_H
#define LEDIG_BENCH_WEBSOCKET_H

#include "protocol/shape.h"

#include <netinet/in.h>
#include <openssl/ssl.h>

#define WEBSOCKET_SCRATCH_BYTES (256 * 1024)     /* what one read takes at most */
#define WEBSOCKET_HEADER_BYTES_MAX 10            /* of a frame without mask */
#define WEBSOCKET_FRAME_BYTES_MAX (128 * 1024)   /* a peer that claims more is not a broker of ours */
#define WEBSOCKET_HANDSHAKE_BYTES_MAX (8 * 1024) /* of its answer */

enum websocket_state {
    WEBSOCKET_NONE,
    WEBSOCKET_CONNECTING,
    WEBSOCKET_SECURING, /* TLS' handshake */
    WEBSOCKET_HANDSHAKE,
    WEBSOCKET_OPEN,
    WEBSOCKET_CLOSED
};

/* Where to, and how. */
struct websocket_target {
    struct sockaddr_in address;
    struct in_addr source; /* the address to come from; 0 = as the kernel likes */
    const char *host, *path;
    SSL_CTX *tls;          /* NULL = plain TCP */
    bool forgets_sessions; /* TLS: a full handshake each time */
};

struct websocket {
    int descriptor;
    enum websocket_state state;
    uint16_t close_code; /* as the peer said; 0 = it said nothing */
    bool adopted, resumed_session;
    uint32_t mask;        /* state of the mask generator */
    SSL *ssl;             /* NULL = plain TCP */
    SSL_SESSION *session; /* the latest ticket, for the next connection */
    struct buffer in;     /* the beginning of a frame, or of the handshake's answer; mostly empty */
    struct buffer out;    /* what the kernel did not take; mostly empty */
};

/* Called for each whole message, and once with NULL when the handshake is done. The bytes are lent; `wire_bytes` counts
 * the frame's header too. */
typedef void (*websocket_message)(void *arg, const uint8_t *payload, size_t length, size_t wire_bytes);

/* Begins to connect, with the subprotocol `ledig.v1.msgpack`. The struct is zeroed, or was closed: then a TLS session
 * of before is resumed. 0 or LEDIG_EIO (see errno). */
int websocket_connect(struct websocket *websocket, const struct websocket_target *target, uint32_t seed);

/* Takes over a connected socket on which frames come without a handshake, or with that of TLS alone where there is a
 * context. 0, LEDIG_EIO or LEDIG_ENO_MEMORY. */
int websocket_adopt(struct websocket *websocket, int descriptor, SSL_CTX *tls);

/* Reads once, into `scratch` (WEBSOCKET_SCRATCH_BYTES), and calls `message` for each whole message; pings are answered.
 * 0, or LEDIG_EIO when the connection is gone, LEDIG_EUNAUTHORIZED when the handshake was refused, LEDIG_EBAD_REQUEST
 * when the peer broke the protocol; then it is CLOSED. */
int websocket_read(struct websocket *websocket, uint8_t *scratch, websocket_message message, void *arg);

/* Goes on with connecting, or with what waits. The same errors. */
int websocket_write(struct websocket *websocket);
bool websocket_wants_write(const struct websocket *websocket);

/* Sends one binary message. What the kernel does not take waits. 0, LEDIG_EIO or LEDIG_ENO_MEMORY. */
int websocket_send(struct websocket *websocket, const uint8_t *payload, size_t length);

/* Closes at once, without ceremony; may be called from `message`. websocket_free also gives back the memory. */
void websocket_close(struct websocket *websocket);
void websocket_free(struct websocket *websocket);

/* The frame in which a server would send this payload, for a replay; appended to `out`. 0 or LEDIG_ENO_MEMORY. */
int websocket_server_frame(const uint8_t *payload, size_t length, struct buffer *out);

#endif

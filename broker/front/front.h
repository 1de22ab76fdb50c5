/* A port: its own listening socket on the loop, accepted sockets adopted into libwebsockets, WebSockets of apps at /v1
 * handed to the service, other requests to an HTTP handler. The only folder that knows libwebsockets is this one. */
#ifndef LEDIG_FRONT_FRONT_H
#define LEDIG_FRONT_FRONT_H

#include "broker/service/http_exchange.h"
#include <stdbool.h>
#include <uv.h>

struct front;
struct limits;
struct metrics;
struct service;

struct front_options {
    const char *host; /* an address, no name: 127.0.0.1, ::1, 0.0.0.0 */
    int port;
    struct service *service; /* takes WebSockets at /v1; NULL: none are taken */
    http_handler http;       /* answers all other requests; NULL: 404 */
    void *http_arg;
    bool for_people; /* connections are WebSockets for the most part, and browsers are among the clients */
    size_t http_body_bytes_max;
    uint32_t stall_ms;   /* a client that acknowledges nothing of what it is sent for so long is cut off; 0: never */
    const char *origins; /* with a service: web pages that may connect, see origin.h; NULL: those of its own address */
    const char *tls_cert, *tls_key; /* PEM files; NULL: plain text */
    const char *tls_prefix;         /* of the flags that name them: "" or "router-", a constant */
    const char *data_dir;           /* with TLS: where the keys of the tickets are */
    uint32_t tls_look_ms;           /* with TLS: between two looks whether the files were renewed */
    struct limits *limits;          /* the caller's, of addresses; NULL: none */
    struct metrics *metrics;        /* the caller's; NULL: nobody looks */
};

/* Binds a socket to an exact address. `exclusive`: without SO_REUSEPORT and listening, so that it fails where anybody
 * else listens there; otherwise bound for sharing, not listening. Port 0 takes a free one; `bound_port` (may be NULL)
 * tells which. A descriptor, LEDIG_EIO with errno set, or LEDIG_EBAD_REQUEST where the host is no address. */
int front_bind(const char *host, int port, bool exclusive, int *bound_port);

/* Binds (exact address, SO_REUSEPORT), listens and serves. LEDIG_EIO with errno set; LEDIG_EBAD_REQUEST where TLS
 * cannot be served, with the reason in the log. */
int front_open(uv_loop_t *loop, const struct front_options *options, struct front **front);

/* Takes no more connections; those that are open stay. */
void front_stop_accepting(struct front *front);

/* Reads the certificate and the keys of the tickets again, at once. Connections that are open keep what they have. */
void front_reload(struct front *front);

/* Brings the metrics up to date that are counted elsewhere: TLS handshakes. */
void front_measure(const struct front *front);

/* Closes every connection, then calls `closed` from the loop; the front is gone then. */
void front_close(struct front *front, void (*closed)(void *arg), void *arg);

#endif

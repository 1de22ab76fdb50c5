/* A port from the inside, for the files of this folder. */
#ifndef LEDIG_FRONT_FRONT_STATE_H
#define LEDIG_FRONT_FRONT_STATE_H

#include "broker/front/front.h"
#include "broker/front/http.h"
#include "broker/front/tls.h"

#include <libwebsockets.h>

struct front {
    struct http_server http;    /* first: it is the context's user pointer */
    struct metrics own_metrics; /* where the caller gave none */
    struct service *service;    /* NULL: no WebSockets */
    bool for_people;
    const char *origins;  /* the caller's; "" = pages of the broker's own address */
    SSL_CTX *ssl_context; /* libwebsockets'; NULL: plain text */
    struct tls *tls;      /* NULL: plain text */
    uv_loop_t *loop;
    struct lws_context *context;       /* libwebsockets sets it to NULL when it is wholly gone */
    struct lws_protocols protocols[4]; /* the last one is empty */
    int listen_fd;
    uint32_t stall_ms;
    uv_poll_t poll;            /* of the listening socket */
    uv_timer_t pause;          /* runs while no descriptor is left for more connections */
    uv_timer_t ending;         /* looks whether the context is gone */
    uv_timer_t look;           /* whether the certificate was renewed */
    uv_timer_t due;            /* whether a direct line is to be closed */
    struct direct_line *lines; /* utlist */
    unsigned handles;          /* still to be closed */
    unsigned turns;            /* of the ending */
    bool accepting;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* The protocol callback of both WebSocket subprotocols, for per-session data of websocket_session_bytes. */
int websocket_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len);
extern const size_t websocket_session_bytes;

/* Hands a socket that was taken in to libwebsockets, which closes it where it fails. */
void front_adopt(struct front *front, int fd, uint64_t peer);

/* Whom the limits count a connection to; 0: nobody. */
uint64_t front_peer(struct lws *wsi);

#endif

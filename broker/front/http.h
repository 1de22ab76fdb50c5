/* The HTTP side of a port: reads whole requests within limits, hands them to one handler, writes the answers. The
 * libwebsockets protocol that front.c puts first in its list. Knows no paths.
 *
 * A connection has one request at a time: what a client sends ahead of its answer waits in the kernel. For the
 * context's creation front.c needs HTTP_HEAD_MS / 1000 as timeout_secs, HTTP_HEADERS_BYTES_MAX as max_http_header_data,
 * and a tx_packet_size of HTTP_WRITE_BYTES_MAX or more for the protocol. */
#ifndef LEDIG_FRONT_HTTP_H
#define LEDIG_FRONT_HTTP_H

#include "broker/limits/limits.h"
#include "broker/metrics/metrics.h"
#include "broker/service/http_exchange.h"
#include "protocol/limits.h"
#include <libwebsockets.h>
#include <uv.h>

#define HTTP_HEAD_MS 10000 /* a request whose head or body does not come on within this is closed */
#define HTTP_BODY_BYTES_S_MIN                                                                                          \
    8192                    /* beyond that time a body has to come at this rate, so that none is dripped in for days */
#define HTTP_STALL_MS 30000 /* so is a client that takes nothing of its answer */
#define HTTP_HEADERS_BYTES_MAX 12288 /* all headers of a request; a token is the largest */
#define HTTP_PATH_BYTES_MAX 1024     /* ids in it have 64 characters */
#define HTTP_QUERY_BYTES_MAX 4096    /* as it is on the line, with its escapes */
#define HTTP_TYPE_BYTES_MAX 127      /* of a Content-Type */

struct http_server {      /* the context's user pointer, first in whatever front.c keeps; the front owns it */
    http_handler handler; /* NULL: everything is answered 404 */
    void *arg;
    size_t body_bytes_max; /* larger ones are answered 413 */
    const char *headers;   /* of every answer, each with its line end */
    struct metrics *metrics;
    struct limits *limits; /* of addresses; NULL: none */
    uv_loop_t *loop;       /* whose clock they go by */
    bool counts_requests;  /* towards them: routers ask as often as there are calls */
};

/* The callback of the protocol, for per-session data of http_session_bytes. */
int http_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len);
extern const size_t http_session_bytes;

#endif

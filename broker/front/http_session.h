/* One request and its answer, as long as libwebsockets keeps the memory: it is zeroed for each request. Shared by
 * http.c, which reads and writes, and http_head.c, which understands the head. */
#ifndef LEDIG_FRONT_HTTP_SESSION_H
#define LEDIG_FRONT_HTTP_SESSION_H

#include "broker/front/http.h"
#include "protocol/shape.h"

#include <stdbool.h>

struct direct_line;

struct http_exchange { /* of one of the two; both NULL: the client went away */
    struct http_session *session;
    struct direct_line *line;
    uint32_t retry_s; /* 0: as usual */
};

struct http_session {
    struct lws *wsi;
    struct http_exchange *exchange; /* asked and not answered yet */
    struct buffer body;
    size_t declared; /* bytes of the body */
    size_t discarded;
    uint64_t begun_ms; /* the loop's time of the head */

    uint8_t *answer; /* head and body; NULL = none yet */
    size_t length, sent;

    bool is_head;   /* the answer has no body */
    bool keeps;     /* the connection serves a further request after this one */
    bool is_old;    /* HTTP/1.0, which has to be told that the connection is kept */
    bool complete;  /* the body has been read */
    bool asked;     /* the handler has it */
    bool is_asking; /* right now */
    bool lingers;   /* answered before its body was read: the rest is read and thrown away, so that the client sees the
                       answer and not a broken line */
    bool stalls;    /* the socket did not take the answer at once */
    bool paused;    /* reads nothing, so that requests sent ahead wait */
};

/* What the head says of the body. Returns 0 or the status that refuses the request. */
int http_head_take(struct http_session *session);

/* Whether libwebsockets will read a body, wherever it takes its end to be. */
bool http_head_has_body(struct lws *wsi);

/* The request for the handler. Its texts stand in `texts`; returns 0 or the status that refuses it. */
struct http_texts {
    char path[HTTP_PATH_BYTES_MAX + 1];
    char query[HTTP_QUERY_BYTES_MAX + 1];
    char authorization[LEDIG_TOKEN_CHARS_MAX + 16];
    char content_type[HTTP_TYPE_BYTES_MAX + 1];
};
int http_head_request(struct lws *wsi, struct http_texts *texts, struct http_request *request);

/* The head of an answer; `retry_s` 0: as usual; `connection` is a field with its line's end, or "". Returns its length.
 */
#define HTTP_HEAD_BYTES_MAX 768 /* http_server.headers are the larger half */
size_t http_print_head(const struct http_server *server, int status, uint32_t retry_s, const char *content_type,
                       size_t length, const char *connection, char head[static HTTP_HEAD_BYTES_MAX]);
void http_count_answer(const struct http_server *server, int status);

/* "POST", …; "" for none that libwebsockets knows. */
const char *http_head_method_name(struct lws *wsi);

/* Whether the client waits to be told that its body is welcome. */
bool http_head_expects_continue(struct lws *wsi);

#endif

/* One HTTP request and its whole answer, on a loop of its own; it blocks. Follows no redirect, since it would carry the
 * token to wherever that points. */
#ifndef LEDIG_CLIENT_HTTP_CALL_H
#define LEDIG_CLIENT_HTTP_CALL_H

#include "clients/c/endpoint.h"
#include "protocol/shape.h"

#define HTTP_ANSWER_BYTES_MAX (16 * 1024 * 1024) /* more is no answer to anything that we ask */

struct http_call {
    const struct endpoint *endpoint;
    const char *method, *path; /* path with its query */
    const char *token;
    const char *content_type; /* NULL = there is no body */
    const void *body;
    size_t length;
    uint32_t timeout_ms;
};

struct http_answer {
    int status;
    struct buffer body; /* free it */
    char reason[96];    /* why there is no answer */
};

/* 0 with an answer of whatever status; LEDIG_EUNAVAILABLE with a reason; LEDIG_ENO_MEMORY; LEDIG_EIO. */
int http_call(const struct http_call *call, struct http_answer *answer);

/* Appends `text` to `to` as one component of a path or query. */
void http_append_escaped(struct buffer *to, const char *text);

#endif

#include "broker/front/direct_head.h"
#include "broker/front/http_session.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- Framing ---- */

/* The length as a number, and nothing but digits: libwebsockets would take the first of several. */
static bool parse_length(const char *text, size_t *length) {
    *length = 0;
    if (!*text) return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || *length > SIZE_MAX / 10 - 1) return false;
        *length = *length * 10 + (size_t)(*text - '0');
    }
    return true;
}

static bool has(struct lws *wsi, enum lws_token_indexes header) {
    return lws_hdr_total_length(wsi, header) > 0;
}

/* libwebsockets decides in the same way whether it goes on with the connection. */
static void take_version(struct http_session *session) {
    char text[32] = "";
    session->is_old =
        lws_hdr_copy(session->wsi, text, sizeof text, WSI_TOKEN_HTTP) <= 0 || strcmp(text, "HTTP/1.1") != 0;
    session->keeps = !session->is_old;
    if (lws_hdr_copy(session->wsi, text, sizeof text, WSI_TOKEN_CONNECTION) <= 0) return;
    if (strcasecmp(text, "keep-alive") == 0) session->keeps = true;
    if (strcasecmp(text, "close") == 0) session->keeps = false;
}

static bool needs_body(struct lws *wsi) {
    return has(wsi, WSI_TOKEN_POST_URI) || has(wsi, WSI_TOKEN_PUT_URI) || has(wsi, WSI_TOKEN_PATCH_URI);
}

bool http_head_has_body(struct lws *wsi) {
    char text[32];
    if (lws_hdr_copy(wsi, text, sizeof text - 1, WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0) return needs_body(wsi);
    return atoll(text) != 0;
}

int http_head_take(struct http_session *session) {
    struct lws *wsi = session->wsi;
    char text[32];
    session->is_head = has(wsi, WSI_TOKEN_HEAD_URI);
    take_version(session);
    if (has(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING)) return has(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) ? 400 : 411;
    if (!has(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH)) return needs_body(wsi) ? 411 : 0;
    if (lws_hdr_copy(wsi, text, sizeof text, WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0) return 400;
    return parse_length(text, &session->declared) ? 0 : 400;
}

bool http_head_expects_continue(struct lws *wsi) {
    char text[32];
    return lws_hdr_copy(wsi, text, sizeof text, WSI_TOKEN_HTTP_EXPECT) > 0 && strcasecmp(text, "100-continue") == 0;
}

/* ---- The request ---- */

static const struct {
    enum lws_token_indexes header;
    enum http_method method;
    const char *name;
} methods[] = {
    {WSI_TOKEN_GET_URI, HTTP_GET, "GET"},           {WSI_TOKEN_HEAD_URI, HTTP_GET, "HEAD"},
    {WSI_TOKEN_POST_URI, HTTP_POST, "POST"},        {WSI_TOKEN_PUT_URI, HTTP_PUT, "PUT"},
    {WSI_TOKEN_PATCH_URI, HTTP_PATCH, "PATCH"},     {WSI_TOKEN_DELETE_URI, HTTP_DELETE, "DELETE"},
    {WSI_TOKEN_OPTIONS_URI, HTTP_OTHER, "OPTIONS"},
};
#define METHOD_COUNT (sizeof methods / sizeof *methods)

static size_t find_method(struct lws *wsi) {
    size_t i = 0;
    while (i < METHOD_COUNT && !has(wsi, methods[i].header))
        i++;
    return i;
}

const char *http_head_method_name(struct lws *wsi) {
    size_t i = find_method(wsi);
    return i < METHOD_COUNT ? methods[i].name : "";
}

/* libwebsockets has decoded the path, and put away empty and dotted segments. */
static int take_path(struct lws *wsi, char path[static HTTP_PATH_BYTES_MAX + 1], enum http_method *method) {
    size_t i = 0;
    while (i < sizeof methods / sizeof *methods && !has(wsi, methods[i].header))
        i++;
    if (i == sizeof methods / sizeof *methods) return 400;
    *method = methods[i].method;
    int length = lws_hdr_copy(wsi, path, HTTP_PATH_BYTES_MAX + 1, methods[i].header);
    if (length < 0) return 414;
    bool is_text = strlen(path) == (size_t)length && shape_characters(path, (size_t)length) >= 0;
    return is_text ? 0 : 400;
}

static bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~", c);
}

/* libwebsockets has cut the query into its parameters and decoded each of them; that is undone, so that a delimiter
 * that was escaped stays one. The first equals sign of a parameter is its own. */
static int escape(const char *from, size_t length, char *query, size_t *used) {
    static const char hex[] = "0123456789ABCDEF";
    bool named = false;
    for (size_t i = 0; i < length; i++) {
        if (*used + 4 > HTTP_QUERY_BYTES_MAX) return 414;
        unsigned char c = (unsigned char)from[i];
        if (c != '\0' && (is_plain((char)c) || (c == '=' && !named))) {
            query[(*used)++] = (char)c;
            named |= c == '=';
            continue;
        }
        query[(*used)++] = '%';
        query[(*used)++] = hex[c >> 4];
        query[(*used)++] = hex[c & 15];
    }
    return 0;
}

static int take_query(struct lws *wsi, char query[static HTTP_QUERY_BYTES_MAX + 1]) {
    char parameter[HTTP_QUERY_BYTES_MAX];
    size_t used = 0;
    query[0] = '\0';
    if (!has(wsi, WSI_TOKEN_HTTP_URI_ARGS)) return 0;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_URI_ARGS) >= HTTP_QUERY_BYTES_MAX) return 414;
    for (int i = 0;; i++) {
        int length = lws_hdr_copy_fragment(wsi, parameter, sizeof parameter, WSI_TOKEN_HTTP_URI_ARGS, i);
        if (length < 0) break;
        if (i > 0) query[used++] = '&';
        int status = escape(parameter, (size_t)length, query, &used);
        if (status) return status;
    }
    query[used] = '\0';
    return 0;
}

int http_head_request(struct lws *wsi, struct http_texts *texts, struct http_request *request) {
    int status = take_path(wsi, texts->path, &request->method);
    if (!status) status = take_query(wsi, texts->query);
    if (status) return status;
    if (lws_hdr_copy(wsi, texts->authorization, sizeof texts->authorization, WSI_TOKEN_HTTP_AUTHORIZATION) < 0)
        return 431;
    if (lws_hdr_copy(wsi, texts->content_type, sizeof texts->content_type, WSI_TOKEN_HTTP_CONTENT_TYPE) < 0) return 431;
    request->path = texts->path;
    request->query = texts->query;
    request->bearer = direct_head_bearer(texts->authorization);
    request->content_type = texts->content_type;
    return 0;
}

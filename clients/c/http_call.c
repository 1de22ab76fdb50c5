#include "clients/c/http_call.h"
#include "clients/c/network.h"
#include "protocol/errors.h"
#include "protocol/limits.h"

#include <stdio.h>
#include <string.h>

#define CHUNK_BYTES 16384
#define PROTOCOL "http"

struct exchange {
    const struct http_call *call;
    struct http_answer *answer;
    struct network *network;
    struct lookup *lookup;
    uv_timer_t deadline, redial;
    char addresses[NETWORK_ADDRESSES_MAX][INET6_ADDRSTRLEN];
    size_t address_count, address_next;
    size_t sent;
    bool established, over;
    int error;
};

static void explain(struct exchange *exchange, const char *reason, size_t length) {
    length = strnlen(reason, length);
    network_explain(&reason, &length);
    if (length >= sizeof exchange->answer->reason) length = sizeof exchange->answer->reason - 1;
    memcpy(exchange->answer->reason, reason, length);
    exchange->answer->reason[length] = 0;
}

/* Takes everything off the loop; uv_run returns then. */
static void end(struct exchange *exchange, int error) {
    if (exchange->over) return;
    exchange->over = true;
    exchange->error = error;
    lookup_cancel(exchange->lookup);
    uv_close((uv_handle_t *)&exchange->deadline, NULL);
    uv_close((uv_handle_t *)&exchange->redial, NULL);
    network_close(exchange->network, NULL, NULL);
}

static void timed_out(uv_timer_t *timer) {
    struct exchange *exchange = timer->data;
    explain(exchange, "no answer in time", 17);
    end(exchange, LEDIG_EUNAVAILABLE);
}

/* ---- Connecting ---- */

static void dial(uv_timer_t *timer) {
    struct exchange *exchange = timer->data;
    const struct http_call *call = exchange->call;
    while (exchange->address_next < exchange->address_count) {
        const char *address = exchange->addresses[exchange->address_next++];
        if (network_dial(exchange->network, call->endpoint, address, call->method, call->path, PROTOCOL, exchange))
            return;
        explain(exchange, "connection refused", 18);
    }
    end(exchange, LEDIG_EUNAVAILABLE);
}

static void found(void *arg, const char (*addresses)[INET6_ADDRSTRLEN], size_t count, const char *why) {
    struct exchange *exchange = arg;
    exchange->lookup = NULL;
    exchange->address_count = count;
    if (count > 0) memcpy(exchange->addresses, addresses, count * sizeof exchange->addresses[0]);
    if (why) explain(exchange, why, strlen(why));
    dial(&exchange->redial);
}

/* ---- The request ---- */

static int add_headers(struct exchange *exchange, struct lws *wsi, unsigned char **at, unsigned char *end_at) {
    const struct http_call *call = exchange->call;
    char text[LEDIG_TOKEN_CHARS_MAX + 32];
    int length = snprintf(text, sizeof text, "Bearer %s", call->token);
    int failed =
        length < 0 || (size_t)length >= sizeof text ||
        lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, (unsigned char *)text, length, at, end_at);
    explicit_bzero(text, sizeof text);
    if (failed || !call->content_type) return failed ? -1 : 0;
    length = snprintf(text, sizeof text, "%zu", call->length);
    if (lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, (unsigned char *)text, length, at, end_at) ||
        lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_CONTENT_TYPE, (const unsigned char *)call->content_type,
                                     (int)strlen(call->content_type), at, end_at))
        return -1;
    lws_client_http_body_pending(wsi, 1);
    lws_callback_on_writable(wsi);
    return 0;
}

static int write_body(struct exchange *exchange, struct lws *wsi) {
    const struct http_call *call = exchange->call;
    uint8_t bytes[LWS_PRE + CHUNK_BYTES];
    size_t left = call->length - exchange->sent, length = left < CHUNK_BYTES ? left : CHUNK_BYTES;
    if (!call->content_type || left == 0) return 0;
    memcpy(bytes + LWS_PRE, (const uint8_t *)call->body + exchange->sent, length);
    exchange->sent += length;
    bool last = length == left;
    if (last) lws_client_http_body_pending(wsi, 0);
    if (lws_write(wsi, bytes + LWS_PRE, length, last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < (int)length) return -1;
    if (!last) lws_callback_on_writable(wsi);
    return 0;
}

/* ---- The answer ---- */

static int read_some(struct lws *wsi) {
    char bytes[LWS_PRE + CHUNK_BYTES], *at = bytes + LWS_PRE;
    int length = CHUNK_BYTES;
    return lws_http_client_read(wsi, &at, &length) < 0 ? -1 : 0; /* gives …_READ */
}

static int keep(struct exchange *exchange, const void *bytes, size_t length) {
    if (exchange->answer->body.length + length > HTTP_ANSWER_BYTES_MAX) {
        explain(exchange, "the answer is too long", 22);
        end(exchange, LEDIG_EUNAVAILABLE);
        return -1;
    }
    buffer_append(&exchange->answer->body, bytes, length);
    return exchange->answer->body.failed ? -1 : 0;
}

static int handle(struct exchange *exchange, struct lws *wsi, enum lws_callback_reasons reason, void *in,
                  size_t length) {
    switch (reason) {
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
        return add_headers(exchange, wsi, in, *(unsigned char **)in + length);
    case LWS_CALLBACK_CLIENT_HTTP_WRITEABLE:
        return write_body(exchange, wsi);
    case LWS_CALLBACK_ESTABLISHED_CLIENT_HTTP:
        exchange->established = true;
        exchange->answer->status = (int)lws_http_client_http_response(wsi);
        return 0;
    case LWS_CALLBACK_RECEIVE_CLIENT_HTTP:
        return read_some(wsi);
    case LWS_CALLBACK_RECEIVE_CLIENT_HTTP_READ:
        return keep(exchange, in, length);
    case LWS_CALLBACK_COMPLETED_CLIENT_HTTP:
        end(exchange, exchange->answer->body.failed ? LEDIG_ENO_MEMORY : 0);
        return -1;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        if (in && length > 0) explain(exchange, in, strnlen(in, length));
        /* a request that may have arrived is not sent again */
        if (exchange->sent == 0 && exchange->address_next < exchange->address_count)
            uv_timer_start(&exchange->redial, dial, 0, 0);
        else
            end(exchange, LEDIG_EUNAVAILABLE);
        return 0;
    case LWS_CALLBACK_CLOSED_CLIENT_HTTP:
        if (!exchange->answer->reason[0]) explain(exchange, "the connection broke", 20);
        end(exchange, LEDIG_EUNAVAILABLE);
        return 0;
    default:
        return 0;
    }
}

/* Of all other reasons `user` may be something else: an X509_STORE_CTX while a certificate is verified. */
static bool concerns_us(enum lws_callback_reasons reason) {
    return reason == LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER || reason == LWS_CALLBACK_CLIENT_HTTP_WRITEABLE ||
           reason == LWS_CALLBACK_ESTABLISHED_CLIENT_HTTP || reason == LWS_CALLBACK_RECEIVE_CLIENT_HTTP ||
           reason == LWS_CALLBACK_RECEIVE_CLIENT_HTTP_READ || reason == LWS_CALLBACK_COMPLETED_CLIENT_HTTP ||
           reason == LWS_CALLBACK_CLIENT_CONNECTION_ERROR || reason == LWS_CALLBACK_CLOSED_CLIENT_HTTP;
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t length) {
    if (!concerns_us(reason)) return 0;
    struct exchange *exchange = user;
    return exchange && !exchange->over ? handle(exchange, wsi, reason, in, length) : 0;
}

static const struct lws_protocols protocols[] = {
    {.name = PROTOCOL, .callback = callback},
    {.name = NULL},
};

int http_call(const struct http_call *call, struct http_answer *answer) {
    uv_loop_t loop;
    struct exchange exchange = {.call = call, .answer = answer};
    *answer = (struct http_answer){0};
    if (uv_loop_init(&loop)) return LEDIG_EIO;
    int error = network_open(&loop, protocols, call->endpoint->tls, NULL, &exchange.network);
    if (!error) {
        uv_timer_init(&loop, &exchange.deadline);
        uv_timer_init(&loop, &exchange.redial);
        exchange.deadline.data = exchange.redial.data = &exchange;
        uv_timer_start(&exchange.deadline, timed_out, call->timeout_ms, 0);
        error = lookup_start(exchange.network, call->endpoint, found, &exchange, &exchange.lookup);
        if (error) end(&exchange, error);
        uv_run(&loop, UV_RUN_DEFAULT);
        error = exchange.error;
    }
    uv_loop_close(&loop);
    if (error) buffer_free(&answer->body);
    return error;
}

void http_append_escaped(struct buffer *to, const char *text) {
    static const char hex[] = "0123456789ABCDEF";
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     strchr("-._~", c) != NULL; /* RFC 3986, section 2.3 */
        char escaped[3] = {'%', hex[c >> 4], hex[c & 15]};
        if (plain)
            buffer_append(to, text, 1);
        else
            buffer_append(to, escaped, sizeof escaped);
    }
}

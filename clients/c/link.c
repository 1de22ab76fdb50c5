#include "clients/c/link.h"
#include "protocol/errors.h"
#include "protocol/limits.h"
#include "protocol/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECEIVE_BUFFER_BYTES 16384

struct outgoing {
    struct outgoing *next;
    size_t length;
    uint8_t bytes[]; /* LWS_PRE bytes of headroom, then the message */
};

static void forget_traffic(struct link *link) {
    while (link->first) {
        struct outgoing *next = link->first->next;
        explicit_bzero(link->first->bytes, LWS_PRE + link->first->length); /* `hello` has the token in it */
        free(link->first);
        link->first = next;
    }
    link->last = NULL;
    buffer_clear(&link->incoming);
}

static void explain(struct link *link, const char *reason, size_t length) {
    length = strnlen(reason, length);
    network_explain(&reason, &length);
    if (length >= sizeof link->reason) length = sizeof link->reason - 1;
    memcpy(link->reason, reason, length);
    link->reason[length] = 0;
}

/* The link is down; tells the owner, who may open it again at once. */
static void end(struct link *link) {
    link->wsi = NULL;
    link->open = false;
    forget_traffic(link);
    link->events->closed(link->arg, link->close_code, link->reason[0] ? link->reason : NULL);
}

/* ---- Connecting ---- */

static void dial(uv_timer_t *timer) {
    struct link *link = timer->data;
    while (link->address_next < link->address_count) {
        const char *address = link->addresses[link->address_next++];
        link->wsi = network_dial(link->network, link->endpoint, address, NULL, link->endpoint->path,
                                 LEDIG_SUBPROTOCOL_MSGPACK, link);
        if (link->wsi) return;
        explain(link, "connection refused", 18);
    }
    end(link);
}

static void found(void *arg, const char (*addresses)[INET6_ADDRSTRLEN], size_t count, const char *why) {
    struct link *link = arg;
    link->lookup = NULL;
    link->address_count = count;
    link->address_next = 0;
    if (count > 0) memcpy(link->addresses, addresses, count * sizeof link->addresses[0]);
    if (why) explain(link, why, strlen(why));
    dial(&link->redial);
}

int link_open(struct link *link) {
    link->close_code = 0;
    link->reason[0] = 0;
    return lookup_start(link->network, link->endpoint, found, link, &link->lookup);
}

static int attempt_failed(struct link *link, const char *why, size_t length) {
    link->wsi = NULL;
    if (why && length > 0) explain(link, why, length);
    if (link->address_next < link->address_count)
        uv_timer_start(&link->redial, dial, 0, 0);
    else
        end(link);
    return 0;
}

/* ---- Traffic ---- */

static int fault(struct link *link, struct lws *wsi, uint16_t code, const char *why) {
    lws_close_reason(wsi, (enum lws_close_status)code, NULL, 0);
    link->close_code = code;
    explain(link, why, strlen(why));
    return -1;
}

static int receive(struct link *link, struct lws *wsi, const void *bytes, size_t length) {
    if (lws_is_first_fragment(wsi)) buffer_clear(&link->incoming);
    if (!lws_frame_is_binary(wsi)) return fault(link, wsi, 1003, "the broker sent text where bytes were agreed");
    if (link->incoming.length + length > LEDIG_MESSAGE_BYTES_MAX)
        return fault(link, wsi, 1009, "the broker sent a message over the limit");
    buffer_append(&link->incoming, bytes, length);
    if (link->incoming.failed) return fault(link, wsi, 1011, "out of memory");
    if (!lws_is_final_fragment(wsi) || lws_remaining_packet_payload(wsi) > 0) return 0;
    link->events->message(link->arg, link->incoming.bytes, link->incoming.length);
    return 0;
}

static int write_first(struct link *link, struct lws *wsi) {
    struct outgoing *message = link->first;
    if (!message) return 0;
    int written = lws_write(wsi, message->bytes + LWS_PRE, message->length, LWS_WRITE_BINARY);
    link->first = message->next;
    if (!link->first) link->last = NULL;
    size_t length = message->length;
    explicit_bzero(message->bytes, LWS_PRE + length);
    free(message);
    if (written < (int)length) return -1;
    if (link->first) lws_callback_on_writable(wsi);
    return 0;
}

int link_send(struct link *link, const void *bytes, size_t length) {
    if (!link->open) return LEDIG_EIO;
    struct outgoing *message = malloc(sizeof *message + LWS_PRE + length);
    if (!message) return LEDIG_ENO_MEMORY;
    message->next = NULL;
    message->length = length;
    memcpy(message->bytes + LWS_PRE, bytes, length);
    if (link->last)
        link->last->next = message;
    else
        link->first = message;
    link->last = message;
    lws_callback_on_writable(link->wsi);
    return 0;
}

/* ---- libwebsockets ---- */

static int peer_closes(struct link *link, const uint8_t *payload, size_t length) {
    if (length < 2) return 0;
    link->close_code = (uint16_t)(payload[0] << 8 | payload[1]);
    if (shape_characters((const char *)payload + 2, length - 2) >= 0)
        explain(link, (const char *)payload + 2, length - 2);
    return 0;
}

static int handle(struct link *link, struct lws *wsi, enum lws_callback_reasons reason, void *in, size_t length) {
    switch (reason) {
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        return attempt_failed(link, in, in ? strnlen(in, length) : 0);
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        link->open = true;
        link->events->opened(link->arg);
        return 0;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        return receive(link, wsi, in, length);
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return write_first(link, wsi);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        return peer_closes(link, in, length);
    case LWS_CALLBACK_CLIENT_CLOSED:
        end(link);
        return 0;
    default:
        return 0;
    }
}

/* Of all other reasons `user` may be something else: an X509_STORE_CTX while a certificate is verified. */
static bool concerns_us(enum lws_callback_reasons reason) {
    return reason == LWS_CALLBACK_CLIENT_CONNECTION_ERROR || reason == LWS_CALLBACK_CLIENT_ESTABLISHED ||
           reason == LWS_CALLBACK_CLIENT_RECEIVE || reason == LWS_CALLBACK_CLIENT_WRITEABLE ||
           reason == LWS_CALLBACK_WS_PEER_INITIATED_CLOSE || reason == LWS_CALLBACK_CLIENT_CLOSED;
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t length) {
    if (!concerns_us(reason)) return 0;
    struct link *link = user;
    /* a connection that link_close has let go of, or that has not been returned by network_dial yet */
    bool ours = link && link->wsi == wsi;
    if (!ours) return reason == LWS_CALLBACK_CLIENT_RECEIVE || reason == LWS_CALLBACK_CLIENT_WRITEABLE ? -1 : 0;
    link->in_callback = true;
    int result = handle(link, wsi, reason, in, length);
    link->in_callback = false;
    bool over = reason == LWS_CALLBACK_CLIENT_CONNECTION_ERROR || reason == LWS_CALLBACK_CLIENT_CLOSED;
    return over || link->wsi == wsi ? result : -1; /* closed meanwhile: now libwebsockets may be told */
}

const struct lws_protocols link_protocols[] = {
    {.name = LEDIG_SUBPROTOCOL_MSGPACK, .callback = callback, .rx_buffer_size = RECEIVE_BUFFER_BYTES},
    {.name = NULL},
};

/* ---- Its life ---- */

void link_init(struct link *link, uv_loop_t *loop, const struct endpoint *endpoint, const struct link_events *events,
               void *arg) {
    link->loop = loop;
    link->endpoint = endpoint;
    link->events = events;
    link->arg = arg;
    uv_timer_init(loop, &link->redial);
    link->redial.data = link;
}

void link_uninit(struct link *link, uv_close_cb closed) {
    buffer_free(&link->incoming);
    uv_close((uv_handle_t *)&link->redial, closed);
}

void link_close(struct link *link, uint16_t code) {
    lookup_cancel(link->lookup);
    link->lookup = NULL;
    uv_timer_stop(&link->redial);
    struct lws *wsi = link->wsi;
    bool open = link->open;
    link->wsi = NULL;
    link->open = false;
    forget_traffic(link);
    if (!wsi) return;
    lws_set_wsi_user(wsi, NULL);
    if (open)
        lws_close_reason(wsi, (enum lws_close_status)code, NULL,
                         0); /* libwebsockets sends it on its own, or gives up after 5 s */
    if (!link->in_callback) lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
}

/* One WebSocket at a time to one endpoint: looks up, tries each address, sends whole binary messages in order, hands
 * over whole messages. Knows nothing of what they mean and never connects again by itself; owns what it has not sent
 * yet. */
#ifndef LEDIG_CLIENT_LINK_H
#define LEDIG_CLIENT_LINK_H

#include "clients/c/network.h"
#include "protocol/shape.h"

struct link_events {
    void (*opened)(void *arg);
    void (*message)(void *arg, const uint8_t *bytes, size_t length);

    /* The link is down, or did not come up. `code` is the peer's close code, 0 = none; `reason` is for people, or NULL.
     * Comes once for each link_open, never after link_close. */
    void (*closed)(void *arg, uint16_t code, const char *reason);
};

struct outgoing;

struct link { /* embedded in its owner; zeroed, then link_init */
    uv_loop_t *loop;
    struct network *network;
    const struct endpoint *endpoint; /* the owner's */
    const struct link_events *events;
    void *arg;

    struct lookup *lookup;
    char addresses[NETWORK_ADDRESSES_MAX][INET6_ADDRSTRLEN];
    size_t address_count, address_next;
    uv_timer_t redial; /* libwebsockets must not dial inside of its own callbacks */

    struct lws *wsi; /* NULL = down */
    bool open, in_callback;
    uint16_t close_code;
    char reason[96];
    struct buffer incoming;
    struct outgoing *first, *last;
};

/* libwebsockets' protocol table for network_open. */
extern const struct lws_protocols link_protocols[];

/* The network comes later (the two point at each other). */
void link_init(struct link *link, uv_loop_t *loop, const struct endpoint *endpoint, const struct link_events *events,
               void *arg);
void link_uninit(struct link *link, uv_close_cb closed); /* after link_close; redial.data stays the owner's */

/* Starts to connect. The link must be down. */
int link_open(struct link *link);

/* Queues a copy. LEDIG_EIO where the link is not open, LEDIG_ENO_MEMORY. */
int link_send(struct link *link, const void *bytes, size_t length);

/* The link is down; the peer is told `code` in the background. May be called inside of events. */
void link_close(struct link *link, uint16_t code);

#endif

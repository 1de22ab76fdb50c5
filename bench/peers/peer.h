/* A product that Ledig is measured beside: how its server is told what to do, and what its clients say. One constant
 * table of functions for each, which does no I/O; the connection of one client, which is alike for all, does it here.
 * Nothing in it knows what is measured.
 *
 * Each is used at its best: one subject or topic for all messages, no acknowledgement, nothing written to disk, and
 * publishing connections that put many messages into one write. */
#ifndef LEDIG_BENCH_PEER_H
#define LEDIG_BENCH_PEER_H

#include "bench/websocket.h"

#include <stdio.h>
#include <sys/types.h>

#define PEER_SUBJECT "bench"    /* what everything is published to */
#define PEER_COMPLAINT_CHARS 64 /* of what a server says when it ends a connection */

/* One client's connection. Opened by peer_connect, ended by peer_close. */
struct link {
    int descriptor;             /* -1 = closed */
    struct websocket websocket; /* where the peer speaks it; it owns the descriptor then */
    struct buffer in;           /* the beginning of a message; mostly empty */
    struct buffer out;          /* what was not sent yet */
    bool ready;                 /* the server has answered the first words: a subscriber is subscribed */
    bool wants_write;           /* so it is being watched; the owner's to keep */
    char complaint[PEER_COMPLAINT_CHARS];
};

/* A message that came in. The bytes are lent. */
typedef void (*peer_message)(void *arg, const uint8_t *payload, size_t length);

struct peer {
    const char *name;           /* "NATS" */
    const char *key;            /* "nats", in reports */
    const char *program;        /* looked for in PATH; also Debian's package. Its configuration is given by -c */
    const char *version_flag;   /* makes it print a line with its version */
    const char *directory_flag; /* tells it where its files are, or NULL */
    const char *transport;      /* for people */
    bool speaks_websocket;      /* what follows goes in binary frames */

    /* Writes the configuration: on loopback and this port only, with room for so many connections. */
    void (*configure)(FILE *file, unsigned port, uint32_t connections);

    /* Appends the first words on a connection, which the server answers; and a message. */
    void (*greet)(struct buffer *out, bool subscribes);
    void (*publish)(struct buffer *out, const uint8_t *payload, size_t length);

    /* Takes whole messages from the front, and counts them; answers, which are rare, are appended to `link->out`.
     * Returns how many bytes were used, or LEDIG_E…. */
    ssize_t (*take)(struct link *link, const uint8_t *bytes, size_t length, peer_message message, void *arg,
                    uint32_t *messages);
};

extern const struct peer peer_nats, peer_mosquitto;

/* Connects to that port of loopback and says the first words; blocks for ten seconds at the most. 0 or LEDIG_E…: then
 * it is closed. */
int peer_connect(const struct peer *peer, struct link *link, unsigned port, bool subscribes);
void peer_close(struct link *link); /* twice, too */

/* What one read brought. A frame is what the server put into one write: a WebSocket frame, or one packet where the
 * peer has no frames and writes each packet by itself. */
struct peer_receipt {
    uint64_t frames, merged; /* merged: those with more than one message */
};

/* Reads once, into `scratch` (WEBSOCKET_SCRATCH_BYTES), and calls `message` for each whole one. 0, or LEDIG_E…: then
 * the link is to be closed. */
int peer_read(const struct peer *peer, struct link *link, uint8_t *scratch, peer_message message, void *arg,
              struct peer_receipt *receipt);

/* Sends what waits in `link->out`; what the kernel does not take waits further. The same errors. */
int peer_flush(const struct peer *peer, struct link *link);
bool peer_wants_write(const struct peer *peer, const struct link *link);

#endif

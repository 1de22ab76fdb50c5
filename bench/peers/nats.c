/* NATS over WebSocket: its text protocol (INFO, CONNECT, SUB, PUB, MSG, PING) in binary frames. The server puts all
 * that waits for a client into one frame. See https://docs.nats.io/reference/reference-protocols/nats-protocol. */
#include "bench/peers/peer.h"
#include "protocol/errors.h"

#include <string.h>

#define LINE_BYTES_MAX (8 * 1024) /* an INFO is the longest line */
#define LENGTH_DIGITS_MAX 7
#define PAYLOAD_BYTES_MAX (1024 * 1024)

/* Patience in everything: no subscriber is cut off for being slow, and no ping disturbs a round. */
static void configure(FILE *file, unsigned port, uint32_t connections) {
    fprintf(file,
            "host: 127.0.0.1\nport: -1\nmax_connections: %u\nmax_pending: 256MB\nwrite_deadline: \"60s\"\n"
            "ping_interval: \"10m\"\nwebsocket { host: 127.0.0.1, port: %u, no_tls: true }\n",
            (unsigned)connections, port);
}

static void put(struct buffer *out, const char *text) {
    buffer_append(out, text, strlen(text));
}

static void greet(struct buffer *out, bool subscribes) {
    put(out, "CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"c\",\"version\":\"1\"}\r\n");
    if (subscribes) put(out, "SUB " PEER_SUBJECT " 1\r\n");
    put(out, "PING\r\n"); /* its PONG says that all of this is done */
}

static void publish(struct buffer *out, const uint8_t *payload, size_t length) {
    char head[64];
    snprintf(head, sizeof head, "PUB " PEER_SUBJECT " %zu\r\n", length);
    put(out, head);
    buffer_append(out, payload, length);
    put(out, "\r\n");
}

static bool begins(const uint8_t *line, size_t length, const char *word) {
    return length >= strlen(word) && memcmp(line, word, strlen(word)) == 0;
}

/* A line that is no MSG. */
static int hear(struct link *link, const uint8_t *line, size_t length) {
    if (begins(line, length, "PONG"))
        link->ready = true;
    else if (begins(line, length, "PING"))
        put(&link->out, "PONG\r\n");
    else if (begins(line, length, "-ERR"))
        snprintf(link->complaint, sizeof link->complaint, "%.*s", (int)(length - 4), (const char *)line + 4);
    else if (!begins(line, length, "+OK") && !begins(line, length, "INFO"))
        return LEDIG_EBAD_REQUEST;
    return 0;
}

/* The number that a line "MSG subject sid 123" ends with. */
static bool read_length(const uint8_t *line, size_t length, size_t *value) {
    size_t from = length, unit = 1;
    *value = 0;
    for (; from > 0 && line[from - 1] >= '0' && line[from - 1] <= '9' && length - from < LENGTH_DIGITS_MAX; unit *= 10)
        *value += (size_t)(line[--from] - '0') * unit;
    return from < length && from > 0 && line[from - 1] == ' ' && *value <= PAYLOAD_BYTES_MAX;
}

static ssize_t take(struct link *link, const uint8_t *bytes, size_t length, peer_message message, void *arg,
                    uint32_t *messages) {
    size_t used = 0, size = 0;
    for (;;) {
        const uint8_t *line = bytes + used, *end = memchr(line, '\n', length - used);
        if (!end) return length - used > LINE_BYTES_MAX ? LEDIG_EBAD_REQUEST : (ssize_t)used;
        size_t line_length = (size_t)(end - line), after = used + line_length + 1;
        if (line_length > 0 && line[line_length - 1] == '\r') line_length--;
        if (begins(line, line_length, "MSG ")) {
            if (!read_length(line, line_length, &size)) return LEDIG_EBAD_REQUEST;
            if (length - after < size + 2) return (ssize_t)used;
            message(arg, bytes + after, size);
            after += size + 2;
            (*messages)++;
        } else if (hear(link, line, line_length) != 0) {
            return LEDIG_EBAD_REQUEST;
        }
        used = after;
    }
}

const struct peer peer_nats = {.name = "NATS",
                               .key = "nats",
                               .program = "nats-server",
                               .version_flag = "--version",
                               .transport = "WebSocket",
                               .speaks_websocket = true,
                               .configure = configure,
                               .greet = greet,
                               .publish = publish,
                               .take = take};

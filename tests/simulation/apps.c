/* connection.h, for a simulation of routers: no app connects, so nothing is ever sent to one. */
#include "broker/service/connection.h"

#include <stdlib.h>

int connection_send(struct connection *connection, uint8_t *payload, size_t length) {
    (void)connection;
    (void)payload;
    (void)length;
    abort();
}

void connection_fetch_ahead(const struct connection *connection) {
    (void)connection;
    abort();
}

bool connection_is_choked(const struct connection *connection) {
    (void)connection;
    abort();
}

void connection_want_writable(struct connection *connection) {
    (void)connection;
    abort();
}

void connection_pause(struct connection *connection, bool paused) {
    (void)connection;
    (void)paused;
    abort();
}

void connection_ping(struct connection *connection) {
    (void)connection;
    abort();
}

void connection_close(struct connection *connection, uint16_t code, const char *reason) {
    (void)connection;
    (void)code;
    (void)reason;
    abort();
}

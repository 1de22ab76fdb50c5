/* What a front offers to the service: one connected client to which bytes can be sent. The front implements it and
 * calls the session (session.h); nothing here says what carries the bytes.
 *
 * All calls come from the loop. None of them calls back at once. */
#ifndef LEDIG_SERVICE_CONNECTION_H
#define LEDIG_SERVICE_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct connection; /* the front's; valid until session_closed returns */

/* Writable bytes that must stand before a payload, for the header of whatever carries it. */
#define CONNECTION_HEADROOM 32

/* Sends one whole message now. The bytes of the headroom are overwritten, the payload is left as it is, so that one
 * buffer can be sent to many, one after the other. 0: the kernel has taken it. CONNECTION_CHOKED: the front keeps what
 * the kernel did not take; send nothing more until session_writable. LEDIG_EIO: it is dead, and session_closed follows
 * from the loop. */
#define CONNECTION_CHOKED 1
int connection_send(struct connection *connection, uint8_t *payload, size_t length);

/* Sending to this one follows soon: its memory may be fetched. */
void connection_fetch_ahead(const struct connection *connection);

/* Whether bytes of an earlier message still wait. */
bool connection_is_choked(const struct connection *connection);

/* session_writable is to be called once the connection is not choked. */
void connection_want_writable(struct connection *connection);

/* Reads nothing more from the client until told otherwise; messages that were read already may still come. */
void connection_pause(struct connection *connection, bool paused);

/* A WebSocket ping, when the connection can next be written to. */
void connection_ping(struct connection *connection);

/* Closes with a code and a short reason (NULL: none), after what was sent. session_closed follows from the loop.
 * Nothing may be sent any more. Calling it twice keeps the first code. */
void connection_close(struct connection *connection, uint16_t code, const char *reason);

#endif

/* The short way of a port in plain text: connections whose requests come whole and say nothing unusual are read and
 * answered right on the loop. With the first request that is anything else, the connection is handed to libwebsockets
 * before a byte of it was taken, and stays there; so nothing is refused here, and no limit is another one.
 *
 * It exists since libwebsockets takes two turns of the loop, six calls of epoll_ctl and a parser that goes byte by byte
 * for a request. The front owns the lines; each has one request at a time. */
#ifndef LEDIG_FRONT_DIRECT_H
#define LEDIG_FRONT_DIRECT_H

#include "broker/front/front_state.h"

struct direct_line;

/* Takes a connection that was accepted. Without memory, libwebsockets has it. */
void direct_take(struct front *front, int fd, uint64_t peer);

/* Looks for those that are due to be closed; called each DIRECT_LOOK_MS. */
#define DIRECT_LOOK_MS 1000
void direct_look(struct front *front);

/* Closes all of them; their memory goes with the loop's next turn. */
void direct_close(struct front *front);

/* For http.c: an exchange that belongs to a line. */
void direct_answer(struct direct_line *line, int status, uint32_t retry_s, const char *content_type, const void *body,
                   size_t length);
int direct_descriptor(const struct direct_line *line);

#endif

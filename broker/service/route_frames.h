/* Rows about numbers on their way to a router, in frames of at most LEDIG_MESSAGE_BYTES_MAX. */
#ifndef LEDIG_SERVICE_ROUTE_FRAMES_H
#define LEDIG_SERVICE_ROUTE_FRAMES_H

#include "protocol/message.h"

struct session;

struct route_frames {
    struct session *session;
    uint32_t id; /* of the request; 0: `routes` */
    int64_t stale_ms;
    struct frame frame;
    struct buffer row;
};

void route_frames_begin(struct route_frames *frames, struct session *session, uint32_t id, int64_t stale_ms);

/* False where the frame has no room for it any more. A row that cannot be encoded for want of memory ends the session.
 */
bool route_frames_add(struct route_frames *frames, const struct part_route_row *row);

/* Sends what was added, and begins anew. */
void route_frames_send(struct route_frames *frames, bool more);
void route_frames_end(struct route_frames *frames);

#endif

/* Room for sessions, close together: a worker has many thousands, and a flush walks over them, so they shall share
 * pages and begin with a cache line. Owned by the service; gives memory back when a chunk is empty. */
#ifndef LEDIG_SERVICE_SESSION_ROOM_H
#define LEDIG_SERVICE_SESSION_ROOM_H

struct session;
struct session_chunk;

struct session_room {
    struct session_chunk *open; /* utlist: chunks that have room */
};

/* Zeroed; NULL when out of memory. */
struct session *session_room_take(struct session_room *room);
void session_room_give(struct session_room *room, struct session *session);

#endif

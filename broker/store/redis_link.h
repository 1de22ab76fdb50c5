/* One connection to a Redis server, kept up: connects, greets (AUTH, SELECT, PING past LOADING), and does so again with
 * a jittered back-off whenever it falls.
 *
 * hiredis writes and reads the protocol; the socket is a libuv stream, since hiredis' own libuv adapter knows no
 * time-outs and ignores errors of the poll. A connection whose oldest command has no answer after `timeout_ms` is
 * dropped, and commands that had not begun to be written are then never sent. The link keeps no command over a
 * reconnect: whoever asked asks again. Answers come in the order of the commands. Not thread-safe; one loop. */
#ifndef LEDIG_STORE_REDIS_LINK_H
#define LEDIG_STORE_REDIS_LINK_H

#include "broker/store/redis_address.h"

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct redis_link;

struct redis_link_options {
    const struct redis_address *address; /* copied */
    const char *user, *password;         /* NULL = none; copied */
    uint32_t timeout_ms;                 /* to connect, and for each answer */

    /* Called from the loop; may call anything here but redis_link_close. */
    void (*up)(void *arg);
    void (*down)(void *arg, const char *why);           /* it fell, or an attempt failed; another follows */
    void (*told)(void *arg, const redisReply *message); /* a message of a subscription; may be NULL */
    void *arg;
};

/* Begins to connect from the loop. 0 or LEDIG_ENO_MEMORY. */
int redis_link_open(uv_loop_t *loop, const struct redis_link_options *options, struct redis_link **link);

/* Drops the connection (every command gets its answer NULL, from inside of the call), then frees and calls `closed`
 * from the loop. */
void redis_link_close(struct redis_link *link, void (*closed)(void *arg), void *arg);

/* The functions below take NULL for a link that was closed: it is down. */
bool redis_link_is_up(const struct redis_link *link);

/* Sends a command with the next turn of the loop. `answer` is called exactly once, never from inside of this call; its
 * reply is lent; NULL = the connection fell, and `written` tells whether the command may have reached the server.
 * 0, LEDIG_EUNAVAILABLE while the link is down, or LEDIG_ENO_MEMORY; then `answer` is not called. */
typedef void (*redis_answer)(void *arg, const redisReply *reply, bool written);
int redis_link_send(struct redis_link *link, size_t count, const char *const *words, const size_t *lengths,
                    redis_answer answer, void *arg);

/* Forgets the commands with this `arg` of which nothing was written yet; they get no answer. Returns how many. */
size_t redis_link_unsend(struct redis_link *link, const void *arg);

/* Gives the connection up and makes another. */
void redis_link_drop(struct redis_link *link, const char *why);

#endif

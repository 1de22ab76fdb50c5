/* A link from inside, for the two files that make it: redis_link.c (commands, answers, falling) and redis_connect.c
 * (resolving, connecting, greeting). */
#ifndef LEDIG_STORE_REDIS_LINK_STATE_H
#define LEDIG_STORE_REDIS_LINK_STATE_H

#include "broker/store/redis_link.h"

#define LINK_READ_BYTES 65536

enum link_state { STATE_RESOLVING, STATE_CONNECTING, STATE_GREETING, STATE_UP, STATE_WAITING, STATE_CLOSED };

struct command {
    struct command *next;
    char *text; /* in the protocol; NULL once written */
    size_t length;
    redis_answer answer;
    void *arg;
    uint64_t queued_ms;
};

struct queue {
    struct command *first, **end;
};

/* The socket; outlives its place in the link until libuv has closed it. */
struct connection {
    struct redis_link *link;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_pipe_t pipe;
        uv_tcp_t tcp;
    } uv;
    uv_connect_t connecting;
    uv_write_t writing;
    char *partial; /* the command that `writing` is about */
    redisReader *reader;
    bool dropped;
};

struct redis_link {
    uv_loop_t *loop;
    struct redis_address address;
    char *user, *password;
    struct redis_link_options options;
    enum link_state state;
    struct connection *connection; /* NULL while there is none */
    uv_timer_t timer;              /* the back-off, the connect time-out, or the oldest command's */
    uv_idle_t flush;
    uv_getaddrinfo_t resolving;
    struct queue sent, unsent;
    size_t greetings; /* answers of the greeting that are still to come */
    unsigned attempts;
    uint64_t up_ms;
    unsigned open_parts; /* what libuv still holds */
    void (*closed)(void *arg);
    void *closed_arg;
    char read_buffer[LINK_READ_BYTES];
};

/* redis_connect.c: the next attempt. */
void link_connect(struct redis_link *link);

/* redis_link.c */
int link_enqueue(struct redis_link *link, size_t count, const char *const *words, const size_t *lengths,
                 redis_answer answer, void *arg);         /* in any state that has a connection */
int link_read(struct connection *connection);             /* begins to read; 0 or an error of libuv */
void link_patience(struct redis_link *link, uint64_t ms); /* starts the timer */
void link_part_closed(struct redis_link *link);

#endif

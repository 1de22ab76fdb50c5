/* The inside of a ledig_client: one state machine over one link, in three files. client.c connects, and decides what
 * the end of a line means; stream.c takes what the broker says; calls.c makes requests. Private to clients/c. */
#ifndef LEDIG_CLIENT_CLIENT_H
#define LEDIG_CLIENT_CLIENT_H

#include "clients/c/ledig.h"
#include "clients/c/link.h"
#include "clients/c/requests.h"
#include "clients/c/retry.h"
#include "protocol/message.h"

/* Where the broker can continue: the last `changes` that had a place, and whether others came after it. */
struct place {
    char epoch[LEDIG_ID_CHARS_MAX * 4 + 1];
    int64_t version, now_ms;
    bool known, more;
};

/* Whom we follow; owns its texts. */
struct following {
    struct texts users; /* .all = everyone */
    struct texts queues;
};

struct ledig_client {
    uv_loop_t *loop;
    struct ledig_events events; /* zeroed by ledig_free, so that nothing comes after it */
    void *arg;

    char *token, *device_id, *device_kind, *device_os, *app, *state; /* owned */
    uint32_t request_timeout_ms, connect_timeout_ms;
    struct following following, asked; /* asked: of a `follow` whose `ok` has not come */
    uint32_t follow_id;                /* of the `follow` that is open; 0 = none */
    bool follow_is_ours;               /* made after `welcome`, for the queues that `hello` cannot name */

    struct endpoint endpoint;
    struct network *network;
    struct link link;
    struct retry retry;
    struct requests requests;
    struct arena *arena; /* of the message at hand */
    struct place place;

    enum ledig_phase phase;
    uv_timer_t timer;                        /* the next attempt, the end of this one, or the silence of a dead line */
    uv_timer_t request_timer;                /* the deadline of the oldest request */
    uint32_t ping_ms;                        /* from `welcome` */
    uint64_t heard_ms, live_ms;              /* by the loop's clock */
    uint32_t told_ms;                        /* from `bye` or `error`: when to come back */
    char told[LEDIG_NOTE_CHARS_MAX * 4 + 1]; /* and why */
    int told_error;                          /* LEDIG_E… of that `error`; 0 = none */
    int stopped;                             /* LEDIG_E…: why the client is STOPPED */

    bool freed;
    unsigned closing; /* handles and the network that ledig_free waits for */
    void (*freed_done)(void *arg);
    void *freed_arg;
};

/* client.c */
void client_say(struct ledig_client *client, const struct ledig_status *status);
void client_became_live(struct ledig_client *client);
void client_watch_silence(struct ledig_client *client);                               /* ping_ms is known */
void client_end_line(struct ledig_client *client, uint16_t code, const char *reason); /* as if the broker had closed */
char *client_copy(const char *text); /* NULL for NULL, and when out of memory */
int following_copy(struct following *to, const char *const *users, size_t user_count, bool all,
                   const char *const *queues, size_t queue_count);
void following_free(struct following *following);

/* stream.c */
void client_take(struct ledig_client *client, const uint8_t *bytes, size_t length);

/* calls.c */
void client_send_requests(struct ledig_client *client); /* those that wait for a line */
void client_follow_queues(struct ledig_client *client); /* after `welcome` */
void client_arm_request_timer(struct ledig_client *client);
/* The `follow` with this id has ended; `kept`: its users and queues are those that count from now on. */
void client_drop_follow(struct ledig_client *client, uint32_t id, bool kept);

#endif

/* The subscribers of one peer, on one epoll set, and the few connections that publish to them: what the crowd is to
 * Ledig. Every message carries which of those connections it came by and its number there, so that each subscriber must
 * get every number once and in order; what was skipped on the way is known, and what is still missing at the end.
 *
 * A subscriber that the server drops is counted, no fault of the run: that is how some brokers meet a slow one. */
#ifndef LEDIG_BENCH_AUDIENCE_H
#define LEDIG_BENCH_AUDIENCE_H

#include "bench/peers/server.h"

#define AUDIENCE_PUBLISHING 4          /* connections */
#define AUDIENCE_PAYLOAD_BYTES_MIN 8   /* what a message says; the rest is filler */
#define AUDIENCE_PAYLOAD_BYTES_MAX 448 /* so that what is under way fits into one WebSocket frame */

/* What a message says. In the order of this machine, which sends and receives. */
struct said {
    uint32_t publishing; /* connection */
    uint32_t number;     /* of the message on it; the first is 1 */
};

struct view { /* of one subscriber */
    uint32_t seen[AUDIENCE_PUBLISHING];
};

struct audience {
    const struct peer *peer;
    struct server server;
    uint32_t subscribers;
    int epoll;
    uint8_t *scratch;
    struct link *link; /* subscribers, then those who publish */
    struct view *view; /* one for each subscriber */
    struct view asked; /* what all shall have seen in the end */
    uint8_t payload[AUDIENCE_PAYLOAD_BYTES_MAX];
    size_t payload_bytes;
    uint32_t reading;     /* the subscriber that is being read */
    uint64_t outstanding; /* deliveries under way */
    uint64_t changes, deliveries;
    uint64_t skipped; /* messages that a subscriber never got, though later ones came */
    uint64_t broken;  /* that were not what was published, or came twice */
    struct peer_receipt receipt;
    uint32_t dropped;                     /* subscribers whom the server cut off */
    bool failed;                          /* a publishing connection was lost */
    char complaint[PEER_COMPLAINT_CHARS]; /* what the server said */
    int64_t now_ns;                       /* of what is being read */
    int64_t last_delivery_ns;
};

/* Starts the server and connects everybody. 0, or an error after a complaint. On failure too, end with
 * audience_close. */
int audience_open(struct audience *audience, const struct peer *peer, const char *program, int core,
                  uint32_t subscribers, size_t payload_bytes);
void audience_close(struct audience *audience); /* {0} too */

/* The next change; goes out with the next turn. */
void audience_publish(struct audience *audience);

/* One round of epoll; waits `wait_ms` at the most. 0, or LEDIG_EIO after a complaint where it cannot go on. */
int audience_turn(struct audience *audience, int wait_ms);

/* Until nothing is under way; where nothing comes for `patience_ms`, what is missing is waited for no longer. 0, or
 * LEDIG_EIO after a complaint. */
int audience_await(struct audience *audience, uint32_t patience_ms);

/* At the end: subscribers that did not see the last change, those who were dropped among them; and messages that never
 * came, counted once for each subscriber. */
uint32_t audience_wrong_views(const struct audience *audience);
uint64_t audience_lost(const struct audience *audience);

#endif

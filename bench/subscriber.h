/* One subscriber of the crowd: an app that connected, what it says, and what it has seen; and the publisher, a
 * subscriber whose person changes.
 *
 * What a message leads to is counted in the crowd, which owns both. */
#ifndef LEDIG_BENCH_SUBSCRIBER_H
#define LEDIG_BENCH_SUBSCRIBER_H

#include "bench/digest.h"
#include "bench/websocket.h"
#include "broker/identity/token.h"

struct crowd;

/* Ids of requests; changes follow from CHANGE_ID on, by their sequence number. */
enum request_id { CONSENT_ID = 1, ASK_ID, FOLLOW_ID, DEVICE_ID, CHANGE_ID };

struct seen { /* what a subscriber saw last of one publisher */
    uint64_t hash;
    int32_t sequence; /* of the latest change that it shows or has behind it */
    bool is_plain;    /* the row shows none: it was taken back, or its return time has passed */
};

enum stage {
    STAGE_ELSEWHERE, /* another generator process has it */
    STAGE_IDLE,
    STAGE_CONNECTING,
    STAGE_GREETING,
    STAGE_CATCHING_UP,
    STAGE_LIVE,
    STAGE_LEFT,   /* went home: sees nothing any more */
    STAGE_GONE,   /* lost, which is a fault */
    STAGE_DROPPED /* cut off by the broker, as it was to be */
};

enum following { FOLLOWS_ALL, FOLLOWS_ITSELF, FOLLOWS_CIRCLE };
#define CIRCLE_MAX 64 /* people; the `circle` of a subscriber are its own person and the next ones in the directory */

enum refollow { REFOLLOW_DONE, REFOLLOW_ASKED, REFOLLOW_GRANTED };

/* What arrived: only frames with at least one row count. */
struct tally {
    uint64_t frames, wire_bytes, deliveries;
    uint64_t merged; /* frames with more than one row */
};

struct subscriber {
    struct websocket websocket;
    struct crowd *crowd;
    struct tally *tally;
    struct seen *seen; /* one for each publisher of the company */
    uint32_t number, company, person, profiles;
    enum stage stage;
    enum following following;
    enum refollow refollow;
    char *token;                         /* made once, so that a storm is not spent on signatures */
    int64_t version, now_ms;             /* its place, for resuming; 0 = none */
    const char *kind, *state;            /* of the device, as hello says; NULL = desktop, active */
    enum role role;                      /* which its token says */
    uint32_t circle;                     /* people that FOLLOWS_CIRCLE means */
    uint32_t favourites;                 /* the first so many of the circle, or of as many, are that */
    uint32_t changes_open, devices_open; /* of its own requests, those without an answer */
    int64_t called_ns;                   /* when it was told to come back, for how long that takes; 0 = never */
    int64_t live_from_ns;                /* since when it has been live again */
    int64_t heeds_from_ns; /* changes that were due earlier do not count for latency: it was away, or lagged */
    bool is_in_series;     /* frames with `more` came after the place */
    bool wants_write;      /* as epoll was last told */
    bool is_aside;         /* nobody waits for it: it does not read, is away, or follows nobody */
    bool is_deaf;          /* does not read */
    bool may_go;           /* the broker may cut it off */
};

#define DUE_UNKNOWN INT64_MIN

struct status {                    /* as a person sets it; texts are constants */
    const char *status, *activity; /* activity may be NULL */
    int64_t until_ms;              /* return time, since the Unix epoch; 0 = none */
};

struct change_made {
    int64_t due_ns; /* when it should have been sent (monotonic); DUE_UNKNOWN = its line broke before the answer */
    struct status status;
};

struct publisher {
    struct subscriber *subscriber; /* NULL: another generator process has it, and the board says what it does */
    int32_t asked, acknowledged;   /* sequence numbers of changes; SEQUENCE_NONE = none yet */
    int32_t taken_back;            /* the latest one after which the row is plain; likewise */
    uint32_t awaited;              /* subscribers that have not seen `asked` yet */
    bool consented, known;         /* known: `truth` holds the broker's answer */
    bool is_false;                 /* which shows something else than was set */
    struct seen truth;
    struct change_made *made; /* by sequence number */
    size_t made_capacity;
};

/* 0 or LEDIG_E…; a lost connection is noticed by the crowd. */
int subscriber_say(struct subscriber *subscriber, const struct message *message);

/* What arrives: a websocket_message whose `arg` is the subscriber. */
void subscriber_hear(void *subscriber, const uint8_t *payload, size_t length, size_t wire_bytes);

/* Follows everybody from now on, or nobody but itself. */
int subscriber_follow(struct subscriber *subscriber, enum following following);

/* The device becomes "active", "idle" or "background" (a constant). Changes count for latency from now on, or not while
 * it lags on purpose. */
int subscriber_turn(struct subscriber *subscriber, const char *state);

/* Whether it follows that person of its company. */
bool subscriber_follows(const struct subscriber *subscriber, uint32_t person);

int publisher_consent(struct publisher *publisher);

/* The publisher's next change, which should have been sent at `due_ns` (monotonic): busy, away, dnd in turn. Everybody
 * who follows is waited for. */
int publisher_change(struct publisher *publisher, int64_t due_ns);

/* Its next change to this status. Nobody is waited for: see crowd_catch_up. */
int publisher_set(struct publisher *publisher, const struct status *status, int64_t due_ns);

#endif

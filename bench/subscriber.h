/* One subscriber of the crowd: an app that connected, what it says, and what it has seen.
 *
 * What a message leads to is counted in the crowd, which owns it. */
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

#endif

/* One device of one person: its facts, and while it is connected the connection, its place and its open requests.
 *
 * It begins with the connection. After `hello` it belongs to an attendee of a tenant; when the connection breaks it
 * stays for grace_ms without one, so that a phone which changes network returns to it and nobody notices. */
#ifndef LEDIG_SERVICE_SESSION_H
#define LEDIG_SERVICE_SESSION_H

#include "broker/identity/token.h"
#include "broker/metrics/metrics.h"
#include "broker/model/availability.h"
#include "broker/model/company.h"
#include "broker/service/connection.h"
#include "protocol/message.h"

struct attendee;
struct audience;
struct request;
struct router_link;
struct service;
struct tenant;

#define SESSION_REQUESTS_MAX 64 /* open requests of one client; more are rate_limited */
#define SESSION_OUTBOX_BYTES_MAX (1024 * 1024)
#define SESSION_WARN_S 30 /* before its token ends, a client is asked for a fresh one */
#define SESSION_ID_BYTES 17

enum session_stage {
    SESSION_NEW,      /* no hello yet */
    SESSION_JOINING,  /* its company is being loaded, or caught up with */
    SESSION_LIVE,     /* welcome was sent */
    SESSION_DETACHED, /* no connection; within its grace */
    SESSION_ENDING    /* the connection is being closed */
};

struct session_hello {
    char user[LEDIG_ID_CHARS_MAX + 1]; /* "" until the token has been checked */
    const char *token; /* of an identity provider, to be checked by the company's settings; NULL = none */
    bool resumes;
    struct place place;
    struct texts follow, favourites; /* `at` is one block, owned */
    char texts[];                    /* what the others point to */
};

/* Times of the loop, in ms, of which the lower half is enough. */
static inline uint32_t session_ms_since(uint32_t then_ms, uint64_t now_ms) {
    return (uint32_t)now_ms - then_ms;
}

struct session_device {
    const char *kind;               /* mobile, desktop, web, deskphone: a constant */
    char session[SESSION_ID_BYTES]; /* what the device's session is called in the store */
    char login[LOGIN_ID_CHARS + 1]; /* that its token comes from; "" = none */
    int64_t issued_at_ms;           /* its token */
    bool follows_profile;           /* the role is the profile's */
    char id[];                      /* the installation's own */
};

#define SESSION_CACHE_LINE 64

struct session {
    /* What a delivery touches fills the first cache line: at 10,000 subscribers it is never in a cache. */
    _Alignas(SESSION_CACHE_LINE) struct connection *connection; /* NULL when detached */
    struct audience *audience;                                  /* held, from SESSION_LIVE on */
    uint64_t cursor;
    struct buffer *outbox;     /* messages that the connection did not take yet, each with its length; NULL = none */
    struct filter *favourites; /* held; NULL = none */
    uint32_t live_index;       /* in the audience's list */
    uint32_t sent_at_ms;       /* the loop's time of the last message to it */
    uint32_t framed_at_ms;     /* the loop's time of the last `changes` to it */
    uint32_t choked_at_ms;     /* the loop's time since when it takes nothing */
    uint8_t encoding;          /* enum encoding */
    uint8_t stage;             /* enum session_stage */
    uint8_t state;             /* enum presence */
    bool choked;               /* it takes nothing */
    bool wants_frame;          /* is owed a `changes`, if only an empty one */
    bool wants_me;             /* its own facts may have changed */
    bool is_live;              /* in the audience's list */
    bool is_owed;              /* in the fan-out's list of those who are looked at by themselves */

    uint8_t state_before; /* enum presence */
    uint8_t role;         /* enum role */
    uint8_t requests_count;
    bool pinged;           /* since it was heard last */
    bool has_deadline;     /* in the service's list of those */
    bool caught_up;        /* the replica was brought up to its place already */
    bool ended;            /* its connection was closed while it was joining */
    bool warned;           /* that its token ends soon */
    uint32_t heard_at_ms;  /* the loop's time of the last sign of life from it */
    uint32_t expires_at_s; /* its token: time of record */
    uint64_t deadline_ms;  /* the loop's time: of the hello, or of the grace */
    struct service *service;
    struct tenant *tenant;          /* held, from SESSION_JOINING on */
    struct attendee *attendee;      /* from SESSION_LIVE on */
    struct session *next_device;    /* of the attendee */
    struct session *before, *after; /* in the list of those with a deadline, or of those who are owed a frame */
    int64_t state_at_ms;            /* time of record */
    int64_t joined_at_ms;           /* time of record of this connection's hello */
    uint64_t me_hash;               /* of the last `me` */
    struct request *requests;
    struct session_hello *hello;   /* while joining: what it asked for */
    struct session_device *device; /* owned; NULL before hello */
    struct router_link *link;      /* owned; NULL: an app's, or before hello */
};

/* ---- From the front ---- */

/* NULL when out of memory. */
struct session *session_open(struct service *service, struct connection *connection, enum encoding encoding);
void session_receive(struct session *session, const uint8_t *bytes, size_t length);
void session_writable(struct session *session);

/* Something came from the client that is no message: it lives. */
void session_heard(struct session *session);

/* A frame that is no message: of the wrong kind (text on msgpack or the other way), too large, or without memory. */
void session_refuse(struct session *session, int error, const char *why);

/* The connection is gone; `given_up`: the client acknowledged nothing for stall_ms. */
void session_closed(struct session *session, bool given_up);

/* ---- For the modules of the service ---- */

/* Encodes and sends, or keeps until it can be sent. */
void session_send(struct session *session, const struct message *message);

/* The same with a message that is encoded already, behind its headroom. */
void session_send_frame(struct session *session, struct buffer *frame);

/* Sends a payload that has headroom before it; only when session_is_free. */
void session_send_shared(struct session *session, uint8_t *payload, size_t length);

/* Whether it would take a message now. */
bool session_is_free(const struct session *session);

/* An `error`; `id` 0 = of the connection. `retry_ms` 0 = none. */
void session_error(struct session *session, uint32_t id, int error, const char *field, const char *why,
                   uint32_t retry_ms);

/* Says why (unless error is 0) and closes, with the code that belongs to the reason. */
void session_end(struct session *session, int error, const char *why, enum metrics_drop reason);

/* What it follows from now on, and what of it reaches it in the background too; both are taken. NULL: nothing. */
void session_set_audience(struct session *session, struct audience *audience, struct filter *favourites);

/* Says bye and closes. */
void session_drain(struct session *session);

/* What the device is doing: goes up at once and is shown as going down late. Returns whether that is a change. */
bool session_set_state(struct session *session, enum presence state);

/* Frees a session that has no connection and no attendee. */
void session_free(struct session *session);

/* The hello has come, or the device is back. */
void session_clear_deadline(struct session *session);

/* What its token says of it: a token that was checked, of its person or router. */
void session_take_claims(struct session *session, const struct token_claims *claims);

/* Pings after a silence of `ping_ms`, warns where the token ends soon; ends one that takes nothing, gives no sign of
 * life or has no token any more: false. */
bool session_sweep_line(struct session *session, uint32_t ping_ms, uint64_t now_ms);

/* Deadlines, silence, stalls of apps: called now and then by the service. */
void session_sweep(struct service *service);

#endif

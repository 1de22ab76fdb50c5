/* libledig: one person's line to a Ledig broker, on your own libuv loop.
 *
 * A client connects, says who it is, and from then on calls you for every change of a colleague, also across lost
 * networks and restarts of the broker: it reconnects by itself and resumes where it left off. It keeps no picture of
 * the company; that is yours to keep, and you are told when to forget it.
 *
 *     static void changed(void *arg, const struct ledig_change *change) {
 *         if (change->kind == LEDIG_MEMBER) printf("%s is %s\n", change->member.user, change->member.availability);
 *     }
 *
 *     struct ledig_events events = {.change = changed};
 *     struct ledig_options options = {.url = "wss://ledig.example.no/v1", .token = token};
 *     struct ledig_client *client;
 *     int error = ledig_connect(uv_default_loop(), &options, &events, NULL, &client);
 *     if (error) return error;
 *     uv_run(uv_default_loop(), UV_RUN_DEFAULT);
 *
 * Ownership  You own the client from ledig_connect to ledig_free, which you may call at any moment, also inside of any
 *            callback. What you pass in is copied; what a callback passes to you lives until the callback returns.
 * Threads    A client belongs to the thread that runs its loop. Call it from no other; it calls you on no other.
 * Callbacks  come from the loop only: no function below calls one before it returns, but for ledig_free.
 * NULL       in an option or argument means the default, in what you are given it means "none".
 * Times      are milliseconds since the Unix epoch (`…_at`, `since`, `until`; 0 = none), durations end in `_ms`.
 * Texts      are UTF-8. They come from other people: escape them for wherever you show them.
 * Errors     0, or a negative LEDIG_E… (see protocol/errors.h for names and sentences).
 *
 * Loading libwebsockets has two effects on the process, which are that library's and not ours: SIGPIPE is ignored, and
 * its log, which goes to stderr, is switched off here. */
#ifndef LEDIG_H
#define LEDIG_H

#include "protocol/errors.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct ledig_client;
struct message; /* protocol/message.h; of use to those who want the wire itself */

/* ---- What you are told ---- */

/* One colleague, always whole: it replaces what you knew of this user. */
struct ledig_member {
    const char *user;
    const char *availability; /* available, busy, dnd, away or unknown; take any other as unknown */
    const char *activity;     /* why: in_call, meeting, lunch, …; NULL = none */
    int64_t since, until;
    const char *note;     /* the person's own words */
    const char *presence; /* the best of the devices: active, idle or background; NULL = none is connected */
    int64_t last_active;  /* rounded to five minutes */
};

/* One entry of the directory. Someone with a profile and no member row is `unknown`. */
struct ledig_profile {
    const char *user;
    const char *name, *department;
    const char *const *numbers; /* E.164 */
    size_t number_count;
    const char *const *queues; /* that the employer assigned */
    size_t queue_count;
};

struct ledig_queue {
    const char *queue;
    uint32_t free, busy, wrap_up, waiting; /* agents, agents, agents, calls */
    int64_t oldest_at;                     /* arrival of the call that has waited longest */
};

enum ledig_change_kind { LEDIG_MEMBER, LEDIG_PROFILE, LEDIG_QUEUE, LEDIG_REMOVED };

struct ledig_change {
    enum ledig_change_kind kind;
    union {
        struct ledig_member member;
        struct ledig_profile profile;
        struct ledig_queue queue;
        const char *removed; /* this user has left: forget member and profile */
    };
};

enum ledig_phase {
    LEDIG_CONNECTING,  /* an attempt begins */
    LEDIG_CONNECTED,   /* the broker knows us; changes follow */
    LEDIG_LIVE,        /* what you have been told is the whole state now */
    LEDIG_WAITING,     /* the line is down; the next attempt comes after retry_ms */
    LEDIG_NEEDS_TOKEN, /* the token was refused: see ledig_events.token */
    LEDIG_STOPPED      /* for good; only ledig_free makes sense */
};

struct ledig_status {
    enum ledig_phase phase;
    bool resumed;     /* CONNECTED: only what changed while you were away will come */
    const char *user; /* CONNECTED: who the broker says you are */
    const char *company;
    int error;           /* WAITING, NEEDS_TOKEN, STOPPED: why, as LEDIG_E… */
    const char *reason;  /* the same for people, or NULL */
    uint16_t close_code; /* WebSocket close code; 0 = the line ended without */
    uint32_t retry_ms;   /* WAITING */
    uint32_t failures;   /* in a row: connections that did not come up, or did not last 5 s */
};

/* All may be NULL. `arg` is the one given to ledig_connect. */
struct ledig_events {
    /* One row of the state. The rows of a snapshot come the same way, after `forget`. */
    void (*change)(void *arg, const struct ledig_change *change);

    /* Forget all rows: what follows is the whole state anew. Comes where the broker could not resume, and after
     * ledig_follow. To avoid a flicker keep the old rows until LEDIG_LIVE and drop then those that were not renewed. */
    void (*forget)(void *arg);

    void (*status)(void *arg, const struct ledig_status *status);

    /* The broker refused the token (expired, most likely). Call ledig_set_token, now or later; the client connects
     * then. It asks once: a second refusal in a row stops it, as does the first where this is NULL. */
    void (*token)(void *arg);

    /* The token of this connection ends then (ms since 1970), half a minute from now: call ledig_renew, or the line
     * ends and `token` comes. */
    void (*expiring)(void *arg, int64_t expires_at_ms);

    /* Every message of the broker as it came, before the client acts on it. `me` is seen only here. */
    void (*message)(void *arg, const struct message *message);
};

/* ---- The client ---- */

struct ledig_options {
    const char *url;     /* ws://host[:port][/path] or wss://…; port 80 or 443, path /v1 */
    const char *token;   /* a JWT */
    const char *ca_file; /* wss: PEM file of the authorities to trust; NULL = those of the system */

    const char *device_id;   /* one for each installation and tab, made once and kept: a second connection with the same
                                id ends the first. NULL = a new one for this client */
    const char *device_kind; /* mobile, desktop (the default), web or deskphone */
    const char *device_os, *app;
    const char *state; /* active (the default), idle or background */

    bool follow_some;                /* follow these users instead of everyone; one's own rows always come */
    const char *const *follow_users; /* ids */
    size_t follow_count;
    const char *const *queues; /* wallboard rows of these queues, too; costs the ability to resume */
    size_t queue_count;

    uint32_t request_timeout_ms; /* [10000] a request without an answer fails then; also how long it waits for a line */
    uint32_t connect_timeout_ms; /* [10000] from the first packet to `welcome` */
    uint32_t retry_base_ms;      /* [500] full jitter: the nth wait is random below min(retry_max_ms, base × 2^n) */
    uint32_t retry_max_ms;       /* [30000] */
    uint32_t fault_retry_ms;     /* [60000] after a close code that tells of a bug */
};

/* Starts connecting. Fails with LEDIG_EBAD_REQUEST (an option has an impossible value), LEDIG_ENO_MEMORY or LEDIG_EIO
 * (libwebsockets' libuv plugin is not installed). That no broker answers is no failure: it goes on trying. */
int ledig_connect(uv_loop_t *loop, const struct ledig_options *options, const struct ledig_events *events, void *arg,
                  struct ledig_client **client);

/* Ends the client. Requests that are open fail with LEDIG_EUNAVAILABLE before this returns; after it no callback comes
 * but `freed` (may be NULL), once the loop has let go of everything: keep it running until then. */
void ledig_free(struct ledig_client *client, void (*freed)(void *arg), void *arg);

/* The token for the next connection. Where the client waits for one it connects at once. */
int ledig_set_token(struct ledig_client *client, const char *token);

/* ---- Requests ----
 *
 * Each is completed exactly once by its callback, or refused at once by a return value (then the callback does not
 * come). Requests made while the line is down wait for it, up to request_timeout_ms. One that was on its way when the
 * line broke fails with LEDIG_EUNAVAILABLE: it may have been carried out or not; look at your own row, which comes with
 * the next connection. LEDIG_ERATE_LIMITED: more than LEDIG_REQUESTS_MAX are open. */

#define LEDIG_REQUESTS_MAX 1024

struct ledig_result {
    int error;           /* 0 or LEDIG_E… */
    const char *message; /* the broker's sentence for developers */
    const char *field;   /* which argument was wrong */
    uint32_t retry_ms;   /* try again after this long; 0 = not told */
    int64_t version;     /* of the company, with this change in it; 0 = not told */
    int64_t stale_ms;    /* ledig_ask: how long ago the store last confirmed the rows */
    int64_t before;      /* ledig_calls: there are older ones, before this; 0 = none */
};

typedef void (*ledig_done)(void *arg, const struct ledig_result *result);

/* ledig_set_token, and this connection goes on with it: it must be the same person's. */
int ledig_renew(struct ledig_client *client, const char *token, ledig_done done, void *arg);

struct ledig_availability {
    const char *status;   /* available, busy, dnd or away */
    const char *activity; /* meeting, lunch, break, vacation, sick or the company's own */
    const char *note;
    int64_t until;
    const char *forward; /* a number, or a colleague's or queue's id */
    const char *user;    /* on behalf of this colleague; NULL = oneself */
    bool open;           /* colleagues may see the activity and note though it is sick or vacation */
};

/* Sets availability. What is NULL or 0 is cleared: the whole manual status is replaced. */
int ledig_set(struct ledig_client *client, const struct ledig_availability *availability, ledig_done done, void *arg);

/* active, idle or background: what the person does with this device. A background one hears of changes more rarely. */
int ledig_device(struct ledig_client *client, const char *state, ledig_done done, void *arg);

/* Logs in to a queue that the employer has assigned, or out. `pause`, the reason: logged in, but not to be called; NULL
 * ends a pause. */
int ledig_queue(struct ledig_client *client, const char *queue, bool member, const char *pause, ledig_done done,
                void *arg);

/* Gives or withdraws consent. `text` names the version of the text that the person was shown, `language` its language
 * (NULL = not said). */
int ledig_consent(struct ledig_client *client, const char *purpose, bool granted, const char *text,
                  const char *language, ledig_done done, void *arg);

/* Follows these users (NULL = everyone) and queues from now on, also after a reconnect. When it succeeds, `forget`
 * comes just before `done`, and the state anew after it. */
int ledig_follow(struct ledig_client *client, const char *const *users, size_t user_count, const char *const *queues,
                 size_t queue_count, ledig_done done, void *arg);

struct ledig_question {
    const char *const *users; /* a user that does not exist fails the whole question: LEDIG_ENOT_FOUND */
    size_t user_count;
    const char *const *numbers; /* numbers that nobody has are left out */
    size_t number_count;
    const char *const *queues;
    size_t queue_count;
};

/* Asks once, at most 1000 things. `row` is called for each row, then `done`. */
int ledig_ask(struct ledig_client *client, const struct ledig_question *question,
              void (*row)(void *arg, const struct ledig_change *row), ledig_done done, void *arg);

/* One call that the person was on. */
struct ledig_past_call {
    const char *call;
    const char *direction; /* in, out or internal; NULL = not known */
    const char *result;    /* answered, missed, elsewhere (another answered) or no_answer (one called in vain) */
    int64_t started_at, answered_at, ended_at;
    const char *peer, *queue;
};

/* The person's own history, the newest first: those that began before `before` (0 = from the newest on), some `limit`
 * of them (0 = 50, at most 100). LEDIG_ECONSENT_REQUIRED without consent to call_history. */
int ledig_calls(struct ledig_client *client, int64_t before, uint32_t limit,
                void (*call)(void *arg, const struct ledig_past_call *call), ledig_done done, void *arg);

/* Something that was done about the person's data or access. */
struct ledig_activity {
    const char *what;
    int64_t at;
    const char *actor;  /* NULL: the person themself */
    const char *device; /* NULL: none, or not known */
    const char *detail;
    uint32_t times; /* in a row; 0 = not counted */
};

/* The person's own log of that, the newest first; as ledig_calls, and asks for no consent. */
int ledig_activity(struct ledig_client *client, int64_t before, uint32_t limit,
                   void (*activity)(void *arg, const struct ledig_activity *activity), ledig_done done, void *arg);

/* Calls added up. */
struct ledig_usage {
    const char *queue; /* NULL in the first: all of them */
    uint32_t calls, in, out, internal, answered, missed;
    int64_t talk_ms;
};

/* The same, added up, of those that began in [from, to) (0 = all that are kept, until now): once for all, then for each
 * queue. */
int ledig_usage(struct ledig_client *client, int64_t from, int64_t to,
                void (*sum)(void *arg, const struct ledig_usage *sum), ledig_done done, void *arg);

#endif

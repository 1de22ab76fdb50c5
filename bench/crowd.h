/* The crowd: every subscriber of a run, on one thread and one epoll set. Each connects as an app does, says hello,
 * and from then on keeps what it saw last of everybody who changes, so that at the end each view can be held against
 * what the broker itself answers. The first few people of each company are those who change (publishers).
 *
 * Subscribers are spread over the companies in turn; a company has at most PEOPLE_MAX people, and where there are more
 * subscribers than that, several devices of the same person. Everything happens inside of crowd_turn. */
#ifndef LEDIG_BENCH_CROWD_H
#define LEDIG_BENCH_CROWD_H

#include "bench/board.h"
#include "bench/employer.h"
#include "bench/histogram.h"
#include "bench/publisher.h"
#include "bench/subscriber.h"

#define CROWD_PEOPLE_MAX 1000      /* of one company, so that snapshots do not take longer than the run */
#define CROWD_PUBLISHERS_MAX 1000  /* of one company: one `ask` checks them all */
#define CROWD_AT_ONCE 64           /* connections that are being made at a time */
#define CROWD_STORM_AT_ONCE 3000   /* in a storm: a listener's backlog holds 4,096 */
#define CROWD_REQUESTS_AT_ONCE 256 /* consents and first changes: a crowd that comes to work, no stampede */
#define CROWD_DEAD_LINES 256       /* sockets of broken lines that are kept: a scenario with such has them to spare */
#define CROWD_DESCRIPTORS_SPARE 64 /* beside the connections */

/* Companies that are alike; numbered through over the groups. */
struct group {
    uint32_t companies, subscribers; /* in all */
    uint32_t people;                 /* of each company; 0 = as many as subscribers, at most CROWD_PEOPLE_MAX */
    uint32_t publishers;             /* of each; more than there are people = everybody */
};

struct assembly { /* one company's share of the crowd */
    uint32_t subscribers, people, publishers;
    uint32_t followers; /* subscribers that changes are to reach, of those whom this process has */
    uint32_t on_board;  /* number of its first publisher among all */
    uint32_t first;     /* number of its first subscriber; the next ones are `stride` apart */
    uint32_t stride;
    char epoch[LEDIG_ID_CHARS_MAX + 1]; /* as last heard */
    struct publisher *publisher;
    struct digest_memory memory;
    bool answering; /* an `ask` is under way */
};

/* Which part of all subscribers a process has, where there are several. */
struct share {
    uint32_t rank, processes; /* 0 processes = all is one's own */
    struct board *board;      /* NULL with one process */
    bool first_publishes;     /* the first process has all publishers, since it alone plays the schedule */
    bool first_has_no_others; /* and nobody else, where there are further ones */
    uint32_t others_from; /* it has nobody else of the companies from this one on, and all before; 0 = as it comes */
    const char *run;      /* the mark of all of them; NULL = a mark of one's own */
};

struct crowd_options {
    const struct subject *subject;
    const struct employer *employer;
    const struct group *groups;
    size_t group_count;
    uint32_t companies, subscribers; /* of all groups; filled in by crowd_open */
    uint32_t spare_sockets;          /* room for sockets that are adopted later */
    uint32_t patience_ms;            /* how long to wait where nothing moves */
    struct share share;
    SSL_CTX *tls; /* as the subject's certificate needs; NULL without TLS */
    bool forgets_sessions;
    uint32_t seed; /* of a day that is played, and how long it takes */
    double day_s;
};

struct crowd {
    struct crowd_options options;
    int epoll, timer;
    uint8_t *scratch;
    struct arena *arena;
    char run[DIGEST_RUN_CHARS];
    struct subscriber *subscriber; /* options.subscribers, then the adopted */
    uint32_t held;                 /* by this process */
    uint32_t adopted;
    uint32_t caught_up; /* so many have been looked at, and wait for nothing */
    struct assembly *company;
    uint32_t next_to_connect, connecting, live, gone;
    uint32_t wanted;           /* only the first so many are to be connected; at the beginning all */
    uint32_t at_once;          /* connections that are being made at a time */
    uint32_t dropped;          /* cut off by the broker, as they were to be */
    uint64_t resumed;          /* greeted as such */
    uint64_t resumed_sessions; /* TLS handshakes that a ticket made short */
    uint64_t follows_open;
    uint64_t next_to_ask; /* publisher, by its number in all */
    uint32_t gone_before; /* lost connections that are known of: only a further one ends a wait */
    uint32_t consents_open, answers_open;
    uint64_t devices_open;             /* changes of a device's state */
    uint64_t changes_open;             /* not acknowledged yet */
    uint64_t undelivered;              /* subscribers × publishers that still wait for the latest change */
    uint64_t changes, refused, broken; /* asked for; answered with an error; frames that could not be understood */
    char refusal[LEDIG_WORD_CHARS_MAX * 4 + 1]; /* code of the last error, for people */
    int64_t last_delivery_ns;
    struct tally tally, echo;     /* echo: of the adopted sockets */
    struct histogram latency_us;  /* of each delivery */
    struct histogram complete_us; /* until the last one had it */
    struct histogram return_us;   /* from storm_began_ns, or from when one was called back, to live again */
    struct histogram passed_us;   /* of each passing of a return time, from then on */
    int64_t storm_began_ns;       /* 0 = none */
    int dead[CROWD_DEAD_LINES];   /* what is left of lines that fell silent; 0 = none */
    uint32_t next_dead;
    bool out_of_memory;
};

/* Eight hexadecimal digits at random. */
void crowd_mark_run(char run[static DIGEST_RUN_CHARS]);

/* 0, or an error after a complaint. On failure too, end with crowd_close. */
int crowd_open(struct crowd *crowd, const struct crowd_options *options);
void crowd_close(struct crowd *crowd);

/* The next three block until done, show progress, and return 0 or an error after a complaint. */
int crowd_connect(struct crowd *crowd);                      /* everybody live */
int crowd_refollow(struct crowd *crowd, uint32_t followers); /* the first so many of those who are wanted follow all,
                                                                the others themselves */
int crowd_consent(struct crowd *crowd); /* every publisher has consented, and all have seen a first change of each */
int crowd_await(struct crowd *crowd, const char *what); /* nothing is under way any more */

/* Publishers of all companies: the entries of a board. */
uint32_t crowd_publishers(const struct group *groups, size_t count);

/* Everybody here has seen what is acknowledged by now, here and elsewhere. Blocks; 0 or an error as crowd_wait. */
int crowd_catch_up(struct crowd *crowd);

/* Ends a wait in crowd_turn too when this descriptor can be read, which is left to the caller. 0 or LEDIG_EIO. */
int crowd_heed(struct crowd *crowd, int descriptor);

/* One round of epoll; waits until something comes, `until_ns` (monotonic) at the most. */
void crowd_turn(struct crowd *crowd, int64_t until_ns);

/* Turns until `open`, which may begin with more of it, says that nothing is; LEDIG_EUNAVAILABLE where that number did
 * not change for `patience_ms`, LEDIG_EIO after a lost connection or an interrupt. With `what` (may be NULL) shows
 * progress: all but `open` of `of`.
 */
int crowd_wait(struct crowd *crowd, const char *what, uint64_t of, uint64_t (*open)(struct crowd *crowd));

/* Nobody waits for what this one sees, from now on or until it is back. */
void crowd_set_aside(struct crowd *crowd, struct subscriber *subscriber, bool aside);

/* It reads nothing any more, or goes on. */
void crowd_deafen(struct crowd *crowd, struct subscriber *subscriber, bool deaf);

/* Breaks its connection off, and what becomes of its open requests is left open; crowd_reconnect lets all who are away
 * come back, at most `at_once` at a time, with resume, from the next turn on. */
void crowd_break_off(struct crowd *crowd, struct subscriber *subscriber);
void crowd_reconnect(struct crowd *crowd, uint32_t at_once);

/* The same, but the broker hears nothing of it: the line is dead, and its socket stays open. */
void crowd_fall_silent(struct crowd *crowd, struct subscriber *subscriber);

/* This one alone comes back, at once, with resume where it has a place. It must be away. */
void crowd_call_back(struct crowd *crowd, struct subscriber *subscriber);

/* Breaks off, and is not to come back: it has no view to check. */
void crowd_let_go(struct crowd *crowd, struct subscriber *subscriber);

/* Takes over a connected socket as a receiver of `company` that is like a subscriber in all but name; with a context, a
 * TLS handshake goes first. */
int crowd_adopt(struct crowd *crowd, int descriptor, uint32_t company, SSL_CTX *tls);

/* Holds every view against what the broker answers. Blocks, where views differ until the patience is
 * over. */
struct verdict {
    uint64_t wrong_views; /* subscribers that see anything else than the broker, or are gone */
    uint64_t lost;        /* publishers whose acknowledged change the broker itself does not know */
};
int crowd_check(struct crowd *crowd, struct verdict *verdict);

#endif

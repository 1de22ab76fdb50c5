/* The crowd: every subscriber of a run, on one thread and one epoll set. Each connects as an app does, says hello,
 * and from then on keeps what it saw last of everybody who changes, so that at the end each view can be held against
 * what the broker itself answers. The first few people of each company are those who change (publishers).
 *
 * Subscribers are spread over the companies in turn; a company has at most PEOPLE_MAX people, and where there are more
 * subscribers than that, several devices of the same person. Everything happens inside of crowd_turn. */
#ifndef LEDIG_BENCH_CROWD_H
#define LEDIG_BENCH_CROWD_H

#include "bench/employer.h"
#include "bench/histogram.h"
#include "bench/subscriber.h"

#define CROWD_PEOPLE_MAX 1000      /* of one company, so that snapshots do not take longer than the run */
#define CROWD_PUBLISHERS_MAX 1000  /* of one company: one `ask` checks them all */
#define CROWD_AT_ONCE 64           /* connections that are being made at a time */
#define CROWD_REQUESTS_AT_ONCE 256 /* consents and first changes: a crowd that comes to work, no stampede */
#define CROWD_DESCRIPTORS_SPARE 64 /* beside the connections */

struct assembly { /* one company's share of the crowd */
    uint32_t subscribers, people, publishers;
    struct publisher *publisher;
    struct digest_memory memory;
    bool answering; /* an `ask` is under way */
};

struct crowd_options {
    const struct subject *subject;
    const struct employer *employer;
    uint32_t companies, subscribers;
    uint32_t publishers;    /* of one company; more than there are people = everybody */
    uint32_t spare_sockets; /* room for sockets that are adopted later */
    uint32_t patience_ms;   /* how long to wait where nothing moves */
};

struct crowd {
    struct crowd_options options;
    int epoll, timer;
    uint8_t *scratch;
    struct arena *arena;
    char run[DIGEST_RUN_CHARS];
    struct subscriber *subscriber; /* options.subscribers, then the adopted */
    uint32_t adopted;
    struct assembly *company;
    uint32_t next_to_connect, connecting, live, gone;
    uint64_t next_to_ask; /* publisher, by its number in all */
    uint32_t gone_before; /* lost connections that are known of: only a further one ends a wait */
    uint32_t consents_open, answers_open;
    uint64_t changes_open;             /* not acknowledged yet */
    uint64_t undelivered;              /* subscribers × publishers that still wait for the latest change */
    uint64_t changes, refused, broken; /* asked for; answered with an error; frames that could not be understood */
    char refusal[LEDIG_WORD_CHARS_MAX * 4 + 1]; /* code of the last error, for people */
    int64_t last_delivery_ns;
    struct tally tally, echo; /* echo: of the adopted sockets */
    struct histogram latency_us;
    bool out_of_memory;
};

/* 0, or an error after a complaint. On failure too, end with crowd_close. */
int crowd_open(struct crowd *crowd, const struct crowd_options *options);
void crowd_close(struct crowd *crowd);

/* The next three block until done, show progress, and return 0 or an error after a complaint. */
int crowd_connect(struct crowd *crowd); /* everybody live */
int crowd_consent(struct crowd *crowd); /* every publisher has consented, and all have seen a first change of each */
int crowd_await(struct crowd *crowd, const char *what); /* nothing is under way any more */

/* One round of epoll; waits until something comes, `until_ns` (monotonic) at the most. */
void crowd_turn(struct crowd *crowd, int64_t until_ns);

/* Turns until `open`, which may begin with more of it, says that nothing is; LEDIG_EUNAVAILABLE where that number did
 * not change for `patience_ms`, LEDIG_EIO after a lost connection or an interrupt. With `what` (may be NULL) shows
 * progress: all but `open` of `of`.
 */
int crowd_wait(struct crowd *crowd, const char *what, uint64_t of, uint64_t (*open)(struct crowd *crowd));

/* Takes over a connected socket as a receiver of `company` that is like a subscriber in all but name. */
int crowd_adopt(struct crowd *crowd, int descriptor, uint32_t company);

/* Holds every view against what the broker answers. Blocks, where views differ until the patience is
 * over. */
struct verdict {
    uint64_t wrong_views; /* subscribers that see anything else than the broker, or are gone */
    uint64_t lost;        /* publishers whose acknowledged change the broker itself does not know */
};
int crowd_check(struct crowd *crowd, struct verdict *verdict);

#endif

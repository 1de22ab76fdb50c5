/* The store: facts of companies, kept outside of this process, changed by compare-and-set and announced to all.
 *
 * Asynchronous on the caller's loop. Records are opaque bytes here: sealing and opening are the caller's. The contract,
 * the same for every implementation:
 *
 * Order       Commits of one caller to one entity take effect in the order in which they were asked for. Between
 *             entities there is no order but that of the versions.
 * Callbacks   Each completion is called exactly once, always from the loop and never from inside the call that asked,
 *             also at store_close (with LEDIG_EUNAVAILABLE). A completion may call any function of the store but
 *             store_close. What it is given is lent for the time of the call.
 * Time-outs   A request that has no answer after `timeout_ms` completes with LEDIG_EUNAVAILABLE. Then its outcome is
 *             unknown: it may have taken effect. It is not sent again after that, and a commit that the server only
 * gets to later is refused there. A read in pages has `timeout_ms` for each page. Lost links  While the link is down
 * requests wait, for at most `timeout_ms`. The store connects again by itself. What was under way when it fell is asked
 * again where that is safe: a read before its first page, an update (applied anew to what then stands), a lease,
 * numbers. A plain commit and a read between two pages complete with LEDIG_EUNAVAILABLE. Lineage     The store learns
 * by itself that the server's history is another than the one a company's head was written under (a restart, a
 * promotion, a restore), and adopts the company under a new epoch before it answers.
 *
 * Not thread-safe; one store a loop. */
#ifndef LEDIG_STORE_STORE_H
#define LEDIG_STORE_STORE_H

#include "broker/metrics/metrics.h"
#include "protocol/errors.h"
#include "protocol/limits.h"
#include "protocol/shape.h"

#include <uv.h>

#define STORE_EPOCHS_MAX 8            /* earlier epochs that a head remembers */
#define STORE_COMMIT_ENTITIES_MAX 500 /* entities in one commit */
#define STORE_LOG_NAME_MAX 96
#define STORE_LOG_PAGE_MAX 500 /* entries of one page */

struct store;

struct store_head {
    char epoch[LEDIG_ID_CHARS_MAX + 1];
    uint64_t version; /* of the last commit */
    uint64_t pruned;  /* entities that were taken out had this version at the most */
    size_t earlier_count;
    struct {
        char epoch[LEDIG_ID_CHARS_MAX + 1];
        uint64_t version; /* at its adoption */
    } earlier[STORE_EPOCHS_MAX];
};

/* One entity as it stands in the store. */
struct store_record {
    const char *entity;
    uint64_t revision;    /* company version of its last change; 0 = never written */
    const uint8_t *bytes; /* NULL = tombstone, or never written */
    size_t length;
    int64_t removed_at_ms; /* of a tombstone that was read: when, by the store's clock; 0 = not known */
    bool seal_is_old;      /* it was read, and should be written again for the sake of its seal */
};

/* How records are sealed on their way to the server and opened on their way back; the caller's. Called at any time from
 * inside of the store; must not call back. A record that cannot be opened is told as one of no bytes, which is a record
 * to nobody. */
struct store_seal {
    int (*seal)(void *arg, const char *company, const char *entity, const uint8_t *plain, size_t length,
                struct buffer *sealed); /* appends; 0 or LEDIG_ENO_MEMORY */
    int (*open)(void *arg, const char *company, const char *entity, const uint8_t *sealed, size_t length,
                struct buffer *plain); /* appends; 0, 1 where the seal is old, or LEDIG_E… */
    void *arg;
};

/* ---- Opening ---- */

struct store_news {
    const char *company;
    const char *epoch;
    uint64_t version;
    bool whole; /* `records` are all of this commit; otherwise it was too large to be told, and must be read */
    const struct store_record *records;
    size_t count;
};

struct store_lease {
    const char *id;
    int64_t renewed_at_ms, ended_at_ms; /* the store's clock; ended 0 = alive */
};

/* Where a watched company stands; version 0 and an empty epoch = it does not exist. */
struct store_company_head {
    const char *company;
    const struct store_head *head;
};

/* What the verify batch found: one answer of the store for everything that is watched. */
struct store_reading {
    int64_t now_ms; /* the store's clock at the reading */
    const struct store_lease *leases;
    size_t lease_count;
    const struct store_company_head *companies;
    size_t company_count;
};

struct store_events {                                          /* any may be NULL */
    void (*connected)(void *arg);                              /* also again, after a lost link */
    void (*lost)(void *arg, const char *why);                  /* also, once, where the first connection fails */
    void (*changed)(void *arg, const struct store_news *news); /* a watched company; in no order with completions */
    void (*verified)(void *arg, const struct store_reading *reading);
    /* Gives the newest record that the caller knows of an entity, so that an update need not read first. False where it
     * knows none. May be called at any time from inside of the store; must not call back. */
    bool (*known)(void *arg, const char *company, const char *entity, struct store_record *record);
};

struct store_options {
    const char *url;             /* unix:/path/redis.sock, redis://host:port[/db] */
    const char *user, *password; /* NULL = none */
    uint32_t timeout_ms;         /* 0 = 2000 */
    uint32_t verify_ms;          /* 0 = 2000 */
    uint32_t company_in_flight;  /* 0 = 32: commits of one company that have no answer yet */
    uint32_t lease_ms;           /* 0 = 10000: a lease taken here ends when it was not renewed for this long */
    struct store_events events;
    void *arg;
    struct store_seal seal;  /* zeroed: records are stored as they are */
    struct metrics *metrics; /* the caller's; NULL: nobody looks */
};

/* Begins to connect; `events.connected` tells when it is ready. The options' strings are copied. 0 or LEDIG_E…. */
int store_open(uv_loop_t *loop, const struct store_options *options, struct store **store);

/* Completes everything that is open, disconnects, then calls `closed` from the loop; the store is gone then. */
void store_close(struct store *store, void (*closed)(void *arg), void *arg);

bool store_is_connected(const struct store *store);

/* The store's clock, in ms since the Unix epoch, by the offset that the last verify batch found; from then on it never
 * goes backwards. The caller's own clock before the first batch. */
int64_t store_now_ms(const struct store *store);

/* How long ago, in ms, the store last answered a verify batch; INT64_MAX before the first. */
int64_t store_stale_ms(const struct store *store);

/* Sets the gauges of the store. */
void store_measure(const struct store *store);

/* ---- Reading ---- */

/* `changed` events from here on; done when the subscription stands. Watching twice counts twice. With an error it is
 * not watched, and there is nothing to take back. After a lost link the store watches again by itself and verifies
 * then. */
typedef void (*store_done)(void *arg, int error);
void store_watch(struct store *store, const char *company, store_done done, void *arg);
void store_unwatch(struct store *store, const char *company);

/* Everything of a company that changed after `version` (0 = everything), in the order of change and in pages, so that
 * the store is never held for long; tombstones too. `page` is called any number of times before `done`; its records may
 * be newer than those of pages before. `head` (NULL on error) stands for all that was told: nothing up to its version
 * is missing. A company that does not exist has version 0 and an empty epoch; its first commit creates it, reading
 * never does. With an error, also where history or `pruned` moved on between two pages, what was told may be of a past
 * that is no more: read again from 0 and compare. */
typedef void (*store_page)(void *arg, const struct store_record *records, size_t count);
typedef void (*store_read_done)(void *arg, int error, const struct store_head *head);
void store_read_since(struct store *store, const char *company, uint64_t version, store_page page, store_read_done done,
                      void *arg);

/* Some entities of a company, as they stand now; in the order asked. */
typedef void (*store_read_some_done)(void *arg, int error, const struct store_head *head,
                                     const struct store_record *records, size_t count);
void store_read(struct store *store, const char *company, const char *const *entities, size_t count,
                store_read_some_done done, void *arg);

/* Asks for a verify batch at once; `done` after its `verified` event. */
void store_verify(struct store *store, store_done done, void *arg);

/* ---- Changing ---- */

enum store_action {
    STORE_CHECK,     /* compare the revision, write nothing */
    STORE_WRITE,     /* store the bytes */
    STORE_TOMBSTONE, /* the record goes, that it was there stays known for a while */
    STORE_REMOVE     /* goes without a trace; raises `pruned` */
};

struct store_write {
    const char *entity;
    enum store_action action;
    uint64_t expected;    /* revision; 0 = never written, or taken out */
    const uint8_t *bytes; /* STORE_WRITE */
    size_t length;
    int64_t not_before_ms; /* refused before this time, by the store's clock; 0 = no such bound */
};

/* An entry kept beside the change, once by id: history, audit. No version of its own, no doorbell. Or the end of a
 * whole log, in the same step: what is kept behind it begins anew. */
struct store_kept {
    const char *log; /* [A-Za-z0-9._:-]{1,96} */
    const char *id;
    int64_t at_ms;
    const uint8_t *bytes;
    size_t length;
    bool destroys; /* the log goes; of the fields above only its name counts */
};

struct store_commit {
    const char *company;
    const struct store_write *writes;
    size_t count; /* 1 … STORE_COMMIT_ENTITIES_MAX, each entity once */
    const struct store_kept *kept;
    size_t kept_count;
};

/* All or nothing, under one new version. error 0: `version`. LEDIG_EMOVED_ON: `moved` is the first entity whose
 * revision is another, as it stands now. LEDIG_ETOO_EARLY. LEDIG_EUNAVAILABLE: outcome unknown. The arguments are
 * copied. */
typedef void (*store_commit_done)(void *arg, int error, uint64_t version, const struct store_record *moved);
void store_commit(struct store *store, const struct store_commit *commit, store_commit_done done, void *arg);

/* A change that can be made again: reads what is needed, applies, commits, and does so again as long as others were
 * faster, until `timeout_ms`. At most one commit is in flight for an entity; updates of the same entities that wait are
 * folded into the next one, in order. An update that has timed out is not applied any more.
 *
 * `apply` gets the entities as they stand and says what shall become of each. It may be called several times, must give
 * the same result for the same records, and must not call the store. An entity that an update folded before this one
 * has changed comes as that left it, with the revision that it had before. A write of the very bytes that stand there
 * makes no version. It returns 0, UPDATE_NOTHING (all stands as wished: done without a new version) or a LEDIG_E… that
 * ends the update; others folded with it are not touched by that. Entries kept by store_keep() are stored together with
 * the change. */
#define UPDATE_NOTHING 1
struct store_kept_list; /* the store's; lives for the time of the apply */

/* Inside of an apply that returns 0: keeps this entry beside the change. Copied. One that cannot be kept (a bad log
 * name, no memory) ends the update with an error. */
void store_keep(struct store_kept_list *kept, const struct store_kept *entry);

struct store_next {
    enum store_action action; /* preset: STORE_CHECK */
    struct buffer bytes;      /* STORE_WRITE; the store's, empty at the call */
    int64_t not_before_ms;
};
struct store_update {
    const char *company;
    const char *const *entities; /* copied */
    size_t count;                /* 1 … STORE_COMMIT_ENTITIES_MAX, each entity once */
    int (*apply)(void *arg, const struct store_record *current, struct store_next *next, struct store_kept_list *kept);
    void (*done)(void *arg, int error, uint64_t version);
    void *arg;
};
void store_update(struct store *store, const struct store_update *update);

/* Takes entities that are as named out of the company, in one step. done's error 0 also where some had moved on; those
 * stay. */
void store_prune(struct store *store, const char *company, const struct store_record *records, size_t count,
                 store_done done, void *arg);

/* ---- Logs: what was kept beside changes ---- */

struct store_entry {
    const char *id;
    int64_t at_ms;
    const uint8_t *bytes;
    size_t length;
};

/* The newest entries of [from_ms, before_ms), newest first, at most `limit` (1 … STORE_LOG_PAGE_MAX); `more` if older
 * ones of that span follow: ask again with the time of the last one as `before_ms`. So a page never ends between two
 * entries of one time: it is shorter then, or, where all of it is of one time, longer by at most as many again. */
typedef void (*store_log_page)(void *arg, int error, const struct store_entry *entries, size_t count, bool more);
void store_log_read(struct store *store, const char *company, const char *log, int64_t from_ms, int64_t before_ms,
                    size_t limit, store_log_page page, void *arg);

/* How many entries there are of that time or later. */
typedef void (*store_log_counted)(void *arg, int error, uint64_t count);
void store_log_count(struct store *store, const char *company, const char *log, int64_t from_ms,
                     store_log_counted counted, void *arg);

/* Takes out what is older, in steps that are short; tells how many those were. */
void store_log_trim(struct store *store, const char *company, const char *log, int64_t before_ms,
                    store_log_counted counted, void *arg);

/* Some of the logs of all companies whose name begins so ([a-z_:]{0,32}), and where to go on: begin at 0, and it is
 * over when `next` is 0. Each that stands from the beginning to the end is told, maybe more than once. A step is short,
 * and may well find none. */
struct store_log {
    const char *company, *log;
};
typedef void (*store_logs_found)(void *arg, int error, uint64_t next, const struct store_log *logs, size_t count);
void store_logs_find(struct store *store, const char *prefix, uint64_t at, store_logs_found found, void *arg);

/* ---- Leases ---- */

/* A new lease; its id carries the store's time (see model/leases.h for its form). */
typedef void (*store_lease_done)(void *arg, int error, const char *id);
void store_lease_take(struct store *store, const char *suffix, store_lease_done done, void *arg);

/* The one lease with this suffix, on whichever worker it was taken: renewed, or taken where there was none.
 * LEDIG_ELEASE_ENDED: there was one, and it has ended (forgotten after a day). LEDIG_ERATE_LIMITED: too many leases. */
void store_lease_keep(struct store *store, const char *suffix, uint32_t length_ms, store_lease_done done, void *arg);

/* 0, or LEDIG_ELEASE_ENDED: it ended, or is not known. While the server is away leases stand still: once it is back
 * each has its whole length again. */
void store_lease_renew(struct store *store, const char *id, store_done done, void *arg);

/* Ends it now (a worker that shuts down in order). An overdue lease is ended by whichever store sees it first. */
void store_lease_end(struct store *store, const char *id, store_done done, void *arg);

/* ---- Numbers: the index over all companies ---- */

/* Takes every number for `owner` ("acme/user/kari") or none: LEDIG_ECONFLICT with the index of the first that another
 * owner has (in `which`). Taking what one has already is fine. */
typedef void (*store_numbers_done)(void *arg, int error, size_t which);
void store_numbers_take(struct store *store, const char *const *numbers, const char *const *owners, size_t count,
                        store_numbers_done done, void *arg);

/* Gives back those that the owner has; others are left alone. */
void store_numbers_give(struct store *store, const char *const *numbers, const char *const *owners, size_t count,
                        store_done done, void *arg);

/* Owner of each number; NULL where nobody has it. */
typedef void (*store_numbers_found)(void *arg, int error, const char *const *owners, size_t count);
void store_numbers_find(struct store *store, const char *const *numbers, size_t count, store_numbers_found found,
                        void *arg);

/* ---- Walking what there is, a little at a time ----
 *
 * Begin at 0; `next` is where to go on, 0 = it is over. What stands from the beginning to the end is told, maybe more
 * than once, in no order. Lent for the call. With an error, ask again from where it was. */
typedef void (*store_names_found)(void *arg, int error, uint64_t next, const char *const *names, size_t count);
void store_numbers_scan(struct store *store, uint64_t at, store_names_found found, void *arg);
void store_companies_scan(struct store *store, uint64_t at, store_names_found found, void *arg);

/* Tombstones too. */
typedef void (*store_records_found)(void *arg, int error, uint64_t next, const struct store_record *records,
                                    size_t count);
void store_records_scan(struct store *store, const char *company, uint64_t at, store_records_found found, void *arg);

#endif

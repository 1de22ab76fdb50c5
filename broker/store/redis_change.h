/* Changes under way: what store_commit and store_update asked for, in the order in which they were asked, and the
 * batches that carry them to the server.
 *
 * A change stands in the slot of each entity it names. It can begin when it is the first in all of them and no batch
 * holds any; a batch takes it, and the updates behind it that name nothing else, and holds their slots until the server
 * has answered. So there is at most one commit in flight for an entity, and none overtakes another. */
#ifndef LEDIG_STORE_REDIS_CHANGE_H
#define LEDIG_STORE_REDIS_CHANGE_H

#include "broker/store/redis_store.h"

#define BATCH_CHANGES_MAX 256 /* folded into one commit: what must be applied again where another was faster */

struct change;
struct batch;

struct place { /* of a change, in the slot of an entity */
    struct place *prev, *next;
    struct change *change;
    struct slot *slot;
};

struct slot {
    UT_hash_handle hh;
    char *name;
    struct place *places;
    struct batch *batch; /* that holds it … */
    size_t part;         /* … as its part with this index */
    bool known; /* how the entity stood when the last batch ended; good as a guess, since revisions are compared */
    uint64_t revision;
    struct buffer bytes;
    bool exists; /* there are bytes: no tombstone, and not never written */
};

struct store_kept_list {
    struct store_kept *at; /* its texts and bytes are the list's own */
    size_t count, capacity;
    int error; /* the first entry that could not be kept */
};

struct change {
    struct change *prev, *next; /* among those that could begin */
    struct deadline deadline;
    uint64_t asked_ns;
    struct store *store;
    struct store_company *company; /* NULL in one that was refused */
    struct batch *batch;
    bool could_begin;
    size_t count;
    struct place *places;

    struct store_update update;  /* `apply` is set in an update */
    store_commit_done committed; /* this in a plain commit, with its writes: */
    void *arg;
    enum store_action *actions;
    uint64_t *expected;
    struct buffer *bytes;
    size_t bytes_count;
    int64_t *not_before_ms;
    struct store_kept_list kept;

    int verdict;      /* of an update that was applied: 0, or the LEDIG_E… with which it refuses what it found */
    int64_t bound_ms; /* the latest not_before of what it last asked for */
};

/* Takes it out of everything, tells the caller, frees it. Only from the loop. */
void change_end(struct change *change, int error, uint64_t version, const struct store_record *moved);

/* ---- Batches ---- */

struct part { /* what becomes of one entity */
    struct slot *slot;
    bool has_base, verified; /* how it stands; read since the change was asked */
    uint64_t revision;
    struct buffer base;
    bool exists;

    enum store_action action;
    bool touched;
    struct buffer bytes;  /* STORE_WRITE … */
    struct buffer sealed; /* … as they were last sent, where the caller seals */
    int64_t not_before_ms;
};

enum batch_step { BATCH_NEW, BATCH_READING, BATCH_COMMITTING };

struct batch {
    struct request request;
    struct store_company *company;
    enum batch_step step;
    bool must_read; /* what others know may be older than what this batch itself has done */
    bool plain;     /* one store_commit */
    struct change *changes[BATCH_CHANGES_MAX];
    size_t change_count;
    struct part *parts;
    size_t count;
    struct store_kept_list kept;
    uint64_t sent_ms; /* of the last commit … */
    uint64_t sent_ns; /* … exactly, until it is answered */
};

/* Makes a batch of this change and what can be folded with it, and starts it. */
void batch_begin(struct change *change);
void batch_forget(struct batch *batch, const struct change *change);
void batch_released(struct batch *batch); /* in redis_change.c: its slots are free again */

/* Applies all updates of the batch to the bases of its parts. Those that end with an error, or find all as they wish,
 * are ended where that is certain. What is left is to be committed, or confirmed. */
void batch_apply(struct batch *batch);

/* Sends what its parts ask for, in redis_commit.c. */
void batch_send_commit(struct batch *batch);

void kept_add(struct store_kept_list *list, const struct store_kept *entry); /* its error tells whether it failed */
void kept_cut(struct store_kept_list *list, size_t count);
void kept_free(struct store_kept_list *list);

#endif

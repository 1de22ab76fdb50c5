/* A replica of one company: its entities as last heard from the store, what is derived from them, and both in the
 * order of their last change, so that any number of cursors can walk it.
 *
 * It is fed from outside with records, lease readings and the clock, and never asks for anything. Four kinds of entry
 * stand in the change list: a profile, a member (the person's state), a queue, and a person who left. A row is encoded
 * once after each change, for the encodings that anybody uses. Pure: no I/O, no clock of its own. Not re-entrant for
 * one company. */
#ifndef LEDIG_MODEL_COMPANY_H
#define LEDIG_MODEL_COMPANY_H

#include "broker/model/availability.h"
#include "broker/model/change_list.h"

struct company;

/* `leases` is borrowed and read at every derivation, `names` at every change; both must outlive the company. */
struct company *company_open(const char *id, const struct leases *leases, const struct entity_names *names);
void company_close(struct company *company);

/* Where the zones of schedules are found; borrowed, likewise. To be called before the first record comes; where it is
 * not, only UTC is known. */
void company_set_zones(struct company *company, const struct zone_source *zones);

/* ---- What the store says ----
 *
 * The version of a replica is that of the last commit it has whole. Where versions follow one another without a gap
 * (`contiguous`), a record that leaves the row as it was causes no change; where they do not, the row counts as
 * changed, since a state in between may have been seen by others. */

/* One entity. `bytes` NULL is a tombstone. A revision that is not newer than the one held is ignored unless `compare`:
 * then any other revision is taken (after an adoption). `now_ms` is the time of record.
 * 0, LEDIG_EDAMAGED, LEDIG_EUNSUPPORTED (the entity is left as it was) or LEDIG_ENO_MEMORY (the replica may lack part
 * of the change: close it). */
struct company_write {
    const char *entity;
    uint64_t revision;
    const uint8_t *bytes;
    size_t length;
};
int company_apply(struct company *company, const struct company_write *write, bool contiguous, bool compare,
                  int64_t now_ms);

/* After all writes up to `version` were applied: the replica stands there. */
void company_reached(struct company *company, const char *epoch, uint64_t version);
uint64_t company_version(const struct company *company);
const char *company_epoch(const struct company *company); /* "" before the first load */

/* What a resume has to know from the head: commits up to here were pruned, and the places of earlier epochs that are
 * still good. Replaced whole at each call. */
struct company_epoch {
    char epoch[LEDIG_ID_CHARS_MAX + 1];
    uint64_t version; /* at its adoption */
};
#define COMPANY_EPOCHS_MAX 8
void company_set_history(struct company *company, uint64_t pruned, const struct company_epoch *earlier, size_t count);

/* A comparison with the whole index: begin, company_apply(…, compare) for every entity that differs, company_seen for
 * those that do not need to be applied, end: what was not named is gone, and becomes a tombstone of `version`. */
void company_compare_begin(struct company *company);
void company_seen(struct company *company, const char *entity);
int company_compare_end(struct company *company, uint64_t version, int64_t now_ms);

/* Revision held of an entity; 0 where it is not known. */
uint64_t company_revision(const struct company *company, const char *entity);

/* The record of an entity as it is stored; NULL = a tombstone, or not known. Lent until the next call.
 * LEDIG_ENO_MEMORY; LEDIG_ENOT_FOUND of an access record, of which only is held whom it lets in. */
int company_lend_record(struct company *company, const char *entity, const uint8_t **bytes, size_t *length);

/* The user whose profile, state or access the entity is; NULL for other entities and for unknown ones. Lent. */
const char *company_entity_user(const struct company *company, const char *entity);

/* ---- The clock and the leases ---- */

/* Derives anew whoever is due, or all where `leases_changed`; those who look different move to the end of the list. */
void company_tick(struct company *company, int64_t now_ms, bool leases_changed);

/* When the next entry is due by the clock; NEVER = none. */
int64_t company_next_due(const struct company *company);

/* ---- What can be asked ---- */

struct member; /* one person: profile and state */

const struct company_record *company_settings(const struct company *company); /* NULL before it has a record */
int64_t company_day_begins_at(const struct company *company, int64_t at_ms);
int64_t company_day(const struct company *company, int64_t at_ms);                    /* see schedule_day */
const struct member *company_member(const struct company *company, const char *user); /* NULL: no such person */
const struct member *company_member_by_number(const struct company *company, const char *number);
bool company_has_queue(const struct company *company, const char *queue);
const char *company_queue_by_number(const struct company *company, const char *number);     /* NULL: none */
const struct queue_record *company_queue(const struct company *company, const char *queue); /* NULL: no such queue */
const struct call_record *company_call(const struct company *company, const char *call);    /* NULL: never heard of */
/* Whether a token of this log-in ("" = of none) that was issued then still lets the person in: they have not logged out
 * since, and were there already. A person without an access record comes in with the operator's tokens alone. */
#define TOKEN_GRAIN_MS 1000 /* tokens tell whole seconds */
bool company_admits(const struct company *company, const char *user, const char *login, int64_t issued_at_ms);

/* How many calls wait in the queue that came before this one: by arrival, then by id. */
size_t company_waiting_before(const struct company *company, const char *queue, int64_t arrived_at, const char *call);

/* Each person who is logged in to the queue, assigned or not, in no order: costs time for those alone. `agent` must not
 * change the company. */
void company_each_agent(const struct company *company, const char *queue,
                        void (*agent)(void *arg, const struct member *member), void *arg);

/* Each call that is known, ended ones too; `call` must not change the company. */
void company_each_call(const struct company *company, void (*call)(void *arg, const struct call_record *record),
                       void *arg);

/* Each person and each queue that there is, in no order; these must not change the company. */
void company_each_member(const struct company *company, void (*tell)(void *arg, const struct member *member),
                         void *arg);
void company_each_queue(const struct company *company, void (*tell)(void *arg, const struct queue_record *queue),
                        void *arg);

/* Those who may fit what somebody looks for, by their marks, in no order, until `look` returns false: search_rank has
 * the last word. `look` must not change the company. */
struct search;
void company_search(const struct company *company, const struct search *search,
                    bool (*look)(void *arg, const struct member *member), void *arg);
size_t company_member_count(const struct company *company);

const char *member_user(const struct member *member);
const struct view *member_view(const struct member *member);              /* lent until the next apply or tick */
const struct profile_record *member_profile(const struct member *member); /* lent until the next apply; never NULL */
const struct state_record *member_state(const struct member *member);     /* NULL without consent; lent likewise */

/* ---- Cursors ---- */

/* The newest place: the cursor of one who has seen everything. */
uint64_t company_last_place(const struct company *company);

/* Whom a subscriber wants to hear of. User and queue ids need not exist (yet). Equal filters of a company are one and
 * the same, held by each who created it until released. After company_close it can only be released. */
struct filter;
struct filter *filter_create(struct company *company, const struct texts *users /* .all = everyone */,
                             const struct texts *queues,              /* may be NULL, as users and self */
                             const char *self /* always included */); /* NULL when out of memory */
void filter_release(struct filter *filter);

/* What the caller keeps for a filter; NULL at first. */
void filter_set_owner(struct filter *filter, void *owner);
void *filter_owner(const struct filter *filter);

/* Tells the owners of all filters that let through an entry which has moved since the last call: once or several times
 * each. Costs time for each move and each filter that names what moved; nobody else is looked at. Returns the moves. */
size_t company_tell(struct company *company, void (*moved)(void *owner));

/* No entry that the filter lets through has moved to a later place than this one, as of the last company_tell. */
uint64_t filter_last_place(const struct filter *filter);

/* One frame: encodes into `frame` what stands behind `cursor` and passes `filter`, at most LEDIG_MESSAGE_BYTES_MAX
 * bytes. Sets *cursor to where the frame ends. Returns whether more stands behind it. */
bool company_walk(struct company *company, const struct filter *filter, uint64_t *cursor, struct frame *frame);

/* Adds one person's rows to a frame (for `answer`). False where they do not fit. */
bool company_add_member(struct company *company, const struct member *member, struct frame *frame);
bool company_add_queue(struct company *company, const char *queue, struct frame *frame);

/* Where a client that resumes from this place has to begin, if the place is good: true and *cursor; else false, and it
 * starts from nothing (cursor 0). Moves the rows that are made of several records (queues) and that the filter passes,
 * since a place cannot tell whether they changed. The caller has caught up with the store if the place was ahead of the
 * replica, and also if it has `more`: what came after it may be ahead, and be lost before this replica hears of it. */
struct place {
    const char *epoch;
    uint64_t version;
    int64_t now_ms;
    bool more; /* frames of a series came after this place */
};
bool company_resume(struct company *company, const struct filter *filter, const struct place *place, int64_t now_ms,
                    uint64_t *cursor);

#endif

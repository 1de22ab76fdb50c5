/* What a replica is made of. Only for the files that implement company.h.
 *
 * An entity is what the store says; members, queues and calls are what is made of it, and hold the decoded record. The
 * stored bytes are not kept: they can be made again from the record, unknown fields and all. Entities live as
 * long as they are known, tombstones too; a person who left and a call that ended are forgotten after a while. */
#ifndef LEDIG_MODEL_COMPANY_STATE_H
#define LEDIG_MODEL_COMPANY_STATE_H

#include "broker/model/agenda.h"
#include "broker/model/company.h"
#include "broker/model/search.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#define DAY_MS 86400000LL
#define PLACE_MS_MAX DAY_MS       /* an older place begins from nothing; one who left is told of this long */
#define PLACE_SLACK_MS 5000       /* the verify batches of two workers are this far apart at the most */
#define CALL_WAIT_GRACE_MS 5000   /* a waiting call whose request is not renewed keeps its place this long */
#define CALL_ENDED_KEEP_MS 600000 /* the store keeps an ended call this long, so that a late event finds it */

struct entity {
    UT_hash_handle hh;
    uint64_t revision;
    uint32_t seen; /* the last comparison that named it */
    uint8_t kind;  /* enum record_kind */
    bool is_there; /* false: a tombstone */
    union {
        struct admission *admission; /* of an access record: owned; NULL: a tombstone */
        struct member *member;       /* profile, state; NULL = a tombstone of one whose id is not known */
        struct queue *queue;
        struct call *call;
    };
    char name[];
};

struct admission {
    int64_t not_before_ms;
    uint32_t count;
    uint64_t logins[]; /* then the user's id */
};

struct row { /* encoded */
    size_t length;
    uint8_t bytes[];
};

enum entry_kind { ENTRY_PROFILE, ENTRY_REMOVED, ENTRY_MEMBER, ENTRY_QUEUE };

struct entry { /* what stands in the change list */
    struct change_list_entry listed;
    struct row *rows[ENCODING_COUNT]; /* made when first asked for; NULL = not yet, or changed since */
    uint64_t revision;                /* a place below it may have seen another row */
    int64_t clock_at;                 /* a place of an earlier time may have seen another row; 0 = none */
    enum entry_kind kind;
    struct topic *topic; /* NULL = no filter names it */
};

enum due_kind { DUE_MEMBER, DUE_CALL };

struct work_hours { /* of one schedule: looked up once, and good until they end */
    const struct schedule *schedule;
    struct hours hours;
};

struct member {
    UT_hash_handle hh;
    struct profile_record *profile;               /* NULL: left, or not here yet */
    struct state_record *state;                   /* NULL: no consent */
    struct entity *profile_entity, *state_entity; /* never NULL; revision 0 = never heard of */
    struct entry profile_entry, state_entry;
    struct work_hours *work; /* NULL: always in hours */
    struct view view;
    struct agenda_item due;
    uint64_t shown_since; /* revision with which the profile came, or may have come to name other hours: the member row
                             is no older */
    size_t card;          /* its number among the cards, while there is a profile */
    struct duty *duties;  /* one for each log-in of the state, in its order; NULL = none */
    char user[];
};

struct duty { /* one person is logged in to one queue: so a queue knows its own, and who has no queue pays a pointer */
    struct member *member;
    struct queue *queue;
    struct duty *previous, *next; /* of the queue; utlist */
};

struct card { /* of one who has a profile; they lie close together, so that all can be looked through */
    struct search_marks marks;
    struct member *member;
};

enum seat { SEAT_FREE, SEAT_BUSY, SEAT_WRAP_UP, SEAT_COUNT }; /* of one who is logged in */

struct queue_figures {
    uint32_t seats[SEAT_COUNT];
    uint32_t waiting;
    int64_t oldest_at;
};

struct queue { /* also one that is only spoken of, by a log-in or a call */
    UT_hash_handle hh;
    struct queue_record *record; /* NULL: no such queue */
    struct entry entry;
    uint32_t seats[SEAT_COUNT]; /* now */
    struct queue_figures shown; /* in the row */
    struct call *calls;         /* that may wait in it */
    struct duty *duties;        /* who is logged in, assigned or not */
    struct queue *next_touched;
    bool is_touched;
    char id[];
};

struct call {
    struct entity *entity;
    struct call_record *record;   /* NULL: a tombstone */
    struct queue *queue;          /* whose list it stands in */
    struct call *previous, *next; /* of the queue */
    struct call *before, *after;  /* of the company */
    bool waiting;
    struct agenda_item due;
};

struct number {
    UT_hash_handle hh;
    struct member *member; /* one of the two */
    struct queue *queue;
    char text[];
};

struct company {
    const struct leases *leases;
    const struct entity_names *names;
    struct entity *entities;
    struct member *members;
    struct queue *queues;
    struct number *numbers;
    struct call *calls; /* utlist */
    struct entity *settings_entity;
    struct company_record *settings;
    const struct zone_source *zones; /* NULL: only UTC is known */
    struct work_hours *work;         /* one a schedule, in the order of the settings */
    struct card *cards;
    size_t members_count, cards_capacity; /* with a profile */
    size_t entries_count, items_count;    /* that may stand in the list and the agenda */
    struct change_list list;
    struct agenda agenda;
    struct queue *touched;         /* whose figures may have changed */
    struct filter *filters, *wide; /* all, and those that let through every person */
    struct topic *user_topics, *queue_topics;
    struct entry **picked; /* room for what one filter names */
    size_t picked_capacity;
    uint64_t told; /* place up to which the filters were told */
    struct {       /* those who were sent away together come back from the same place */
        uint64_t version, last, row_revision, cursor;
        int64_t now_ms, row_clock_at;
    } resumed;
    struct arena *arena; /* for decoding */
    struct buffer row;   /* for encoding */
    struct buffer bytes; /* of the record that is lent */
    uint32_t comparison;
    uint64_t version, pruned;
    uint64_t unnamed;      /* revision of a tombstone that cannot be told of, since its id is not known */
    uint64_t row_revision; /* the newest of all entries; so that most who resume need not be searched for */
    int64_t row_clock_at;
    char epoch[LEDIG_ID_CHARS_MAX + 1];
    struct company_epoch earlier[COMPANY_EPOCHS_MAX];
    size_t earlier_count;
    char id[];
};

/* entity.c */
struct admission *admission_of(const struct access_record *access); /* NULL when out of memory */
const char *admission_user(const struct admission *admission);

struct entity *entity_find(const struct company *company, const char *name);
struct entity *entity_of(const struct company *company, enum record_kind kind, const char *id);
struct entity *entity_create(struct company *company, const char *name);
void entity_free(struct company *company, struct entity *entity);
const void *entity_record(const struct company *company, const struct entity *entity); /* NULL: none */

/* entry.c: the row of an entry, and its place */
int company_reserve(struct company *company, size_t entries, size_t items);
void company_reserve_less(struct company *company, size_t entries, size_t items);
void entry_move(struct company *company, struct entry *entry, uint64_t revision, int64_t clock_at);
void entry_unlist(struct company *company, struct entry *entry);
void entry_forget_rows(struct entry *entry);
void entry_note(struct company *company, struct entry *entry, uint64_t revision, int64_t clock_at);
const struct row *entry_row(struct company *company, struct entry *entry, enum encoding encoding); /* NULL: no memory */
const char *entry_id(const struct entry *entry);

/* member.c. The records are taken, also on failure. */
struct member *member_find(const struct company *company, const char *user);
struct member *member_for(struct company *company, const char *user); /* makes it where it is not; NULL: no memory */
int member_set_profile(struct company *company, struct member *member, struct profile_record *profile,
                       uint64_t revision, bool contiguous, int64_t now_ms);
int member_set_state(struct company *company, struct member *member, struct state_record *state, uint64_t revision,
                     bool contiguous, int64_t now_ms);
void member_look(struct company *company, struct member *member, int64_t now_ms);
void member_due(struct company *company, struct member *member, int64_t now_ms);
void member_free(struct company *company, struct member *member);

/* work.c. The settings are taken, but not where it fails: LEDIG_ENO_MEMORY. */
int work_set_settings(struct company *company, struct company_record *settings);
void work_find(struct company *company, struct member *member); /* for a profile or settings that are new */
const struct hours *work_hours(const struct company *company, const struct member *member, int64_t now_ms);
/* card.c */
int card_reserve(struct company *company); /* before somebody comes, so that card_set cannot fail; LEDIG_ENO_MEMORY */
void card_set(struct company *company, struct member *member, const struct profile_record *before);
void card_give_back(struct company *company, struct member *member);

/* queue.c */
struct queue *queue_find(const struct company *company, const char *id);
struct queue *queue_for(struct company *company, const char *id);
int queue_set_record(struct company *company, struct queue *queue, struct queue_record *record, uint64_t revision,
                     bool contiguous);
/* The duties of a state, which stand in no queue yet; *duties NULL where there are none. LEDIG_ENO_MEMORY. */
int duties_make(struct company *company, struct member *member, const struct state_record *state, struct duty **duties);
void duties_replace(struct member *member, struct duty *duties, const struct state_record *state); /* before it goes */
void queues_count(struct company *company, const struct member *member, bool in);
void queue_touch(struct company *company, struct queue *queue);
void queues_settle(struct company *company); /* moves those whose figures have changed */
void queue_free(struct company *company, struct queue *queue);

/* call.c */
int call_set_record(struct company *company, struct call *call, struct call_record *record, int64_t now_ms);
struct call *call_create(struct company *company, struct entity *entity);
void call_look(struct company *company, struct call *call, int64_t now_ms);
void call_due(struct company *company, struct call *call, int64_t now_ms);
void call_free(struct company *company, struct call *call);

/* number.c */
int numbers_take(struct company *company, const struct texts *numbers, struct member *member, struct queue *queue);
void numbers_give(struct company *company, const struct texts *numbers, const struct member *member,
                  const struct queue *queue);
const struct number *number_find(const struct company *company, const char *text);

/* filter.c */
bool filter_passes(const struct filter *filter, const struct entry *entry);
void topic_meets_member(struct company *company, struct member *member); /* who has just come into being */
void topic_meets_queue(struct company *company, struct queue *queue);
void topic_loses(struct topic *topic);        /* its member or queue goes */
void filters_orphan(struct company *company); /* those that somebody still holds can only be released then */

/* Whether to ask the filter costs less than to look at so many entries; and the entries that it names and that stand
 * behind a cursor, in company->picked, in the order of the list. */
bool filter_names_fewer(const struct filter *filter, size_t entries);
size_t filter_pick(struct company *company, const struct filter *filter, uint64_t cursor);

#endif

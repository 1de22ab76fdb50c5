/* A change to some records of one company, said in terms of records: reads, applies, encodes, commits, and does so
 * again as long as others were faster. This is where records are opened and sealed. */
#ifndef LEDIG_SERVICE_UPDATE_H
#define LEDIG_SERVICE_UPDATE_H

#include "broker/model/record.h"
#include "broker/privacy/retention.h"
#include "broker/store/store.h"

struct service;

struct update_target {
    enum record_kind kind;
    const char *id; /* lent for the call */
};

/* A call that is over, for the log of the person whose profile it hangs on. */
struct update_past_call {
    const struct update_past_call *next;
    struct record record; /* RECORD_PAST_CALL */
};

/* Something that was done about a person's data or access, for the log of the person whose profile it hangs on. */
struct update_activity {
    const struct update_activity *next;
    const char *once;     /* of entries that say the same here, the first is kept; NULL: each is */
    struct record record; /* RECORD_ACTIVITY */
};

struct update_entity {
    uint64_t revision;            /* of what stands there; 0 = nothing */
    const struct record *current; /* NULL: never written, taken out, or a tombstone */
    struct record next;           /* preset to a copy of the current one, or zeroed with the kind; texts may point into
                                     what the caller holds, or into `arena` */
    enum store_action action;     /* preset to STORE_CHECK: what shall become of it */
    int64_t not_before_ms;        /* preset to 0: LEDIG_ETOO_EARLY before this time, by the store's clock */
    /* Of a profile that stands: kept in the person's own log of calls, beside the change; or that log is destroyed. */
    const struct update_past_call *past_calls;
    bool forgets_calls;
    /* Likewise, and their log has its own key, made with the first entry. */
    const struct update_activity *activities;
    bool forgets_activities;
    /* Of a call: counts, once, among those that this queue had answered at that time. NULL = it does not. */
    const char *counts_for;
    int64_t counts_at_ms;
    /* Of any: kept in the company's log `audit` under this id, where nothing stands under it yet. */
    const struct record *audit; /* RECORD_AUDIT; NULL = none */
    const char *audit_id;
    /* Of a company: kept in its log `security`, likewise. */
    const struct record *security; /* RECORD_SECURITY; NULL = none */
    const char *security_id;
};

/* Says what shall become of the entities, in the order of the targets. May be called several times; must give the same
 * result for the same records, up to the clock. 0, UPDATE_NOTHING or a LEDIG_E… that ends the update. */
typedef int (*update_apply)(void *arg, struct update_entity *entities, size_t count, struct arena *arena);

/* `version` is that of the commit; where nothing had to be changed, the one that the replica has, or 0. */
typedef void (*update_done)(void *arg, int error, uint64_t version);

/* Never calls back at once. `arg` must live until `done`. At most STORE_COMMIT_ENTITIES_MAX targets. LEDIG_ENO_MEMORY:
 * nothing was begun, and `done` is not called. */
int update_start(struct service *service, const char *company, const struct update_target *targets, size_t count,
                 update_apply apply, update_done done, void *arg);

#endif

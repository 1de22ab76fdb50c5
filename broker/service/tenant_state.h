/* What a loaded company consists of, for the modules of the service that tend it: tenant.c, attendance.c, session.c and
 * fanout.c. Everyone else uses tenant.h. */
#ifndef LEDIG_SERVICE_TENANT_STATE_H
#define LEDIG_SERVICE_TENANT_STATE_H

#include "broker/service/audience.h"
#include "broker/service/erasure.h"
#include "broker/service/session.h"
#include "broker/service/tenant.h"
#include "broker/service/withdrawal.h"

#include <uthash.h>

#define TENANT_OLD_MAX 32 /* tombstones taken out after one read */

/* One person with at least one device here, connected or within its grace; or whose last device has left, until the
 * store knows. */
struct attendee {
    struct tenant *tenant;
    struct session *sessions; /* linked by `next_device`; owned */
    struct attendee *due_next;
    size_t updates; /* commits about the devices that have no answer yet */
    bool due;       /* in the tenant's list of those whose records may have changed */
    bool again;     /* something is missing in the store that the commits under way may not bring */
    bool unsaved;   /* a commit about the devices failed; tried again after the next verify batch */
    UT_hash_handle hh;
    char user[];
};

struct tenant_waiter {
    struct tenant_waiter *next;
    tenant_done done;
    void *arg;
};

struct tenant {
    struct service *service;
    struct company *company;
    UT_hash_handle hh;

    unsigned holds;
    uint64_t idle_since_ms; /* the loop's time; while nobody holds it */

    bool ready;                         /* the replica stands */
    bool watched;                       /* the subscription stands */
    bool reading;                       /* a read of the index is under way */
    bool comparing;                     /* it is a comparison with the whole */
    bool compares_again;                /* the next one will be */
    bool behind;                        /* the head was below the replica at the last reading */
    uint64_t heard;                     /* newest version that the doorbell told of during the read */
    struct tenant_waiter *waiters;      /* for the read that is under way */
    struct tenant_waiter *next_waiters; /* who came after it had begun, and wants what is newer */

    struct store_record old[TENANT_OLD_MAX]; /* tombstones that can go; the names are owned */
    size_t old_count;

    struct erasure *erasures;       /* uthash by entity: people and queues that were removed */
    struct withdrawal *withdrawals; /* that another history may have lost */

    uv_timer_t timer; /* the next entry that is due by the clock */

    struct attendee *attendees; /* uthash by user */
    struct attendee *due;       /* those to look at before the next flush */

    struct audience *audiences;       /* utlist: those that hear of changes */
    struct audience *dirty_audiences; /* utlist: those of them that have not heard of the last ones yet */
    uint64_t flush_place;             /* the list's end when the last flush began, and … */
    uint64_t flush_began_ns;          /* … the time */
    uint64_t moved_ns;                /* when the first change came that no flush has begun for; 0 = none */
    uint64_t flushes_since_ns;        /* the same of the flush that is under way; 0 = none is */
    uint64_t flush_frames;            /* sent in it */
    bool dirty;                       /* in the fan-out's list */
    struct tenant *dirty_before, *dirty_next;

    char id[];
};

/* The replica has changed: a flush follows, and the timer is set anew. */
void tenant_changed(struct tenant *tenant, int64_t now_ms);

/* A verify batch found this head. */
void tenant_verified(struct tenant *tenant, const struct store_head *head, bool leases_changed, int64_t now_ms);

/* The doorbell told of a commit. */
void tenant_heard(struct tenant *tenant, const struct store_news *news);

/* Unloads the company if nobody has held it for the service's idle_ms. */
void tenant_unload_if_idle(struct tenant *tenant);

/* Frees it. Nobody holds it, and the store has no request of it open. */
void tenant_close(struct tenant *tenant);

#endif

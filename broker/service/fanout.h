/* Changes to subscribers: each has a cursor in its company's change list, and is sent what stands behind it.
 *
 * Runs at the end of the loop's turn, for the companies that have moved, and in them for the audiences that follow what
 * has moved. Subscribers of one audience with the same cursor and encoding share one encoded frame. A flush that takes
 * longer than slice_ms lets reads go first and goes on in the next turn, from where the cursors say. Where the loop is
 * busy and changes come faster than flushes, they gather for flush_ms. A subscriber that is choked is left alone until
 * it can take more. */
#ifndef LEDIG_SERVICE_FANOUT_H
#define LEDIG_SERVICE_FANOUT_H

#include "broker/model/company.h"
#include "protocol/message.h"
#include <uv.h>

struct audience;
struct service;
struct session;
struct tenant;

#define FANOUT_FRAMES 32 /* encoded frames kept for those who come next; each at most LEDIG_MESSAGE_BYTES_MAX */

struct fanout_frame {
    const struct audience *audience; /* NULL = free */
    enum encoding encoding;
    uint64_t from, to, last, version; /* cursor before and after; the list's end and the replica's version */
    bool more, empty;
    uint32_t rows;
    struct buffer bytes; /* with headroom */
};

struct fanout_load { /* how much of the loop's time is work, looked at every now and then */
    uint64_t began_ns, idle_ns;
    bool busy;
};

struct fanout {
    struct service *service;
    struct tenant *dirty; /* utlist: companies to be flushed, in turn */
    struct session *owed; /* utlist: subscribers that are owed a frame of their own, in turn */
    bool owed_first;      /* in this turn */
    uv_prepare_t prepare; /* before the loop waits */
    uv_idle_t idle;       /* runs while a flush was cut short, so that the loop does not wait */
    uv_timer_t gathering; /* runs while changes gather, so that the loop does not wait longer */
    struct fanout_load load;
    struct frame frame; /* for putting frames together */
    struct fanout_frame frames[FANOUT_FRAMES];
    struct fanout_frame *latest; /* the frame used last: most are sent to many in a row */
    unsigned next;               /* the frame to be replaced next */
};

int fanout_open(struct fanout *fanout, struct service *service);
void fanout_close(struct fanout *fanout); /* frees the frames; the handles are the service's to close */

/* The company's list has moved, or its attendees are to be looked at: before the loop waits. */
void fanout_mark(struct fanout *fanout, struct tenant *tenant);

/* The session is to be looked at by itself: it has just joined, follows others now, or heard nothing for long. */
void fanout_owe(struct session *session);
void fanout_owe_no_more(struct session *session);

/* The audience goes, or the company: nothing may refer to it any more. */
void fanout_forget(struct fanout *fanout, const struct audience *audience);
void fanout_forget_tenant(struct fanout *fanout, struct tenant *tenant);

/* Whether it would be sent something now, if it takes it. */
bool fanout_is_due(const struct session *session, uint64_t now_ms);

/* Sends one session what stands behind its cursor, as long as it takes it. */
void fanout_catch_up(struct fanout *fanout, struct session *session);

#endif

/* Changes to subscribers: each has a cursor in its company's change list, and is sent what stands behind it.
 *
 * Runs at the end of the loop's turn, for the companies that have changed. Subscribers with the same cursor, filter and
 * encoding share one encoded frame. A flush that takes longer than slice_ms lets reads go first and goes on in the next
 * turn, from where the cursors say. A subscriber that is choked is left alone until it can take more. */
#ifndef LEDIG_SERVICE_FANOUT_H
#define LEDIG_SERVICE_FANOUT_H

#include "broker/model/company.h"
#include "protocol/message.h"
#include <uv.h>

struct service;
struct session;
struct tenant;

#define FANOUT_FRAMES 8 /* encoded frames kept for those who come next; each at most LEDIG_MESSAGE_BYTES_MAX */

struct fanout_frame {
    const struct tenant *tenant; /* NULL = free */
    const struct filter *filter; /* the one that everyone who follows all shares, or somebody's own */
    enum encoding encoding;
    uint64_t from, to, last, version; /* cursor before and after; the list's end and the replica's version */
    bool more, empty;
    struct buffer bytes; /* with headroom */
};

struct fanout {
    struct service *service;
    struct tenant *dirty; /* utlist: companies to be flushed, in turn */
    uv_prepare_t prepare; /* before the loop waits */
    uv_idle_t idle;       /* runs while a flush was cut short, so that the loop does not wait */
    struct frame frame;   /* for putting frames together */
    struct fanout_frame frames[FANOUT_FRAMES];
    struct fanout_frame *latest; /* the frame used last: most are sent to many in a row */
    unsigned next;               /* the frame to be replaced next */
};

int fanout_open(struct fanout *fanout, struct service *service);
void fanout_close(struct fanout *fanout); /* frees the frames; the handles are the service's to close */

/* The company's list has moved, or somebody in it waits for a frame: flush before the loop waits. */
void fanout_mark(struct fanout *fanout, struct tenant *tenant);

/* The company is about to be unloaded, or the filter to be freed: nothing may refer to it any more. */
void fanout_forget(struct fanout *fanout, struct tenant *tenant);
void fanout_forget_filter(struct fanout *fanout, const struct filter *filter);

/* A subscriber joins its tenant's live list, or leaves it. LEDIG_ENO_MEMORY. */
int fanout_join(struct session *session);
void fanout_leave(struct session *session);

/* Whether a flush at this time of the loop would send it something. */
bool fanout_is_due(const struct session *session, uint64_t now_ms);

/* Sends one session what stands behind its cursor, as long as it takes it. */
void fanout_catch_up(struct fanout *fanout, struct session *session);

#endif

#include "broker/service/fanout.h"
#include "broker/service/attendance.h"
#include "broker/service/tenant_state.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define PREFETCH_SESSIONS 4    /* so far ahead, and … */
#define PREFETCH_CONNECTIONS 2 /* … what they point to */
#define CLOCK_EVERY 8          /* sessions between two looks at the clock: some 40 µs of sending */

/* ---- Frames ---- */

static bool fits(const struct fanout_frame *frame, const struct session *session, uint64_t last, uint64_t version) {
    return frame->tenant == session->tenant && frame->from == session->cursor && frame->filter == session->filter &&
           frame->encoding == (enum encoding)session->encoding && frame->last == last && frame->version == version;
}

static bool encode(struct fanout *fanout, struct fanout_frame *frame, const struct session *session) {
    static const uint8_t headroom[CONNECTION_HEADROOM];
    struct company *company = session->tenant->company;
    frame->tenant = NULL;
    frame->filter = session->filter;
    frame->encoding = (enum encoding)session->encoding;
    frame->from = frame->to = session->cursor;
    frame_begin(&fanout->frame, frame->encoding);
    frame->more = company_walk(company, session->filter, &frame->to, &fanout->frame);
    frame->last = company_last_place(company);
    frame->version = company_version(company);
    frame->empty = fanout->frame.length == 0;
    buffer_clear(&frame->bytes);
    buffer_append(&frame->bytes, headroom, sizeof headroom);
    if (frame_end_changes(&fanout->frame, frame->more, company_epoch(company), (int64_t)frame->version,
                          leases_read_at(fanout->service->leases), &frame->bytes) != 0)
        return false;
    frame->tenant = session->tenant;
    return true;
}

/* The next frame for a session: one that was encoded for another, or a new one. NULL when out of memory. */
static struct fanout_frame *frame_for(struct fanout *fanout, const struct session *session) {
    uint64_t last = company_last_place(session->tenant->company), version = company_version(session->tenant->company);
    if (fanout->latest && fits(fanout->latest, session, last, version)) return fanout->latest;
    for (unsigned i = 0; i < FANOUT_FRAMES; i++)
        if (fits(&fanout->frames[i], session, last, version)) return fanout->latest = &fanout->frames[i];
    struct fanout_frame *frame = &fanout->frames[fanout->next];
    fanout->next = (fanout->next + 1) % FANOUT_FRAMES;
    return encode(fanout, frame, session) ? (fanout->latest = frame) : NULL;
}

bool fanout_is_due(const struct session *session, uint64_t now_ms) {
    if (session->wants_frame) return true;
    if (session->cursor == company_last_place(session->tenant->company)) return false;
    return session->state != PRESENCE_BACKGROUND ||
           now_ms - session->framed_at_ms >= session->service->options.background_ms;
}

void fanout_catch_up(struct fanout *fanout, struct session *session) {
    if (!fanout_is_due(session, uv_now(fanout->service->loop))) return;
    bool more = true;
    while (more && session_is_free(session)) {
        struct fanout_frame *frame = frame_for(fanout, session);
        if (!frame) return;
        more = frame->more;
        session->cursor = frame->to;
        if (frame->empty && !session->wants_frame) continue; /* nothing that this one follows */
        session->wants_frame = more;                         /* a series has an end, be it an empty one */
        session->framed_at_ms = uv_now(fanout->service->loop);
        session_send_shared(session, frame->bytes.bytes + CONNECTION_HEADROOM,
                            frame->bytes.length - CONNECTION_HEADROOM);
    }
}

/* ---- Flushes ---- */

void fanout_mark(struct fanout *fanout, struct tenant *tenant) {
    tenant->flush_left = tenant->live_count; /* everyone, from wherever the flush stands */
    if (tenant->dirty) return;
    tenant->dirty = true;
    DL_APPEND2(fanout->dirty, tenant, dirty_before, dirty_next);
}

/* The memory of those who come next is fetched while the kernel sends to those before. */
static void fetch_ahead(const struct tenant *tenant) {
    if (tenant->flush_at + PREFETCH_SESSIONS < tenant->live_count)
        __builtin_prefetch(tenant->live[tenant->flush_at + PREFETCH_SESSIONS]);
    if (tenant->flush_at + PREFETCH_CONNECTIONS < tenant->live_count)
        connection_fetch_ahead(tenant->live[tenant->flush_at + PREFETCH_CONNECTIONS]->connection);
}

/* Returns whether all were looked at before the time was up. */
static bool flush(struct fanout *fanout, struct tenant *tenant, uint64_t until_ns) {
    for (unsigned done = 1; tenant->flush_left > 0 && tenant->live_count > 0; done++) {
        if (tenant->flush_at >= tenant->live_count) tenant->flush_at = 0;
        tenant->flush_left--;
        fetch_ahead(tenant);
        fanout_catch_up(fanout, tenant->live[tenant->flush_at++]);
        if (done % CLOCK_EVERY == 0 && uv_hrtime() >= until_ns) return tenant->flush_left == 0;
    }
    return true;
}

static void go_on_next_turn(uv_idle_t *idle) {
    (void)idle; /* only keeps the loop from waiting */
}

static void on_prepare(uv_prepare_t *prepare) {
    struct fanout *fanout = prepare->data;
    uint64_t until_ns = uv_hrtime() + fanout->service->options.slice_ms * 1000000ull;
    while (fanout->dirty) {
        struct tenant *tenant = fanout->dirty;
        attendance_look(tenant); /* what it marks is this tenant again */
        bool done = flush(fanout, tenant, until_ns);
        DL_DELETE2(fanout->dirty, tenant, dirty_before, dirty_next);
        tenant->dirty = !done;
        if (!done) { /* the other companies have their turn first */
            DL_APPEND2(fanout->dirty, tenant, dirty_before, dirty_next);
            uv_idle_start(&fanout->idle, go_on_next_turn);
            return;
        }
    }
    uv_idle_stop(&fanout->idle);
}

int fanout_open(struct fanout *fanout, struct service *service) {
    fanout->service = service;
    fanout->prepare.data = fanout;
    if (uv_prepare_init(service->loop, &fanout->prepare) != 0 || uv_idle_init(service->loop, &fanout->idle) != 0)
        return LEDIG_EIO;
    return uv_prepare_start(&fanout->prepare, on_prepare) == 0 ? 0 : LEDIG_EIO;
}

void fanout_close(struct fanout *fanout) {
    for (unsigned i = 0; i < FANOUT_FRAMES; i++)
        buffer_free(&fanout->frames[i].bytes);
    frame_free(&fanout->frame);
}

/* ---- Subscribers ---- */

int fanout_join(struct session *session) {
    struct tenant *tenant = session->tenant;
    if (tenant->live_count == tenant->live_capacity) {
        size_t capacity = tenant->live_capacity ? tenant->live_capacity * 2 : 8;
        struct session **live = realloc(tenant->live, capacity * sizeof *live);
        if (!live) return LEDIG_ENO_MEMORY;
        tenant->live = live;
        tenant->live_capacity = capacity;
    }
    session->live_index = (uint32_t)tenant->live_count;
    session->is_live = true;
    tenant->live[tenant->live_count++] = session;
    fanout_mark(&session->service->fanout, tenant);
    return 0;
}

void fanout_leave(struct session *session) {
    struct tenant *tenant = session->tenant;
    if (!session->is_live) return;
    session->is_live = false;
    /* The last one takes the place. Whoever moved to before the flush's position might be passed over: look at all. */
    struct session *last = tenant->live[--tenant->live_count];
    tenant->live[session->live_index] = last;
    last->live_index = session->live_index;
    if (tenant->dirty) tenant->flush_left = tenant->live_count;
}

void fanout_forget(struct fanout *fanout, struct tenant *tenant) {
    if (tenant->dirty) DL_DELETE2(fanout->dirty, tenant, dirty_before, dirty_next);
    for (unsigned i = 0; i < FANOUT_FRAMES; i++)
        if (fanout->frames[i].tenant == tenant) fanout->frames[i].tenant = NULL;
}

void fanout_forget_filter(struct fanout *fanout, const struct filter *filter) {
    for (unsigned i = 0; i < FANOUT_FRAMES; i++)
        if (fanout->frames[i].filter == filter) fanout->frames[i].tenant = NULL;
}

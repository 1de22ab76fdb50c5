#include "broker/service/fanout.h"
#include "broker/service/attendance.h"
#include "broker/service/tenant_state.h"

#include <string.h>
#include <utlist.h>

#define PREFETCH_SESSIONS 4    /* so far ahead, and … */
#define PREFETCH_CONNECTIONS 2 /* … what they point to */
#define CLOCK_EVERY 8          /* sessions between two looks at the clock: some 20 µs of sending */
#define LOAD_LOOK_NS 10000000  /* between two looks at how busy the loop is */
#define GATHER_MOVES 2         /* a single change never waits */

/* ---- Frames ---- */

static bool fits(const struct fanout_frame *frame, const struct session *session, uint64_t last, uint64_t version) {
    return frame->audience == session->audience && frame->from == session->cursor &&
           frame->encoding == (enum encoding)session->encoding && frame->last == last && frame->version == version;
}

static uint32_t count_rows(const struct frame *frame) {
    uint32_t rows = 0;
    for (int i = 0; i < FRAME_LIST_COUNT; i++)
        rows += (uint32_t)frame->lists[i].count;
    return rows;
}

static bool encode(struct fanout *fanout, struct fanout_frame *frame, const struct session *session) {
    static const uint8_t headroom[CONNECTION_HEADROOM];
    const struct audience *audience = session->audience;
    struct company *company = audience->tenant->company;
    frame->audience = NULL;
    frame->encoding = (enum encoding)session->encoding;
    frame->from = frame->to = session->cursor;
    frame_begin(&fanout->frame, frame->encoding);
    frame->more = company_walk(company, audience->filter, &frame->to, &fanout->frame);
    frame->last = company_last_place(company);
    frame->version = company_version(company);
    frame->rows = count_rows(&fanout->frame);
    frame->empty = frame->rows == 0;
    buffer_clear(&frame->bytes);
    buffer_append(&frame->bytes, headroom, sizeof headroom);
    if (frame_end_changes(&fanout->frame, frame->more, company_epoch(company), (int64_t)frame->version,
                          leases_read_at(fanout->service->leases), &frame->bytes) != 0)
        return false;
    frame->audience = audience;
    fanout->service->metrics->frames_encoded++;
    return true;
}

/* The next frame for a session: one that was encoded for another, or a new one. NULL when out of memory. */
static struct fanout_frame *frame_for(struct fanout *fanout, const struct session *session) {
    const struct company *company = session->audience->tenant->company;
    uint64_t last = company_last_place(company), version = company_version(company);
    if (fanout->latest && fits(fanout->latest, session, last, version)) return fanout->latest;
    for (unsigned i = 0; i < FANOUT_FRAMES; i++)
        if (fits(&fanout->frames[i], session, last, version)) return fanout->latest = &fanout->frames[i];
    struct fanout_frame *frame = &fanout->frames[fanout->next];
    fanout->next = (fanout->next + 1) % FANOUT_FRAMES;
    return encode(fanout, frame, session) ? (fanout->latest = frame) : NULL;
}

/* An app in the background lags on purpose, but for its favourites. */
static bool may_lag(const struct session *session, uint64_t now_ms) {
    if (session->state != PRESENCE_BACKGROUND) return false;
    if (session->favourites && filter_last_place(session->favourites) > session->cursor) return false;
    return session_ms_since(session->framed_at_ms, now_ms) < session->service->options.background_ms;
}

bool fanout_is_due(const struct session *session, uint64_t now_ms) {
    if (session->wants_frame) return true;
    return session->cursor < filter_last_place(session->audience->filter) && !may_lag(session, now_ms);
}

static void count_sent(struct metrics *metrics, struct tenant *tenant, const struct fanout_frame *frame) {
    metrics->frames++;
    metrics->frame_bytes += frame->bytes.length - CONNECTION_HEADROOM;
    metrics->deliveries += frame->rows;
    tenant->flush_frames++;
}

void fanout_catch_up(struct fanout *fanout, struct session *session) {
    const uint64_t now_ms = uv_now(fanout->service->loop);
    if (!fanout_is_due(session, now_ms)) return;
    bool more = true;
    while (more && session_is_free(session)) {
        struct fanout_frame *frame = frame_for(fanout, session);
        if (!frame) return;
        more = frame->more;
        session->cursor = frame->to;
        if (frame->empty && !session->wants_frame) continue; /* nothing that this one follows */
        session->wants_frame = more;                         /* a series has an end, be it an empty one */
        session->framed_at_ms = (uint32_t)now_ms;
        count_sent(session->service->metrics, session->audience->tenant, frame);
        session_send_shared(session, frame->bytes.bytes + CONNECTION_HEADROOM,
                            frame->bytes.length - CONNECTION_HEADROOM);
    }
}

/* ---- One flush ---- */

/* The memory of those who come next is fetched while the kernel sends to those before. */
static void fetch_ahead(const struct audience *audience) {
    if (audience->flush_at + PREFETCH_SESSIONS < audience->count)
        __builtin_prefetch(audience->live[audience->flush_at + PREFETCH_SESSIONS]);
    if (audience->flush_at + PREFETCH_CONNECTIONS < audience->count)
        connection_fetch_ahead(audience->live[audience->flush_at + PREFETCH_CONNECTIONS]->connection);
}

/* Returns whether all were looked at before the time was up. */
static bool flush_audience(struct fanout *fanout, struct audience *audience, uint64_t until_ns) {
    for (unsigned done = 1; audience->flush_left > 0 && audience->count > 0; done++) {
        if (audience->flush_at >= audience->count) audience->flush_at = 0;
        audience->flush_left--;
        fetch_ahead(audience);
        fanout_catch_up(fanout, audience->live[audience->flush_at++]);
        if (done % CLOCK_EVERY == 0 && uv_hrtime() >= until_ns) return audience->flush_left == 0;
    }
    return true;
}

/* Changes that come faster than flushes may wait a little for each other, where the loop has enough to do. */
static uint64_t gathers_until_ns(const struct fanout *fanout, const struct tenant *tenant) {
    uint64_t moves = company_last_place(tenant->company) - tenant->flush_place;
    if (!fanout->load.busy || moves < GATHER_MOVES || tenant->due) return 0;
    return tenant->flush_began_ns + fanout->service->options.flush_ms * 1000000ull;
}

static void on_moved(void *owner) {
    audience_mark(owner);
}

static void begin(struct tenant *tenant, uint64_t now_ns) {
    attendance_look(tenant); /* what it marks is this tenant again */
    company_tell(tenant->company, on_moved);
    uint64_t last = company_last_place(tenant->company);
    if (last > tenant->flush_place && !tenant->flushes_since_ns) { /* else the flush under way takes them with it */
        tenant->flushes_since_ns = tenant->moved_ns ? tenant->moved_ns : now_ns; /* 0: in a read that is under way */
        tenant->flush_frames = 0;
    }
    tenant->service->metrics->changes += last - tenant->flush_place;
    tenant->moved_ns = 0;
    tenant->flush_place = last;
    tenant->flush_began_ns = now_ns;
}

/* All who follow what had moved when the flush began were told. */
static void count_flush(struct tenant *tenant) {
    if (!tenant->flushes_since_ns) return;
    struct metrics *metrics = tenant->service->metrics;
    metrics->flushes++;
    metrics_observe(&metrics->flush_frames, tenant->flush_frames);
    metrics_observe(&metrics->flush_delay_us, (uv_hrtime() - tenant->flushes_since_ns) / 1000);
    tenant->flushes_since_ns = 0;
}

enum outcome { DONE, GATHERING, CUT_SHORT };

static enum outcome flush_tenant(struct fanout *fanout, struct tenant *tenant, uint64_t now_ns, uint64_t until_ns) {
    bool gathers = gathers_until_ns(fanout, tenant) > now_ns;
    if (!gathers) begin(tenant, now_ns);
    while (tenant->dirty_audiences) { /* of this flush, or still of the one before */
        struct audience *audience = tenant->dirty_audiences;
        if (!flush_audience(fanout, audience, until_ns)) return CUT_SHORT;
        audience_flushed(audience);
        if (uv_hrtime() >= until_ns && tenant->dirty_audiences) return CUT_SHORT;
    }
    count_flush(tenant);
    return gathers ? GATHERING : DONE;
}

/* ---- The end of a turn ---- */

static void look_at_load(struct fanout *fanout, uint64_t now_ns) {
    struct fanout_load *load = &fanout->load;
    if (now_ns - load->began_ns < LOAD_LOOK_NS) return;
    uint64_t idle_ns = uv_metrics_idle_time(fanout->service->loop);
    load->busy = (idle_ns - load->idle_ns) * 2 < now_ns - load->began_ns;
    load->idle_ns = idle_ns;
    load->began_ns = now_ns;
}

static void on_gathered(uv_timer_t *timer) {
    (void)timer; /* only ends the loop's wait */
}

static void wait_for(struct fanout *fanout, const struct tenant *tenant, uint64_t now_ns) {
    uint64_t until_ns = gathers_until_ns(fanout, tenant);
    uint64_t wait_ms = until_ns > now_ns ? (until_ns - now_ns + 999999) / 1000000 : 1;
    if (!uv_is_active((uv_handle_t *)&fanout->gathering)) uv_timer_start(&fanout->gathering, on_gathered, wait_ms, 0);
}

/* Each company in turn, once. Returns whether the time was enough. */
static bool flush_tenants(struct fanout *fanout, uint64_t now_ns, uint64_t until_ns) {
    const struct tenant *last = fanout->dirty ? fanout->dirty->dirty_before : NULL;
    while (fanout->dirty) {
        struct tenant *tenant = fanout->dirty;
        enum outcome outcome = flush_tenant(fanout, tenant, now_ns, until_ns);
        DL_DELETE2(fanout->dirty, tenant, dirty_before, dirty_next);
        tenant->dirty = outcome != DONE;
        if (tenant->dirty) DL_APPEND2(fanout->dirty, tenant, dirty_before, dirty_next);
        if (outcome == GATHERING) wait_for(fanout, tenant, now_ns);
        if (outcome == CUT_SHORT) return false; /* the other companies have their turn first */
        if (tenant == last) break;
    }
    return true;
}

static bool serve_owed(struct fanout *fanout, uint64_t until_ns) {
    for (unsigned done = 1; fanout->owed; done++) {
        struct session *session = fanout->owed;
        fanout_owe_no_more(session);
        fanout_catch_up(fanout, session);
        if (done % CLOCK_EVERY == 0 && uv_hrtime() >= until_ns) return fanout->owed == NULL;
    }
    return true;
}

static void go_on_next_turn(uv_idle_t *idle) {
    (void)idle; /* only keeps the loop from waiting */
}

/* Those who are owed a frame of their own (all of them, after a storm) and those who hear of changes have the slice in
 * turn, so that neither waits for all of the others. */
static void on_prepare(uv_prepare_t *prepare) {
    struct fanout *fanout = prepare->data;
    uint64_t now_ns = uv_hrtime(), until_ns = now_ns + fanout->service->options.slice_ms * 1000000ull;
    look_at_load(fanout, now_ns);
    if (!fanout->dirty && !fanout->owed) {
        uv_idle_stop(&fanout->idle);
        return;
    }
    bool done = fanout->owed_first ? serve_owed(fanout, until_ns) && flush_tenants(fanout, now_ns, until_ns)
                                   : flush_tenants(fanout, now_ns, until_ns) && serve_owed(fanout, until_ns);
    fanout->owed_first = !fanout->owed_first;
    if (done)
        uv_idle_stop(&fanout->idle);
    else
        uv_idle_start(&fanout->idle, go_on_next_turn);
}

int fanout_open(struct fanout *fanout, struct service *service) {
    fanout->service = service;
    fanout->prepare.data = fanout;
    uv_loop_configure(service->loop, UV_METRICS_IDLE_TIME); /* without it the loop counts as busy */
    if (uv_prepare_init(service->loop, &fanout->prepare) != 0 || uv_idle_init(service->loop, &fanout->idle) != 0 ||
        uv_timer_init(service->loop, &fanout->gathering) != 0)
        return LEDIG_EIO;
    return uv_prepare_start(&fanout->prepare, on_prepare) == 0 ? 0 : LEDIG_EIO;
}

void fanout_close(struct fanout *fanout) {
    for (unsigned i = 0; i < FANOUT_FRAMES; i++)
        buffer_free(&fanout->frames[i].bytes);
    frame_free(&fanout->frame);
}

/* ---- Who waits ---- */

void fanout_mark(struct fanout *fanout, struct tenant *tenant) {
    if (tenant->dirty) return;
    tenant->dirty = true;
    DL_APPEND2(fanout->dirty, tenant, dirty_before, dirty_next);
}

void fanout_owe(struct session *session) {
    if (session->is_owed || !session->is_live) return;
    session->is_owed = true;
    DL_APPEND2(session->service->fanout.owed, session, before, after);
}

void fanout_owe_no_more(struct session *session) {
    if (!session->is_owed) return;
    session->is_owed = false;
    DL_DELETE2(session->service->fanout.owed, session, before, after);
}

void fanout_forget(struct fanout *fanout, const struct audience *audience) {
    for (unsigned i = 0; i < FANOUT_FRAMES; i++)
        if (fanout->frames[i].audience == audience) fanout->frames[i].audience = NULL;
}

void fanout_forget_tenant(struct fanout *fanout, struct tenant *tenant) {
    if (tenant->dirty) DL_DELETE2(fanout->dirty, tenant, dirty_before, dirty_next);
    tenant->dirty = false;
}

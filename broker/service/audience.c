#include "broker/service/audience.h"
#include "broker/service/tenant_state.h"

#include <stdlib.h>
#include <utlist.h>

static struct audience *audience_create(struct tenant *tenant, struct filter *filter) {
    struct audience *audience = calloc(1, sizeof *audience);
    if (!audience) return NULL;
    audience->tenant = tenant;
    audience->filter = filter;
    filter_set_owner(filter, audience);
    DL_APPEND2(tenant->audiences, audience, before, next);
    return audience;
}

struct audience *audience_hold(struct tenant *tenant, const struct texts *users, const struct texts *queues,
                               const char *self) {
    struct filter *filter = filter_create(tenant->company, users, queues, self);
    if (!filter) return NULL;
    struct audience *audience = filter_owner(filter);
    if (audience)
        filter_release(filter); /* it holds the filter already */
    else
        audience = audience_create(tenant, filter);
    if (audience)
        audience->holds++;
    else
        filter_release(filter);
    return audience;
}

void audience_release(struct audience *audience) {
    if (!audience || --audience->holds > 0) return;
    audience_flushed(audience);
    fanout_forget(&audience->tenant->service->fanout, audience);
    DL_DELETE2(audience->tenant->audiences, audience, before, next);
    filter_set_owner(audience->filter, NULL);
    filter_release(audience->filter);
    free(audience->live);
    free(audience);
}

int audience_join(struct session *session) {
    struct audience *audience = session->audience;
    if (audience->count == audience->capacity) {
        uint32_t capacity = audience->capacity ? audience->capacity * 2 : 1; /* favourites are mostly one's own */
        struct session **live = realloc(audience->live, capacity * sizeof *live);
        if (!live) return LEDIG_ENO_MEMORY;
        audience->live = live;
        audience->capacity = capacity;
    }
    session->live_index = audience->count;
    session->is_live = true;
    audience->live[audience->count++] = session;
    return 0;
}

void audience_leave(struct session *session) {
    struct audience *audience = session->audience;
    if (!session->is_live) return;
    session->is_live = false;
    /* The last one takes the place. Whoever moved to before the flush's position might be passed over: look at all. */
    struct session *last = audience->live[--audience->count];
    audience->live[session->live_index] = last;
    last->live_index = session->live_index;
    if (audience->dirty) audience->flush_left = audience->count;
}

void audience_mark(struct audience *audience) {
    audience->flush_left = audience->count;
    if (audience->dirty || audience->count == 0) return;
    audience->dirty = true;
    DL_APPEND2(audience->tenant->dirty_audiences, audience, dirty_before, dirty_next);
}

void audience_flushed(struct audience *audience) {
    if (!audience->dirty) return;
    audience->dirty = false;
    DL_DELETE2(audience->tenant->dirty_audiences, audience, dirty_before, dirty_next);
}

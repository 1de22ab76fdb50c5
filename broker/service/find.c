#include "broker/service/find.h"
#include "broker/model/search.h"
#include "broker/service/dial_plan.h"
#include "broker/service/tenant_state.h"

#include <string.h>

struct found {
    enum search_rank rank;
    const struct member *member;
};

struct finding {
    struct search search;
    struct found best[FIND_LIMIT_MAX]; /* in order */
    size_t count, limit, fits;
};

static bool comes_before(const struct found *a, const struct found *b) {
    if (a->rank != b->rank) return a->rank < b->rank;
    const char *x = member_profile(a->member)->name, *y = member_profile(b->member)->name;
    int order = strcmp(x ? x : "", y ? y : "");
    return order != 0 ? order < 0 : strcmp(member_user(a->member), member_user(b->member)) < 0;
}

static bool look(void *arg, const struct member *member) {
    struct finding *finding = arg;
    struct found found = {search_rank(&finding->search, member_profile(member)), member};
    if (found.rank == SEARCH_NONE) return true;
    if (++finding->fits > FIND_FITS_MAX) return false;
    size_t at = finding->count;
    while (at > 0 && comes_before(&found, &finding->best[at - 1]))
        at--;
    if (at == finding->limit) return true;
    if (finding->count < finding->limit) finding->count++;
    memmove(&finding->best[at + 1], &finding->best[at], (finding->count - at - 1) * sizeof found);
    finding->best[at] = found;
    return true;
}

void find_answer(struct session *session, uint32_t id, const struct message_find *find) {
    static const uint8_t headroom[CONNECTION_HEADROOM];
    struct service *service = session->service;
    struct company *company = tenant_company(session->tenant);
    struct finding finding = {.limit = find->limit ? find->limit : FIND_LIMIT_DEFAULT};
    if (finding.limit > FIND_LIMIT_MAX) {
        session_error(session, id, LEDIG_EBAD_REQUEST, "limit", "at most 50", 0);
        return;
    }
    search_begin(&finding.search, find->text, dial_plan_of(company));
    company_search(company, &finding.search, look, &finding);
    struct frame frame = {0};
    frame_begin(&frame, (enum encoding)session->encoding);
    for (size_t i = 0; i < finding.count; i++)
        company_add_member(company, finding.best[i].member, &frame); /* fifty always fit */
    buffer_clear(&service->scratch);
    buffer_append(&service->scratch, headroom, sizeof headroom);
    if (frame_end_answer(&frame, id, false, store_stale_ms(service->store), &service->scratch) == 0)
        session_send_frame(session, &service->scratch);
    frame_free(&frame);
}

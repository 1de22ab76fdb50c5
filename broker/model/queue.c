/* A queue's row is made of its members' views and of the calls that wait in it. A change of one of them adjusts the
 * figures of the queues concerned; at the end of each step those that look different move. */
#include "broker/model/company_state.h"

#include <stdlib.h>

struct queue *queue_find(const struct company *company, const char *id) {
    struct queue *queue;
    HASH_FIND_STR(company->queues, id, queue);
    return queue;
}

struct queue *queue_for(struct company *company, const char *id) {
    struct queue *queue = queue_find(company, id);
    if (queue != NULL) return queue;
    size_t length = strlen(id);
    queue = calloc(1, sizeof *queue + length + 1);
    if (queue == NULL) return NULL;
    memcpy(queue->id, id, length + 1);
    if (company_reserve(company, 1, 0) != 0) {
        free(queue);
        return NULL;
    }
    HASH_ADD_KEYPTR(hh, company->queues, queue->id, length, queue);
    if (queue->hh.tbl == NULL) {
        company_reserve_less(company, 1, 0);
        free(queue);
        return NULL;
    }
    queue->entry = (struct entry){.kind = ENTRY_QUEUE};
    topic_meets_queue(company, queue);
    return queue;
}

void queue_free(struct company *company, struct queue *queue) {
    if (queue->record != NULL) numbers_give(company, &queue->record->numbers, NULL, queue);
    entry_unlist(company, &queue->entry);
    topic_loses(queue->entry.topic);
    HASH_DEL(company->queues, queue);
    company_reserve_less(company, 1, 0);
    free(queue->record);
    free(queue);
}

/* ---- Figures ---- */

void queue_touch(struct company *company, struct queue *queue) {
    if (queue->is_touched) return;
    queue->is_touched = true;
    queue->next_touched = company->touched;
    company->touched = queue;
}

static struct queue_figures count(const struct queue *queue) {
    struct queue_figures figures = {0};
    if (queue->record == NULL) return figures;
    memcpy(figures.seats, queue->seats, sizeof figures.seats);
    for (const struct call *call = queue->calls; call != NULL; call = call->next) {
        if (!call->waiting) continue;
        figures.waiting++;
        int64_t arrived_at = call->record->arrived_at;
        if (figures.waiting == 1 || arrived_at < figures.oldest_at) figures.oldest_at = arrived_at;
    }
    return figures;
}

static bool same_figures(const struct queue_figures *a, const struct queue_figures *b) {
    return memcmp(a->seats, b->seats, sizeof a->seats) == 0 && a->waiting == b->waiting && a->oldest_at == b->oldest_at;
}

void queues_settle(struct company *company) {
    while (company->touched != NULL) {
        struct queue *queue = company->touched;
        company->touched = queue->next_touched;
        queue->is_touched = false;
        struct queue_figures figures = count(queue);
        if (same_figures(&figures, &queue->shown)) continue;
        queue->shown = figures;
        if (queue->entry.listed.place != 0) entry_move(company, &queue->entry, company->version, 0);
    }
}

/* ---- The record ---- */

/* A queue that is gone stays in the list with nothing but zeros, so that a cursor that lags hears of it. */
int queue_set_record(struct company *company, struct queue *queue, struct queue_record *record, uint64_t revision,
                     bool contiguous) {
    struct queue_record *before = queue->record;
    if (before != NULL) numbers_give(company, &before->numbers, NULL, queue);
    queue->record = record;
    int error = record != NULL ? numbers_take(company, &record->numbers, NULL, queue) : 0;
    bool row_stays = before != NULL && record != NULL && contiguous;
    bool unknown = record == NULL && queue->entry.listed.place == 0;
    queue->shown = count(queue);
    if (!row_stays && !unknown) entry_move(company, &queue->entry, revision, 0);
    free(before);
    return error;
}

/* ---- Who is logged in ---- */

int duties_make(struct company *company, struct member *member, const struct state_record *state,
                struct duty **duties) {
    const uint32_t count = state != NULL ? state->log_ins.count : 0;
    const struct log_in *log_ins = count > 0 ? state->log_ins.at : NULL;
    *duties = count > 0 ? calloc(count, sizeof **duties) : NULL;
    if (count > 0 && *duties == NULL) return LEDIG_ENO_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        struct queue *queue = queue_for(company, log_ins[i].queue);
        if (queue == NULL) {
            free(*duties);
            return LEDIG_ENO_MEMORY;
        }
        (*duties)[i] = (struct duty){.member = member, .queue = queue};
    }
    return 0;
}

void duties_replace(struct member *member, struct duty *duties, const struct state_record *state) {
    const struct state_record *before = member->state;
    for (uint32_t i = 0; before != NULL && i < before->log_ins.count; i++)
        DL_DELETE2(member->duties[i].queue->duties, &member->duties[i], previous, next);
    free(member->duties);
    member->duties = duties;
    for (uint32_t i = 0; state != NULL && i < state->log_ins.count; i++)
        DL_APPEND2(duties[i].queue->duties, &duties[i], previous, next);
}

static enum seat seat_of(const struct view *view, const struct log_in *log_in) {
    if (log_in->pause != NULL) return SEAT_BUSY;
    if (view->availability == AVAILABILITY_AVAILABLE) return SEAT_FREE;
    return view->activity != NULL && strcmp(view->activity, "wrap_up") == 0 ? SEAT_WRAP_UP : SEAT_BUSY;
}

/* Who may be called for a queue is the employer's business: a log-in counts as long as the queue is assigned. */
void queues_count(struct company *company, const struct member *member, bool in) {
    if (member->profile == NULL || member->state == NULL) return;
    const struct log_in *log_ins = member->state->log_ins.at;
    for (uint32_t i = 0; i < member->state->log_ins.count; i++) {
        if (!profile_has_queue(member->profile, log_ins[i].queue)) continue;
        struct queue *queue = member->duties[i].queue;
        uint32_t *seats = &queue->seats[seat_of(&member->view, &log_ins[i])];
        *seats = in ? *seats + 1 : *seats - 1;
        queue_touch(company, queue);
    }
}

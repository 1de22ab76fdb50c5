/* A call, as far as a queue's row needs it: whether it waits, and since when. It waits while its request is held and
 * the worker that holds it lives, and a little longer, so that the next request finds its place. */
#include "broker/model/company_state.h"

#include <stdlib.h>

struct call *call_create(struct company *company, struct entity *entity) {
    struct call *call = calloc(1, sizeof *call);
    if (call == NULL || company_reserve(company, 0, 1) != 0) {
        free(call);
        return NULL;
    }
    call->entity = entity;
    call->due.kind = DUE_CALL;
    entity->call = call;
    DL_APPEND2(company->calls, call, before, after);
    return call;
}

static void leave_queue(struct company *company, struct call *call) {
    struct queue *queue = call->queue;
    if (queue == NULL) return;
    if (call->previous != NULL)
        call->previous->next = call->next;
    else
        queue->calls = call->next;
    if (call->next != NULL) call->next->previous = call->previous;
    call->queue = NULL;
    call->previous = call->next = NULL;
    call->waiting = false;
    queue_touch(company, queue);
}

static void enter_queue(struct call *call, struct queue *queue) {
    call->queue = queue;
    call->previous = NULL;
    call->next = queue->calls;
    if (call->next != NULL) call->next->previous = call;
    queue->calls = call;
}

/* Leaves its entity alone. */
void call_free(struct company *company, struct call *call) {
    leave_queue(company, call);
    DL_DELETE2(company->calls, call, before, after);
    agenda_set(&company->agenda, &call->due, NEVER);
    company_reserve_less(company, 0, 1);
    free(call->record);
    free(call);
}

static bool has_nobody_but_its_caller(const struct call_record *record) {
    const struct leg *legs = record->legs.at;
    for (uint32_t i = 0; i < record->legs.count; i++)
        if (!legs[i].caller) return false;
    return true;
}

static bool may_wait(const struct call_record *record) {
    return record != NULL && record->queue != NULL && record->answered_at == 0 && record->ended_at == 0 &&
           has_nobody_but_its_caller(record);
}

static int64_t wait_end(const struct company *company, const struct call_record *record) {
    int64_t end = record->poll_until;
    int64_t worker_ended = leases_ended_at(company->leases, record->incarnation);
    if (worker_ended != 0 && worker_ended < end) end = worker_ended;
    return end > NEVER - CALL_WAIT_GRACE_MS ? NEVER : end + CALL_WAIT_GRACE_MS;
}

void call_look(struct company *company, struct call *call, int64_t now_ms) {
    if (call->queue == NULL) return;
    int64_t end = wait_end(company, call->record);
    bool waiting = now_ms < end;
    if (waiting != call->waiting) queue_touch(company, call->queue);
    call->waiting = waiting;
    agenda_set(&company->agenda, &call->due, waiting ? end : NEVER);
}

int call_set_record(struct company *company, struct call *call, struct call_record *record, int64_t now_ms) {
    struct queue *queue = may_wait(record) ? queue_for(company, record->queue) : NULL;
    leave_queue(company, call);
    free(call->record);
    call->record = record;
    bool over = record == NULL || record->ended_at != 0;
    agenda_set(&company->agenda, &call->due, over ? now_ms + CALL_ENDED_KEEP_MS : NEVER);
    if (!may_wait(record)) return 0;
    if (queue == NULL) return LEDIG_ENO_MEMORY;
    enter_queue(call, queue);
    queue_touch(company, queue);
    call_look(company, call, now_ms);
    return 0;
}

/* It waits no longer, or it ended so long ago that nobody asks for it. */
void call_due(struct company *company, struct call *call, int64_t now_ms) {
    if (call->queue != NULL) {
        call_look(company, call, now_ms);
        return;
    }
    struct entity *entity = call->entity;
    call_free(company, call);
    entity_free(company, entity);
}

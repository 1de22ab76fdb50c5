#include "broker/service/ask.h"
#include "broker/service/dial_plan.h"
#include "broker/service/e164.h"
#include "broker/service/tenant_state.h"

#include <string.h>

struct answer {
    struct session *session;
    struct company *company;
    struct frame frame;
    uint32_t id;
};

static void send_part(struct answer *answer, bool more) {
    static const uint8_t headroom[CONNECTION_HEADROOM];
    struct service *service = answer->session->service;
    int64_t stale_ms = store_stale_ms(service->store);
    buffer_clear(&service->scratch);
    buffer_append(&service->scratch, headroom, sizeof headroom);
    if (frame_end_answer(&answer->frame, answer->id, more, stale_ms, &service->scratch) == 0)
        session_send_frame(answer->session, &service->scratch);
    frame_begin(&answer->frame, (enum encoding)answer->session->encoding);
}

static void add_member(struct answer *answer, const struct member *member) {
    if (company_add_member(answer->company, member, &answer->frame)) return;
    send_part(answer, true);
    company_add_member(answer->company, member, &answer->frame);
}

/* A number that nobody has is left out, whatever it looks like. */
static void add_number(struct answer *answer, const char *text) {
    char number[E164_BYTES];
    if (e164_parse_in(dial_plan_of(answer->company), text, strlen(text), number) != 0) return;
    const struct member *member = company_member_by_number(answer->company, number);
    if (member) add_member(answer, member);
}

static void add_queue(struct answer *answer, const char *queue) {
    if (company_add_queue(answer->company, queue, &answer->frame)) return;
    send_part(answer, true);
    company_add_queue(answer->company, queue, &answer->frame);
}

/* Everything is looked at before anything is sent: a question with a mistake in it gets one answer, the error. */
static const char *find_fault(const struct company *company, const struct message_ask *ask, const char **why) {
    for (uint32_t i = 0; i < ask->users.count; i++)
        if (!company_member(company, ask->users.at[i])) {
            *why = "no such colleague";
            return "users";
        }
    for (uint32_t i = 0; i < ask->queues.count; i++)
        if (!company_has_queue(company, ask->queues.at[i])) {
            *why = "no such queue";
            return "queues";
        }
    return NULL;
}

void ask_answer(struct session *session, uint32_t id, const struct message_ask *ask) {
    struct answer answer = {.session = session, .company = tenant_company(session->tenant), .id = id};
    const char *why = NULL;
    if (ask->users.count + ask->numbers.count + ask->queues.count > LEDIG_ASK_COUNT_MAX) {
        session_error(session, id, LEDIG_ETOO_LARGE, "users", "users, numbers and queues together are too many", 0);
        return;
    }
    const char *field = find_fault(answer.company, ask, &why);
    if (field) {
        session_error(session, id, LEDIG_ENOT_FOUND, field, why, 0);
        return;
    }
    frame_begin(&answer.frame, (enum encoding)session->encoding);
    for (uint32_t i = 0; i < ask->users.count; i++)
        add_member(&answer, company_member(answer.company, ask->users.at[i]));
    for (uint32_t i = 0; i < ask->numbers.count; i++)
        add_number(&answer, ask->numbers.at[i]);
    for (uint32_t i = 0; i < ask->queues.count; i++)
        add_queue(&answer, ask->queues.at[i]);
    send_part(&answer, false);
    frame_free(&answer.frame);
}

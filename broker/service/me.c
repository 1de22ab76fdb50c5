#include "broker/service/me.h"
#include "broker/service/tenant_state.h"

#include <string.h>

static uint64_t hash_of(const uint8_t *bytes, size_t length) { /* FNV-1a: compares a device with itself, no more */
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ bytes[i]) * 1099511628211u;
    return hash;
}

static const struct log_in *find_log_in(const struct state_record *state, const char *queue) {
    const struct log_in *log_ins = state ? state->log_ins.at : NULL;
    for (uint32_t i = 0; log_ins && i < state->log_ins.count; i++)
        if (strcmp(log_ins[i].queue, queue) == 0) return &log_ins[i];
    return NULL;
}

static uint32_t list_queues(const struct profile_record *profile, const struct state_record *state,
                            struct part_own_queue rows[static LEDIG_QUEUES_COUNT_MAX]) {
    uint32_t count = 0;
    for (; count < profile->queues.count && count < LEDIG_QUEUES_COUNT_MAX; count++) {
        const struct log_in *log_in = find_log_in(state, profile->queues.at[count]);
        rows[count] = (struct part_own_queue){
            .queue = profile->queues.at[count], .member = log_in != NULL, .pause = log_in ? log_in->pause : NULL};
    }
    return count;
}

static uint32_t list_consents(const struct profile_record *profile, struct part_own_consent rows[static CONSENTS_MAX]) {
    const struct consent *consents = profile->consents.at;
    uint32_t count = 0;
    for (; count < profile->consents.count && count < CONSENTS_MAX; count++)
        rows[count] = (struct part_own_consent){.purpose = consents[count].purpose,
                                                .granted = consents[count].granted,
                                                .text = consents[count].text,
                                                .at = consents[count].at,
                                                .language = consents[count].language};
    return count;
}

/* Those that were given to another text than the company's current one, or never answered. What was given stands until
 * the person answers: a new text takes nothing away from them, and gives nobody anything. */
static uint32_t list_asks(const struct company_record *settings, const struct profile_record *profile,
                          const char *asks[static CONSENTS_MAX]) {
    const struct consent_text *texts = settings ? settings->consent_texts.at : NULL;
    const struct consent *consents = profile->consents.at;
    uint32_t count = 0;
    for (uint32_t i = 0; texts && i < settings->consent_texts.count; i++) {
        const struct consent *answer = NULL;
        for (uint32_t j = 0; j < profile->consents.count && !answer; j++)
            if (strcmp(consents[j].purpose, texts[i].purpose) == 0) answer = &consents[j];
        if (!answer || (answer->granted && !shape_same_text(answer->text, texts[i].version)))
            asks[count++] = texts[i].purpose;
    }
    return count;
}

void me_send(struct session *session) {
    static const uint8_t headroom[CONNECTION_HEADROOM];
    const struct member *member = company_member(tenant_company(session->tenant), session->attendee->user);
    if (!member) return;
    session->wants_me = !session_is_free(session);
    if (session->wants_me) return;
    const struct profile_record *profile = member_profile(member);
    const struct state_record *state = member_state(member);
    struct part_own_queue queues[LEDIG_QUEUES_COUNT_MAX];
    struct part_own_consent consents[CONSENTS_MAX];
    const char *asks[CONSENTS_MAX];
    struct message message = {.type = MESSAGE_me};
    uint32_t ask_count = list_asks(company_settings(tenant_company(session->tenant)), profile, asks);
    message.me.asks = (struct texts){.at = asks, .count = ask_count, .present = ask_count > 0};
    message.me.queues = (struct list){queues, list_queues(profile, state, queues), true};
    message.me.consents = (struct list){consents, list_consents(profile, consents), true};
    if (state) {
        message.me.status = state->status;
        message.me.activity = state->activity;
        message.me.note = state->note;
        message.me.until = state->until;
        message.me.forward = state->forward;
        message.me.open = state->open;
    }
    struct buffer *scratch = &session->service->scratch;
    buffer_clear(scratch);
    buffer_append(scratch, headroom, sizeof headroom);
    if (message_encode((enum encoding)session->encoding, &message, scratch) != 0) return;
    uint64_t hash = hash_of(scratch->bytes + sizeof headroom, scratch->length - sizeof headroom);
    if (hash == session->me_hash) return;
    session->me_hash = hash;
    session_send_frame(session, scratch);
}

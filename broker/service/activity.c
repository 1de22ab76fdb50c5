#include "broker/service/activity.h"
#include "broker/privacy/vault.h"
#include "broker/service/request.h"
#include "broker/service/tenant_state.h"

#include <string.h>

#define ROWS_A_PART 48 /* a row with the longest texts, all escaped, takes 1.2 KB of JSON: these are below 64 KiB */

/* ---- Writing ---- */

int activity_note(struct update_entity *profile, const struct activity_record *activity, const char *once,
                  struct arena *arena) {
    if (!profile->current) return 0; /* nobody to tell */
    struct update_activity *note = arena_take(arena, sizeof *note);
    if (!note) return LEDIG_ENO_MEMORY;
    *note = (struct update_activity){
        .next = profile->activities, .once = once, .record = {.kind = RECORD_ACTIVITY, .activity = *activity}};
    profile->activities = note;
    return 0;
}

/* ---- Reading ---- */

int activity_open(const struct service *service, const char *company, const struct profile_record *profile,
                  const struct store_entry *entry, struct arena *arena, struct record *record) {
    char log[CALL_LOG_BYTES_MAX];
    struct buffer plain = {0};
    activity_log_name(service->names, profile->id, log);
    int error = vault_unseal_entry(profile->activity_key, company, log, entry->id, entry->bytes, entry->length, &plain);
    if (!error) error = record_decode(plain.bytes, plain.length, arena, record);
    if (!error && record->kind != RECORD_ACTIVITY) error = LEDIG_EDAMAGED;
    buffer_free(&plain);
    return error;
}

static int send_page(struct request *request, const struct store_entry *entries, size_t count, bool more) {
    struct part_activity_row *rows = arena_take(request->arena, (count + 1) * sizeof *rows);
    struct record *record = arena_take(request->arena, sizeof *record);
    if (!rows || !record) return LEDIG_ENO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        int error = activity_open(request->service, request->company, request->history.profile, &entries[i],
                                  request->arena, record);
        if (error) return error;
        const struct activity_record *entry = &record->activity;
        rows[i] = (struct part_activity_row){.what = entry->what,
                                             .at = entry->at,
                                             .actor = entry->actor,
                                             .device = entry->device,
                                             .detail = entry->detail,
                                             .times = (uint32_t)entry->times};
    }
    size_t sent = 0;
    do {
        size_t left = count - sent, part = left < ROWS_A_PART ? left : ROWS_A_PART;
        struct message message = {
            .type = MESSAGE_answer,
            .answer = {.id = request->id, .activity = {rows + sent, (uint32_t)part, true}, .more = part < left}};
        if (more && part == left) message.answer.before = rows[count - 1].at;
        session_send(request->session, &message);
        sent += part;
    } while (sent < count && request->session->connection);
    return 0;
}

static void on_page(void *arg, int error, const struct store_entry *entries, size_t count, bool more) {
    struct request *request = arg;
    if (!error && request->session) error = send_page(request, entries, count, more && count > 0);
    if (error)
        request_finish(request, error, 0);
    else
        request_close(request);
}

static int take_records(struct request *request, const struct store_record *records) {
    struct record *company = arena_take(request->arena, 2 * sizeof *company), *profile = company + 1;
    if (!company) return LEDIG_ENO_MEMORY;
    if (!records[0].bytes || !records[1].bytes) return LEDIG_ENOT_FOUND; /* has left meanwhile */
    int error = record_decode(records[0].bytes, records[0].length, request->arena, company);
    if (!error) error = record_decode(records[1].bytes, records[1].length, request->arena, profile);
    if (error) return error;
    request->history.from_ms =
        retention_begins_at(RETENTION_activity, &company->company, service_now_ms(request->service));
    request->history.profile = &profile->profile;
    return 0;
}

static void on_records(void *arg, int error, const struct store_head *head, const struct store_record *records,
                       size_t count) {
    struct request *request = arg;
    char log[CALL_LOG_BYTES_MAX];
    (void)head;
    (void)count;
    if (!error) error = take_records(request, records);
    if (error) {
        request_finish(request, error, 0);
        return;
    }
    activity_log_name(request->service->names, request->user, log);
    store_log_read(request->service->store, request->company, log, request->history.from_ms,
                   request->history.before_ms ? request->history.before_ms : INT64_MAX, request->history.limit, on_page,
                   request);
}

void activity_answer(struct session *session, uint32_t id, const struct message_activity *activity) {
    if (activity->limit > ACTIVITY_LIMIT_MAX) {
        session_error(session, id, LEDIG_EBAD_REQUEST, "limit", "at most 100", 0);
        return;
    }
    struct request *request = request_begin(session, id, session->attendee->user);
    if (!request) return;
    request->history.before_ms = activity->before;
    request->history.limit = activity->limit ? activity->limit : ACTIVITY_LIMIT_DEFAULT;
    char names[2][ENTITY_NAME_BYTES_MAX];
    const char *entities[] = {names[0], names[1]};
    entity_name(request->service->names, RECORD_COMPANY, request->company, names[0]);
    entity_name(request->service->names, RECORD_PROFILE, request->user, names[1]);
    store_read(request->service->store, request->company, entities, 2, on_records, request);
}

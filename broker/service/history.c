#include "broker/service/history.h"
#include "broker/privacy/vault.h"
#include "broker/service/call_history.h"
#include "broker/service/request.h"
#include "broker/service/tenant_state.h"

#include <string.h>

#define USAGE_PAGE 250 /* entries read at once, some 40 KB */
#define ROWS_A_PART 24 /* a row with the longest texts, all escaped, takes 2 KB of JSON: these are below 64 KiB */

struct usage { /* in the arena of the request */
    uint32_t count;
    struct part_usage_row rows[1 + LEDIG_QUEUES_COUNT_MAX]; /* all, then those of each queue, as far as there is room */
};

/* ---- Calls ---- */

/* The key of the person's own logs; NULL: none, since the consent was withdrawn meanwhile. */
static const char *log_key_of(const struct request *request) {
    const struct member *member = company_member(tenant_company(request->session->tenant), request->user);
    return member ? member_profile(member)->log_key : NULL;
}

static int open_entry(const struct request *request, const struct store_entry *entry, struct arena *arena,
                      struct record *record) {
    char log[CALL_LOG_BYTES_MAX];
    struct buffer plain = {0};
    call_log_name(request->service->names, request->user, log);
    int error =
        vault_unseal_entry(log_key_of(request), request->company, log, entry->id, entry->bytes, entry->length, &plain);
    if (!error) error = record_decode(plain.bytes, plain.length, arena, record);
    buffer_free(&plain);
    return error;
}

static int read_page(const struct request *request, const struct store_entry *entries, size_t count,
                     struct arena *arena, struct part_call_row **rows) {
    *rows = arena_take(arena, (count + 1) * sizeof **rows);
    struct record *record = arena_take(arena, sizeof *record);
    if (!*rows || !record) return LEDIG_ENO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        int error = open_entry(request, &entries[i], arena, record);
        if (!error && record->kind != RECORD_PAST_CALL) error = LEDIG_EDAMAGED;
        if (error) return error;
        const struct past_call_record *past = &record->past_call;
        (*rows)[i] = (struct part_call_row){.call = past->call,
                                            .direction = past->direction,
                                            .result = past->result,
                                            .started_at = past->started_at,
                                            .ended_at = past->ended_at,
                                            .answered_at = past->answered_at,
                                            .peer = past->peer,
                                            .queue = past->queue};
    }
    return 0;
}

static void send_calls(const struct request *request, const struct part_call_row *rows, size_t count, bool older) {
    size_t sent = 0;
    do {
        size_t left = count - sent, part = left < ROWS_A_PART ? left : ROWS_A_PART;
        struct message message = {
            .type = MESSAGE_answer,
            .answer = {.id = request->id, .calls = {rows + sent, (uint32_t)part, true}, .more = part < left}};
        if (older && part == left) message.answer.before = rows[count - 1].started_at;
        session_send(request->session, &message);
        sent += part;
    } while (sent < count && request->session->connection);
}

/* ---- Usage ---- */

static struct part_usage_row *find_row(struct usage *usage, const char *queue, struct arena *arena) {
    for (uint32_t i = 1; i < usage->count; i++)
        if (strcmp(usage->rows[i].queue, queue) == 0) return &usage->rows[i];
    const char *copy = arena_text(arena, queue, strlen(queue));
    if (usage->count == sizeof usage->rows / sizeof *usage->rows || !copy) return NULL;
    usage->rows[usage->count] = (struct part_usage_row){.queue = copy};
    return &usage->rows[usage->count++];
}

static void add(struct part_usage_row *sum, const struct part_call_row *row) {
    const char *direction = row->direction ? row->direction : "";
    bool answered = strcmp(row->result, "answered") == 0;
    sum->calls++;
    sum->in += strcmp(direction, "in") == 0;
    sum->out += strcmp(direction, "out") == 0;
    sum->internal += strcmp(direction, "internal") == 0;
    sum->answered += answered;
    sum->missed += strcmp(row->result, "missed") == 0;
    if (answered) sum->talk_ms += row->ended_at - row->answered_at;
}

static void add_page(struct usage *usage, const struct part_call_row *rows, size_t count, struct arena *arena) {
    for (size_t i = 0; i < count; i++) {
        struct part_usage_row *of_queue = rows[i].queue ? find_row(usage, rows[i].queue, arena) : NULL;
        add(&usage->rows[0], &rows[i]);
        if (of_queue) add(of_queue, &rows[i]);
    }
}

static void send_usage(const struct request *request) {
    const struct usage *usage = request->history.usage;
    struct message message = {.type = MESSAGE_answer,
                              .answer = {.id = request->id, .usage = {usage->rows, usage->count, true}}};
    session_send(request->session, &message);
}

/* ---- Reading ---- */

static void read_log(struct request *request);

/* Of a list, the answer; of a sum, so much more of it, and at the end the answer. */
static int take_page(struct request *request, const struct store_entry *entries, size_t count, bool more,
                     struct arena *arena) {
    struct part_call_row *rows;
    int error = arena ? read_page(request, entries, count, arena, &rows) : LEDIG_ENO_MEMORY;
    if (error) return error;
    if (!request->history.usage) {
        send_calls(request, rows, count, more);
        return 0;
    }
    add_page(request->history.usage, rows, count, request->arena);
    if (more) request->history.before_ms = rows[count - 1].started_at;
    if (!more) send_usage(request);
    return 0;
}

static void on_page(void *arg, int error, const struct store_entry *entries, size_t count, bool more) {
    struct request *request = arg;
    if (!request->session) { /* nobody waits any more */
        request_close(request);
        return;
    }
    struct arena *arena = error ? NULL : arena_create();
    if (!error) error = take_page(request, entries, count, more && count > 0, arena);
    arena_free(arena);
    if (error)
        request_finish(request, error, 0);
    else if (request->history.usage && more && count > 0)
        read_log(request);
    else
        request_close(request);
}

static void read_log(struct request *request) {
    char log[CALL_LOG_BYTES_MAX];
    call_log_name(request->service->names, request->user, log);
    store_log_read(request->service->store, request->company, log, request->history.from_ms,
                   request->history.before_ms ? request->history.before_ms : INT64_MAX, request->history.limit, on_page,
                   request);
}

/* The company's settings and the person's profile, as they stand. */
static int take_profile(struct request *request, const struct store_record *records) {
    struct record *company = arena_take(request->arena, 2 * sizeof *company), *profile = company + 1;
    if (!company) return LEDIG_ENO_MEMORY;
    if (!records[0].bytes || !records[1].bytes) return LEDIG_ECONSENT_REQUIRED;
    int error = record_decode(records[0].bytes, records[0].length, request->arena, company);
    if (!error) error = record_decode(records[1].bytes, records[1].length, request->arena, profile);
    if (error) return error;
    if (!profile_consents(&profile->profile, CALL_HISTORY_PURPOSE)) return LEDIG_ECONSENT_REQUIRED;
    int64_t begins_at = retention_begins_at(RETENTION_calls, &company->company, service_now_ms(request->service));
    if (request->history.from_ms < begins_at) request->history.from_ms = begins_at;
    return 0;
}

static void on_profile(void *arg, int error, const struct store_head *head, const struct store_record *records,
                       size_t count) {
    struct request *request = arg;
    (void)head;
    (void)count;
    if (!error) error = take_profile(request, records);
    if (error)
        request_finish(request, error, 0);
    else
        read_log(request);
}

static void begin(struct request *request) {
    char names[2][ENTITY_NAME_BYTES_MAX];
    const char *entities[] = {names[0], names[1]};
    entity_name(request->service->names, RECORD_COMPANY, request->company, names[0]);
    entity_name(request->service->names, RECORD_PROFILE, request->user, names[1]);
    store_read(request->service->store, request->company, entities, 2, on_profile, request);
}

void history_calls(struct session *session, uint32_t id, const struct message_calls *calls) {
    if (calls->limit > HISTORY_LIMIT_MAX) {
        session_error(session, id, LEDIG_EBAD_REQUEST, "limit", "at most 100", 0);
        return;
    }
    struct request *request = request_begin(session, id, session->attendee->user);
    if (!request) return;
    request->history.before_ms = calls->before;
    request->history.limit = calls->limit ? calls->limit : HISTORY_LIMIT_DEFAULT;
    begin(request);
}

void history_usage(struct session *session, uint32_t id, const struct message_usage *usage) {
    if (usage->to && usage->to <= usage->from) {
        session_error(session, id, LEDIG_EBAD_REQUEST, "to", "must be after from", 0);
        return;
    }
    struct request *request = request_begin(session, id, session->attendee->user);
    if (!request) return;
    request->history.from_ms = usage->from;
    request->history.before_ms = usage->to;
    request->history.limit = USAGE_PAGE;
    request->history.usage = arena_take(request->arena, sizeof *request->history.usage);
    if (!request->history.usage) {
        request_finish(request, LEDIG_EUNAVAILABLE, 0);
        return;
    }
    *request->history.usage = (struct usage){.count = 1};
    begin(request);
}

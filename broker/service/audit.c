#include "broker/service/audit.h"
#include "broker/privacy/vault.h"
#include "broker/service/http_problem.h"
#include "broker/service/look.h"
#include "broker/service/subject.h"
#include "broker/service/tenant_state.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define ID_BYTES (2 * LEDIG_ID_CHARS_MAX + LEDIG_WORD_CHARS_MAX * 4 + 64)

/* ---- Writing ---- */

static int keep(struct update_entity *entity, const struct audit_record *audit, const char *id, struct arena *arena) {
    struct record *record = arena_take(arena, sizeof *record);
    entity->audit_id = arena_text(arena, id, strlen(id));
    entity->audit = record;
    if (!record || !entity->audit_id) return LEDIG_ENO_MEMORY;
    record->kind = RECORD_AUDIT;
    record->audit = *audit;
    return 0;
}

int audit_set(const struct request *request, struct update_entity *entity, struct arena *arena) {
    const struct message_set *set = &request->set;
    bool for_another = strcmp(request->actor, request->user) != 0;
    if (!for_another && !request->outside[0]) return 0;
    struct audit_record audit = {.at = service_now_ms(request->service),
                                 .actor = request->actor,
                                 .user = request->user,
                                 .status = set->status,
                                 .forward = request->outside[0] ? request->outside : NULL,
                                 .result = "allowed"};
    char id[ID_BYTES];
    snprintf(id, sizeof id, "set:%lld:%s:%s:%s:%s", (long long)(audit.at / AUDIT_SET_MS), request->actor, request->user,
             set->status, request->outside);
    return keep(entity, &audit, id, arena);
}

struct refusal {
    struct service *service;
    char actor[LEDIG_ID_CHARS_MAX + 1], user[LEDIG_ID_CHARS_MAX + 1];
    char status[LEDIG_WORD_CHARS_MAX + 1];
    char code[NUMBERING_CODE_BYTES];
};

static int apply_refusal(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    const struct refusal *refusal = arg;
    struct audit_record audit = {.at = service_now_ms(refusal->service),
                                 .actor = refusal->actor,
                                 .user = refusal->user,
                                 .status = refusal->status,
                                 .forward = refusal->code,
                                 .result = "refused"};
    char id[ID_BYTES];
    (void)count;
    if (!entities[0].current) return UPDATE_NOTHING; /* no company, no log */
    snprintf(id, sizeof id, "refused:%lld:%s", (long long)(audit.at / AUDIT_REFUSED_MS), refusal->actor);
    return keep(&entities[0], &audit, id, arena);
}

static void on_refusal_kept(void *arg, int error, uint64_t version) {
    (void)error; /* nothing came of the forward in any case */
    (void)version;
    free(arg);
}

void audit_refused(struct session *session, const struct message_set *set, const char *number) {
    struct refusal *refusal = calloc(1, sizeof *refusal);
    struct update_target target = {RECORD_COMPANY, session->tenant->id};
    if (!refusal) return;
    refusal->service = session->service;
    snprintf(refusal->actor, sizeof refusal->actor, "%s", session->attendee->user);
    snprintf(refusal->user, sizeof refusal->user, "%s", set->user ? set->user : session->attendee->user);
    snprintf(refusal->status, sizeof refusal->status, "%s", set->status);
    numbering_code(number, refusal->code);
    if (update_start(session->service, session->tenant->id, &target, 1, apply_refusal, on_refusal_kept, refusal) != 0)
        free(refusal);
}

/* ---- Reading ---- */

struct asking {
    struct service *service;
    struct http_exchange *exchange;
    struct arena *arena;
    const char *log; /* a constant */
    char company[LEDIG_ID_CHARS_MAX + 1], log_key[VAULT_LOG_KEY_CHARS + 1];
};

static bool open_entry(const struct asking *asking, const struct store_entry *entry, struct record *record) {
    struct buffer plain = {0};
    int error = vault_unseal_entry(asking->log_key, asking->company, asking->log, entry->id, entry->bytes,
                                   entry->length, &plain);
    if (!error) error = record_decode(plain.bytes, plain.length, asking->arena, record);
    buffer_free(&plain);
    return !error && record->kind == (strcmp(asking->log, AUDIT_LOG) == 0 ? RECORD_AUDIT : RECORD_SECURITY);
}

static json_t *document_of(const struct asking *asking, const struct store_entry *entry) {
    struct record *record = arena_take(asking->arena, sizeof *record);
    if (!record || !open_entry(asking, entry, record)) return NULL; /* of a later version */
    if (record->kind == RECORD_SECURITY) return subject_security(&record->security);
    const struct audit_record *audit = &record->audit;
    return json_pack("{s:I,s:s,s:s,s:s,s:s*,s:s}", "at", (json_int_t)audit->at, "actor", audit->actor, "user",
                     audit->user, "status", audit->status, "forward", audit->forward, "result", audit->result);
}

static void on_page(void *arg, int error, const struct store_entry *entries, size_t count, bool more) {
    struct asking *asking = arg;
    json_t *list = error ? NULL : json_array();
    for (size_t i = 0; list && i < count; i++)
        json_array_append_new(list, document_of(asking, &entries[i]));
    json_t *document = list ? json_pack("{s:o}", "entries", list) : NULL;
    if (document && more && count > 0)
        json_object_set_new(document, "before", json_integer((json_int_t)entries[count - 1].at_ms));
    if (error)
        http_problem(asking->exchange, error, NULL, NULL);
    else
        http_answer_json(asking->exchange, 200, document);
    arena_free(asking->arena);
    free(asking);
}

static void answer(const struct look *look) {
    struct asking *asking = calloc(1, sizeof *asking);
    if (asking) asking->arena = arena_create();
    if (!asking || !asking->arena) {
        free(asking);
        http_problem(look->exchange, LEDIG_ENO_MEMORY, NULL, NULL);
        return;
    }
    asking->service = look->service;
    asking->exchange = look->exchange;
    asking->log = look->id[0] ? SECURITY_LOG : AUDIT_LOG;
    const struct company_record *settings = company_settings(look_company(look));
    snprintf(asking->company, sizeof asking->company, "%s", settings->id);
    snprintf(asking->log_key, sizeof asking->log_key, "%s", settings->log_key ? settings->log_key : "");
    int64_t before_ms = look->after[0] ? strtoll(look->after, NULL, 10) : INT64_MAX;
    store_log_read(look->service->store, asking->company, asking->log, 0, before_ms, look->limit, on_page, asking);
}

/* Digits, at most so many; false where it is something else. */
static bool take_digits(const struct http_request *request, const char *name, char *text, size_t size) {
    int error = http_query(request, name, text, size);
    if (error == LEDIG_ENOT_FOUND) text[0] = '\0';
    return error == LEDIG_ENOT_FOUND || (!error && text[0] && !text[strspn(text, "0123456789")]);
}

void audit_tell(struct service *service, const char *company, struct http_exchange *exchange,
                const struct http_request *request) {
    audit_tell_log(service, AUDIT_LOG, company, exchange, request);
}

void audit_tell_log(struct service *service, const char *log, const char *company, struct http_exchange *exchange,
                    const struct http_request *request) {
    struct look look = {.service = service, .exchange = exchange, .answer = answer, .limit = AUDIT_PAGE_MAX};
    if (strcmp(log, AUDIT_LOG) != 0) snprintf(look.id, sizeof look.id, "%s", log);
    char limit[8];
    if (!take_digits(request, "before", look.after, 17)) {
        http_problem(exchange, LEDIG_EBAD_REQUEST, "before", "must be a time in milliseconds");
        return;
    }
    bool is_number = take_digits(request, "limit", limit, sizeof limit);
    if (is_number && limit[0]) look.limit = (uint32_t)strtoul(limit, NULL, 10);
    if (!is_number || look.limit < 1 || look.limit > AUDIT_PAGE_MAX)
        http_problem(exchange, LEDIG_EBAD_REQUEST, "limit", "must be from 1 to 500");
    else
        look_start(&look, company);
}

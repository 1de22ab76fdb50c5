#include "broker/service/subject.h"
#include "broker/privacy/vault.h"
#include "broker/service/activity.h"
#include "broker/service/history.h"
#include "broker/service/http_problem.h"
#include "broker/service/tenant_state.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_ROWS STORE_LOG_PAGE_MAX

struct subject;

/* One log after the other. */
struct source {
    const char *part; /* of the document */
    void (*name)(const struct entity_names *names, const char *user, char name[static CALL_LOG_BYTES_MAX]);
    enum record_kind kind;
};

struct subject {
    struct service *service;
    struct http_exchange *exchange;
    struct arena *arena, *page; /* for what stands, and for one page of a log */
    json_t *document, *rows;
    char company[LEDIG_ID_CHARS_MAX + 1], user[LEDIG_ID_CHARS_MAX + 1], actor[LEDIG_ID_CHARS_MAX + 1];
    enum subject_form form;
    const char *language;
    const struct profile_record *profile;
    const struct company_record *settings;
    size_t source;
    int64_t from_ms, before_ms;
};

static void name_audit(const struct entity_names *names, const char *user, char name[static CALL_LOG_BYTES_MAX]) {
    (void)names;
    (void)user;
    snprintf(name, CALL_LOG_BYTES_MAX, "%s", AUDIT_LOG);
}

static void name_security(const struct entity_names *names, const char *user, char name[static CALL_LOG_BYTES_MAX]) {
    (void)names;
    (void)user;
    snprintf(name, CALL_LOG_BYTES_MAX, "%s", SECURITY_LOG);
}

static const struct source sources[] = {
    {"calls", call_log_name, RECORD_PAST_CALL},
    {"activity", activity_log_name, RECORD_ACTIVITY},
    {"audit", name_audit, RECORD_AUDIT},
    {"security", name_security, RECORD_SECURITY},
};
#define SOURCES (sizeof sources / sizeof *sources)

/* ---- Its end ---- */

static void close_subject(struct subject *subject) {
    subject->service->subjects--;
    json_decref(subject->document);
    arena_free(subject->arena);
    arena_free(subject->page);
    free(subject);
}

static void refuse(struct subject *subject, int error) {
    http_problem(subject->exchange, error, error == LEDIG_ENOT_FOUND ? "user" : NULL,
                 error == LEDIG_ENOT_FOUND ? "no such person in this company" : NULL);
    close_subject(subject);
}

static void answer(struct subject *subject) {
    struct buffer page = {0};
    if (subject->form == SUBJECT_JSON) {
        http_answer_json(subject->exchange, 200, json_incref(subject->document));
    } else if (subject_page(subject->document, subject->language, &page)) {
        http_answer(subject->exchange, 200, "text/html; charset=utf-8", page.bytes, page.length);
    } else {
        http_problem(subject->exchange, LEDIG_ENO_MEMORY, NULL, NULL);
    }
    buffer_free(&page);
    close_subject(subject);
}

/* ---- Logs ---- */

static void read_source(struct subject *subject);

static const char *key_of(const struct subject *subject) {
    switch (sources[subject->source].kind) {
    case RECORD_PAST_CALL:
        return subject->profile->log_key;
    case RECORD_ACTIVITY:
        return subject->profile->activity_key;
    default:
        return subject->settings->log_key;
    }
}

/* Of the company's log, what is about the person; NULL where it is not. */
static json_t *row_of(const struct subject *subject, const struct record *record) {
    if (record->kind == RECORD_PAST_CALL) return subject_call(&record->past_call);
    if (record->kind == RECORD_ACTIVITY) return subject_activity(&record->activity);
    if (record->kind == RECORD_SECURITY)
        return shape_same_text(record->security.user, subject->user) ||
                       shape_same_text(record->security.actor, subject->user)
                   ? subject_security(&record->security)
                   : NULL;
    bool concerns = record->kind == RECORD_AUDIT &&
                    (strcmp(record->audit.user, subject->user) == 0 || strcmp(record->audit.actor, subject->user) == 0);
    return concerns ? subject_audit(&record->audit) : NULL;
}

static int take_entry(struct subject *subject, const char *log, const struct store_entry *entry) {
    struct buffer plain = {0};
    struct record *record = arena_take(subject->page, sizeof *record);
    if (!record) return LEDIG_ENO_MEMORY;
    int error =
        vault_unseal_entry(key_of(subject), subject->company, log, entry->id, entry->bytes, entry->length, &plain);
    if (!error) error = record_decode(plain.bytes, plain.length, subject->page, record);
    buffer_free(&plain);
    if (error) return error == LEDIG_EUNSUPPORTED ? 0 : error; /* of a later version */
    json_t *row = row_of(subject, record);
    if (row) json_array_append_new(subject->rows, row);
    return 0;
}

static void next_source(struct subject *subject) {
    subject->source++;
    subject->rows = NULL;
    read_source(subject);
}

static void on_page(void *arg, int error, const struct store_entry *entries, size_t count, bool more) {
    struct subject *subject = arg;
    char log[CALL_LOG_BYTES_MAX];
    sources[subject->source].name(subject->service->names, subject->user, log);
    for (size_t i = 0; !error && i < count; i++)
        error = take_entry(subject, log, &entries[i]);
    arena_reset(subject->page);
    if (!error && subject->service->closing) error = LEDIG_EUNAVAILABLE;
    if (!error && json_array_size(subject->rows) > SUBJECT_ROWS_MAX) error = LEDIG_ETOO_LARGE;
    if (error) {
        refuse(subject, error);
    } else if (more && count > 0) {
        subject->before_ms = entries[count - 1].at_ms;
        read_source(subject);
    } else {
        next_source(subject);
    }
}

static bool begin_source(struct subject *subject) {
    int64_t now_ms = service_now_ms(subject->service);
    subject->rows = json_array();
    if (!subject->rows) return false;
    json_object_set_new(subject->document, sources[subject->source].part, subject->rows); /* lent from here on */
    subject->before_ms = INT64_MAX;
    static const enum retention_kind kinds[SOURCES] = {RETENTION_calls, RETENTION_activity, RETENTION_audit,
                                                       RETENTION_security};
    subject->from_ms = retention_begins_at(kinds[subject->source], subject->settings, now_ms);
    return true;
}

static void read_source(struct subject *subject) {
    char log[CALL_LOG_BYTES_MAX];
    if (subject->source == SOURCES) {
        answer(subject);
        return;
    }
    if (!subject->rows && !begin_source(subject)) {
        refuse(subject, LEDIG_ENO_MEMORY);
        return;
    }
    sources[subject->source].name(subject->service->names, subject->user, log);
    store_log_read(subject->service->store, subject->company, log, subject->from_ms, subject->before_ms, PAGE_ROWS,
                   on_page, subject);
}

/* ---- Records ---- */

static int open_records(struct subject *subject, const struct store_record *stored, struct record *records) {
    static const enum record_kind kinds[] = {RECORD_COMPANY, RECORD_PROFILE, RECORD_STATE, RECORD_ACCESS};
    for (size_t i = 0; i < 4; i++) {
        records[i].kind = RECORD_NONE;
        if (!stored[i].bytes) continue;
        int error = record_decode(stored[i].bytes, stored[i].length, subject->arena, &records[i]);
        if (error) return error;
        if (records[i].kind != kinds[i]) return LEDIG_EDAMAGED;
    }
    return records[0].kind && records[1].kind ? 0 : LEDIG_ENOT_FOUND;
}

static bool write_records(struct subject *subject, const struct record *records) {
    const struct company_record *settings = subject->settings = &records[0].company;
    subject->profile = &records[1].profile;
    if (!subject->language) {
        bool abroad = settings->country && strcmp(settings->country, "NO") != 0;
        subject->language = abroad ? "en" : "nb";
    }
    subject->document =
        json_pack("{s:I,s:{s:s,s:s*,s:s*},s:o,s:o,s:o,s:o}", "made_at", (json_int_t)service_now_ms(subject->service),
                  "company", "company", settings->id, "name", settings->name, "contact", settings->contact, "profile",
                  subject_profile(subject->profile), "consents", subject_consents(subject->profile), "state",
                  records[2].kind ? subject_state(&records[2].state) : json_null(), "access",
                  records[3].kind ? subject_access(&records[3].access) : json_null());
    return subject->document != NULL;
}

static void on_records(void *arg, int error, const struct store_head *head, const struct store_record *stored,
                       size_t count) {
    struct subject *subject = arg;
    struct record *records = arena_take(subject->arena, 4 * sizeof *records);
    (void)head;
    (void)count;
    if (!error && subject->service->closing) error = LEDIG_EUNAVAILABLE;
    if (!error) error = records ? open_records(subject, stored, records) : LEDIG_ENO_MEMORY;
    if (!error && !write_records(subject, records)) error = LEDIG_ENO_MEMORY;
    if (error)
        refuse(subject, error);
    else
        read_source(subject);
}

static void read_records(struct subject *subject) {
    static const enum record_kind kinds[] = {RECORD_COMPANY, RECORD_PROFILE, RECORD_STATE, RECORD_ACCESS};
    char names[4][ENTITY_NAME_BYTES_MAX];
    const char *entities[4];
    for (size_t i = 0; i < 4; i++) {
        entity_name(subject->service->names, kinds[i], i == 0 ? subject->company : subject->user, names[i]);
        entities[i] = names[i];
    }
    store_read(subject->service->store, subject->company, entities, 4, on_records, subject);
}

/* ---- That it was told, first ---- */

static int apply(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    const struct subject *subject = arg;
    (void)count;
    if (!entities[0].current) return LEDIG_ENOT_FOUND;
    struct activity_record activity = {.what = "export",
                                       .at = service_now_ms(subject->service),
                                       .actor = subject->actor[0] ? subject->actor : NULL,
                                       .detail = subject->form == SUBJECT_JSON ? "json" : "html"};
    return activity_note(&entities[0], &activity, NULL, arena);
}

static void on_noted(void *arg, int error, uint64_t version) {
    struct subject *subject = arg;
    (void)version;
    if (!error && subject->service->closing) error = LEDIG_EUNAVAILABLE;
    if (error)
        refuse(subject, error);
    else
        read_records(subject);
}

void subject_tell(struct service *service, const struct subject_question *question, struct http_exchange *exchange) {
    struct subject *subject = service->subjects < SUBJECTS_MAX ? calloc(1, sizeof *subject) : NULL;
    if (!subject) {
        bool busy = service->subjects >= SUBJECTS_MAX;
        http_problem(exchange, busy ? LEDIG_ERATE_LIMITED : LEDIG_ENO_MEMORY, NULL, NULL);
        return;
    }
    service->subjects++;
    subject->service = service;
    subject->exchange = exchange;
    subject->form = question->form;
    subject->language = question->language;
    snprintf(subject->company, sizeof subject->company, "%s", question->company);
    snprintf(subject->user, sizeof subject->user, "%s", question->user);
    if (question->actor) snprintf(subject->actor, sizeof subject->actor, "%s", question->actor);
    subject->arena = arena_create();
    subject->page = arena_create();
    struct update_target target = {RECORD_PROFILE, subject->user};
    subject->source = question->brief ? SOURCES : 0;
    if (!subject->arena || !subject->page)
        refuse(subject, LEDIG_ENO_MEMORY);
    else if (question->brief)
        read_records(subject);
    else if (update_start(service, subject->company, &target, 1, apply, on_noted, subject) != 0)
        refuse(subject, LEDIG_ENO_MEMORY);
}

/* ---- The query ---- */

static bool take_word(const struct http_request *request, const char *name, const char *const *known,
                      const char **word) {
    char text[8];
    int error = http_query(request, name, text, sizeof text);
    *word = NULL;
    if (error == LEDIG_ENOT_FOUND) return true;
    for (; !error && *known && !*word; known++)
        if (strcmp(text, *known) == 0) *word = *known;
    return *word != NULL;
}

bool subject_take_form(const struct http_request *request, struct http_exchange *exchange,
                       struct subject_question *question) {
    static const char *const forms[] = {"json", "html", NULL}, *const languages[] = {"nb", "en", NULL};
    const char *form;
    if (!take_word(request, "format", forms, &form)) {
        http_problem(exchange, LEDIG_EBAD_REQUEST, "format", "must be json or html");
        return false;
    }
    if (!take_word(request, "lang", languages, &question->language)) {
        http_problem(exchange, LEDIG_EBAD_REQUEST, "lang", "must be nb or en");
        return false;
    }
    question->form = form == forms[1] ? SUBJECT_PAGE : SUBJECT_JSON;
    return true;
}

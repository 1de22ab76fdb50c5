#include "broker/service/company_api.h"
#include "broker/service/history.h"
#include "broker/service/http_problem.h"
#include "broker/service/look.h"

#include <jansson.h>

/* ---- PUT, PATCH ---- */

static bool read_call_history_days(struct edit *edit, struct json_reader *reader) {
    static const char field[] = "call_history_days";
    const json_t *days = json_object_get(edit->document, field);
    edit->says_call_history_days = edit_says(edit, field);
    if (!days || json_is_null(days)) return true;
    if (!json_is_integer(days) || json_integer_value(days) < 1 || json_integer_value(days) > HISTORY_DAYS_MAX)
        return json_reader_fail(reader, field, "must be a number from 1 to 400");
    edit->call_history_days = json_integer_value(days);
    return true;
}

static bool read_body(struct edit *edit, struct json_reader *reader) {
    return edit_read_name(edit, reader, false) && read_call_history_days(edit, reader);
}

/* Whether that is a change. */
static bool set_call_history_days(const struct edit *edit, struct company_record *company) {
    if (!edit->says_call_history_days || company->call_history_days == edit->call_history_days) return false;
    company->call_history_days = edit->call_history_days;
    return true;
}

static int apply(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    struct edit *edit = arg;
    struct company_record *company = &entities[0].next.company;
    (void)count;
    (void)arena;
    edit->is_new = !entities[0].current;
    edit->has_company = !edit->is_new || edit->verb != EDIT_CHANGE;
    if (!edit->has_company) return LEDIG_ENOT_FOUND;
    bool changes = set_call_history_days(edit, company);
    bool says_name = edit_says(edit, "name");
    if (!edit->is_new && !changes && (!says_name || shape_same_text(company->name, edit->entry.name)))
        return UPDATE_NOTHING;
    company->id = edit->id;
    if (says_name) company->name = edit->entry.name;
    entities[0].action = STORE_WRITE;
    return 0;
}

static void on_done(void *arg, int error, uint64_t version) {
    edit_committed(arg, error, version);
}

static void commit(struct edit *edit) {
    struct update_target target = {RECORD_COMPANY, edit->id};
    int error = update_start(edit->service, edit->company, &target, 1, apply, on_done, edit);
    if (error) edit_committed(edit, error, 0);
}

static const char *const fields[] = {"name",   "company", "off_work", "users", "call_history_days",
                                     "queues", "version", NULL}; /* what a GET gives, too */

const struct edit_kind company_kind = {
    .name = "company", .none = "no such company", .fields = fields, .read = read_body, .commit = commit};

/* ---- GET ---- */

static void count_one(void *arg, const struct queue_record *queue) {
    (void)queue;
    ++*(json_int_t *)arg;
}

static void answer(const struct look *look) {
    const struct company *company = look_company(look);
    const struct company_record *settings = company_settings(company);
    json_int_t queues = 0;
    company_each_queue(company, count_one, &queues);
    http_answer_json(
        look->exchange, 200,
        json_pack("{s:s,s:s*,s:s*,s:I,s:I,s:I,s:I}", "company", settings->id, "name", settings->name, "off_work",
                  settings->off_work, "users", (json_int_t)company_member_count(company), "queues", queues,
                  "call_history_days",
                  (json_int_t)(settings->call_history_days ? settings->call_history_days : HISTORY_DAYS_DEFAULT),
                  "version", (json_int_t)company_version(company)));
}

void company_api_tell(struct service *service, const char *company, struct http_exchange *exchange) {
    look_start(&(struct look){.service = service, .exchange = exchange, .answer = answer}, company);
}

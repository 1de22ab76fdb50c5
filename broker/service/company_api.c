#include "broker/service/company_api.h"
#include "broker/model/forward_rule.h"
#include "broker/service/history.h"
#include "broker/service/http_problem.h"
#include "broker/service/look.h"

#include <jansson.h>
#include <string.h>

/* ---- PUT, PATCH ---- */

static bool read_country(struct edit *edit, struct json_reader *reader) {
    const char *country;
    if (!edit_says(edit, "country")) return true;
    if (!json_reader_text(reader, edit->document, "country", LEDIG_WORD_CHARS_MAX, &country)) return false;
    const struct numbering_plan *plan = numbering_plan_of(country);
    if (!plan) return json_reader_fail(reader, "country", numbering_plan_unknown());
    edit->country = country ? plan->country : NULL;
    return true;
}

static bool read_prefixes(struct edit *edit, struct json_reader *reader) {
    const json_t *list = json_object_get(edit->document, "forward_prefixes");
    if (!list || json_is_null(list)) return true;
    if (!json_is_array(list)) return json_reader_fail(reader, "forward_prefixes", "must be a list of texts");
    if (json_array_size(list) > FORWARD_PREFIXES_MAX)
        return json_reader_fail(reader, "forward_prefixes", "more than 64 prefixes");
    const char **at = arena_take(edit->arena, (json_array_size(list) + 1) * sizeof *at);
    if (!at) return json_reader_fail(reader, "forward_prefixes", "out of memory");
    size_t i;
    const json_t *text;
    json_array_foreach(list, i, text) {
        at[i] = json_string_value(text);
        if (!at[i] || json_string_length(text) != strlen(at[i]) || !forward_rule_is_prefix(at[i]))
            return json_reader_fail(reader, "forward_prefixes", "each is a plus and the first digits of a number");
    }
    edit->prefixes = (struct texts){.at = at, .count = (uint32_t)i, .present = true};
    return true;
}

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
    return edit_read_name(edit, reader, false) && read_country(edit, reader) && read_prefixes(edit, reader) &&
           read_call_history_days(edit, reader);
}

static bool same_prefixes(const struct texts *a, const struct texts *b) {
    bool same = a->count == b->count && a->present == b->present;
    for (uint32_t i = 0; same && i < a->count; i++)
        same = strcmp(a->at[i], b->at[i]) == 0;
    return same;
}

/* How calls are dialled and forwarded. Returns whether that is a change. */
static bool merge_dialling(const struct edit *edit, struct company_record *company) {
    bool changes = false;
    if (edit_says(edit, "country") && !shape_same_text(company->country, edit->country)) {
        company->country = edit->country;
        changes = true;
    }
    if (edit_says(edit, "forward_prefixes") && !same_prefixes(&company->forward_prefixes, &edit->prefixes)) {
        company->forward_prefixes = edit->prefixes;
        changes = true;
    }
    return changes;
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
    edit->has_company = !edit->is_new || edit->verb == EDIT_REPLACE;
    if (!edit->has_company) return LEDIG_ENOT_FOUND;
    bool changes = merge_dialling(edit, company);
    changes |= set_call_history_days(edit, company) || edit->is_new;
    if (edit_says(edit, "name") && !shape_same_text(company->name, edit->entry.name)) {
        company->name = edit->entry.name;
        changes = true;
    }
    if (!changes) return UPDATE_NOTHING;
    company->id = edit->id;
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

static const char *const fields[] = {
    "name",    "country", "call_history_days", "forward_prefixes", "company", "off_work", "users", "queues",
    "version", NULL}; /* from `company` on as a GET gave them */

const struct edit_kind company_kind = {
    .name = "company", .none = "no such company", .fields = fields, .read = read_body, .commit = commit};

/* ---- GET ---- */

static void count_one(void *arg, const struct queue_record *queue) {
    (void)queue;
    ++*(json_int_t *)arg;
}

static json_t *list_of(const struct texts *texts) {
    json_t *list = json_array();
    for (uint32_t i = 0; list && i < texts->count; i++)
        json_array_append_new(list, json_string(texts->at[i]));
    return list;
}

static void answer(const struct look *look) {
    const struct company *company = look_company(look);
    const struct company_record *settings = company_settings(company);
    const struct texts *prefixes = &settings->forward_prefixes;
    json_int_t queues = 0;
    company_each_queue(company, count_one, &queues);
    int64_t days = settings->call_history_days ? settings->call_history_days : HISTORY_DAYS_DEFAULT;
    http_answer_json(look->exchange, 200,
                     json_pack("{s:s,s:s*,s:s,s:o*,s:s*,s:I,s:I,s:I,s:I}", "company", settings->id, "name",
                               settings->name, "country",
                               settings->country ? settings->country : NUMBERING_COUNTRY_DEFAULT, "forward_prefixes",
                               prefixes->present ? list_of(prefixes) : NULL, "off_work", settings->off_work, "users",
                               (json_int_t)company_member_count(company), "queues", queues, "call_history_days",
                               (json_int_t)days, "version", (json_int_t)company_version(company)));
}

void company_api_tell(struct service *service, const char *company, struct http_exchange *exchange) {
    look_start(&(struct look){.service = service, .exchange = exchange, .answer = answer}, company);
}

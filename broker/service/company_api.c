#include "broker/service/company_api.h"
#include "broker/model/forward_rule.h"
#include "broker/model/schedule.h"
#include "broker/privacy/vault.h"
#include "broker/service/company_terms.h"
#include "broker/service/history.h"
#include "broker/service/http_problem.h"
#include "broker/service/look.h"

#include <jansson.h>
#include <string.h>

struct said { /* by the body, where it says anything of the field */
    const char *zone, *schedule, *off_work, *country;
    struct texts prefixes;     /* to which calls may be forwarded */
    bool no_departments;       /* of those that there are, but for … */
    int64_t call_history_days; /* 0 = the default */
    struct company_terms terms;
    struct list departments; /* struct department_schedule; one without a schedule shall have none any more */
};

/* ---- PUT, PATCH ---- */

static bool read_zone(struct edit *edit, struct json_reader *reader, struct said *said) {
    const struct zone *zone;
    if (!json_reader_text(reader, edit->document, "zone", ZONE_NAME_CHARS_MAX, &said->zone)) return false;
    return schedule_find_zone(zones_source(edit->service->zones), said->zone, &zone) ||
           json_reader_fail(reader, "zone", "no time zone that is known here: such as Europe/Oslo");
}

static bool read_off_work(struct edit *edit, struct json_reader *reader, struct said *said) {
    if (!json_reader_text(reader, edit->document, "off_work", LEDIG_WORD_CHARS_MAX, &said->off_work)) return false;
    return !said->off_work || strcmp(said->off_work, "ring") == 0 || strcmp(said->off_work, "unavailable") == 0 ||
           json_reader_fail(reader, "off_work", "neither ring nor unavailable");
}

static bool read_country(struct edit *edit, struct json_reader *reader, struct said *said) {
    const char *country;
    if (!edit_says(edit, "country")) return true;
    if (!json_reader_text(reader, edit->document, "country", LEDIG_WORD_CHARS_MAX, &country)) return false;
    const struct numbering_plan *plan = numbering_plan_of(country);
    if (!plan) return json_reader_fail(reader, "country", numbering_plan_unknown());
    said->country = country && strcmp(plan->country, NUMBERING_COUNTRY_DEFAULT) != 0 ? plan->country : NULL;
    return true;
}

static bool read_prefixes(struct edit *edit, struct json_reader *reader, struct said *said) {
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
    said->prefixes = (struct texts){.at = at, .count = (uint32_t)i, .present = true};
    return true;
}

static bool read_call_history_days(struct edit *edit, struct json_reader *reader, struct said *said) {
    const json_t *days = json_object_get(edit->document, "call_history_days");
    if (!days || json_is_null(days)) return true;
    if (!json_is_integer(days) || json_integer_value(days) < 1 || json_integer_value(days) > RETENTION_DAYS_MAX_calls)
        return json_reader_fail(reader, "call_history_days", "must be a number from 1 to 400");
    said->call_history_days = json_integer_value(days); /* a GET gives the default, too */
    if (said->call_history_days == RETENTION_DAYS_calls) said->call_history_days = 0;
    return true;
}

static bool read_departments(struct edit *edit, struct json_reader *reader, struct said *said) {
    json_t *map = json_object_get(edit->document, "departments"), *value;
    const char *name;
    said->no_departments = edit->verb == EDIT_REPLACE || json_is_null(map);
    if (!map || json_is_null(map)) return true;
    if (!json_is_object(map))
        return json_reader_fail(reader, "departments", "must be an object: department → schedule");
    if (json_object_size(map) > DEPARTMENTS_MAX)
        return json_reader_fail(reader, "departments", "more than 256 departments");
    struct department_schedule *list = arena_take(edit->arena, (json_object_size(map) + 1) * sizeof *list);
    if (!list) return json_reader_fail(reader, "departments", "out of memory");
    said->departments.at = list;
    json_object_foreach(map, name, value) {
        const char *reason = *name ? roster_rules_text(name, strlen(name)) : "a department without a name";
        if (reason) return json_reader_fail(reader, "departments", reason);
        const char *schedule = json_string_value(value); /* NULL: no text */
        if (!json_is_null(value) && !shape_is_id(schedule))
            return json_reader_fail(reader, "departments", "must give the id of a schedule for each, or null");
        list[said->departments.count++] = (struct department_schedule){.department = name, .schedule = schedule};
    }
    return true;
}

static bool read_body(struct edit *edit, struct json_reader *reader) {
    struct said *said = edit->said = arena_take(edit->arena, sizeof *said);
    if (!said) return json_reader_fail(reader, NULL, "out of memory");
    return edit_read_name(edit, reader, false) && read_zone(edit, reader, said) &&
           json_reader_id(reader, edit->document, "schedule", &said->schedule) && read_off_work(edit, reader, said) &&
           read_country(edit, reader, said) && read_prefixes(edit, reader, said) &&
           read_call_history_days(edit, reader, said) && read_departments(edit, reader, said) &&
           company_terms_read(edit, reader, &said->terms);
}

static bool same_prefixes(const struct texts *a, const struct texts *b) {
    bool same = a->count == b->count && a->present == b->present;
    for (uint32_t i = 0; same && i < a->count; i++)
        same = strcmp(a->at[i], b->at[i]) == 0;
    return same;
}

/* How calls are dialled and forwarded. Returns whether that is a change. */
static bool merge_dialling(const struct edit *edit, struct company_record *company) {
    const struct said *of = edit->said;
    bool changes = false;
    if (edit_says(edit, "country") && !shape_same_text(company->country, of->country)) {
        company->country = of->country;
        changes = true;
    }
    if (edit_says(edit, "forward_prefixes") && !same_prefixes(&company->forward_prefixes, &of->prefixes)) {
        company->forward_prefixes = of->prefixes;
        changes = true;
    }
    return changes;
}

static bool set_text(const struct edit *edit, const char *field, const char **to, const char *text) {
    if (!edit_says(edit, field) || shape_same_text(*to, text)) return false;
    *to = text;
    return true;
}

/* A PUT says all of them, a PATCH those that change. 1: that is a change; 0, or LEDIG_ENO_MEMORY. */
static int set_departments(const struct edit *edit, struct list *departments, struct arena *arena) {
    const struct said *of = edit->said;
    const struct list *said = &of->departments;
    const struct department_schedule *old = departments->at, *wanted = said->at;
    uint32_t kept = 0, count = 0;
    struct department_schedule *list = arena_take(arena, (departments->count + said->count + 1u) * sizeof *list);
    if (!list) return LEDIG_ENO_MEMORY;
    for (uint32_t i = 0; i < departments->count; i++) {
        const struct department_schedule *found = NULL;
        for (uint32_t j = 0; j < said->count && !found; j++)
            if (strcmp(wanted[j].department, old[i].department) == 0) found = &wanted[j];
        if (found ? !found->schedule : of->no_departments) continue;
        list[count] = old[i];
        if (found) list[count].schedule = found->schedule;
        kept += strcmp(list[count++].schedule, old[i].schedule) == 0;
    }
    for (uint32_t j = 0; j < said->count; j++) {
        bool is_new = wanted[j].schedule != NULL;
        for (uint32_t i = 0; i < departments->count && is_new; i++)
            is_new = strcmp(wanted[j].department, old[i].department) != 0;
        if (is_new) list[count++] = wanted[j];
    }
    if (kept == count && count == departments->count) return 0;
    *departments = (struct list){list, count, true};
    return 1;
}

/* All that is named must be there, and schedules that leave the zone to the company need one. */
static int check(struct edit *edit, const struct company_record *company) {
    const struct department_schedule *departments = company->departments.at;
    const struct schedule *schedules = company->schedules.at;
    static const char none[] = "no such schedule in this company";
    if (company->schedule && !schedule_find(company, company->schedule))
        return edit_fault(edit, LEDIG_EBAD_REQUEST, "schedule", none);
    for (uint32_t i = 0; i < company->departments.count; i++)
        if (!schedule_find(company, departments[i].schedule))
            return edit_fault(edit, LEDIG_EBAD_REQUEST, "departments", none);
    if (company->departments.count > DEPARTMENTS_MAX)
        return edit_fault(edit, LEDIG_EBAD_REQUEST, "departments", "more than 256 departments");
    for (uint32_t i = 0; i < company->schedules.count && !company->zone; i++)
        if (!schedules[i].zone) return edit_fault(edit, LEDIG_ECONFLICT, "zone", "a schedule needs it");
    return 0;
}

int company_record_begin(struct company_record *company, struct arena *arena) {
    char key[VAULT_LOG_KEY_CHARS + 1];
    vault_log_key_make(key);
    company->log_key = arena_text(arena, key, VAULT_LOG_KEY_CHARS);
    return company->log_key ? 0 : LEDIG_ENO_MEMORY;
}

static int apply(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    struct edit *edit = arg;
    struct company_record *company = &entities[0].next.company;
    const struct said *said = edit->said;
    (void)count;
    edit->has_company = entities[0].current || edit->verb == EDIT_REPLACE;
    edit->is_new = !entities[0].current;
    if (!edit->has_company) return LEDIG_ENOT_FOUND;
    company->id = edit->id;
    if (edit->is_new && company_record_begin(company, arena) != 0) return LEDIG_ENO_MEMORY;
    bool changes = edit->is_new;
    changes |= set_text(edit, "name", &company->name, edit->entry.name);
    changes |= set_text(edit, "zone", &company->zone, said->zone);
    changes |= set_text(edit, "schedule", &company->schedule, said->schedule);
    changes |= set_text(edit, "off_work", &company->off_work, said->off_work);
    changes |= merge_dialling(edit, company);
    if (edit_says(edit, "call_history_days") && company->call_history_days != said->call_history_days) {
        company->call_history_days = said->call_history_days;
        changes = true;
    }
    int terms = company_terms_merge(edit, &said->terms, company);
    if (terms < 0) return terms;
    changes |= terms > 0;
    int result = edit_says(edit, "departments") ? set_departments(edit, &company->departments, arena) : 0;
    if (result >= 0 && !changes && result == 0) return UPDATE_NOTHING;
    if (result >= 0) result = check(edit, company);
    if (result == 0) entities[0].action = STORE_WRITE;
    return result;
}

static void on_done(void *arg, int error, uint64_t version) {
    edit_committed(arg, error, version);
}

static void commit(struct edit *edit) {
    struct update_target target = {RECORD_COMPANY, edit->id};
    int error = update_start(edit->service, edit->company, &target, 1, apply, on_done, edit);
    if (error) edit_committed(edit, error, 0);
}

static const char *const fields[] = {COMPANY_TERMS_FIELDS,
                                     "name",
                                     "zone",
                                     "schedule",
                                     "departments",
                                     "off_work",
                                     "call_history_days",
                                     "country",
                                     "forward_prefixes",
                                     "company",
                                     "schedules",
                                     "users",
                                     "queues",
                                     "version",
                                     NULL}; /* the last five as a GET gave them */

const struct edit_kind company_kind = {
    .name = "company", .none = "no such company", .fields = fields, .read = read_body, .commit = commit};

/* ---- GET ---- */

static void count_one(void *arg, const struct queue_record *queue) {
    (void)queue;
    ++*(json_int_t *)arg;
}

static json_t *departments_of(const struct company_record *settings) {
    const struct department_schedule *departments = settings->departments.at;
    json_t *map = settings->departments.count > 0 ? json_object() : NULL;
    for (uint32_t i = 0; map && i < settings->departments.count; i++)
        json_object_set_new(map, departments[i].department, json_string(departments[i].schedule));
    return map;
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
    int64_t days = retention_days(RETENTION_calls, settings);
    json_t *document = json_pack(
        "{s:s,s:s*,s:s*,s:s*,s:o*,s:s*,s:s,s:o*,s:I,s:I,s:I,s:I,s:I}", "company", settings->id, "name", settings->name,
        "zone", settings->zone, "schedule", settings->schedule, "departments", departments_of(settings), "off_work",
        settings->off_work, "country", settings->country ? settings->country : NUMBERING_COUNTRY_DEFAULT,
        "forward_prefixes", prefixes->present ? list_of(prefixes) : NULL, "call_history_days", (json_int_t)days,
        "schedules", (json_int_t)settings->schedules.count, "users", (json_int_t)company_member_count(company),
        "queues", queues, "version", (json_int_t)company_version(company));
    if (document) company_terms_tell(settings, document);
    http_answer_json(look->exchange, 200, document);
}

void company_api_tell(struct service *service, const char *company, struct http_exchange *exchange) {
    look_start(&(struct look){.service = service, .exchange = exchange, .answer = answer}, company);
}

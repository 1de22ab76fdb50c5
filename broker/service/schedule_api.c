#include "broker/service/schedule_api.h"
#include "broker/service/http_problem.h"
#include "broker/service/look.h"
#include "broker/service/schedule_body.h"
#include "broker/service/tenant.h"

#include <stdlib.h>
#include <string.h>

/* ---- PUT ---- */

static bool read_body(struct edit *edit, struct json_reader *reader) {
    struct schedule *schedule = edit->said = arena_take(edit->arena, sizeof *schedule);
    const struct zone *zone;
    if (!schedule) return json_reader_fail(reader, NULL, "out of memory");
    schedule->id = edit->id;
    if (!json_reader_text(reader, edit->document, "zone", ZONE_NAME_CHARS_MAX, &schedule->zone)) return false;
    if (!schedule_find_zone(zones_source(edit->service->zones), schedule->zone, &zone))
        return json_reader_fail(reader, "zone", "no time zone that is known here: such as Europe/Oslo");
    return schedule_body_read(reader, edit->document, edit->arena, schedule);
}

static bool same_week(const struct list *a, const struct list *b) {
    const struct week_hours *x = a->at, *y = b->at;
    if (a->count != b->count) return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (x[i].day != y[i].day || x[i].from != y[i].from || x[i].to != y[i].to) return false;
    return true;
}

static bool same_days(const struct list *a, const struct list *b) {
    const struct day_hours *x = a->at, *y = b->at;
    if (a->count != b->count) return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (x[i].date != y[i].date || x[i].from != y[i].from || x[i].to != y[i].to ||
            !shape_same_text(x[i].name, y[i].name))
            return false;
    return true;
}

static bool is_same(const struct schedule *a, const struct schedule *b) {
    return shape_same_text(a->zone, b->zone) && same_week(&a->week, &b->week) && same_days(&a->days, &b->days);
}

/* The schedules with room for one more, in the arena. `at` is where this one stands or shall stand. */
static struct schedule *copy_schedules(const struct edit *edit, const struct company_record *company,
                                       struct arena *arena, uint32_t *at) {
    struct schedule *list = arena_take(arena, (company->schedules.count + 1u) * sizeof *list);
    const struct schedule *old = company->schedules.at;
    *at = company->schedules.count;
    for (uint32_t i = 0; list && i < company->schedules.count; i++) {
        list[i] = old[i];
        if (strcmp(old[i].id, edit->id) == 0) *at = i;
    }
    return list;
}

static int apply(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    struct edit *edit = arg;
    struct company_record *company = &entities[0].next.company;
    uint32_t at;
    (void)count;
    edit->has_company = entities[0].current != NULL;
    if (!edit->has_company) return LEDIG_ENOT_FOUND;
    struct schedule *list = copy_schedules(edit, company, arena, &at), *said = edit->said;
    if (!list) return LEDIG_ENO_MEMORY;
    edit->is_new = at == company->schedules.count;
    if (!said->zone && !company->zone)
        return edit_fault(edit, LEDIG_EBAD_REQUEST, "zone", "is missing, and the company has none");
    if (edit->is_new && at == SCHEDULES_MAX)
        return edit_fault(edit, LEDIG_ECONFLICT, "schedule", "the company has 64 schedules already");
    if (!edit->is_new && is_same(&list[at], said)) return UPDATE_NOTHING;
    struct rest rest = list[at].rest;
    list[at] = *said;
    list[at].rest = rest;
    company->schedules = (struct list){list, company->schedules.count + edit->is_new, true};
    entities[0].action = STORE_WRITE;
    return 0;
}

static void on_done(void *arg, int error, uint64_t version) {
    edit_committed(arg, error, version);
}

static void commit(struct edit *edit) {
    struct update_target target = {RECORD_COMPANY, edit->company};
    int error = update_start(edit->service, edit->company, &target, 1, apply, on_done, edit);
    if (error) edit_committed(edit, error, 0);
}

/* ---- DELETE: not while anybody works by it. Whoever is given it in this very moment has the hours of their department
 * or company then. ---- */

struct use {
    const char *id;
    json_int_t departments, users;
    bool by_company;
};

static struct use use_of(const struct company_record *company, const char *id) {
    const struct department_schedule *departments = company->departments.at;
    struct use use = {.id = id, .by_company = company->schedule && strcmp(company->schedule, id) == 0};
    for (uint32_t i = 0; i < company->departments.count; i++)
        use.departments += strcmp(departments[i].schedule, id) == 0;
    return use;
}

static void count_user(void *arg, const struct member *member) {
    struct use *use = arg;
    const char *schedule = member_profile(member)->schedule;
    use->users += schedule && strcmp(schedule, use->id) == 0;
}

static int apply_removal(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    struct edit *edit = arg;
    struct company_record *company = &entities[0].next.company;
    uint32_t at, left = company->schedules.count;
    (void)count;
    edit->has_company = entities[0].current != NULL;
    if (!edit->has_company) return LEDIG_ENOT_FOUND;
    struct schedule *list = copy_schedules(edit, company, arena, &at);
    if (!list) return LEDIG_ENO_MEMORY;
    if (at == left) return LEDIG_ENOT_FOUND;
    struct use use = use_of(company, edit->id);
    if (use.by_company || use.departments > 0)
        return edit_fault(edit, LEDIG_ECONFLICT, "schedule", "it has just come into use");
    memmove(&list[at], &list[at + 1], (left - at - 1) * sizeof *list);
    company->schedules = (struct list){list, left - 1, left > 1};
    entities[0].action = STORE_WRITE;
    return 0;
}

struct removal {
    struct edit *edit;
    struct tenant *tenant; /* held */
};

/* Returns whether it is in use, and has been answered. */
static bool answer_use(const struct removal *removal) {
    struct edit *edit = removal->edit;
    const struct company *company = tenant_company(removal->tenant);
    struct use use = use_of(company_settings(company), edit->id);
    company_each_member(company, count_user, &use);
    if (!use.by_company && use.departments == 0 && use.users == 0) return false;
    http_problem_as(edit->exchange, 409, LEDIG_ECONFLICT, "schedule", "it is in use",
                    json_pack("{s:{s:b,s:I,s:I}}", "used_by", "company", (int)use.by_company, "departments",
                              use.departments, "users", use.users));
    edit->exchange = NULL;
    return true;
}

static void on_ready(void *arg, int error) {
    struct removal removal = *(struct removal *)arg;
    struct edit *edit = removal.edit;
    struct update_target target = {RECORD_COMPANY, edit->company};
    free(arg);
    edit->has_company = tenant_exists(removal.tenant);
    if (error || edit->service->closing)
        error = LEDIG_EUNAVAILABLE;
    else if (!edit->has_company || !schedule_find(company_settings(tenant_company(removal.tenant)), edit->id))
        error = LEDIG_ENOT_FOUND;
    else if (answer_use(&removal))
        error = LEDIG_ECONFLICT;
    tenant_release(removal.tenant);
    if (!error) error = update_start(edit->service, edit->company, &target, 1, apply_removal, on_done, edit);
    if (error) edit_committed(edit, error, 0);
}

static void remove_schedule(struct edit *edit) {
    struct removal *removal = malloc(sizeof *removal);
    struct tenant *tenant = removal ? tenant_hold(edit->service, edit->company) : NULL;
    if (!tenant) {
        free(removal);
        edit_committed(edit, LEDIG_ENO_MEMORY, 0);
        return;
    }
    *removal = (struct removal){edit, tenant};
    int error = tenant_when_ready(tenant, true, on_ready, removal);
    if (error) on_ready(removal, error);
}

static const char *const fields[] = {"zone", "weekly", "days",  "schedule", "company",
                                     "open", "since",  "until", "version",  NULL}; /* the last six as a GET gave them */

const struct edit_kind schedule_kind = {.name = "schedule",
                                        .none = "no such schedule in this company",
                                        .fields = fields,
                                        .read = read_body,
                                        .commit = commit,
                                        .remove = remove_schedule};

/* ---- GET ---- */

static json_t *document_of(const struct look *look, const struct schedule *schedule) {
    const struct company_record *settings = company_settings(look_company(look));
    const struct service *service = look->service;
    struct hours hours;
    schedule_hours(schedule, settings, zones_source(service->zones), service_now_ms(service), &hours);
    return json_pack("{s:s,s:s*,s:o,s:o,s:b,s:o*,s:o*}", "schedule", schedule->id, "zone", schedule->zone, "weekly",
                     schedule_body_weekly(schedule), "days", schedule_body_days(schedule), "open", (int)hours.is_open,
                     "since", hours.since > 0 ? json_integer((json_int_t)hours.since) : NULL, "until",
                     hours.until < NEVER ? json_integer((json_int_t)hours.until) : NULL);
}

static void answer_one(const struct look *look) {
    const struct schedule *schedule = schedule_find(company_settings(look_company(look)), look->id);
    if (!schedule)
        http_problem(look->exchange, LEDIG_ENOT_FOUND, schedule_kind.name, schedule_kind.none);
    else
        http_answer_json(look->exchange, 200, document_of(look, schedule));
}

static void answer_all(const struct look *look) {
    const struct list *schedules = &company_settings(look_company(look))->schedules;
    const struct schedule *at = schedules->at;
    json_t *list = json_array();
    for (uint32_t i = 0; i < schedules->count; i++)
        json_array_append_new(list, document_of(look, &at[i]));
    http_answer_json(look->exchange, 200, json_pack("{s:o}", "schedules", list));
}

void schedule_api_tell(struct service *service, const char *company, const char *schedule,
                       struct http_exchange *exchange) {
    struct look look = {.service = service, .exchange = exchange, .answer = answer_one};
    snprintf(look.id, sizeof look.id, "%s", schedule);
    look_start(&look, company);
}

void schedule_api_list(struct service *service, const char *company, struct http_exchange *exchange) {
    look_start(&(struct look){.service = service, .exchange = exchange, .answer = answer_all}, company);
}

#include "broker/service/user_api.h"
#include "broker/model/schedule.h"
#include "broker/service/entitlement.h"
#include "broker/service/http_problem.h"
#include "broker/service/look.h"
#include "broker/service/roll.h"
#include "broker/service/tenant.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define TARGETS_MAX (2 + LEDIG_QUEUES_COUNT_MAX) /* the company, the person, the queues that they are put in */

/* ---- PUT, PATCH ---- */

static bool read_role(struct edit *edit, struct json_reader *reader) {
    const char *role;
    if (!edit_says(edit, "role")) return true;
    if (!json_reader_text(reader, edit->document, "role", LEDIG_WORD_CHARS_MAX, &role)) return false;
    const char *reason = role ? roster_rules_role(role, strlen(role), &edit->entry.role) : NULL;
    if (reason) return json_reader_fail(reader, "role", reason);
    edit->fields |= ROSTER_FIELD(ROSTER_ROLE);
    return true;
}

static bool read_schedule(struct edit *edit, struct json_reader *reader) {
    if (!edit_says(edit, "schedule")) return true;
    edit->fields |= ROSTER_FIELD(ROSTER_SCHEDULE);
    return json_reader_id(reader, edit->document, "schedule", &edit->entry.schedule);
}

static bool read_body(struct edit *edit, struct json_reader *reader) {
    return edit_read_name(edit, reader, true) && edit_read_numbers(edit, reader) &&
           edit_read_text(edit, reader, ROSTER_DEPARTMENT, "department", &edit->entry.department) &&
           read_role(edit, reader) && edit_read_queues(edit, reader) && read_schedule(edit, reader);
}

/* Queues that the person is put in and that do not exist yet come into being, as they do with an import. */
static int apply(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    struct edit *edit = arg;
    (void)arena;
    edit->has_company = entities[0].current != NULL;
    edit->is_new = !entities[1].current;
    if (!edit->has_company || (edit->is_new && edit->verb == EDIT_CHANGE)) return LEDIG_ENOT_FOUND;
    if (edit->entry.schedule && !schedule_find(&entities[0].current->company, edit->entry.schedule))
        return edit_fault(edit, LEDIG_EBAD_REQUEST, "schedule", "no such schedule in this company");
    if (edit->is_new && entities[0].current->company.people_max > 0) {
        if (!edit->removal) return LEDIG_EMOVED_ON; /* its people are to be counted first */
        if (!entitlement_has_room(edit->service, edit->company, &entities[0].current->company, 1))
            return edit_fault(edit, LEDIG_ECONFLICT, "people_max", ENTITLEMENT_FULL);
    }
    struct update_entity *person = &entities[1];
    struct texts before = person->next.profile.numbers;
    bool changes = roster_rules_merge(&edit->entry, edit->fields, !edit->is_new, &person->next);
    if (edit->is_new) person->next.profile.created_at = service_now_ms(edit->service);
    edit_note_dropped(edit, &before, &person->next.profile.numbers);
    if (changes) person->action = STORE_WRITE;
    for (size_t i = 2; i < count; i++) {
        if (entities[i].current) continue;
        entities[i].next.queue.id = edit->entry.queues.at[i - 2];
        entities[i].action = STORE_WRITE;
        changes = true;
    }
    return changes ? 0 : UPDATE_NOTHING;
}

static void commit(struct edit *edit);

static void finish(struct edit *edit, int error, uint64_t version) {
    if (edit->removal) tenant_release(edit->removal);
    edit->removal = NULL;
    edit_committed(edit, error, version);
}

static void on_counted(void *arg, int error) {
    struct edit *edit = arg;
    if (edit->service->closing || (error && !tenant_is_ready(edit->removal)))
        finish(edit, LEDIG_EUNAVAILABLE, 0);
    else
        commit(edit);
}

static void on_done(void *arg, int error, uint64_t version) {
    struct edit *edit = arg;
    bool counts = error == LEDIG_EMOVED_ON && !edit->removal && !edit->service->closing;
    if (counts) edit->removal = tenant_hold(edit->service, edit->company);
    if (!counts)
        finish(edit, error, version);
    else if (!edit->removal || tenant_when_ready(edit->removal, true, on_counted, edit) != 0)
        finish(edit, LEDIG_ENO_MEMORY, 0);
}

static void commit(struct edit *edit) {
    struct update_target targets[TARGETS_MAX] = {{RECORD_COMPANY, edit->company}, {RECORD_PROFILE, edit->id}};
    for (uint32_t i = 0; i < edit->entry.queues.count; i++)
        targets[2 + i] = (struct update_target){RECORD_QUEUE, edit->entry.queues.at[i]};
    int error = update_start(edit->service, edit->company, targets, 2 + edit->entry.queues.count, apply, on_done, edit);
    if (error) finish(edit, error, 0);
}

static const char *const fields[] = {"name", "numbers", "department", "role", "queues", "schedule",
                                     "user", "company", "version",    NULL}; /* the last three as a GET gave them */

const struct edit_kind user_kind = {.name = "user",
                                    .none = "no such person in this company",
                                    .fields = fields,
                                    .read = read_body,
                                    .commit = commit,
                                    .remove = user_removal_start};

/* ---- GET ---- */

static json_t *list_of(const struct texts *texts) {
    json_t *list = json_array();
    for (uint32_t i = 0; list && i < texts->count; i++)
        json_array_append_new(list, json_string(texts->at[i]));
    return list;
}

static json_t *list_queues(const struct profile_record *profile) {
    json_t *list = json_array();
    for (uint32_t i = 0; list && i < profile->queues.count; i++) {
        const char *queue = profile->queues.at[i];
        unsigned tier = profile_tier(profile, queue);
        json_array_append_new(list, tier == TIER_FIRST ? json_string(queue) : json_sprintf("%s:%u", queue, tier));
    }
    return list;
}

static json_t *document_of(const struct member *member) {
    const struct profile_record *profile = member_profile(member);
    return json_pack("{s:s,s:s*,s:o,s:s*,s:s,s:o,s:s*}", "user", member_user(member), "name", profile->name, "numbers",
                     list_of(&profile->numbers), "department", profile->department, "role",
                     profile->role ? profile->role : "member", "queues", list_queues(profile), "schedule",
                     profile->schedule);
}

static void answer_one(const struct look *look) {
    const struct member *member = company_member(look_company(look), look->id);
    if (!member)
        http_problem(look->exchange, LEDIG_ENOT_FOUND, user_kind.name, user_kind.none);
    else
        http_answer_json(look->exchange, 200, document_of(member));
}

void user_api_tell(struct service *service, const char *company, const char *user, struct http_exchange *exchange) {
    struct look look = {.service = service, .exchange = exchange, .answer = answer_one};
    snprintf(look.id, sizeof look.id, "%s", user);
    look_start(&look, company);
}

struct page {
    struct http_exchange *exchange;
    json_t *users;
    size_t limit;
    bool has_more;
};

static bool on_person(void *arg, const struct member *member) {
    struct page *page = arg;
    page->has_more = json_array_size(page->users) == page->limit;
    if (!page->has_more) json_array_append_new(page->users, document_of(member));
    return !page->has_more;
}

static void on_told(void *arg, int error) {
    struct page *page = arg;
    size_t count = json_array_size(page->users);
    if (error) {
        http_problem(page->exchange, error, NULL, NULL);
        json_decref(page->users);
    } else {
        const json_t *last = page->has_more ? json_object_get(json_array_get(page->users, count - 1), "user") : NULL;
        json_t *next = last ? json_string(json_string_value(last)) : NULL;
        http_answer_json(page->exchange, 200, json_pack("{s:o,s:o*}", "users", page->users, "next", next));
    }
    free(page);
}

static void answer_list(const struct look *look) {
    struct page *page = malloc(sizeof *page);
    json_t *users = page ? json_array() : NULL;
    if (!users) {
        http_problem(look->exchange, LEDIG_ENO_MEMORY, NULL, NULL);
        free(page);
        return;
    }
    *page = (struct page){.exchange = look->exchange, .users = users, .limit = look->limit};
    roll_start(look->service, company_settings(look_company(look))->id, look->after,
               &(struct roll_reader){.tell = on_person, .done = on_told, .arg = page});
}

/* A page's length: 1 to USERS_LIMIT_MAX, which is also what is meant where nothing is said. */
static bool take_limit(const struct http_request *request, uint32_t *limit) {
    char text[8];
    *limit = USERS_LIMIT_MAX;
    int error = http_query(request, "limit", text, sizeof text);
    if (error == LEDIG_ENOT_FOUND) return true;
    if (error || !text[0] || text[strspn(text, "0123456789")]) return false;
    *limit = (uint32_t)strtoul(text, NULL, 10);
    return *limit >= 1 && *limit <= USERS_LIMIT_MAX;
}

void user_api_list(struct service *service, const char *company, struct http_exchange *exchange,
                   const struct http_request *request) {
    struct look look = {.service = service, .exchange = exchange, .answer = answer_list};
    int error = http_query(request, "after", look.after, sizeof look.after);
    if ((error && error != LEDIG_ENOT_FOUND) || (!error && !shape_is_id(look.after)))
        http_problem(exchange, LEDIG_EBAD_REQUEST, "after", "must be the id of a person");
    else if (!take_limit(request, &look.limit))
        http_problem(exchange, LEDIG_EBAD_REQUEST, "limit", "must be from 1 to 1000");
    else
        look_start(&look, company);
}

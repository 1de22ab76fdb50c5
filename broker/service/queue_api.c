#include "broker/service/queue_api.h"
#include "broker/service/agents.h"
#include "broker/service/http_problem.h"
#include "broker/service/look.h"
#include "broker/service/own_calls.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* ---- PUT, PATCH ---- */

static bool read_strategy(struct edit *edit, struct json_reader *reader) {
    enum strategy strategy;
    const char *name;
    edit->says_strategy = edit_says(edit, "strategy");
    if (!edit->says_strategy) return true;
    if (!json_reader_text(reader, edit->document, "strategy", LEDIG_WORD_CHARS_MAX, &name)) return false;
    if (!strategy_parse(name, &strategy))
        return json_reader_fail(reader, "strategy",
                                "none of longest_idle, round_robin, fewest_calls, priority, ring_all");
    edit->strategy = name ? strategy_name(strategy) : NULL;
    return true;
}

static bool read_body(struct edit *edit, struct json_reader *reader) {
    edit->entry.is_queue = true;
    edit->says_wrap_up = edit_says(edit, "wrap_up_ms");
    return edit_read_name(edit, reader, true) && edit_read_numbers(edit, reader) && read_strategy(edit, reader) &&
           json_reader_number(reader, edit->document, "wrap_up_ms", WRAP_UP_MS_MAX, &edit->wrap_up_ms);
}

static int apply(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    struct edit *edit = arg;
    (void)count;
    (void)arena;
    edit->has_company = entities[0].current != NULL;
    edit->is_new = !entities[1].current;
    if (!edit->has_company || (edit->is_new && edit->verb == EDIT_CHANGE)) return LEDIG_ENOT_FOUND;
    struct queue_record *queue = &entities[1].next.queue;
    struct texts before = queue->numbers;
    bool changes = roster_rules_merge(&edit->entry, edit->fields, !edit->is_new, &entities[1].next);
    edit_note_dropped(edit, &before, &queue->numbers);
    if (edit->says_strategy && !shape_same_text(queue->strategy, edit->strategy)) {
        queue->strategy = edit->strategy;
        changes = true;
    }
    if (edit->says_wrap_up && queue->wrap_up_ms != edit->wrap_up_ms) {
        queue->wrap_up_ms = edit->wrap_up_ms;
        changes = true;
    }
    if (!changes) return UPDATE_NOTHING;
    entities[1].action = STORE_WRITE;
    return 0;
}

static void on_done(void *arg, int error, uint64_t version) {
    edit_committed(arg, error, version);
}

static void commit(struct edit *edit) {
    struct update_target targets[] = {{RECORD_COMPANY, edit->company}, {RECORD_QUEUE, edit->id}};
    int error = update_start(edit->service, edit->company, targets, 2, apply, on_done, edit);
    if (error) edit_committed(edit, error, 0);
}

static const char *const fields[] = {"name", "numbers", "strategy",    "wrap_up_ms", "queue", "company", "agents",
                                     "free", "waiting", "calls_today", "version",    NULL}; /* what a GET gives, too */

const struct edit_kind queue_kind = {.name = "queue",
                                     .none = "no such queue in this company",
                                     .fields = fields,
                                     .read = read_body,
                                     .commit = commit,
                                     .remove = queue_removal_start};

/* ---- GET ---- */

static json_t *list_of(const struct texts *texts) {
    json_t *list = json_array();
    for (uint32_t i = 0; list && i < texts->count; i++)
        json_array_append_new(list, json_string(texts->at[i]));
    return list;
}

/* In the order in which they would be claimed; those who are not free follow. */
static json_t *agent_list(const struct agent *agents, size_t count, int64_t today) {
    json_t *list = json_array();
    for (size_t i = 0; list && i < count; i++) {
        const struct view *view = member_view(agents[i].member);
        json_t *agent = json_pack("{s:s,s:b,s:s,s:s*,s:i}", "user", member_user(agents[i].member), "free",
                                  (int)agents[i].is_free, "availability", availability_name(view->availability),
                                  "activity", view->activity, "tier", (int)agents[i].tier);
        if (agent)
            json_object_set_new(agent, "calls_today",
                                json_integer((json_int_t)own_calls_on_day(member_state(agents[i].member), today)));
        if (agent && agents[i].free_at)
            json_object_set_new(agent, "until", json_integer((json_int_t)agents[i].free_at));
        json_array_append_new(list, agent);
    }
    return list;
}

struct telling { /* all but the count, which only the store has */
    struct http_exchange *exchange;
    json_t *document;
};

/* While the store is away all else is told. */
static void on_counted(void *arg, int error, uint64_t count) {
    struct telling *telling = arg;
    if (!error && telling->document)
        json_object_set_new(telling->document, "calls_today", json_integer((json_int_t)count));
    http_answer_json(telling->exchange, 200, telling->document);
    free(telling);
}

static void count_calls(const struct look *look, json_t *document) {
    struct service *service = look->service;
    struct telling *telling = malloc(sizeof *telling);
    char log[CALL_LOG_BYTES_MAX];
    if (!telling || !store_is_connected(service->store)) {
        http_answer_json(look->exchange, 200, document);
        free(telling);
        return;
    }
    *telling = (struct telling){look->exchange, document};
    queue_log_name(service->names, look->id, log);
    const struct company *company = look_company(look);
    store_log_count(service->store, company_settings(company)->id, log,
                    company_day_begins_at(company, service_now_ms(service)), on_counted, telling);
}

static void answer(const struct look *look) {
    const struct company *company = look_company(look);
    const struct queue_record *queue = company_queue(company, look->id);
    int64_t now_ms = service_now_ms(look->service);
    if (!queue) {
        http_problem(look->exchange, LEDIG_ENOT_FOUND, queue_kind.name, queue_kind.none);
        return;
    }
    struct agent *agents = malloc(AGENTS_MAX * sizeof *agents);
    if (!agents) {
        http_problem(look->exchange, LEDIG_ENO_MEMORY, NULL, NULL);
        return;
    }
    enum strategy strategy;
    if (!strategy_parse(queue->strategy, &strategy)) strategy = STRATEGY_LONGEST_IDLE;
    size_t free_count, count = agents_of(company, look->id, strategy, now_ms, agents, &free_count);
    json_t *document = json_pack(
        "{s:s,s:s*,s:o,s:s,s:I,s:o,s:I,s:I}", "queue", queue->id, "name", queue->name, "numbers",
        list_of(&queue->numbers), "strategy", strategy_name(strategy), "wrap_up_ms", (json_int_t)queue->wrap_up_ms,
        "agents", agent_list(agents, count, company_day(company, now_ms)), "free", (json_int_t)free_count, "waiting",
        (json_int_t)company_waiting_before(company, look->id, INT64_MAX, ""));
    free(agents);
    count_calls(look, document);
}

void queue_api_tell(struct service *service, const char *company, const char *queue, struct http_exchange *exchange) {
    struct look look = {.service = service, .exchange = exchange, .answer = answer};
    snprintf(look.id, sizeof look.id, "%s", queue);
    look_start(&look, company);
}

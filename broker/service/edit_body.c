/* What the body of a PUT or PATCH says, checked by the same rules as the lines of a file. */
#include "broker/service/dial_plan.h"
#include "broker/service/edit.h"
#include "broker/service/http_problem.h"

#include <string.h>
#include <strings.h>

bool edit_says(const struct edit *edit, const char *field) {
    return edit->verb == EDIT_REPLACE || json_object_get(edit->document, field) != NULL;
}

bool edit_read_text(struct edit *edit, struct json_reader *reader, enum roster_column column, const char *field,
                    const char **text) {
    if (!edit_says(edit, field)) return true;
    if (!json_reader_text(reader, edit->document, field, LEDIG_NAME_CHARS_MAX, text)) return false;
    const char *reason = *text ? roster_rules_text(*text, strlen(*text)) : NULL;
    if (reason) return json_reader_fail(reader, field, reason);
    edit->fields |= ROSTER_FIELD(column);
    return true;
}

bool edit_read_name(struct edit *edit, struct json_reader *reader, bool is_needed) {
    if (!edit_read_text(edit, reader, ROSTER_NAME, "name", &edit->entry.name)) return false;
    const char *at = edit->entry.name;
    while (at && (*at == ' ' || *at == '\t'))
        at++;
    if (at && !*at) edit->entry.name = NULL;
    return !is_needed || !edit_says(edit, "name") || edit->entry.name || json_reader_fail(reader, "name", "is missing");
}

/* A list of texts, each at most `bytes_max` long. */
static bool take_list(const struct edit *edit, struct json_reader *reader, const char *field, const json_t **list) {
    *list = json_object_get(edit->document, field);
    if (!*list || json_is_null(*list)) *list = NULL;
    size_t i;
    const json_t *text;
    if (*list && !json_is_array(*list)) return json_reader_fail(reader, field, "must be a list of texts");
    json_array_foreach(*list, i, text) if (!json_is_string(text)) return json_reader_fail(reader, field,
                                                                                          "must be a list of texts");
    return true;
}

/* As it was dialled, where it is a national number and the company is not loaded. */
static const char *read_number(struct edit *edit, const struct numbering_plan *plan, const json_t *text,
                               char number[static NUMBERING_DIALLED_MAX + 1]) {
    const char *at = json_string_value(text);
    size_t length = json_string_length(text);
    uint32_t count = edit->entry.numbers.count;
    if (plan || numbering_read(at, length, number) != 0 || numbering_is_international(number))
        return roster_rules_number(plan, at, length, count, number);
    edit->needs_plan = true;
    return count >= LEDIG_NUMBERS_COUNT_MAX ? "more than 16 numbers" : NULL;
}

static const char twice[] = "a number stands in the list twice";

const char *edit_complete_numbers(struct edit *edit, const struct numbering_plan *plan) {
    struct texts *numbers = &edit->entry.numbers;
    const char **at = arena_take(edit->arena, (numbers->count + 1) * sizeof *at);
    struct texts done = {.at = at};
    if (!at) return "out of memory";
    for (; done.count < numbers->count; done.count++) {
        char number[E164_BYTES];
        const char *dialled = numbers->at[done.count];
        const char *reason = roster_rules_number(plan, dialled, strlen(dialled), done.count, number);
        if (!reason && roster_rules_have(&done, number)) reason = twice;
        if (reason) return reason;
        at[done.count] = arena_text(edit->arena, number, strlen(number));
        if (!at[done.count]) return "out of memory";
    }
    edit->needs_plan = false;
    *numbers = done;
    return NULL;
}

bool edit_read_numbers(struct edit *edit, struct json_reader *reader) {
    const json_t *list, *text;
    size_t i;
    if (!edit_says(edit, "numbers")) return true;
    if (!take_list(edit, reader, "numbers", &list)) return false;
    const char **at = arena_take(edit->arena, (LEDIG_NUMBERS_COUNT_MAX + 1) * sizeof *at);
    struct texts *numbers = &edit->entry.numbers;
    if (!at) return json_reader_fail(reader, "numbers", "out of memory");
    numbers->at = at;
    const struct numbering_plan *plan = dial_plan(edit->service, edit->company);
    json_array_foreach(list, i, text) {
        char number[NUMBERING_DIALLED_MAX + 1];
        const char *reason = read_number(edit, plan, text, number);
        if (!reason && roster_rules_have(numbers, number)) reason = twice;
        if (reason) return json_reader_fail(reader, "numbers", reason);
        at[numbers->count] = arena_text(edit->arena, number, strlen(number));
        if (!at[numbers->count++]) return json_reader_fail(reader, "numbers", "out of memory");
    }
    edit->fields |= ROSTER_FIELD(ROSTER_NUMBERS);
    return true;
}

/* "sales", "sales:2" or {"queue": "sales", "tier": 2}. NULL, or what is wrong. */
static const char *read_queue(struct edit *edit, const json_t *value, char **queue, unsigned *tier) {
    const json_t *id = json_is_object(value) ? json_object_get(value, "queue") : value;
    const json_t *number = json_is_object(value) ? json_object_get(value, "tier") : NULL;
    size_t known = number ? 2 : 1;
    if (!json_is_string(id) || (json_is_object(value) && json_object_size(value) != known))
        return "each is the id of a queue, with its tier as in \"sales:2\" or {\"queue\": \"sales\", \"tier\": 2}";
    *queue = arena_text(edit->arena, json_string_value(id), strlen(json_string_value(id)));
    if (!*queue) return "out of memory";
    *tier = TIER_FIRST;
    if (json_is_string(value)) roster_rules_split(*queue, tier);
    if (number && !json_is_integer(number)) return roster_rules_tier(0);
    const char *reason = roster_rules_tier(number ? json_integer_value(number) : *tier);
    if (!reason && number) *tier = (unsigned)json_integer_value(number);
    return reason;
}

bool edit_read_queues(struct edit *edit, struct json_reader *reader) {
    size_t i;
    const json_t *list = json_object_get(edit->document, "queues"), *value;
    if (!edit_says(edit, "queues")) return true;
    if (json_is_null(list)) list = NULL;
    if (list && !json_is_array(list)) return json_reader_fail(reader, "queues", "must be a list");
    const char **at = arena_take(edit->arena, (LEDIG_QUEUES_COUNT_MAX + 1) * sizeof *at);
    struct queue_tier *tiers = arena_take(edit->arena, (LEDIG_QUEUES_COUNT_MAX + 1) * sizeof *tiers);
    struct texts *queues = &edit->entry.queues;
    if (!at || !tiers) return json_reader_fail(reader, "queues", "out of memory");
    queues->at = at;
    edit->entry.tiers.at = tiers;
    json_array_foreach(list, i, value) {
        char *queue;
        unsigned tier;
        const char *reason = read_queue(edit, value, &queue, &tier);
        if (!reason && roster_rules_have(queues, queue)) continue;
        if (!reason) reason = roster_rules_queue(queue, queues->count);
        if (reason) return json_reader_fail(reader, "queues", reason);
        at[queues->count++] = queue;
        if (tier != TIER_FIRST) tiers[edit->entry.tiers.count++] = (struct queue_tier){.queue = queue, .tier = tier};
    }
    edit->fields |= ROSTER_FIELD(ROSTER_QUEUES);
    return true;
}

/* A field that nobody knows is more likely a slip than meant, and a PUT would take away what it was to say. It is named
 * if it looks like the name of one. */
static bool knows_all(const struct edit *edit, struct json_reader *reader) {
    const char *key;
    json_t *value;
    json_object_foreach(edit->document, key, value) {
        const char *const *known = edit->kind->fields;
        while (*known && strcmp(*known, key) != 0)
            known++;
        if (*known) continue;
        size_t word = strspn(key, "abcdefghijklmnopqrstuvwxyz_");
        bool is_name = word > 0 && !key[word] && word <= ROSTER_FIELD_CHARS_MAX;
        return json_reader_fail(reader, is_name ? key : NULL, "there is no such field here");
    }
    return true;
}

static bool is_json(const char *content_type) {
    static const char *const types[] = {"application/json", "application/merge-patch+json"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        size_t length = strlen(types[i]);
        if (strncasecmp(content_type, types[i], length) == 0 &&
            (!content_type[length] || strchr("; \t", content_type[length])))
            return true;
    }
    return false;
}

/* False after an answer. */
bool edit_read_body(struct edit *edit, const struct http_request *request) {
    struct json_reader reader = {0};
    if (!is_json(request->content_type)) {
        http_problem_as(edit->exchange, 415, LEDIG_EBAD_REQUEST, NULL, "Content-Type: application/json is needed",
                        NULL);
        return false;
    }
    if (request->length > EDIT_BODY_BYTES_MAX) {
        http_problem(edit->exchange, LEDIG_ETOO_LARGE, NULL, "the body is larger than 32 KiB");
        return false;
    }
    edit->document = json_loadb((const char *)request->body, request->length, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(edit->document)) {
        http_problem(edit->exchange, LEDIG_EBAD_REQUEST, NULL, "the body is no JSON object, or has a key twice");
        return false;
    }
    if (knows_all(edit, &reader) && edit->kind->read(edit, &reader)) return true;
    http_problem(edit->exchange, LEDIG_EBAD_REQUEST, reader.field, reader.why);
    return false;
}

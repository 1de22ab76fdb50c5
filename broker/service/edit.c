#include "broker/service/edit.h"
#include "broker/log.h"
#include "broker/service/http_problem.h"
#include "broker/service/import.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

static void begin(struct edit *edit);

/* ---- Whose turn is it? ---- */

static bool concerns_same(const struct edit *a, const struct edit *b) {
    return a->kind == b->kind && strcmp(a->company, b->company) == 0 && strcmp(a->id, b->id) == 0;
}

static struct edit *next_of_same(const struct edit *edit) {
    for (struct edit *other = edit->next; other; other = other->next)
        if (concerns_same(other, edit)) return other;
    return NULL;
}

static bool must_wait(const struct edit *edit) {
    for (const struct edit *other = edit->service->edits; other != edit; other = other->next)
        if (concerns_same(other, edit)) return true;
    return false;
}

static void end(struct edit *edit) {
    struct edit *next = next_of_same(edit);
    DL_DELETE2(edit->service->edits, edit, before, next);
    json_decref(edit->document);
    arena_free(edit->arena);
    free(edit);
    if (next) begin(next);
}

static void refuse(struct edit *edit, int error, const char *field, const char *why) {
    http_problem(edit->exchange, error, field, why);
    end(edit);
}

/* ---- The answer ---- */

static void answer(struct edit *edit) {
    static const char *const verbs[] = {"replace", "change", "remove"};
    log_event(LOG_INFO, "provisioned", "company=%s kind=%s verb=%s", edit->company, edit->kind->name,
              verbs[edit->verb]);
    if (edit->verb == EDIT_REMOVE) {
        http_answer(edit->exchange, 204, "application/json", "", 0);
    } else {
        json_t *document = json_pack("{s:s}", "company", edit->company);
        if (document) json_object_set_new(document, edit->kind->name, json_string(edit->id));
        if (document && edit->version)
            json_object_set_new(document, "version", json_integer((json_int_t)edit->version));
        http_answer_json(edit->exchange, edit->is_new ? 201 : 200, document);
    }
    end(edit);
}

/* ---- Numbers that are to be given back: those that were dropped, or those that were taken in vain ---- */

struct giving {
    struct edit *edit;
    int error; /* to answer with afterwards */
};

static void answer_failed(struct edit *edit, int error) {
    if (error == LEDIG_ENOT_FOUND && !edit->has_company)
        refuse(edit, error, NULL, "no such company");
    else if (error == LEDIG_ENOT_FOUND)
        refuse(edit, error, edit->kind->name, edit->kind->none);
    else
        refuse(edit, error, NULL, NULL);
}

static void on_given(void *arg, int error) {
    struct giving *giving = arg;
    struct edit *edit = giving->edit;
    int failure = giving->error;
    free(giving);
    /* all else is done; at most the numbers stay taken in vain, until their owner takes or drops them */
    if (error) log_event(LOG_WARNING, "numbers_not_given_back", "company=%s", edit->company);
    if (failure)
        answer_failed(edit, failure);
    else
        answer(edit);
}

static void give_back(struct edit *edit, const char *const *numbers, size_t count, int failure) {
    struct giving *giving = count > 0 ? malloc(sizeof *giving) : NULL;
    if (!giving) {
        if (failure)
            answer_failed(edit, failure);
        else
            answer(edit);
        return;
    }
    *giving = (struct giving){edit, failure};
    char owner[ROSTER_OWNER_BYTES];
    const char *owners[LEDIG_NUMBERS_COUNT_MAX];
    roster_rules_owner(edit->company, edit->entry.is_queue, edit->id, owner);
    for (size_t i = 0; i < count; i++)
        owners[i] = owner;
    store_numbers_give(edit->service->store, numbers, owners, count, on_given, giving);
}

void edit_note_dropped(struct edit *edit, const struct texts *before, const struct texts *after) {
    edit->dropped_count = 0;
    for (uint32_t i = 0; i < before->count && edit->dropped_count < LEDIG_NUMBERS_COUNT_MAX; i++)
        if (!roster_rules_have(after, before->at[i]))
            snprintf(edit->dropped[edit->dropped_count++], E164_BYTES, "%s", before->at[i]);
}

void edit_committed(struct edit *edit, int error, uint64_t version) {
    const char *numbers[LEDIG_NUMBERS_COUNT_MAX];
    size_t count = 0;
    edit->version = version;
    if (error == LEDIG_EUNAVAILABLE || edit->service->closing) { /* it may have taken effect: the numbers stay taken */
        refuse(edit, LEDIG_EUNAVAILABLE, NULL, "the store does not answer; ask again");
        return;
    }
    if (error) {
        for (uint32_t i = 0; i < edit->entry.numbers.count; i++)
            if (edit->was_free[i]) numbers[count++] = edit->entry.numbers.at[i];
    } else {
        for (; count < edit->dropped_count; count++)
            numbers[count] = edit->dropped[count];
    }
    give_back(edit, numbers, count, error);
}

/* ---- Taking numbers ---- */

static void on_taken(void *arg, int error, size_t which) {
    struct edit *edit = arg;
    (void)which;
    if (edit->service->closing) error = LEDIG_EUNAVAILABLE;
    if (error)
        refuse(edit, error, error == LEDIG_ECONFLICT ? "numbers" : NULL,
               error == LEDIG_ECONFLICT ? "a number is in use by another" : NULL);
    else
        edit->kind->commit(edit);
}

static void on_found(void *arg, int error, const char *const *owners, size_t count) {
    struct edit *edit = arg;
    if (edit->service->closing) error = LEDIG_EUNAVAILABLE;
    if (error) {
        refuse(edit, error, NULL, NULL);
        return;
    }
    char owner[ROSTER_OWNER_BYTES];
    const char *own[LEDIG_NUMBERS_COUNT_MAX];
    roster_rules_owner(edit->company, edit->entry.is_queue, edit->id, owner);
    for (size_t i = 0; i < count; i++) {
        edit->was_free[i] = owners[i] == NULL;
        own[i] = owner;
    }
    store_numbers_take(edit->service->store, edit->entry.numbers.at, own, count, on_taken, edit);
}

static void begin(struct edit *edit) {
    const struct texts *numbers = &edit->entry.numbers;
    if (edit->service->closing)
        refuse(edit, LEDIG_EUNAVAILABLE, NULL, NULL);
    else if (edit->verb == EDIT_REMOVE)
        edit->kind->remove(edit);
    else if (numbers->count > 0)
        store_numbers_find(edit->service->store, numbers->at, numbers->count, on_found, edit);
    else
        edit->kind->commit(edit);
}

/* ---- The request ---- */

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

bool edit_read_numbers(struct edit *edit, struct json_reader *reader) {
    const json_t *list, *text;
    size_t i;
    if (!edit_says(edit, "numbers")) return true;
    if (!take_list(edit, reader, "numbers", &list)) return false;
    const char **at = arena_take(edit->arena, (LEDIG_NUMBERS_COUNT_MAX + 1) * sizeof *at);
    struct texts *numbers = &edit->entry.numbers;
    if (!at) return json_reader_fail(reader, "numbers", "out of memory");
    numbers->at = at;
    json_array_foreach(list, i, text) {
        char number[E164_BYTES];
        const char *reason =
            roster_rules_number(json_string_value(text), json_string_length(text), numbers->count, number);
        if (!reason && roster_rules_have(numbers, number)) reason = "a number stands in the list twice";
        if (reason) return json_reader_fail(reader, "numbers", reason);
        at[numbers->count] = arena_text(edit->arena, number, strlen(number));
        if (!at[numbers->count++]) return json_reader_fail(reader, "numbers", "out of memory");
    }
    edit->fields |= ROSTER_FIELD(ROSTER_NUMBERS);
    return true;
}

bool edit_read_queues(struct edit *edit, struct json_reader *reader) {
    const json_t *list, *text;
    size_t i;
    if (!edit_says(edit, "queues")) return true;
    if (!take_list(edit, reader, "queues", &list)) return false;
    const char **at = arena_take(edit->arena, (LEDIG_QUEUES_COUNT_MAX + 1) * sizeof *at);
    struct texts *queues = &edit->entry.queues;
    if (!at) return json_reader_fail(reader, "queues", "out of memory");
    queues->at = at;
    json_array_foreach(list, i, text) {
        if (roster_rules_have(queues, json_string_value(text))) continue;
        const char *reason = roster_rules_queue(json_string_value(text), queues->count);
        if (reason) return json_reader_fail(reader, "queues", reason);
        at[queues->count++] = json_string_value(text);
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
static bool take_body(struct edit *edit, const struct http_request *request) {
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

static struct edit *edit_create(struct service *service, const struct edit_kind *kind, const char *company,
                                const char *id) {
    struct edit *edit = calloc(1, sizeof *edit);
    if (edit) edit->arena = arena_create();
    if (!edit || !edit->arena) {
        free(edit);
        return NULL;
    }
    edit->service = service;
    edit->kind = kind;
    snprintf(edit->company, sizeof edit->company, "%s", company);
    snprintf(edit->id, sizeof edit->id, "%s", id);
    edit->entry.id = edit->id;
    DL_APPEND2(service->edits, edit, before, next);
    return edit;
}

void edit_start(struct service *service, const struct edit_kind *kind, const char *company, const char *id,
                struct http_exchange *exchange, const struct http_request *request) {
    if (import_runs(service, company)) {
        http_problem(exchange, LEDIG_ECONFLICT, NULL, "an import of this company is under way");
        return;
    }
    struct edit *edit = edit_create(service, kind, company, id);
    if (!edit) {
        http_problem(exchange, LEDIG_ENO_MEMORY, NULL, NULL);
        return;
    }
    edit->exchange = exchange;
    edit->verb = request->method == HTTP_PUT ? EDIT_REPLACE : request->method == HTTP_PATCH ? EDIT_CHANGE : EDIT_REMOVE;
    if (edit->verb != EDIT_REMOVE && !take_body(edit, request))
        end(edit);
    else if (!must_wait(edit))
        begin(edit);
}

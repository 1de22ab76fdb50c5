#include "broker/service/edit.h"
#include "broker/log.h"
#include "broker/service/dial_plan.h"
#include "broker/service/erasure.h"
#include "broker/service/http_problem.h"
#include "broker/service/import.h"
#include "broker/service/number_index.h"
#include "broker/service/queue_api.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define NUMBERS_MAX (2 * LEDIG_NUMBERS_COUNT_MAX) /* those that were dropped, and those that were taken */
#define SETTLE_TRIES_MAX 30                       /* each waits for the store as long as every request does */

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
    if (edit->exchange) http_problem(edit->exchange, error, field, why);
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

/* ---- The end ---- */

int edit_fault(struct edit *edit, int error, const char *field, const char *why) {
    edit->fault_field = field;
    edit->fault_why = why;
    return error;
}

static void answer_failed(struct edit *edit, int error) {
    if (edit->fault_why && error != LEDIG_ENO_MEMORY)
        refuse(edit, error, edit->fault_field, edit->fault_why);
    else if (error == LEDIG_ENOT_FOUND && !edit->has_company)
        refuse(edit, error, NULL, "no such company");
    else if (error == LEDIG_ENOT_FOUND)
        refuse(edit, error, edit->kind->name, edit->kind->none);
    else if (error == LEDIG_ECONFLICT)
        refuse(edit, error, "numbers", "a number is in use by another");
    else
        refuse(edit, error, NULL, NULL);
}

static void finish(struct edit *edit, int failure) {
    if (!edit->exchange)
        end(edit);
    else if (failure)
        answer_failed(edit, failure);
    else
        answer(edit);
}

static bool was_dropped(const struct edit *edit, const char *number) {
    for (size_t i = 0; i < edit->dropped_count; i++)
        if (strcmp(edit->dropped[i], number) == 0) return true;
    return false;
}

/* Of all tries: one whose answer was lost may have been the one that took effect. */
void edit_note_dropped(struct edit *edit, const struct texts *before, const struct texts *after) {
    for (uint32_t i = 0; i < before->count && edit->dropped_count < LEDIG_NUMBERS_COUNT_MAX; i++)
        if (!roster_rules_have(after, before->at[i]) && !was_dropped(edit, before->at[i]))
            snprintf(edit->dropped[edit->dropped_count++], E164_BYTES, "%s", before->at[i]);
}

/* ---- What the index knows of the numbers that were taken or dropped is settled whatever became of the commit: another
 * worker may have changed the same entity meanwhile, and of a commit without an answer nobody knows whether it took
 * effect. ---- */

static void settle(struct edit *edit);

static void on_settled(void *arg, int error) {
    struct edit *edit = arg;
    bool tries_again = error == LEDIG_EUNAVAILABLE && !edit->exchange && !edit->service->closing;
    if (tries_again && ++edit->settle_tries < SETTLE_TRIES_MAX) {
        settle(edit); /* nobody waits for it but the next edit of the entity */
        return;
    }
    if (error) log_event(LOG_WARNING, "numbers_not_settled", "company=%s", edit->company); /* the sweep will */
    finish(edit, edit->failure);
}

static void settle(struct edit *edit) {
    struct number_item items[NUMBERS_MAX];
    size_t count = 0;
    for (uint32_t i = 0; i < edit->entry.numbers.count; i++)
        items[count++].number = edit->entry.numbers.at[i];
    for (size_t i = 0; i < edit->dropped_count; i++)
        items[count++].number = edit->dropped[i];
    for (size_t i = 0; i < count; i++) {
        items[i].id = edit->id;
        items[i].is_queue = edit->entry.is_queue;
    }
    if (count == 0)
        finish(edit, edit->failure);
    else if (number_index_settle(edit->service, edit->company, items, count, on_settled, edit) != 0)
        on_settled(edit, LEDIG_ENO_MEMORY);
}

void edit_committed(struct edit *edit, int error, uint64_t version) {
    edit->version = version;
    edit->failure = error;
    if (edit->removed_version && (!error || error == LEDIG_ENOT_FOUND))
        erasure_settled(edit->service, edit->company, edit->kind == &queue_kind, edit->id);
    if (error == LEDIG_EUNAVAILABLE || edit->service->closing) {
        if (edit->exchange)
            http_problem(edit->exchange, LEDIG_EUNAVAILABLE, NULL, "the store does not answer; ask again");
        edit->exchange = NULL;
        if (edit->service->closing) {
            end(edit);
            return;
        }
    }
    settle(edit);
}

/* ---- Taking numbers ---- */

static void on_taken(void *arg, int error, size_t which) {
    struct edit *edit = arg;
    (void)which;
    if (error == LEDIG_ECONFLICT)
        edit_committed(edit, error, 0); /* what was taken and given back, another may have needed for the same entity */
    else if (error || edit->service->closing)
        edit_committed(edit, LEDIG_EUNAVAILABLE, 0); /* some may have been taken */
    else
        edit->kind->commit(edit);
}

static void take(struct edit *edit) {
    const struct texts *numbers = &edit->entry.numbers;
    char owner[ROSTER_OWNER_BYTES];
    const char *own[LEDIG_NUMBERS_COUNT_MAX];
    roster_rules_owner(edit->service->names, edit->company, edit->entry.is_queue, edit->id, owner);
    for (uint32_t i = 0; i < numbers->count; i++)
        own[i] = owner;
    number_index_take(edit->service, numbers->at, own, numbers->count, on_taken, edit);
}

static void on_plan(void *arg, int error, const struct numbering_plan *plan) {
    struct edit *edit = arg;
    const char *reason = error ? NULL : edit_complete_numbers(edit, plan);
    if (error)
        refuse(edit, error, NULL, NULL);
    else if (reason)
        refuse(edit, LEDIG_EBAD_REQUEST, "numbers", reason);
    else
        begin(edit);
}

static void begin(struct edit *edit) {
    const struct texts *numbers = &edit->entry.numbers;
    if (edit->service->closing)
        refuse(edit, LEDIG_EUNAVAILABLE, NULL, NULL);
    else if (edit->needs_plan && dial_plan_read(edit->service, edit->company, on_plan, edit) != 0)
        refuse(edit, LEDIG_ENO_MEMORY, NULL, NULL);
    else if (edit->needs_plan)
        return;
    else if (edit->verb == EDIT_REMOVE)
        edit->kind->remove(edit);
    else if (numbers->count > 0)
        take(edit);
    else
        edit->kind->commit(edit);
}

/* ---- The request ---- */

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

bool edit_runs(const struct service *service, const char *company) {
    for (const struct edit *edit = service->edits; edit; edit = edit->next)
        if (strcmp(edit->company, company) == 0) return true;
    return false;
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
    struct token_claims claims;
    edit->exchange = exchange;
    edit->by_operator = token_check(service->key, request->bearer, service_now_ms(service), &claims) == 0 &&
                        claims.role == ROLE_OPERATOR;
    edit->verb = request->method == HTTP_PUT ? EDIT_REPLACE : request->method == HTTP_PATCH ? EDIT_CHANGE : EDIT_REMOVE;
    if (edit->verb != EDIT_REMOVE && !edit_read_body(edit, request))
        end(edit);
    else if (!must_wait(edit))
        begin(edit);
}

void edit_remove_again(struct service *service, const struct edit_kind *kind, const char *company, const char *id,
                       uint64_t version) {
    struct edit *edit = edit_create(service, kind, company, id);
    if (!edit) return; /* the next reading of the store asks again */
    edit->verb = EDIT_REMOVE;
    edit->removed_version = version;
    if (!must_wait(edit)) begin(edit);
}

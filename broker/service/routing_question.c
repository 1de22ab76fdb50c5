#include "broker/service/routing_question.h"
#include "broker/service/http_problem.h"
#include "broker/service/service.h"

#include <stdlib.h>
#include <string.h>

static const char not_a_number[] = "a number in E.164 is needed: a plus (%2B in a URL), then 5 to 15 digits";

/* ---- The request ---- */

static struct routing_question *question_create(struct service *service, const struct token_claims *claims,
                                                struct http_exchange *exchange, size_t count) {
    struct routing_question *question = calloc(1, sizeof *question + count * sizeof *question->numbers);
    if (!question) {
        http_problem(exchange, LEDIG_ENO_MEMORY, NULL, NULL);
        return NULL;
    }
    question->service = service;
    question->exchange = exchange;
    question->claims = *claims;
    question->serial = ++service->routing.questions;
    question->asked_ns = uv_hrtime();
    service->metrics->route_numbers += count;
    question->count = count;
    return question;
}

static struct routing_question *open_single(struct service *service, const struct token_claims *claims,
                                            struct http_exchange *exchange, const struct http_request *request) {
    char to[LEDIG_NUMBER_CHARS_MAX + 1], number[E164_BYTES];
    int error = http_query(request, "to", to, sizeof to);
    if (error == LEDIG_ENOT_FOUND) {
        http_problem(exchange, LEDIG_EBAD_REQUEST, "to", "the parameter `to` is missing");
        return NULL;
    }
    if (error || e164_parse(to, strlen(to), number) != 0) {
        http_problem(exchange, LEDIG_EBAD_REQUEST, "to", not_a_number);
        return NULL;
    }
    struct routing_question *question = question_create(service, claims, exchange, 1);
    if (question) memcpy(question->numbers[0].number, number, sizeof number);
    return question;
}

static int take_list(struct routing_question *question, const json_t *list) {
    size_t i;
    const json_t *text;
    json_array_foreach(list, i, text) {
        if (!json_is_string(text)) return LEDIG_EBAD_REQUEST;
        size_t length = json_string_length(text);
        if (length > LEDIG_NUMBER_CHARS_MAX) return LEDIG_EBAD_REQUEST;
        int error = e164_parse(json_string_value(text), length, question->numbers[i].number);
        if (error) return error;
    }
    return 0;
}

static struct routing_question *open_list(struct service *service, const struct token_claims *claims,
                                          struct http_exchange *exchange, const struct http_request *request) {
    if (request->length > ROUTING_BODY_BYTES_MAX) {
        http_problem(exchange, LEDIG_ETOO_LARGE, "to", "the list is larger than 64 KiB");
        return NULL;
    }
    json_t *list = json_loadb((const char *)request->body, request->length, JSON_REJECT_DUPLICATES, NULL);
    struct routing_question *question = NULL;
    if (!json_is_array(list))
        http_problem(exchange, LEDIG_EBAD_REQUEST, "to", "the body is no JSON list of numbers");
    else if (json_array_size(list) > ROUTING_BATCH_MAX)
        http_problem(exchange, LEDIG_ETOO_LARGE, "to", "more than 1000 numbers");
    else
        question = question_create(service, claims, exchange, json_array_size(list));
    if (question && take_list(question, list) != 0) {
        http_problem(exchange, LEDIG_EBAD_REQUEST, "to", "each entry is a text: a plus, then 5 to 15 digits");
        free(question);
        question = NULL;
    }
    if (question) question->is_list = true;
    json_decref(list);
    return question;
}

struct routing_question *routing_question_open(struct service *service, const struct token_claims *claims,
                                               struct http_exchange *exchange, const struct http_request *request) {
    if (request->method == HTTP_GET) return open_single(service, claims, exchange, request);
    return open_list(service, claims, exchange, request);
}

int routing_question_own(struct routing_question *question, struct routed *routed, const char *owner) {
    if (!owner) return 0;
    char *copy = strdup(owner);
    if (!copy) return LEDIG_ENO_MEMORY;
    char *kind = strchr(copy, '/');
    char *id = kind ? strchr(kind + 1, '/') : NULL;
    if (id) {
        *kind++ = '\0';
        *id++ = '\0';
    }
    /* what the token does not cover is treated as if nobody had it */
    if (!id || !token_covers(&question->claims, copy)) {
        free(copy);
        return 0;
    }
    routed->owner = copy;
    routed->company = copy;
    routed->id = id;
    routed->is_queue = strcmp(kind, "queue") == 0;
    return 0;
}

/* ---- The answer ---- */

static json_t *stale(const struct routing_question *question) {
    int64_t stale_ms = store_stale_ms(question->service->store);
    return stale_ms == INT64_MAX ? json_null() : json_integer(stale_ms);
}

static json_t *list_via(const struct forwarded *forwarded) {
    json_t *list = forwarded->count > 0 ? json_array() : NULL;
    for (size_t i = 0; list && i < forwarded->count; i++)
        json_array_append_new(list, json_string(forwarded->via[i]));
    return list;
}

void routing_tell_person(struct routing_question *question, struct routed *routed, const char *user,
                         const struct view *view, const struct forwarded *forwarded, uint64_t version) {
    routed->answer =
        json_pack("{s:s,s:s,s:s,s:s*,s:o*,s:s,s:s,s:o*,s:I,s:o}", "user", user, "company", routed->company, "action",
                  route_action_name(forwarded->action), "target", forwarded->target, "via", list_via(forwarded),
                  "availability", availability_name(view->availability), "activity",
                  view->activity ? view->activity : "none", "until", view->until > 0 ? json_integer(view->until) : NULL,
                  "version", (json_int_t)version, "stale_ms", stale(question));
}

void routing_tell_queue(struct routing_question *question, struct routed *routed, const char *queue, uint64_t version) {
    routed->answer = json_pack("{s:s,s:s,s:s,s:s,s:I,s:o}", "queue", queue, "company", routed->company, "action",
                               route_action_name(ROUTE_QUEUE), "target", queue, "version", (json_int_t)version,
                               "stale_ms", stale(question));
}

void routing_tell_nobody(struct routing_question *question, struct routed *routed) {
    routed->answer = json_pack("{s:s,s:o}", "action", route_action_name(ROUTE_UNKNOWN), "stale_ms", stale(question));
}

static json_t *whole_answer(struct routing_question *question) {
    if (!question->is_list) return json_incref(question->numbers[0].answer);
    json_t *list = json_array();
    for (size_t i = 0; list && i < question->count; i++)
        if (json_array_append(list, question->numbers[i].answer) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

void routing_question_close(struct routing_question *question) {
    metrics_observe(&question->service->metrics->route_us, (uv_hrtime() - question->asked_ns) / 1000);
    if (question->error == LEDIG_EUNAVAILABLE)
        http_problem(question->exchange, LEDIG_EUNAVAILABLE, NULL,
                     "the store does not answer, and the company is not loaded here; ring as you would without Ledig");
    else if (question->error)
        http_problem(question->exchange, question->error, NULL, NULL);
    else
        http_answer_json(question->exchange, 200, whole_answer(question));
    for (size_t i = 0; i < question->count; i++) {
        json_decref(question->numbers[i].answer);
        free(question->numbers[i].owner);
    }
    free(question);
}

#include "broker/service/route_api.h"
#include "broker/service/http_problem.h"
#include "broker/service/routing.h"

#include <stdlib.h>
#include <string.h>

/* ---- The answer ---- */

static json_t *list_via(const struct texts *via) {
    json_t *list = via->count > 0 ? json_array() : NULL;
    for (uint32_t i = 0; list && i < via->count; i++)
        json_array_append_new(list, json_string(via->at[i]));
    return list;
}

static json_t *render(const struct part_route_row *row, int64_t stale_ms) {
    json_t *stale = stale_ms == INT64_MAX ? json_null() : json_integer(stale_ms);
    if (row->queue)
        return json_pack("{s:s,s:s,s:s,s:s,s:I,s:o}", "queue", row->queue, "company", row->company, "action",
                         row->action, "target", row->target, "version", (json_int_t)row->version, "stale_ms", stale);
    if (!row->user) return json_pack("{s:s,s:o}", "action", row->action, "stale_ms", stale);
    return json_pack("{s:s,s:s,s:s,s:s*,s:o*,s:s,s:s,s:o*,s:I,s:o}", "user", row->user, "company", row->company,
                     "action", row->action, "target", row->target, "via", list_via(&row->via), "availability",
                     row->availability, "activity", row->activity, "until",
                     row->until > 0 ? json_integer(row->until) : NULL, "version", (json_int_t)row->version, "stale_ms",
                     stale);
}

static json_t *render_list(const struct part_route_row *rows, size_t count, int64_t stale_ms) {
    json_t *list = json_array();
    for (size_t i = 0; list && i < count; i++)
        if (json_array_append_new(list, render(&rows[i], stale_ms)) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static bool is_fault(struct http_exchange *exchange, int error) {
    if (error == LEDIG_EUNAVAILABLE)
        http_problem(exchange, error, NULL,
                     "the store does not answer, and the company is not loaded here; ring as you would without Ledig");
    else if (error)
        http_problem(exchange, error, NULL, NULL);
    return error != 0;
}

static void on_one(void *arg, int error, const struct part_route_row *rows, size_t count, int64_t stale_ms) {
    (void)count;
    if (!is_fault(arg, error)) http_answer_json(arg, 200, render(rows, stale_ms));
}

static void on_list(void *arg, int error, const struct part_route_row *rows, size_t count, int64_t stale_ms) {
    if (!is_fault(arg, error)) http_answer_json(arg, 200, render_list(rows, count, stale_ms));
}

/* ---- The question ---- */

static void ask_one(struct service *service, const struct token_claims *claims, struct routing_numbers *numbers,
                    struct http_exchange *exchange, const struct http_request *request) {
    char to[LEDIG_NUMBER_CHARS_MAX + 1];
    int error = http_query(request, "to", to, sizeof to);
    if (error == LEDIG_ENOT_FOUND) {
        http_problem(exchange, LEDIG_EBAD_REQUEST, "to", "the parameter `to` is missing");
    } else if (error || e164_parse(to, strlen(to), numbers->at[0]) != 0) {
        http_problem(exchange, LEDIG_EBAD_REQUEST, "to",
                     "a number in E.164 is needed: a plus (%2B in a URL), then 5 to 15 digits");
    } else {
        numbers->count = 1;
        routing_ask(service, claims, numbers, on_one, exchange);
    }
}

static bool take_list(struct routing_numbers *numbers, const json_t *list) {
    size_t i;
    const json_t *text;
    json_array_foreach(list, i, text) {
        size_t length = json_string_length(text);
        if (!json_is_string(text) || length > LEDIG_NUMBER_CHARS_MAX) return false;
        if (e164_parse(json_string_value(text), length, numbers->at[i]) != 0) return false;
    }
    numbers->count = json_array_size(list);
    return true;
}

static void ask_list(struct service *service, const struct token_claims *claims, struct routing_numbers *numbers,
                     struct http_exchange *exchange, const struct http_request *request) {
    if (request->length > ROUTE_BODY_BYTES_MAX) {
        http_problem(exchange, LEDIG_ETOO_LARGE, "to", "the list is larger than 64 KiB");
        return;
    }
    json_t *list = json_loadb((const char *)request->body, request->length, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_array(list))
        http_problem(exchange, LEDIG_EBAD_REQUEST, "to", "the body is no JSON list of numbers");
    else if (json_array_size(list) > ROUTING_BATCH_MAX)
        http_problem(exchange, LEDIG_ETOO_LARGE, "to", "more than 1000 numbers");
    else if (!take_list(numbers, list))
        http_problem(exchange, LEDIG_EBAD_REQUEST, "to", "each entry is a text: a plus, then 5 to 15 digits");
    else
        routing_ask(service, claims, numbers, on_list, exchange);
    json_decref(list);
}

void route_api_answer(struct service *service, const struct token_claims *claims, struct http_exchange *exchange,
                      const struct http_request *request) {
    struct routing_numbers numbers; /* 17 KB; not cleared, since most questions have one */
    if (request->method == HTTP_GET)
        ask_one(service, claims, &numbers, exchange, request);
    else
        ask_list(service, claims, &numbers, exchange, request);
}

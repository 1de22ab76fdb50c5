#include "broker/service/route_api.h"
#include "broker/service/dial_plan.h"
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
    return json_pack("{s:s,s:s,s:s,s:s*,s:o*,s:s,s:s,s:o*,s:s*,s:I,s:o}", "user", row->user, "company", row->company,
                     "action", row->action, "target", row->target, "via", list_via(&row->via), "availability",
                     row->availability, "activity", row->activity, "until",
                     row->until > 0 ? json_integer(row->until) : NULL, "reason", row->reason, "version",
                     (json_int_t)row->version, "stale_ms", stale);
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

/* ---- In which country is it dialled? ---- */

static const char no_number[] =
    "no number: a plus (%2B in a URL) and 5 to 15 digits, or as it is dialled in the company's country";

/* The company that the question names, or else the only one that the token is for; "" where there are several. False
 * after an answer. */
static bool take_company(const struct token_claims *claims, struct http_exchange *exchange,
                         const struct http_request *request, char company[static LEDIG_ID_CHARS_MAX + 1]) {
    int error = http_query(request, "company", company, LEDIG_ID_CHARS_MAX + 1);
    if (!error && shape_is_id(company) && token_covers(claims, company)) return true;
    if (error != LEDIG_ENOT_FOUND) {
        http_problem(exchange, LEDIG_ENOT_FOUND, "company", "no such company");
        return false;
    }
    snprintf(company, LEDIG_ID_CHARS_MAX + 1, "%.*s", LEDIG_ID_CHARS_MAX,
             shape_is_id(claims->companies) ? claims->companies : "");
    return true;
}

struct dialling { /* a question that waits for the company's country */
    struct service *service;
    struct token_claims claims;
    struct http_exchange *exchange;
    bool is_list;
    size_t count;
    char dialled[][NUMBERING_DIALLED_MAX + 1];
};

static struct dialling *dialling_create(struct service *service, const struct token_claims *claims,
                                        struct http_exchange *exchange, size_t count) {
    struct dialling *dialling = malloc(sizeof *dialling + (count + 1) * sizeof *dialling->dialled);
    if (dialling)
        *dialling = (struct dialling){.service = service, .claims = *claims, .exchange = exchange, .count = count};
    return dialling;
}

static void ask(const struct dialling *dialling, const struct numbering_plan *plan) {
    struct routing_numbers numbers; /* 17 KB; not cleared, since most questions have one */
    for (numbers.count = 0; numbers.count < dialling->count; numbers.count++)
        if (numbering_complete(plan, dialling->dialled[numbers.count], numbers.at[numbers.count]) != 0) {
            http_problem(dialling->exchange, LEDIG_EBAD_REQUEST, "to", no_number);
            return;
        }
    routing_ask(dialling->service, &dialling->claims, &numbers, dialling->is_list ? on_list : on_one,
                dialling->exchange);
}

static void on_plan(void *arg, int error, const struct numbering_plan *plan) {
    if (!is_fault(((struct dialling *)arg)->exchange, error)) ask(arg, plan);
    free(arg);
}

static bool has_national(const struct dialling *dialling) {
    for (size_t i = 0; i < dialling->count; i++)
        if (!numbering_is_international(dialling->dialled[i])) return true;
    return false;
}

/* Takes the dialling over. */
static void find_country(struct dialling *dialling, const struct http_request *request) {
    char company[LEDIG_ID_CHARS_MAX + 1] = "";
    const struct numbering_plan *plan = NULL;
    bool waits = false;
    if (!take_company(&dialling->claims, dialling->exchange, request, company)) {
        free(dialling);
        return;
    }
    if (has_national(dialling)) {
        if (!company[0]) {
            http_problem(dialling->exchange, LEDIG_EBAD_REQUEST, "company",
                         "a national number needs it, since the token is for several companies");
            free(dialling);
            return;
        }
        plan = dial_plan(dialling->service, company);
        waits = !plan;
    }
    if (!waits)
        ask(dialling, plan);
    else if (dial_plan_read(dialling->service, company, on_plan, dialling) == 0)
        return;
    else
        http_problem(dialling->exchange, LEDIG_ENO_MEMORY, NULL, NULL);
    free(dialling);
}

/* ---- The question ---- */

static void ask_one(struct service *service, const struct token_claims *claims, struct http_exchange *exchange,
                    const struct http_request *request) {
    char to[LEDIG_NUMBER_CHARS_MAX + 1];
    int error = http_query(request, "to", to, sizeof to);
    if (error == LEDIG_ENOT_FOUND) {
        http_problem(exchange, LEDIG_EBAD_REQUEST, "to", "the parameter `to` is missing");
        return;
    }
    struct dialling *dialling = dialling_create(service, claims, exchange, 1);
    if (dialling && !error && numbering_read(to, strlen(to), dialling->dialled[0]) == 0) {
        find_country(dialling, request);
        return;
    }
    http_problem(exchange, dialling ? LEDIG_EBAD_REQUEST : LEDIG_ENO_MEMORY, dialling ? "to" : NULL,
                 dialling ? no_number : NULL);
    free(dialling);
}

static bool take_list(struct dialling *dialling, const json_t *list) {
    size_t i;
    const json_t *text;
    json_array_foreach(list, i, text) {
        size_t length = json_string_length(text);
        if (!json_is_string(text) || length > LEDIG_NUMBER_CHARS_MAX) return false;
        if (numbering_read(json_string_value(text), length, dialling->dialled[i]) != 0) return false;
    }
    return true;
}

static void ask_list(struct service *service, const struct token_claims *claims, struct http_exchange *exchange,
                     const struct http_request *request) {
    struct dialling *dialling = NULL;
    if (request->length > ROUTE_BODY_BYTES_MAX) {
        http_problem(exchange, LEDIG_ETOO_LARGE, "to", "the list is larger than 64 KiB");
        return;
    }
    json_t *list = json_loadb((const char *)request->body, request->length, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_array(list))
        http_problem(exchange, LEDIG_EBAD_REQUEST, "to", "the body is no JSON list of numbers");
    else if (json_array_size(list) > ROUTING_BATCH_MAX)
        http_problem(exchange, LEDIG_ETOO_LARGE, "to", "more than 1000 numbers");
    else if (!(dialling = dialling_create(service, claims, exchange, json_array_size(list))))
        http_problem(exchange, LEDIG_ENO_MEMORY, NULL, NULL);
    else if (!take_list(dialling, list))
        http_problem(exchange, LEDIG_EBAD_REQUEST, "to", no_number);
    else {
        dialling->is_list = true;
        find_country(dialling, request);
        dialling = NULL;
    }
    free(dialling);
    json_decref(list);
}

void route_api_answer(struct service *service, const struct token_claims *claims, struct http_exchange *exchange,
                      const struct http_request *request) {
    if (request->method == HTTP_GET)
        ask_one(service, claims, exchange, request);
    else
        ask_list(service, claims, exchange, request);
}

#include "broker/service/call_api.h"
#include "broker/service/calls.h"
#include "broker/service/claims.h"
#include "broker/service/http_problem.h"
#include "broker/service/json_reader.h"

#include <stdlib.h>
#include <string.h>

/* ---- Calls ---- */

struct call_answer {
    struct http_exchange *exchange;
    char call[];
};

static void on_reported(void *arg, const struct fault *fault, uint64_t version) {
    struct call_answer *answer = arg;
    if (fault)
        http_fault(answer->exchange, fault);
    else
        http_answer_json(answer->exchange, 200,
                         json_pack("{s:s,s:I}", "call", answer->call, "version", (json_int_t)version));
    free(answer);
}

static int read_event(const struct service *service, const json_t *document, struct call_event *event,
                      struct fault *fault) {
    return document ? call_event_read(document, service_now_ms(service), event, fault) : fault->error;
}

void call_api_report(struct service *service, const char *subject, const char *company, const char *call,
                     struct http_exchange *exchange, const struct http_request *request) {
    struct fault fault;
    struct call_event event;
    json_t *document = json_reader_open(request->body, request->length, CALL_BODY_BYTES_MAX, &fault);
    struct call_answer *answer = malloc(sizeof *answer + strlen(call) + 1);
    if (!answer) {
        http_problem(exchange, LEDIG_ENO_MEMORY, NULL, NULL);
    } else if (read_event(service, document, &event, &fault) != 0) {
        http_fault(exchange, &fault);
        free(answer);
    } else {
        answer->exchange = exchange;
        strcpy(answer->call, call);
        calls_report(service, subject, company, call, &event, on_reported, answer);
    }
    json_decref(document);
}

/* ---- Claims ---- */

static void answer_nobody(struct http_exchange *exchange, const struct claim_result *result) {
    http_problem_as(exchange, 409, result->fault->error, result->fault->field, result->fault->why,
                    json_pack("{s:i,s:o*,s:o*}", "free", 0, "next_free_at",
                              result->next_free_at ? json_integer(result->next_free_at) : NULL, "position",
                              result->position ? json_integer((json_int_t)result->position) : NULL));
}

static void on_claimed(void *arg, const struct claim_result *result) {
    struct http_exchange *exchange = arg;
    if (result->is_nobody) {
        answer_nobody(exchange, result);
        return;
    }
    if (result->fault) {
        http_fault(exchange, result->fault);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; list && i < result->count; i++)
        json_array_append_new(
            list, json_pack("{s:s,s:s*}", "user", result->agents[i].user, "target", result->agents[i].target));
    http_answer_json(
        exchange, result->is_new ? 201 : 200,
        json_pack("{s:s,s:o,s:I}", "call", result->call, "claims", list, "lease_ms", (json_int_t)result->lease_ms));
}

static void on_released(void *arg, const struct claim_result *result) {
    if (result->fault)
        http_fault(arg, result->fault);
    else
        http_answer(arg, 204, "application/json", "", 0);
}

static bool is_gone(void *arg) {
    return http_is_abandoned(arg);
}

void call_api_claim(struct service *service, const char *subject, const char *company, const char *queue,
                    struct http_exchange *exchange, const struct http_request *request) {
    struct fault fault;
    struct claim_request wanted;
    json_t *document = json_reader_open(request->body, request->length, CLAIM_BODY_BYTES_MAX, &fault);
    if (!document || claim_request_read(document, &wanted, &fault) != 0) {
        http_fault(exchange, &fault);
    } else {
        wanted.queue = queue;
        claims_take(service, subject, company, &wanted, &(struct claim_asker){on_claimed, is_gone, exchange});
    }
    json_decref(document);
}

void call_api_release(struct service *service, const char *company, const char *call, struct http_exchange *exchange) {
    claims_release(service, company, call, &(struct claim_asker){on_released, is_gone, exchange});
}

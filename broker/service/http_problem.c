#include "broker/service/http_problem.h"
#include "protocol/errors.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {204, "No Content"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
};

const char *http_reason(int status) {
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status) return reasons[i].reason;
    return "Error";
}

static int status_of(int error) {
    switch (error) {
    case LEDIG_EBAD_REQUEST:
        return 400;
    case LEDIG_EUNAUTHORIZED:
        return 401;
    case LEDIG_EFORBIDDEN:
    case LEDIG_ECONSENT_REQUIRED:
        return 403;
    case LEDIG_ENOT_FOUND:
        return 404;
    case LEDIG_ECONFLICT:
        return 409;
    case LEDIG_ETOO_LARGE:
        return 413;
    case LEDIG_ERATE_LIMITED:
        return 429;
    case LEDIG_EUNSUPPORTED:
        return 501;
    case LEDIG_EDAMAGED:
        return 500;
    default:
        return 503;
    }
}

void http_answer_json(struct http_exchange *exchange, int status, json_t *document) {
    char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
    json_decref(document);
    if (!text) {
        static const char none[] = "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,"
                                   "\"code\":\"unavailable\",\"detail\":\"out of memory\"}";
        http_answer(exchange, 503, "application/problem+json", none, sizeof none - 1);
        return;
    }
    http_answer(exchange, status, status < 400 ? "application/json" : "application/problem+json", text, strlen(text));
    free(text);
}

void http_problem_as(struct http_exchange *exchange, int status, int error, const char *field, const char *detail,
                     json_t *members) {
    json_t *document = json_pack("{s:s,s:s,s:i,s:s,s:s,s:s*}", "type", "about:blank", "title", http_reason(status),
                                 "status", status, "code", ledig_error_name(error), "detail",
                                 detail ? detail : ledig_error_meaning(error), "field", field);
    if (document && members && json_object_update(document, members) != 0) {
        json_decref(document);
        document = NULL;
    }
    json_decref(members);
    http_answer_json(exchange, status, document);
}

void http_problem(struct http_exchange *exchange, int error, const char *field, const char *detail) {
    http_problem_as(exchange, status_of(error), error, field, detail, NULL);
}

void http_rate_limited(struct http_exchange *exchange, uint32_t retry_ms, const char *detail) {
    http_retry_after(exchange, retry_ms);
    http_problem_as(exchange, 429, LEDIG_ERATE_LIMITED, NULL, detail,
                    json_pack("{s:I}", "retry_ms", (json_int_t)retry_ms));
}

void http_fault(struct http_exchange *exchange, const struct fault *fault) {
    if (fault->error == LEDIG_ELEASE_ENDED) /* which has no name on the wire */
        http_problem_as(exchange, 410, LEDIG_ECONFLICT, fault->field, fault->why, NULL);
    else
        http_problem(exchange, fault->error, fault->field, fault->why);
}

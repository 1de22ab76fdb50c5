#include "broker/operations.h"

#include "broker/metrics/metrics_text.h"

#include <string.h>

static void answer(struct http_exchange *exchange, int status, const char *type, const char *body) {
    http_answer(exchange, status, type, body, strlen(body));
}

static void answer_metrics(const struct operations *operations, struct http_exchange *exchange) {
    struct buffer text = {0};
    if (operations->write_metrics(operations->arg, &text) == 0)
        http_answer(exchange, 200, METRICS_TEXT_TYPE, text.bytes, text.length);
    else
        answer(exchange, 503, "application/problem+json", "{\"title\":\"Service Unavailable\",\"status\":503}");
    buffer_free(&text);
}

void operations_handle(void *arg, struct http_exchange *exchange, const struct http_request *request) {
    const struct operations *operations = arg;
    if (request->method != HTTP_GET) {
        answer(exchange, 405, "application/problem+json", "{\"title\":\"Method Not Allowed\",\"status\":405}");
    } else if (strcmp(request->path, "/healthz") == 0) {
        answer(exchange, 200, "application/json", "{\"ok\":true}");
    } else if (strcmp(request->path, "/readyz") == 0) {
        bool ready = operations->is_ready(operations->arg);
        answer(exchange, ready ? 200 : 503, "application/json", ready ? "{\"ready\":true}" : "{\"ready\":false}");
    } else if (strcmp(request->path, "/metrics") == 0) {
        answer_metrics(operations, exchange);
    } else {
        answer(exchange, 404, "application/problem+json", "{\"title\":\"Not Found\",\"status\":404}");
    }
}

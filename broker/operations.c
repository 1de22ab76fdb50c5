#include "broker/operations.h"

#include <string.h>

static void answer(struct http_exchange *exchange, int status, const char *type, const char *body) {
    http_answer(exchange, status, type, body, strlen(body));
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
    } else {
        answer(exchange, 404, "application/problem+json", "{\"title\":\"Not Found\",\"status\":404}");
    }
}

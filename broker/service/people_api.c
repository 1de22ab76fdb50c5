#include "broker/service/people_api.h"
#include "broker/service/api_path.h"
#include "broker/service/http_problem.h"
#include "broker/service/login.h"

#include <string.h>

static const struct {
    const char *path;
    enum http_method method;
    const char *name; /* of the method */
    void (*answer)(struct service *service, struct http_exchange *exchange, const struct http_request *request);
    enum limit_name limit; /* of the address; LIMIT_COUNT: none but that of requests */
} calls[] = {
    {"/v1/login", HTTP_POST, "POST", login_begin, LIMIT_address_logins},
    {"/v1/password", HTTP_POST, "POST", login_set_password, LIMIT_address_logins},
    {"/v1/token", HTTP_POST, "POST", login_refresh, LIMIT_address_refreshes},
    {"/v1/logout", HTTP_POST, "POST", login_end, LIMIT_COUNT},
    {"/v1/me/devices", HTTP_GET, "GET", login_list, LIMIT_COUNT},
};

/* Answers if not. */
static bool is_within_limit(struct service *service, enum limit_name limit, struct http_exchange *exchange,
                            const struct http_request *request) {
    uint64_t now_ms = uv_now(service->loop);
    uint32_t retry_ms;
    if (limit == LIMIT_COUNT) return true;
    if (limits_take_peer(service->options.limits, limit, request->peer, 1, now_ms, &retry_ms)) return true;
    http_rate_limited(exchange, retry_ms, "too many tries from this address");
    return false;
}

void people_api_handle(void *arg, struct http_exchange *exchange, const struct http_request *request) {
    struct service *service = arg;
    static const char devices[] = "/v1/me/devices/";
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (strcmp(request->path, calls[i].path) != 0) continue;
        if (request->method != calls[i].method)
            api_refuse_method(exchange, calls[i].name);
        else if (is_within_limit(service, calls[i].limit, exchange, request))
            calls[i].answer(service, exchange, request);
        return;
    }
    if (strncmp(request->path, devices, strlen(devices)) != 0)
        http_problem(exchange, LEDIG_ENOT_FOUND, NULL, "there is nothing at this path");
    else if (request->method != HTTP_DELETE)
        api_refuse_method(exchange, "DELETE");
    else
        login_end_device(service, request->path + strlen(devices), exchange, request);
}

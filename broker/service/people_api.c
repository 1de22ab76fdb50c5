#include "broker/service/people_api.h"
#include "broker/service/api_path.h"
#include "broker/service/caller.h"
#include "broker/service/http_problem.h"
#include "broker/service/login.h"
#include "broker/service/me_api.h"

#include <string.h>

struct people_call {
    const char *path;
    enum http_method method;
    const char *name; /* of the method */
    enum permission permission;
    void (*answer)(struct service *service, struct http_exchange *exchange, const struct http_request *request);
    enum limit_name limit; /* of the address; LIMIT_COUNT: none but that of requests */
};

static const struct people_call calls[] = {
    {"/v1/login", HTTP_POST, "POST", PERMISSION_login, login_begin, LIMIT_address_logins},
    {"/v1/password", HTTP_POST, "POST", PERMISSION_password_first, login_set_password, LIMIT_address_logins},
    {"/v1/token", HTTP_POST, "POST", PERMISSION_refresh, login_refresh, LIMIT_address_refreshes},
    {"/v1/logout", HTTP_POST, "POST", PERMISSION_logout, login_end, LIMIT_COUNT},
    {"/v1/me/devices", HTTP_GET, "GET", PERMISSION_devices, login_list, LIMIT_COUNT},
};

static const char devices[] = "/v1/me/devices/";

/* NULL: there is nothing at this path. */
static const struct people_call *find(const char *path) {
    static const struct people_call end_device = {devices, HTTP_DELETE, "DELETE", PERMISSION_device_end,
                                                  NULL,    LIMIT_COUNT};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (strcmp(path, calls[i].path) == 0) return &calls[i];
    return strncmp(path, devices, strlen(devices)) == 0 ? &end_device : NULL;
}

/* A password is set with an invitation, or with a token. */
static enum permission permission_of(const struct people_call *call, const struct http_request *request) {
    bool has_token = call->permission == PERMISSION_password_first && request->bearer[0];
    return has_token ? PERMISSION_password_change : call->permission;
}

static void answer(void *arg, struct http_exchange *exchange, const struct http_request *request) {
    const struct people_call *call = find(request->path);
    if (!caller_may(exchange, request, permission_of(call, request), NULL))
        return;
    else if (call->answer)
        call->answer(arg, exchange, request);
    else
        login_end_device(arg, request->path + strlen(devices), exchange, request);
}

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
    const struct people_call *call = find(request->path);
    if (me_api_handle(arg, exchange, request)) return;
    if (!call)
        http_problem(exchange, LEDIG_ENOT_FOUND, NULL, "there is nothing at this path");
    else if (request->method != call->method)
        api_refuse_method(exchange, call->name);
    else if (!is_within_limit(arg, call->limit, exchange, request))
        return;
    else if (permission_reach(permission_of(call, request), ROLE_MEMBER) == REACH_ANYBODY)
        call->answer(arg, exchange, request);
    else
        caller_identify(arg, exchange, request, answer);
}

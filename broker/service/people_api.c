#include "broker/service/people_api.h"
#include "broker/service/api_path.h"
#include "broker/service/http_problem.h"
#include "broker/service/login.h"
#include "broker/service/me_api.h"

#include <string.h>

static const struct {
    const char *path;
    enum http_method method;
    const char *name; /* of the method */
    void (*answer)(struct service *service, struct http_exchange *exchange, const struct http_request *request);
} calls[] = {
    {"/v1/login", HTTP_POST, "POST", login_begin},   {"/v1/password", HTTP_POST, "POST", login_set_password},
    {"/v1/token", HTTP_POST, "POST", login_refresh}, {"/v1/logout", HTTP_POST, "POST", login_end},
    {"/v1/me/devices", HTTP_GET, "GET", login_list},
};

void people_api_handle(void *arg, struct http_exchange *exchange, const struct http_request *request) {
    struct service *service = arg;
    static const char devices[] = "/v1/me/devices/";
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (strcmp(request->path, calls[i].path) != 0) continue;
        if (request->method == calls[i].method)
            calls[i].answer(service, exchange, request);
        else
            api_refuse_method(exchange, calls[i].name);
        return;
    }
    if (me_api_handle(service, exchange, request)) return;
    if (strncmp(request->path, devices, strlen(devices)) != 0)
        http_problem(exchange, LEDIG_ENOT_FOUND, NULL, "there is nothing at this path");
    else if (request->method != HTTP_DELETE)
        api_refuse_method(exchange, "DELETE");
    else
        login_end_device(service, request->path + strlen(devices), exchange, request);
}

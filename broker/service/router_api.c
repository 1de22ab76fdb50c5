#include "broker/service/router_api.h"
#include "broker/service/api_path.h"
#include "broker/service/call_api.h"
#include "broker/service/caller.h"
#include "broker/service/http_problem.h"
#include "broker/service/json_reader.h"
#include "broker/service/provisioning_api.h"
#include "broker/service/rewrap_api.h"
#include "broker/service/route_api.h"
#include "broker/service/routers.h"
#include "broker/service/service.h"

#include <string.h>

/* ---- For whoever watches the process: no token ---- */

static void answer_health(struct http_exchange *exchange, const struct http_request *request) {
    if (request->method != HTTP_GET)
        api_refuse_method(exchange, "GET");
    else
        http_answer_json(exchange, 200, json_pack("{s:b}", "ok", 1));
}

static void answer_readiness(const struct service *service, struct http_exchange *exchange,
                             const struct http_request *request) {
    if (request->method != HTTP_GET) {
        api_refuse_method(exchange, "GET");
        return;
    }
    bool ready = service_is_ready(service);
    int64_t stale_ms = store_stale_ms(service->store);
    json_t *document = json_pack("{s:b,s:o}", "ready", ready, "stale_ms",
                                 stale_ms == INT64_MAX ? json_null() : json_integer(stale_ms));
    if (ready) {
        http_answer_json(exchange, 200, document);
        return;
    }
    http_problem_as(exchange, 503, LEDIG_EUNAVAILABLE, NULL, "the store did not answer lately", document);
}

/* ---- With a token ---- */

static void answer_route(struct service *service, struct http_exchange *exchange, const struct http_request *request) {
    bool is_one = request->method == HTTP_GET;
    if (!is_one && request->method != HTTP_POST)
        api_refuse_method(exchange, "GET, POST");
    else if (caller_may(exchange, request, is_one ? PERMISSION_route_one : PERMISSION_route_list, NULL))
        route_api_answer(service, request->claims, exchange, request);
}

/* POST says the same, for telephone systems whose HTTP client has only GET and POST. */
static bool is_put(struct http_exchange *exchange, const struct http_request *request) {
    if (request->method == HTTP_PUT || request->method == HTTP_POST) return true;
    api_refuse_method(exchange, "PUT, POST");
    return false;
}

static void answer_call(struct service *service, const char *company, const char *call, struct http_exchange *exchange,
                        const struct http_request *request) {
    if (!is_put(exchange, request))
        return;
    else if (!caller_may(exchange, request, PERMISSION_call_report, company))
        return;
    else if (!json_reader_is_call(call))
        http_problem(exchange, LEDIG_EBAD_REQUEST, "call",
                     "must be 1 to 120 characters, none of them a control character");
    else
        call_api_report(service, request->claims->user, company, call, exchange, request);
}

/* "{queue}/claims" */
static void answer_claims(struct service *service, const char *company, const char *rest,
                          struct http_exchange *exchange, const struct http_request *request) {
    char queue[LEDIG_ID_CHARS_MAX + 1];
    const char *slash = strchr(rest, '/');
    size_t length = slash ? (size_t)(slash - rest) : 0;
    if (!slash || length > LEDIG_ID_CHARS_MAX || strcmp(slash, "/claims") != 0) {
        http_problem(exchange, LEDIG_ENOT_FOUND, NULL, "there is nothing at this path");
        return;
    }
    memcpy(queue, rest, length);
    queue[length] = 0;
    if (request->method != HTTP_POST)
        api_refuse_method(exchange, "POST");
    else if (!caller_may(exchange, request, PERMISSION_claim_take, company))
        return;
    else if (!shape_is_id(queue))
        http_problem(exchange, LEDIG_ENOT_FOUND, "queue", "no such queue in this company");
    else
        call_api_claim(service, request->claims->user, company, queue, exchange, request);
}

static void answer_claim(struct service *service, const char *company, const char *call, struct http_exchange *exchange,
                         const struct http_request *request) {
    if (request->method != HTTP_DELETE)
        api_refuse_method(exchange, "DELETE");
    else if (!caller_may(exchange, request, PERMISSION_claim_release, company))
        return;
    else if (!json_reader_is_call(call))
        http_problem(exchange, LEDIG_ENOT_FOUND, "call", "no such call");
    else
        call_api_release(service, company, call, exchange);
}

static void answer_router(struct service *service, const char *router, struct http_exchange *exchange,
                          const struct http_request *request) {
    if (!is_put(exchange, request))
        return;
    else if (!caller_may(exchange, request, PERMISSION_router_keep, NULL))
        return;
    else if (!shape_is_id(router))
        http_problem(exchange, LEDIG_EBAD_REQUEST, "router", "must be 1 to 64 of a-z, 0-9, . _ -");
    else
        routers_heartbeat(service, request->claims, router, exchange, request);
}

static void answer(void *arg, struct http_exchange *exchange, const struct http_request *request) {
    struct service *service = arg;
    char company[LEDIG_ID_CHARS_MAX + 1];
    static const char routers[] = "/v1/routers/";
    const char *id;
    if (strcmp(request->path, "/healthz") == 0)
        answer_health(exchange, request);
    else if (strcmp(request->path, "/readyz") == 0)
        answer_readiness(service, exchange, request);
    else if (strcmp(request->path, "/v1/route") == 0)
        answer_route(service, exchange, request);
    else if (strcmp(request->path, "/v1/keys/rewrap") == 0)
        rewrap_api_answer(service, exchange, request);
    else if (api_is_of_company(request->path, "calls", company, &id))
        answer_call(service, company, id, exchange, request);
    else if (api_is_of_company(request->path, "queues", company, &id) && strchr(id, '/'))
        answer_claims(service, company, id, exchange, request);
    else if (provisioning_api_handle(service, exchange, request))
        return;
    else if (api_is_of_company(request->path, "claims", company, &id))
        answer_claim(service, company, id, exchange, request);
    else if (strncmp(request->path, routers, strlen(routers)) == 0)
        answer_router(service, request->path + strlen(routers), exchange, request);
    else
        http_problem(exchange, LEDIG_ENOT_FOUND, NULL, "there is nothing at this path");
}

void router_api_handle(void *arg, struct http_exchange *exchange, const struct http_request *request) {
    caller_identify(arg, exchange, request, answer);
}

#include "broker/service/caller.h"
#include "broker/identity/provider.h"
#include "broker/service/http_problem.h"
#include "broker/service/standing.h"
#include "broker/service/tenant.h"

#include <stdlib.h>
#include <string.h>

struct caller {
    struct service *service;
    struct http_exchange *exchange;
    struct http_request request; /* its texts and body stand behind this */
    struct tenant *tenant;       /* held */
    http_handler answer;
    bool is_providers; /* the token is still to be checked by the company's settings */
    struct token_claims claims;
    char texts[];
};

static void end(struct caller *caller) {
    tenant_release(caller->tenant);
    free(caller);
}

static void hand_over(struct caller *caller, bool good) {
    caller->request.claims = good ? &caller->claims : NULL;
    caller->answer(caller->service, caller->exchange, &caller->request);
    end(caller);
}

static void on_ready(void *arg, int error) {
    struct caller *caller = arg;
    if (caller->service->closing || (error && !tenant_is_ready(caller->tenant))) {
        http_problem(caller->exchange, LEDIG_EUNAVAILABLE, NULL, NULL);
        end(caller);
        return;
    }
    const struct company *company = tenant_company(caller->tenant);
    bool good = !caller->is_providers || provider_check(company_settings(company), caller->request.bearer,
                                                        service_now_ms(caller->service), &caller->claims) == 0;
    hand_over(caller, good && standing_check(company, &caller->claims) == 0);
}

static const char *keep(char **at, const char *text) {
    size_t length = strlen(text) + 1;
    char *kept = memcpy(*at, text, length);
    *at += length;
    return kept;
}

static struct caller *keep_request(const struct http_request *request) {
    size_t texts =
        strlen(request->path) + strlen(request->query) + strlen(request->bearer) + strlen(request->content_type) + 4;
    struct caller *caller = malloc(sizeof *caller + texts + request->length);
    if (!caller) return NULL;
    char *at = caller->texts;
    caller->request = *request;
    caller->request.path = keep(&at, request->path);
    caller->request.query = keep(&at, request->query);
    caller->request.bearer = keep(&at, request->bearer);
    caller->request.content_type = keep(&at, request->content_type);
    caller->request.body = (const uint8_t *)at;
    if (request->length > 0) memcpy(at, request->body, request->length);
    return caller;
}

static void wait(struct service *service, struct http_exchange *exchange, const struct http_request *request,
                 http_handler answer, const struct token_claims *claims, const char *company) {
    struct caller *caller = keep_request(request);
    struct tenant *tenant = caller ? tenant_hold(service, company) : NULL;
    if (!tenant) {
        free(caller);
        http_problem(exchange, LEDIG_ENO_MEMORY, NULL, NULL);
        return;
    }
    caller->service = service;
    caller->exchange = exchange;
    caller->tenant = tenant;
    caller->answer = answer;
    caller->is_providers = !claims;
    if (claims) caller->claims = *claims;
    int error = tenant_when_ready(tenant, true, on_ready, caller);
    if (error) on_ready(caller, error);
}

/* Whose provider may have made the token: the company of the path, or of the query. */
static bool find_company(const struct http_request *request, char company[static LEDIG_ID_CHARS_MAX + 1]) {
    static const char prefix[] = "/v1/companies/";
    if (strncmp(request->path, prefix, strlen(prefix)) != 0)
        return http_query(request, "company", company, LEDIG_ID_CHARS_MAX + 1) == 0 && shape_is_id(company);
    const char *name = request->path + strlen(prefix);
    size_t length = strcspn(name, "/");
    snprintf(company, LEDIG_ID_CHARS_MAX + 1, "%.*s", (int)(length <= LEDIG_ID_CHARS_MAX ? length : 0), name);
    return shape_is_id(company);
}

void caller_identify(struct service *service, struct http_exchange *exchange, const struct http_request *request,
                     http_handler answer) {
    struct http_request identified = *request;
    char company[LEDIG_ID_CHARS_MAX + 1];
    struct token_claims claims;
    bool good = request->bearer[0] && token_check(service->key, request->bearer, service_now_ms(service), &claims) == 0;
    if (good && standing_is_asked(&claims)) {
        wait(service, exchange, request, answer, &claims, claims.companies);
        return;
    }
    if (!good && request->bearer[0] && provider_may_have_made(request->bearer) && find_company(request, company)) {
        wait(service, exchange, request, answer, NULL, company);
        return;
    }
    identified.claims = good ? &claims : NULL;
    answer(service, exchange, &identified);
}

bool caller_may(struct http_exchange *exchange, const struct http_request *request, enum permission permission,
                const char *company) {
    const struct token_claims *claims = request->claims;
    if (!claims)
        http_problem(exchange, LEDIG_EUNAUTHORIZED, NULL,
                     request->bearer[0] ? "the token is wrong or expired"
                                        : "a token is needed: Authorization: Bearer …");
    else if (!permission_allows(permission, claims->role))
        http_problem(exchange, LEDIG_EFORBIDDEN, NULL, "the role of this token may not do this");
    else if (company && !token_covers(claims, company))
        http_problem(exchange, LEDIG_ENOT_FOUND, NULL, "no such company");
    else
        return true;
    return false;
}

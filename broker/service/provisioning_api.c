#include "broker/service/provisioning_api.h"
#include "broker/service/api_path.h"
#include "broker/service/audit.h"
#include "broker/service/caller.h"
#include "broker/service/company_api.h"
#include "broker/service/entitlement.h"
#include "broker/service/export.h"
#include "broker/service/http_problem.h"
#include "broker/service/identity_api.h"
#include "broker/service/login.h"
#include "broker/service/provisioning.h"
#include "broker/service/queue_api.h"
#include "broker/service/schedule_api.h"
#include "broker/service/security.h"
#include "broker/service/subject.h"
#include "broker/service/user_api.h"

#include <string.h>

/* Who asks for what their token does not cover is told to their own company. */
static bool may(struct service *service, struct http_exchange *exchange, const struct http_request *request,
                enum permission permission, const char *company) {
    if (caller_may(exchange, request, permission, company)) return true;
    if (request->claims)
        security_note(service, request->claims->companies, SECURITY_ACCESS_REFUSED, request->claims->user, NULL);
    return false;
}

/* By method: GET, POST, PUT, PATCH, DELETE. */
static const enum permission of_company[HTTP_OTHER] = {
    PERMISSION_company_tell, PERMISSION_none, PERMISSION_company_replace, PERMISSION_company_change, PERMISSION_none};
static const enum permission of_user[HTTP_OTHER] = {PERMISSION_user_tell, PERMISSION_none, PERMISSION_user_replace,
                                                    PERMISSION_user_change, PERMISSION_user_remove};
static const enum permission of_queue[HTTP_OTHER] = {PERMISSION_queue_tell, PERMISSION_none, PERMISSION_queue_replace,
                                                     PERMISSION_queue_change, PERMISSION_queue_remove};
static const enum permission of_schedule[HTTP_OTHER] = {PERMISSION_schedule_tell, PERMISSION_none,
                                                        PERMISSION_schedule_replace, PERMISSION_none,
                                                        PERMISSION_schedule_remove};

static void answer_import(struct service *service, const char *company, struct http_exchange *exchange,
                          const struct http_request *request) {
    if (request->method != HTTP_POST)
        api_refuse_method(exchange, "POST");
    else if (may(service, exchange, request, PERMISSION_import, company)) {
        security_note(service, company, SECURITY_IMPORT, request->claims->user, NULL);
        provisioning_import(service, company, exchange, request);
    }
}

static void answer_company(struct service *service, const char *company, struct http_exchange *exchange,
                           const struct http_request *request) {
    if (request->method != HTTP_GET && request->method != HTTP_PUT && request->method != HTTP_PATCH)
        api_refuse_method(exchange, "GET, PUT, PATCH");
    else if (!may(service, exchange, request, of_company[request->method], company))
        return;
    else if (request->method == HTTP_GET)
        company_api_tell(service, company, exchange);
    else
        edit_start(service, &company_kind, company, company, exchange, request);
}

static void answer_identity(struct service *service, const char *company, struct http_exchange *exchange,
                            const struct http_request *request) {
    static const enum permission permissions[HTTP_OTHER] = {PERMISSION_identity_tell, PERMISSION_none,
                                                            PERMISSION_identity_replace, PERMISSION_none,
                                                            PERMISSION_identity_remove};
    if (request->method == HTTP_OTHER || permissions[request->method] == PERMISSION_none)
        api_refuse_method(exchange, "GET, PUT, DELETE");
    else if (!may(service, exchange, request, permissions[request->method], company))
        return;
    else if (request->method == HTTP_GET)
        identity_api_tell(service, company, exchange);
    else
        edit_start(service, &identity_kind, company, company, exchange, request);
}

static void answer_one(struct service *service, const struct edit_kind *kind, const enum permission *permissions,
                       const char *company, const char *id, struct http_exchange *exchange,
                       const struct http_request *request) {
    bool asks = request->method == HTTP_GET;
    if (!asks && request->method != HTTP_PUT && request->method != HTTP_PATCH && request->method != HTTP_DELETE)
        api_refuse_method(exchange, "GET, PUT, PATCH, DELETE");
    else if (!may(service, exchange, request, permissions[request->method], company))
        return;
    else if (!shape_is_id(id) && request->method == HTTP_PUT)
        http_problem(exchange, LEDIG_EBAD_REQUEST, kind->name, roster_rules_id(id));
    else if (!shape_is_id(id))
        http_problem(exchange, LEDIG_ENOT_FOUND, kind->name, kind->none);
    else if (!asks)
        edit_start(service, kind, company, id, exchange, request);
    else if (kind == &queue_kind)
        queue_api_tell(service, company, id, exchange);
    else if (kind == &schedule_kind)
        schedule_api_tell(service, company, id, exchange);
    else
        user_api_tell(service, company, id, exchange);
}

/* "{user}/export": what an administrator hands to somebody who has asked, or has left. */
static void answer_subject(struct service *service, const char *company, const char *user,
                           struct http_exchange *exchange, const struct http_request *request) {
    struct subject_question question = {.company = company, .user = user};
    if (request->method != HTTP_GET) {
        api_refuse_method(exchange, "GET");
        return;
    }
    if (!may(service, exchange, request, PERMISSION_user_export, company) ||
        !subject_take_form(request, exchange, &question))
        return;
    question.actor = request->claims->user;
    if (shape_is_id(user)) security_note(service, company, SECURITY_EXPORT, request->claims->user, user);
    if (shape_is_id(user))
        subject_tell(service, &question, exchange);
    else
        http_problem(exchange, LEDIG_ENOT_FOUND, "user", "no such person in this company");
}

/* "{user}/invitation" and "{user}/export" */
static void answer_invitation(struct service *service, const char *company, const char *rest,
                              struct http_exchange *exchange, const struct http_request *request) {
    char user[LEDIG_ID_CHARS_MAX + 1];
    size_t length = strcspn(rest, "/");
    snprintf(user, sizeof user, "%.*s", (int)(length < sizeof user ? length : 0), rest);
    if (strcmp(rest + length, "/export") == 0)
        answer_subject(service, company, user, exchange, request);
    else if (strcmp(rest + length, "/invitation") != 0)
        http_problem(exchange, LEDIG_ENOT_FOUND, NULL, "there is nothing at this path");
    else if (request->method != HTTP_POST)
        api_refuse_method(exchange, "POST");
    else if (!may(service, exchange, request, PERMISSION_invite, company))
        return;
    else if (!shape_is_id(user))
        http_problem(exchange, LEDIG_ENOT_FOUND, "user", "no such person in this company");
    else
        login_invite(service, company, user, exchange);
}

static void answer_schedule(struct service *service, const char *company, const char *id,
                            struct http_exchange *exchange, const struct http_request *request) {
    if (request->method != HTTP_GET && request->method != HTTP_PUT && request->method != HTTP_DELETE)
        api_refuse_method(exchange, "GET, PUT, DELETE");
    else
        answer_one(service, &schedule_kind, of_schedule, company, id, exchange, request);
}

static void answer_schedules(struct service *service, const char *company, struct http_exchange *exchange,
                             const struct http_request *request) {
    if (request->method != HTTP_GET)
        api_refuse_method(exchange, "GET");
    else if (may(service, exchange, request, PERMISSION_schedules_list, company))
        schedule_api_list(service, company, exchange);
}

static void answer_usage(struct service *service, const char *company, struct http_exchange *exchange,
                         const struct http_request *request) {
    if (request->method != HTTP_GET)
        api_refuse_method(exchange, "GET");
    else if (may(service, exchange, request, PERMISSION_usage_of_company, company))
        entitlement_tell(service, company, exchange);
}

static void answer_audit(struct service *service, const char *company, struct http_exchange *exchange,
                         const struct http_request *request) {
    if (request->method != HTTP_GET)
        api_refuse_method(exchange, "GET");
    else if (may(service, exchange, request, PERMISSION_audit, company))
        audit_tell(service, company, exchange, request);
}

static void answer_security(struct service *service, const char *company, struct http_exchange *exchange,
                            const struct http_request *request) {
    if (request->method != HTTP_GET)
        api_refuse_method(exchange, "GET");
    else if (may(service, exchange, request, PERMISSION_security, company))
        security_tell(service, company, exchange, request);
}

static void answer_whole(struct service *service, const char *company, bool as_file, struct http_exchange *exchange,
                         const struct http_request *request) {
    if (request->method != HTTP_GET) {
        api_refuse_method(exchange, "GET");
        return;
    }
    if (!may(service, exchange, request, as_file ? PERMISSION_export : PERMISSION_users_list, company)) return;
    if (!as_file) {
        user_api_list(service, company, exchange, request);
        return;
    }
    security_note(service, company, SECURITY_EXPORT, request->claims->user, NULL);
    export_tell(service, company, exchange);
}

bool provisioning_api_handle(struct service *service, struct http_exchange *exchange,
                             const struct http_request *request) {
    char company[LEDIG_ID_CHARS_MAX + 1];
    const char *id;
    if (api_is_of_company(request->path, "import", company, NULL))
        answer_import(service, company, exchange, request);
    else if (api_is_of_company(request->path, "export", company, NULL))
        answer_whole(service, company, true, exchange, request);
    else if (api_is_of_company(request->path, "usage", company, NULL))
        answer_usage(service, company, exchange, request);
    else if (api_is_of_company(request->path, "security", company, NULL))
        answer_security(service, company, exchange, request);
    else if (api_is_of_company(request->path, "audit", company, NULL))
        answer_audit(service, company, exchange, request);
    else if (api_is_of_company(request->path, "identity", company, NULL))
        answer_identity(service, company, exchange, request);
    else if (api_is_of_company(request->path, "users", company, NULL))
        answer_whole(service, company, false, exchange, request);
    else if (api_is_of_company(request->path, "users", company, &id) && strchr(id, '/'))
        answer_invitation(service, company, id, exchange, request);
    else if (api_is_of_company(request->path, "users", company, &id))
        answer_one(service, &user_kind, of_user, company, id, exchange, request);
    else if (api_is_of_company(request->path, "queues", company, &id))
        answer_one(service, &queue_kind, of_queue, company, id, exchange, request);
    else if (api_is_of_company(request->path, "schedules", company, NULL))
        answer_schedules(service, company, exchange, request);
    else if (api_is_of_company(request->path, "schedules", company, &id))
        answer_schedule(service, company, id, exchange, request);
    else if (api_is_of_company(request->path, "", company, NULL))
        answer_company(service, company, exchange, request);
    else
        return false;
    return true;
}

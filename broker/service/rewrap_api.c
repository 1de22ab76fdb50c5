#include "broker/service/rewrap_api.h"
#include "broker/privacy/vault.h"
#include "broker/service/api_path.h"
#include "broker/service/caller.h"
#include "broker/service/http_problem.h"
#include "broker/service/rewrap.h"

static json_t *describe(const struct service *service) {
    const struct vault *vault = service->options.vault;
    struct rewrap_report report;
    json_t *masters = json_array();
    rewrap_tell(service, &report);
    for (size_t i = 0; i < vault_masters(vault); i++)
        json_array_append_new(masters, json_string(vault_master_at(vault, i)));
    return json_pack("{s:o,s:b,s:b,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "masters", masters, "running", report.running, "done",
                     report.done, "passes", (json_int_t)report.passes, "records", (json_int_t)report.records, "old",
                     (json_int_t)report.old, "unreadable", (json_int_t)report.unreadable, "rewritten",
                     (json_int_t)report.rewritten, "failed", (json_int_t)report.failed, "settle_ms",
                     (json_int_t)rewrap_settle_ms(service));
}

void rewrap_api_answer(struct service *service, struct http_exchange *exchange, const struct http_request *request) {
    if (request->method != HTTP_GET && request->method != HTTP_POST) {
        api_refuse_method(exchange, "GET, POST");
        return;
    }
    enum permission permission = request->method == HTTP_GET ? PERMISSION_rewrap_tell : PERMISSION_rewrap_begin;
    if (!caller_may(exchange, request, permission, NULL)) return;
    int error = !service->options.vault ? LEDIG_EUNSUPPORTED : request->method == HTTP_POST ? rewrap_begin(service) : 0;
    if (error)
        http_problem(exchange, error, NULL, NULL);
    else
        http_answer_json(exchange, request->method == HTTP_POST ? 202 : 200, describe(service));
}

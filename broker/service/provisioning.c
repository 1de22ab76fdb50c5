#include "broker/service/provisioning.h"
#include "broker/log.h"
#include "broker/service/http_problem.h"
#include "broker/service/import.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- Answers ---- */

static json_t *fault_list(const struct roster *roster) {
    json_t *list = json_array();
    size_t told = roster->fault_count < ROSTER_FAULTS_MAX ? roster->fault_count : ROSTER_FAULTS_MAX;
    for (size_t i = 0; list && i < told; i++) {
        const struct roster_fault *fault = &roster->faults[i];
        json_t *entry = json_pack("{s:I,s:s*,s:s}", "line", (json_int_t)fault->line, "field",
                                  fault->field[0] ? fault->field : NULL, "reason", fault->reason);
        if (json_array_append_new(list, entry) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static void answer_faults(struct import *import) {
    json_t *members = json_pack("{s:o,s:I}", "errors", fault_list(import->roster), "error_count",
                                (json_int_t)import->roster->fault_count);
    http_problem_as(import->exchange, 422, LEDIG_EBAD_REQUEST, NULL, "lines of the file are wrong; nothing was changed",
                    members);
}

static json_t *counts(const struct roster *roster, bool of_queues) {
    json_int_t by_change[3] = {0};
    for (size_t i = 0; i < roster->count; i++)
        if (roster->entries[i].is_queue == of_queues) by_change[roster->entries[i].change]++;
    return json_pack("{s:I,s:I,s:I}", "created", by_change[ROSTER_CREATED], "changed", by_change[ROSTER_CHANGED],
                     "unchanged", by_change[ROSTER_UNCHANGED]);
}

static void answer_done(struct import *import) {
    http_answer_json(import->exchange, 200,
                     json_pack("{s:s,s:b,s:o,s:o,s:I}", "company", import->company, "dry_run", import->dry_run, "users",
                               counts(import->roster, false), "queues", counts(import->roster, true), "version",
                               (json_int_t)import->version));
}

static void on_done(struct import *import, int error) {
    if (error == LEDIG_EUNAVAILABLE)
        http_problem(
            import->exchange, error, NULL,
            "the store does not answer; a part may have been applied, and the file can be imported again as it is");
    else if (error == LEDIG_ETOO_LARGE)
        http_problem(import->exchange, error, NULL, "more than 200000 lines, or more than 10000 queues");
    else if (error)
        http_problem(import->exchange, error, NULL, NULL);
    else if (import->roster->fault_count > 0)
        answer_faults(import);
    else
        answer_done(import);
    log_event(LOG_INFO, "import", "company=%s dry_run=%d lines=%u faults=%zu error=%s", import->company,
              import->dry_run, import->roster->lines, import->roster->fault_count,
              error ? ledig_error_name(error) : "none");
}

/* ---- Requests ---- */

/* text/csv, and UTF-8 where a character set is named. */
static bool is_csv(const char *content_type) {
    static const char type[] = "text/csv";
    if (strncasecmp(content_type, type, sizeof type - 1) != 0) return false;
    const char *rest = content_type + sizeof type - 1;
    if (*rest && !strchr("; \t", *rest)) return false;
    const char *charset = strcasestr(rest, "charset=");
    if (!charset) return true;
    charset += strlen("charset=");
    if (*charset == '"') charset++;
    return strncasecmp(charset, "utf-8", 5) == 0;
}

static bool take_dry_run(const struct http_request *request, bool *dry_run) {
    char value[8];
    int error = http_query(request, "dry_run", value, sizeof value);
    *dry_run = !error && strcmp(value, "true") == 0;
    return error == LEDIG_ENOT_FOUND || *dry_run || (!error && strcmp(value, "false") == 0);
}

/* Whether another import may begin; answers if not. */
static bool is_free(const struct service *service, const char *company, struct http_exchange *exchange) {
    size_t running = 0;
    for (const struct import *import = service->imports; import; import = import->next, running++)
        if (strcmp(import->company, company) == 0) {
            http_problem(exchange, LEDIG_ECONFLICT, NULL, "an import of this company is under way");
            return false;
        }
    if (running < IMPORTS_MAX) return true;
    http_problem(exchange, LEDIG_ERATE_LIMITED, NULL, "other imports are under way");
    return false;
}

void provisioning_import(struct service *service, const char *company, struct http_exchange *exchange,
                         const struct http_request *request) {
    bool dry_run;
    if (!is_csv(request->content_type)) {
        http_problem_as(exchange, 415, LEDIG_EBAD_REQUEST, NULL, "Content-Type: text/csv in UTF-8 is needed", NULL);
    } else if (request->length > IMPORT_BYTES_MAX) {
        http_problem(exchange, LEDIG_ETOO_LARGE, NULL, "the file is larger than 32 MiB");
    } else if (!take_dry_run(request, &dry_run)) {
        http_problem(exchange, LEDIG_EBAD_REQUEST, "dry_run", "neither true nor false");
    } else if (is_free(service, company, exchange)) {
        int error = import_start(service, company, dry_run, exchange, request->body, request->length, on_done);
        if (error) http_problem(exchange, error, NULL, NULL);
    }
}

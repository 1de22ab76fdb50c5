#include "clients/cli/errand_http.h"
#include "clients/cli/credentials.h"
#include "clients/cli/terminal.h"

#include <stdlib.h>
#include <string.h>

#define ROUTER_URL_DEFAULT "http://127.0.0.1:7701"
#define LINE_BYTES 1024

static enum exit_code code_of_status(int status) {
    if (status == 401 || status == 403) return EXIT_NOT_ALLOWED;
    if (status == 429 || status >= 500) return EXIT_UNAVAILABLE;
    return status >= 200 && status < 300 ? EXIT_DONE : EXIT_REFUSED;
}

static const char *harmless(const json_t *object, const char *key, char to[static LINE_BYTES]) {
    const char *text = json_string_value(json_object_get(object, key));
    text_harmless(text ? text : "", to, LINE_BYTES);
    return to;
}

/* One `errors` entry of a refused import: line 7, numbers: not a telephone number. */
static void print_error(const json_t *error) {
    char field[LINE_BYTES], reason[LINE_BYTES];
    json_int_t line = json_integer_value(json_object_get(error, "line"));
    harmless(error, "field", field);
    harmless(error, "reason", reason);
    if (line > 0)
        fprintf(stderr, "  line %lld", (long long)line);
    else
        fprintf(stderr, " ");
    if (field[0]) fprintf(stderr, "%s%s", line > 0 ? ", " : " ", field);
    fprintf(stderr, ": %s\n", reason);
}

static void print_problem(const struct command *command, int status, const json_t *problem) {
    char title[LINE_BYTES], detail[LINE_BYTES];
    size_t index;
    json_t *error;
    harmless(problem, "title", title);
    harmless(problem, "detail", detail);
    if (!title[0]) snprintf(title, sizeof title, "the broker answered with status %d", status);
    fprintf(stderr, "ledig %s: %s\n", command->name, detail[0] ? detail : title);
    json_array_foreach(json_object_get(problem, "errors"), index, error) print_error(error);
}

static enum exit_code judge(struct errand_http *errand, const struct http_answer *answer, json_t **json) {
    enum exit_code code = code_of_status(answer->status);
    *json = json_loadb(answer->body.bytes ? (const char *)answer->body.bytes : "", answer->body.length,
                       JSON_REJECT_DUPLICATES, NULL);
    if (errand->arguments->json && *json) {
        json_dumpf(*json, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
        putchar('\n');
    } else if (code != EXIT_DONE) {
        print_problem(errand->command, answer->status, *json);
    } else if (!json_is_object(*json)) {
        fprintf(stderr, "ledig %s: that is no answer of a Ledig broker; is the address that of its routers' port?\n",
                errand->command->name);
        code = EXIT_REFUSED;
    }
    return code;
}

static enum exit_code call(struct errand_http *errand, const char *token, const char *url, json_t **json) {
    struct endpoint endpoint;
    struct http_answer answer;
    if (endpoint_parse(url, &endpoint) || endpoint.websocket || (endpoint.path[0] && strcmp(endpoint.path, "/") != 0))
        return arguments_wrong(errand->command, "--url takes http://HOST:PORT or https://…, the routers' port, not %s",
                               url);
    errand->call.endpoint = &endpoint;
    errand->call.token = token;
    int error = http_call(&errand->call, &answer);
    if (error) {
        char reason[LINE_BYTES];
        text_harmless(answer.reason[0] ? answer.reason : ledig_error_meaning(error), reason, sizeof reason);
        fprintf(stderr, "ledig %s: cannot reach %s: %s\n", errand->command->name, url, reason);
        return exit_code_of(error);
    }
    enum exit_code code = judge(errand, &answer, json);
    buffer_free(&answer.body);
    return code;
}

enum exit_code errand_http_run(struct errand_http *errand, json_t **json) {
    struct credentials *credentials = calloc(1, sizeof *credentials);
    char url[CREDENTIALS_URL_BYTES];
    enum exit_code code = EXIT_REFUSED;
    *json = NULL;
    if (!credentials) return code;
    if (credentials_find(errand->command, errand->arguments, errand->role, errand->company, true, credentials, &code)) {
        url_find(errand->arguments, credentials->data, "router_url", ROUTER_URL_DEFAULT, url);
        memcpy(errand->data, credentials->data, sizeof errand->data);
        code = call(errand, credentials->token, url, json);
    }
    credentials_wipe(credentials);
    free(credentials);
    return code;
}

#include "clients/cli/credentials.h"
#include "clients/cli/errand_http.h"
#include "clients/cli/terminal.h"
#include "clients/cli/when.h"

#include <stdio.h>
#include <string.h>

#define TIMEOUT_MS 10000

static void put(struct terminal *terminal, const char *before, const char *text) {
    if (!text || !text[0]) return;
    terminal_put(terminal, TINT_NONE, before, 0, 0);
    terminal_put(terminal, TINT_NONE, text, 0, 0);
}

static const char *text_of(const json_t *answer, const char *key) {
    return json_string_value(json_object_get(answer, key));
}

/* ring ola@demo  (available) */
static void print_route(const json_t *answer) {
    struct terminal terminal;
    char until[WHEN_FORMATTED_BYTES];
    const char *action = text_of(answer, "action"), *activity = text_of(answer, "activity");
    int64_t until_ms = (int64_t)json_integer_value(json_object_get(answer, "until"));
    terminal_open(&terminal, stdout);
    bool rings = action && strcmp(action, "ring") == 0;
    terminal_put(&terminal, rings ? TINT_GREEN : TINT_YELLOW, action ? action : "unknown", 0, 0);
    put(&terminal, " to ", text_of(answer, "target"));
    put(&terminal, "  ", text_of(answer, "user"));
    put(&terminal, text_of(answer, "user") ? "@" : "  ", text_of(answer, "company"));
    put(&terminal, "  is ", text_of(answer, "availability"));
    if (activity && strcmp(activity, "none") != 0) put(&terminal, " · ", activity);
    if (until_ms > 0) {
        when_format(until_ms, now_ms(), until);
        put(&terminal, "  until ", until);
    }
    putchar('\n');
}

static void print_age(const json_t *answer) {
    const json_t *age = json_object_get(answer, "stale_ms");
    char stale[WHEN_STALE_BYTES];
    fflush(stdout); /* what it is about comes first */
    if (when_stale(json_is_integer(age) ? (int64_t)json_integer_value(age) : INT64_MAX, stale))
        fprintf(stderr, "%s\n", stale);
}

static enum exit_code run(const struct command *command, int argc, char **argv) {
    struct arguments arguments;
    enum exit_code code;
    if (!arguments_read(command, argc, argv, NULL, &arguments, &code)) return code;
    if (arguments.rest_count != 1) return arguments_wrong(command, "it takes one number");
    struct buffer path = {0};
    static const char beginning[] = "/v1/route?to=";
    buffer_append(&path, beginning, sizeof beginning - 1);
    http_append_escaped(&path, arguments.rest[0]);
    buffer_append(&path, "", 1);
    json_t *answer = NULL;
    if (path.failed || path.length > ENDPOINT_PATH_CHARS_MAX) {
        buffer_free(&path);
        return arguments_wrong(command, "that is no telephone number");
    }
    struct errand_http errand = {.command = command,
                                 .arguments = &arguments,
                                 .role = ROLE_ROUTER,
                                 .company = "*",
                                 .call = {.method = "GET", .path = (const char *)path.bytes, .timeout_ms = TIMEOUT_MS}};
    code = errand_http_run(&errand, &answer);
    if (code == EXIT_DONE && !arguments.json) {
        print_route(answer);
        print_age(answer);
    }
    json_decref(answer);
    buffer_free(&path);
    return code;
}

const struct command route_command = {
    .name = "route",
    .acting = AS_ROUTER,
    .usage = "NUMBER",
    .summary = "what a router is told about a call to this number",
    .run = run,
    .help = "\nAsked on the routers' port, with a router's token; on the broker's machine one is made where none is "
            "given.\n"
            "\nExamples:\n"
            "  ledig route +4710000001\n"
            "  ledig route --token-file router.header --url http://127.0.0.1:7701 +4710000001 --json\n",
};

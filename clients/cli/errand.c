#include "clients/cli/errand.h"
#include "clients/cli/credentials.h"
#include "clients/cli/terminal.h"
#include "protocol/message.h"

#include <stdlib.h>
#include <string.h>

#define APP_URL_DEFAULT "ws://127.0.0.1:7700/v1"
#define SAID_BYTES 1024

static void end(struct errand *errand, enum exit_code code) {
    if (errand->over) return;
    errand->over = true;
    errand->code = code;
    ledig_free(errand->client, NULL, NULL);
}

static void complain(struct errand *errand, const char *what, int error, const char *why, const char *field) {
    char harmless[SAID_BYTES];
    text_harmless(why && why[0] ? why : ledig_error_meaning(error), harmless, sizeof harmless);
    fprintf(stderr, "ledig %s: %s%s", errand->command->name, what, harmless);
    if (field) {
        text_harmless(field, harmless, sizeof harmless);
        fprintf(stderr, " (%s)", harmless);
    }
    fputc('\n', stderr);
    if (error == LEDIG_ECONSENT_REQUIRED) fprintf(stderr, "Give it with: ledig consent presence yes\n");
}

void errand_done(void *arg, const struct ledig_result *result) {
    struct errand *errand = arg;
    if (errand->over) return;
    if (result->error)
        complain(errand, "", result->error, result->message, result->field);
    else if (!errand->arguments->json)
        errand->done(errand, result);
    end(errand, exit_code_of(result->error));
}

static void status_changed(void *arg, const struct ledig_status *status) {
    struct errand *errand = arg;
    char what[CREDENTIALS_URL_BYTES + 64];
    if (status->phase == LEDIG_CONNECTED) errand->connected = true;
    if (errand->over || (status->phase != LEDIG_WAITING && status->phase != LEDIG_STOPPED)) return;
    if (errand->connected)
        snprintf(what, sizeof what, "the line broke: ");
    else
        snprintf(what, sizeof what, "cannot connect to %s: ", errand->url);
    complain(errand, what, status->error, status->reason, NULL);
    end(errand, exit_code_of(status->error));
}

/* With --json: what answers the request, as the protocol has it. */
static void print_answer(void *arg, const struct message *message) {
    struct errand *errand = arg;
    struct buffer line = {0};
    bool answers = message->type == MESSAGE_ok || message->type == MESSAGE_answer || message->type == MESSAGE_error;
    if (!errand->arguments->json || !answers || message_encode(ENCODING_JSON, message, &line)) return;
    fwrite(line.bytes, 1, line.length, stdout);
    fputc('\n', stdout);
    buffer_free(&line);
}

static enum exit_code run(struct errand *errand, const char *token) {
    uv_loop_t loop;
    struct ledig_options options = {
        .url = errand->url, .token = token, .app = "ledig " LEDIG_VERSION, .state = "background", .follow_some = true};
    struct ledig_events events = {.status = status_changed, .message = print_answer};
    if (uv_loop_init(&loop)) return EXIT_REFUSED;
    int error = ledig_connect(&loop, &options, &events, errand, &errand->client);
    if (error == LEDIG_EBAD_REQUEST) {
        errand->code =
            arguments_wrong(errand->command, "--url takes ws://HOST:PORT/v1 or wss://…, not %s", errand->url);
    } else if (error) {
        complain(errand, "cannot start: ", error, NULL, NULL);
        errand->code = exit_code_of(error);
    } else {
        error = errand->ask(errand);
        if (error) {
            complain(errand, "", error, NULL, NULL);
            end(errand, exit_code_of(error));
        }
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return errand->code;
}

enum exit_code errand_run(struct errand *errand) {
    struct credentials *credentials = calloc(1, sizeof *credentials);
    char url[CREDENTIALS_URL_BYTES];
    enum exit_code code = EXIT_REFUSED;
    if (!credentials) return code;
    if (credentials_find(errand->command, errand->arguments, ROLE_MEMBER, NULL, false, credentials, &code)) {
        url_find(errand->arguments, credentials->data, "url", APP_URL_DEFAULT, url);
        errand->url = url;
        code = run(errand, credentials->token);
    }
    credentials_wipe(credentials);
    free(credentials);
    return code;
}

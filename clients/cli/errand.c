#include "clients/cli/errand.h"
#include "clients/cli/credentials.h"
#include "clients/cli/line.h"
#include "clients/cli/terminal.h"
#include "protocol/message.h"

#include <stdlib.h>
#include <string.h>

#define APP_URL_DEFAULT "ws://127.0.0.1:7700/v1"
#define SAID_BYTES 1024
#define FIELD_BYTES 64

void errand_end(struct errand *errand, enum exit_code code) {
    if (errand->over) return;
    errand->over = true;
    errand->code = code;
    ledig_free(errand->client, NULL, NULL);
}

/* ---- What went wrong ---- */

static const char *noun_of(const char *field) {
    static const struct {
        const char *field, *noun;
    } nouns[] = {{"until", "return time"}, {"forward", "target of --forward"}, {"text", "version of the text"}};
    for (size_t i = 0; i < sizeof nouns / sizeof nouns[0]; i++)
        if (strcmp(nouns[i].field, field) == 0) return nouns[i].noun;
    return field;
}

/* The broker says of a field that it "is …", "has …" or "must …". */
static bool lacks_subject(const char *sentence) {
    return strncmp(sentence, "is ", 3) == 0 || strncmp(sentence, "has ", 4) == 0 || strncmp(sentence, "must ", 5) == 0;
}

static void say(const struct errand *errand, const char *before, const char *sentence) {
    char harmless[SAID_BYTES];
    text_harmless(sentence, harmless, sizeof harmless);
    fprintf(stderr, "ledig %s: %s%s\n", errand->command->name, before, harmless);
}

static void say_store_is_away(const struct errand *errand, uint32_t retry_ms) {
    fprintf(stderr, "ledig %s: the broker's store does not answer now; try again", errand->command->name);
    if (retry_ms) fprintf(stderr, " in %u s", (retry_ms + 999) / 1000);
    fputc('\n', stderr);
}

void errand_complain(const struct errand *errand, const struct ledig_result *result) {
    const char *meaning = ledig_error_meaning(result->error), *sentence = result->message;
    char before[FIELD_BYTES + 8] = "", field[FIELD_BYTES];
    if (!sentence || !sentence[0]) sentence = meaning;
    if (errand->reads && result->error == LEDIG_EUNAVAILABLE && strcmp(sentence, meaning) == 0) {
        say_store_is_away(errand, result->retry_ms);
        return;
    }
    if (result->field && lacks_subject(sentence)) {
        text_harmless(noun_of(result->field), field, sizeof field);
        snprintf(before, sizeof before, "the %s ", field);
    }
    say(errand, before, sentence);
    if (result->error == LEDIG_ECONSENT_REQUIRED) fprintf(stderr, "Give it with: ledig consent presence yes\n");
    if (result->error == LEDIG_EFORBIDDEN && errand->minted && result->field && strcmp(result->field, "user") == 0)
        fprintf(stderr, "If that is %s's to do: add --role switchboard\n", errand->arguments->as);
}

void errand_done(void *arg, const struct ledig_result *result) {
    struct errand *errand = arg;
    if (errand->over) return;
    if (result->error) {
        if (errand->refused && errand->refused(errand, result)) return;
        errand_complain(errand, result);
    } else if (!errand->arguments->json) {
        errand->done(errand, result);
    }
    errand_end(errand, exit_code_of(result->error));
}

static void status_changed(void *arg, const struct ledig_status *status) {
    struct errand *errand = arg;
    char reason[LINE_REASON_BYTES], before[CREDENTIALS_URL_BYTES + 32] = "the line is down: ";
    if (status->phase == LEDIG_CONNECTED) errand->connected = true;
    if (errand->over || (status->phase != LEDIG_WAITING && status->phase != LEDIG_STOPPED)) return;
    line_reason(status, reason);
    if (!errand->connected) snprintf(before, sizeof before, "cannot connect to %s: ", errand->url);
    if (line_store_is_away(status))
        say_store_is_away(errand, status->retry_ms);
    else
        say(errand, before, reason);
    errand_end(errand, exit_code_of(status->error));
}

/* ---- Running ---- */

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
        say(errand, "cannot start: ", ledig_error_meaning(error));
        errand->code = exit_code_of(error);
    } else {
        error = errand->ask(errand);
        if (error) {
            errand_complain(errand, &(struct ledig_result){.error = error});
            errand_end(errand, exit_code_of(error));
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
        errand->minted = credentials->source == FROM_KEY;
        code = run(errand, credentials->token);
    }
    credentials_wipe(credentials);
    free(credentials);
    return code;
}

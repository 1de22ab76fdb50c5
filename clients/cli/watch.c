#include "clients/cli/credentials.h"
#include "clients/cli/line.h"
#include "clients/cli/people.h"
#include "protocol/message.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#define APP_URL_DEFAULT "ws://127.0.0.1:7700/v1"
#define COMPANY_BYTES (LEDIG_ID_CHARS_MAX + 1)

struct watch {
    const struct command *command;
    const struct arguments *arguments;
    struct credentials *credentials;
    const char *url;
    struct ledig_client *client;
    uv_signal_t signals[2]; /* SIGINT, SIGTERM */
    struct terminal terminal;
    struct people *people;
    char company[COMPANY_BYTES];
    bool connected_once, listed, settled, over;
    enum exit_code code;
};

static void end(struct watch *watch, enum exit_code code) {
    if (watch->over) return;
    watch->over = true;
    watch->code = code;
    ledig_free(watch->client, NULL, NULL);
    for (size_t i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&watch->signals[i], NULL);
}

/* A reader that has gone away (`ledig watch | head`) ends the watch. */
static void flush(struct watch *watch) {
    if (fflush(stdout) == 0) return;
    if (errno == EPIPE) clearerr(stdout); /* no failure */
    end(watch, EXIT_DONE);
}

static void interrupted(uv_signal_t *handle, int signal) {
    (void)signal;
    end(handle->data, EXIT_DONE);
}

/* ---- What comes ---- */

static void changed(void *arg, const struct ledig_change *change) {
    struct watch *watch = arg;
    if (watch->arguments->json) return;
    if (change->kind == LEDIG_QUEUE) {
        queue_print(&change->queue, &watch->terminal, now_ms());
        return;
    }
    if (!people_take(watch->people, change)) {
        fprintf(stderr, "ledig watch: out of memory\n");
        end(watch, EXIT_REFUSED);
        return;
    }
    if (!watch->settled) return; /* a snapshot or what was missed: shown as a whole once it is there */
    const char *user = change->kind == LEDIG_MEMBER    ? change->member.user
                       : change->kind == LEDIG_PROFILE ? change->profile.user
                                                       : change->removed;
    people_print(watch->people, user, &watch->terminal, now_ms());
    flush(watch);
}

static void forget(void *arg) {
    struct watch *watch = arg;
    people_doubt(watch->people);
    watch->settled = false;
}

static void message(void *arg, const struct message *message) {
    struct watch *watch = arg;
    struct buffer line = {0};
    if (!watch->arguments->json || message_encode(ENCODING_JSON, message, &line)) return;
    fwrite(line.bytes, 1, line.length, stdout);
    fputc('\n', stdout);
    buffer_free(&line);
    flush(watch);
}

/* ---- How the line is ---- */

/* They are followed all the same, and are shown once they come to be. */
static void name_the_missing(const struct watch *watch) {
    for (int i = 0; i < watch->arguments->rest_count; i++)
        if (!people_has(watch->people, watch->arguments->rest[i]))
            fprintf(stderr, "ledig watch: there is no colleague %s yet\n", watch->arguments->rest[i]);
}

static void became_live(struct watch *watch) {
    if (watch->settled) return;
    watch->settled = true;
    if (watch->arguments->json) return;
    size_t count = people_settle(watch->people, &watch->terminal, now_ms(), !watch->listed);
    flush(watch);
    if (!watch->listed)
        fprintf(stderr, "ledig watch: live; %zu %s of %s. Ctrl-C ends.\n", count,
                count == 1 ? "colleague" : "colleagues", watch->company);
    if (!watch->listed) name_the_missing(watch);
    watch->listed = true;
}

static void complain(const struct watch *watch, const char *what, const struct ledig_status *status) {
    char reason[LINE_REASON_BYTES];
    line_reason(status, reason);
    fprintf(stderr, "ledig watch: %s%s%s", what, what[0] ? ": " : "", reason);
    if (status->phase == LEDIG_WAITING && watch->connected_once)
        fprintf(stderr, "; trying again in %.1f s", status->retry_ms / 1000.0);
    fputc('\n', stderr);
}

static void status_changed(void *arg, const struct ledig_status *status) {
    struct watch *watch = arg;
    char what[CREDENTIALS_URL_BYTES + 32];
    switch (status->phase) {
    case LEDIG_CONNECTED:
        if (watch->connected_once)
            fprintf(stderr, "ledig watch: connected again%s\n", status->resumed ? ", nothing was missed" : "");
        watch->connected_once = true;
        watch->settled = false;
        snprintf(watch->company, sizeof watch->company, "%s", status->company);
        break;
    case LEDIG_LIVE:
        became_live(watch);
        break;
    case LEDIG_WAITING:
        watch->settled = false;
        snprintf(what, sizeof what, watch->connected_once ? "the line is down" : "cannot connect to %s", watch->url);
        complain(watch, what, status);
        if (!watch->connected_once) end(watch, exit_code_of(status->error)); /* most likely a wrong address */
        break;
    case LEDIG_STOPPED:
        complain(watch, "", status);
        end(watch, exit_code_of(status->error));
        break;
    case LEDIG_CONNECTING:
    case LEDIG_NEEDS_TOKEN:
        break;
    }
}

static void token_refused(void *arg) {
    struct watch *watch = arg;
    if (credentials_renew(watch->credentials) && ledig_set_token(watch->client, watch->credentials->token) == 0) return;
    fprintf(stderr, "ledig watch: the token is wrong or has expired\n");
    end(watch, EXIT_NOT_ALLOWED);
}

static void token_renewed(void *arg, const struct ledig_result *result) {
    (void)arg;
    (void)result; /* where it was refused the line ends, and the next one is made with what there is then */
}

static void token_expires(void *arg, int64_t expires_at_ms) {
    struct watch *watch = arg;
    (void)expires_at_ms;
    if (credentials_renew(watch->credentials))
        ledig_renew(watch->client, watch->credentials->token, token_renewed, watch);
}

/* ---- Running ---- */

static enum exit_code live(struct watch *watch) {
    uv_loop_t loop;
    const struct arguments *arguments = watch->arguments;
    struct ledig_options options = {.url = watch->url,
                                    .token = watch->credentials->token,
                                    .app = "ledig " LEDIG_VERSION,
                                    .follow_some = arguments->rest_count > 0,
                                    .follow_users = (const char *const *)arguments->rest,
                                    .follow_count = (size_t)arguments->rest_count};
    struct ledig_events events = {.change = changed,
                                  .forget = forget,
                                  .status = status_changed,
                                  .token = token_refused,
                                  .expiring = token_expires,
                                  .message = message};
    if (uv_loop_init(&loop)) return EXIT_REFUSED;
    int error = ledig_connect(&loop, &options, &events, watch, &watch->client);
    if (error == LEDIG_EBAD_REQUEST) {
        watch->code = arguments_wrong(watch->command, "--url takes ws://HOST:PORT/v1 or wss://…, not %s", watch->url);
    } else if (error) {
        fprintf(stderr, "ledig watch: cannot start: %s\n", ledig_error_meaning(error));
        watch->code = exit_code_of(error);
    } else {
        static const int numbers[] = {SIGINT, SIGTERM};
        for (size_t i = 0; i < 2; i++) {
            uv_signal_init(&loop, &watch->signals[i]);
            watch->signals[i].data = watch;
            uv_signal_start(&watch->signals[i], interrupted, numbers[i]);
        }
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return watch->code;
}

static enum exit_code run(const struct command *command, int argc, char **argv) {
    bool follow = false; /* the names behind it are what is left of the line, with or without it */
    const struct flag flags[] = {{"follow", NULL, &follow}, {NULL, NULL, NULL}};
    struct arguments arguments;
    char url[CREDENTIALS_URL_BYTES];
    enum exit_code code;
    if (!arguments_read(command, argc, argv, flags, &arguments, &code)) return code;
    if (follow != (arguments.rest_count > 0))
        return arguments_wrong(command, follow ? "--follow whom?" : "to see some colleagues only: --follow %s",
                               follow ? "" : arguments.rest[0]);
    for (int i = 0; i < arguments.rest_count; i++)
        if (!arguments_check_id(command, "user", arguments.rest[i], &code)) return code;
    struct watch watch = {.command = command, .arguments = &arguments, .url = url};
    watch.credentials = calloc(1, sizeof *watch.credentials);
    watch.people = people_create();
    code = EXIT_REFUSED;
    if (watch.credentials && watch.people &&
        credentials_find(command, &arguments, ROLE_MEMBER, NULL, false, watch.credentials, &code)) {
        url_find(&arguments, watch.credentials->data, "url", APP_URL_DEFAULT, url);
        terminal_open(&watch.terminal, stdout);
        code = live(&watch);
    }
    if (watch.credentials) credentials_wipe(watch.credentials);
    free(watch.credentials);
    people_free(watch.people);
    return code;
}

const struct command watch_command = {
    .name = "watch",
    .acting = AS_PERSON,
    .usage = "[--follow USER…]",
    .summary = "see every colleague change, live",
    .run = run,
    .help =
        "\n  --follow USER…   these colleagues only\n"
        "\nFirst everyone as they are, with the time since when; then a line for each change. It stays through lost\n"
        "networks and restarts of the broker, and says so on stderr. Ctrl-C ends it.\n"
        "\nExamples:\n"
        "  ledig watch --as kari\n"
        "  ledig watch --as kari --follow ola nina\n"
        "  ledig watch --as kari --json | jq -c .members\n",
};

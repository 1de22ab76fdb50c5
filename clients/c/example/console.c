/* A libledig client for the keyboard: it connects, prints what happens a line each, and takes requests from stdin. An
 * example of the whole interface, and what the tests of the library drive.
 *
 *     LEDIG_TOKEN=… ledig-console ws://127.0.0.1:7700/v1 [--request-timeout-ms 500] [--free-on live] …
 *
 * Requests, each with a number of your own that its result will carry: `1 set busy`, `2 ask ola nina`, `3 device idle`,
 * `4 consent presence yes`, `5 follow ola nina`, `6 follow`. `7 renew T`. And: `token T`, `free`. */
#include "clients/c/ledig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 4096
#define WORDS_MAX 64

struct console {
    uv_loop_t loop;
    uv_pipe_t input;
    struct ledig_client *client; /* NULL once it is freed */
    const char *free_on;         /* the name of the line after which it is */
    bool takes_tokens;
    char line[LINE_BYTES];
    size_t length;
};

struct call { /* a request on its way */
    struct console *console;
    char number[16];
};

static void freed(void *arg) {
    (void)arg;
    printf("freed\n");
}

static void end(struct console *console) {
    if (!console->client) return;
    struct ledig_client *client = console->client;
    console->client = NULL;
    ledig_free(client, freed, NULL);
    uv_close((uv_handle_t *)&console->input, NULL);
}

/* After each line that was printed. */
static void printed(struct console *console, const char *name) {
    fflush(stdout);
    if (console->free_on && strcmp(console->free_on, name) == 0) end(console);
}

/* ---- What the library tells ---- */

static void print_change(const char *what, const struct ledig_change *change) {
    switch (change->kind) {
    case LEDIG_MEMBER:
        printf("%s member %s %s\n", what, change->member.user, change->member.availability);
        break;
    case LEDIG_PROFILE:
        printf("%s profile %s %s\n", what, change->profile.user, change->profile.name ? change->profile.name : "-");
        break;
    case LEDIG_QUEUE:
        printf("%s queue %s %u free\n", what, change->queue.queue, change->queue.free);
        break;
    case LEDIG_REMOVED:
        printf("%s removed %s\n", what, change->removed);
        break;
    }
}

static void changed(void *arg, const struct ledig_change *change) {
    print_change("change", change);
    printed(arg, "change");
}

static void forget(void *arg) {
    printf("forget\n");
    printed(arg, "forget");
}

static void status_changed(void *arg, const struct ledig_status *status) {
    static const char *const names[] = {"connecting", "connected", "live", "waiting", "needs_token", "stopped"};
    const char *name = names[status->phase];
    printf("%s", name);
    if (status->phase == LEDIG_CONNECTED)
        printf(" %s@%s resumed=%d", status->user, status->company, (int)status->resumed);
    if (status->error)
        printf(" %s code=%u retry_ms=%u reason=%s", ledig_error_name(status->error), (unsigned)status->close_code,
               (unsigned)status->retry_ms, status->reason ? status->reason : "-");
    printf("\n");
    printed(arg, name);
}

static void token_expires(void *arg, int64_t expires_at_ms) {
    printf("expires at=%lld\n", (long long)expires_at_ms);
    printed(arg, "expires");
}

static void token_wanted(void *arg) {
    printf("token?\n");
    printed(arg, "token?");
}

static void row(void *arg, const struct ledig_change *change) {
    struct call *call = arg;
    print_change(call->number, change);
    printed(call->console, "row");
}

static void done(void *arg, const struct ledig_result *result) {
    struct call *call = arg;
    struct console *console = call->console;
    printf("%s %s", call->number, result->error ? ledig_error_name(result->error) : "ok");
    if (result->version) printf(" version=%lld", (long long)result->version);
    if (result->field) printf(" field=%s", result->field);
    if (result->retry_ms) printf(" retry_ms=%u", (unsigned)result->retry_ms);
    printf("\n");
    free(call);
    printed(console, "done");
}

/* ---- What the keyboard says ---- */

static int request(struct console *console, struct call *call, char **words, size_t count) {
    struct ledig_client *client = console->client;
    const char *const *rest = (const char *const *)words + 1;
    if (strcmp(words[0], "set") == 0 && count > 1)
        return ledig_set(client, &(struct ledig_availability){.status = words[1], .note = words[2]}, done, call);
    if (strcmp(words[0], "device") == 0 && count > 1) return ledig_device(client, words[1], done, call);
    if (strcmp(words[0], "renew") == 0 && count > 1) return ledig_renew(client, words[1], done, call);
    if (strcmp(words[0], "consent") == 0 && count > 2)
        return ledig_consent(client, words[1], strcmp(words[2], "yes") == 0, "1", NULL, done, call);
    if (strcmp(words[0], "ask") == 0)
        return ledig_ask(client, &(struct ledig_question){.users = rest, .user_count = count - 1}, row, done, call);
    if (strcmp(words[0], "follow") == 0)
        return ledig_follow(client, count > 1 ? rest : NULL, count - 1, NULL, 0, done, call);
    return LEDIG_EUNSUPPORTED;
}

static void take_line(struct console *console, char *line) {
    char *words[WORDS_MAX + 1] = {0}, *rest = NULL;
    size_t count = 0;
    for (char *word = strtok_r(line, " \r", &rest); word && count < WORDS_MAX; word = strtok_r(NULL, " \r", &rest))
        words[count++] = word;
    if (count == 0 || !console->client) return;
    if (strcmp(words[0], "free") == 0) {
        end(console);
    } else if (strcmp(words[0], "token") == 0 && count > 1) {
        int error = ledig_set_token(console->client, words[1]);
        if (error) printf("token %s\n", ledig_error_name(error));
    } else if (count > 1) {
        struct call *call = calloc(1, sizeof *call);
        if (!call) return;
        call->console = console;
        snprintf(call->number, sizeof call->number, "%s", words[0]);
        int error = request(console, call, words + 1, count - 1);
        if (error) {
            printf("%s refused %s\n", call->number, ledig_error_name(error));
            free(call);
        }
    }
    fflush(stdout);
}

static void make_room(uv_handle_t *handle, size_t suggested, uv_buf_t *room) {
    struct console *console = handle->data;
    (void)suggested;
    if (console->length == sizeof console->line) console->length = 0; /* no command is so long */
    *room = uv_buf_init(console->line + console->length, (unsigned)(sizeof console->line - console->length));
}

static void typed(uv_stream_t *stream, ssize_t length, const uv_buf_t *bytes) {
    struct console *console = stream->data;
    (void)bytes;
    if (length < 0) { /* the end of stdin */
        end(console);
        return;
    }
    console->length += (size_t)length;
    char *at = console->line, *stop;
    while ((stop = memchr(at, '\n', console->length - (size_t)(at - console->line)))) {
        *stop = 0;
        take_line(console, at);
        at = stop + 1;
    }
    console->length -= (size_t)(at - console->line);
    memmove(console->line, at, console->length);
}

/* ---- Start ---- */

static void take_options(struct console *console, struct ledig_options *options, int argc, char **argv) {
    for (int i = 2; i + 1 < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        uint32_t number = (uint32_t)strtoul(value, NULL, 10);
        if (strcmp(name, "--request-timeout-ms") == 0)
            options->request_timeout_ms = number;
        else if (strcmp(name, "--connect-timeout-ms") == 0)
            options->connect_timeout_ms = number;
        else if (strcmp(name, "--retry-base-ms") == 0)
            options->retry_base_ms = number;
        else if (strcmp(name, "--fault-retry-ms") == 0)
            options->fault_retry_ms = number;
        else if (strcmp(name, "--ca-file") == 0)
            options->ca_file = value;
        else if (strcmp(name, "--device-id") == 0)
            options->device_id = value;
        else if (strcmp(name, "--free-on") == 0)
            console->free_on = value;
        else if (strcmp(name, "--takes-tokens") == 0)
            console->takes_tokens = number != 0;
        else if (strcmp(name, "--follow") == 0) {
            options->follow_some = true;
            options->follow_users = (const char *const *)&argv[i + 1];
            options->follow_count = 1;
        } else if (strcmp(name, "--queue") == 0) {
            options->queues = (const char *const *)&argv[i + 1];
            options->queue_count = 1;
        }
    }
}

int main(int argc, char **argv) {
    struct console console = {0};
    struct ledig_options options = {.url = argv[1], .token = getenv("LEDIG_TOKEN"), .app = "ledig-console"};
    if (argc < 2 || !options.token) {
        fprintf(stderr, "usage: LEDIG_TOKEN=… %s URL [--NAME VALUE …]\n", argv[0]);
        return 2;
    }
    take_options(&console, &options, argc, argv);
    struct ledig_events events = {.change = changed,
                                  .forget = forget,
                                  .status = status_changed,
                                  .token = console.takes_tokens ? token_wanted : NULL,
                                  .expiring = token_expires};
    uv_loop_init(&console.loop);
    uv_pipe_init(&console.loop, &console.input, 0);
    console.input.data = &console;
    uv_pipe_open(&console.input, 0);
    int error = ledig_connect(&console.loop, &options, &events, &console, &console.client);
    if (error) {
        printf("refused %s\n", ledig_error_name(error));
        uv_close((uv_handle_t *)&console.input, NULL);
    } else {
        uv_read_start((uv_stream_t *)&console.input, make_room, typed);
    }
    uv_run(&console.loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&console.loop)) {
        printf("something is left on the loop\n");
        return 1;
    }
    return error ? 1 : 0;
}

#include "clients/cli/errand.h"
#include "protocol/limits.h"

#include <stdio.h>
#include <string.h>

struct log_in {
    const char *queue, *pause;
    bool member;
};

static int ask(struct errand *errand) {
    const struct log_in *log_in = errand->arg;
    return ledig_queue(errand->client, log_in->queue, log_in->member, log_in->pause, errand_done, errand);
}

static void done(struct errand *errand, const struct ledig_result *result) {
    const struct log_in *log_in = errand->arg;
    (void)result;
    if (log_in->pause)
        printf("%s: paused (%s)\n", log_in->queue, log_in->pause);
    else
        printf("%s: logged %s\n", log_in->queue, log_in->member ? "in" : "out");
}

static const char *const words[] = {"in", "out"};

static enum exit_code run(const struct command *command, int argc, char **argv) {
    struct log_in log_in = {0};
    const struct flag flags[] = {{"pause", &log_in.pause, NULL}, {NULL, NULL, NULL}};
    struct arguments arguments;
    struct errand errand = {.command = command, .arguments = &arguments, .ask = ask, .done = done, .arg = &log_in};
    enum exit_code code;
    if (!arguments_read(command, argc, argv, flags, &arguments, &code)) return code;
    if (arguments.rest_count != 2) return arguments_wrong(command, "it takes a queue, and in or out: queue support in");
    log_in.queue = arguments.rest[0];
    log_in.member = strcmp(arguments.rest[1], "in") == 0;
    if (!arguments_check_id(command, "queue", log_in.queue, &code)) return code;
    if (!log_in.member && strcmp(arguments.rest[1], "out") != 0) {
        const char *nearest = arguments_nearest(arguments.rest[1], words, sizeof words / sizeof words[0]);
        if (nearest)
            return arguments_wrong(command, "in or out? %s is neither; did you mean %s?", arguments.rest[1], nearest);
        return arguments_wrong(command, "in or out? %s is neither", arguments.rest[1]);
    }
    if (log_in.pause && !log_in.member)
        return arguments_wrong(command, "who is logged out cannot pause: in --pause REASON");
    if (log_in.pause && !arguments_check_text(command, "the reason", log_in.pause, LEDIG_WORD_CHARS_MAX, &code))
        return code;
    return errand_run(&errand);
}

const struct command queue_command = {
    .name = "queue",
    .acting = AS_PERSON,
    .usage = "QUEUE in|out [--pause REASON]",
    .summary = "log in to a queue, pause, or log out",
    .run = run,
    .help =
        "\n  QUEUE           one that the employer has assigned\n"
        "  --pause REASON  logged in, but not to be called: why, up to 32 characters; `in` without it ends the pause\n"
        "\nExamples:\n"
        "  ledig queue --as ola support in\n"
        "  ledig queue --as ola support in --pause lunch\n"
        "  ledig queue --as ola support out\n",
};

#include "clients/cli/credentials.h"
#include "clients/cli/errand.h"
#include "clients/cli/terminal.h"
#include "clients/cli/when.h"
#include "protocol/limits.h"

#include <stdlib.h>
#include <string.h>

static const char *const statuses[] = {"available", "busy", "dnd", "away"};
#define STATUS_COUNT (sizeof statuses / sizeof statuses[0])

static int ask(struct errand *errand) {
    return ledig_set(errand->client, errand->arg, errand_done, errand);
}

static void done(struct errand *errand, const struct ledig_result *result) {
    const struct ledig_availability *set = errand->arg;
    struct terminal terminal;
    char until[WHEN_FORMATTED_BYTES], text[64];
    (void)result;
    terminal_open(&terminal, stdout);
    if (set->user) terminal_put(&terminal, TINT_NONE, set->user, 0, strlen(set->user) + 2);
    terminal_put(&terminal, TINT_NONE, set->status, 0, 0);
    if (set->activity) {
        terminal_put(&terminal, TINT_NONE, " · ", 0, 0);
        terminal_put(&terminal, TINT_NONE, set->activity, 0, 0);
    }
    if (set->until) {
        when_format(set->until, now_ms(), until);
        snprintf(text, sizeof text, "  until %s", until);
        terminal_put(&terminal, TINT_NONE, text, 0, 0);
    }
    if (set->note && set->note[0]) {
        terminal_put(&terminal, TINT_NONE, "  “", 0, 0);
        terminal_put(&terminal, TINT_NONE, set->note, 0, 0);
        terminal_put(&terminal, TINT_NONE, "”", 0, 0);
    }
    if (set->forward) {
        terminal_put(&terminal, TINT_NONE, "  calls go to ", 0, 0);
        terminal_put(&terminal, TINT_NONE, set->forward, 0, 0);
    }
    putchar('\n');
}

static bool refused(struct errand *errand, const struct ledig_result *result) {
    const struct ledig_availability *set = errand->arg;
    bool is_user = result->field && strcmp(result->field, "user") == 0;
    if (result->error != LEDIG_ENOT_FOUND || !is_user || !set->user) return false;
    fprintf(stderr, "ledig set: there is no colleague %s\n", set->user);
    errand_end(errand, EXIT_REFUSED);
    return true;
}

static bool check_status(const struct command *command, const char *status, enum exit_code *code) {
    for (size_t i = 0; i < STATUS_COUNT; i++)
        if (strcmp(status, statuses[i]) == 0) return true;
    const char *nearest = arguments_nearest(status, statuses, STATUS_COUNT);
    if (nearest)
        *code = arguments_wrong(command, "there is no status %s; did you mean %s?", status, nearest);
    else
        *code = arguments_wrong(command, "there is no status %s; there are available, busy, dnd and away", status);
    return false;
}

static bool check_texts(const struct command *command, const struct ledig_availability *set, enum exit_code *code) {
    return arguments_check_text(command, "the note", set->note, LEDIG_NOTE_CHARS_MAX, code) &&
           arguments_check_text(command, "the activity", set->activity, LEDIG_WORD_CHARS_MAX, code) &&
           arguments_check_text(command, "the target of --forward", set->forward, LEDIG_ID_CHARS_MAX, code) &&
           arguments_check_id(command, "user", set->user, code);
}

static enum exit_code run(const struct command *command, int argc, char **argv) {
    struct ledig_availability set = {0};
    const char *until = NULL;
    const struct flag flags[] = {{"activity", &set.activity, NULL},
                                 {"until", &until, NULL},
                                 {"note", &set.note, NULL},
                                 {"forward", &set.forward, NULL},
                                 {"user", &set.user, NULL},
                                 {"open", NULL, &set.open},
                                 {NULL, NULL, NULL}};
    struct arguments arguments;
    struct errand errand = {
        .command = command, .arguments = &arguments, .ask = ask, .done = done, .refused = refused, .arg = &set};
    enum exit_code code;
    if (!arguments_read(command, argc, argv, flags, &arguments, &code)) return code;
    if (arguments.rest_count == 0) return arguments_wrong(command, "which status? available, busy, dnd or away");
    if (arguments.rest_count > 1)
        return arguments_wrong(command, "one status at a time; %s is too much", arguments.rest[1]);
    set.status = arguments.rest[0];
    if (!check_status(command, set.status, &code) || !check_texts(command, &set, &code)) return code;
    int error = until ? when_parse(until, now_ms(), &set.until) : 0;
    if (error == LEDIG_ECONFLICT) return arguments_wrong(command, "--until %s is past", until);
    if (error)
        return arguments_wrong(command, "--until %s is no time that I understand. These are: %s", until,
                               when_understood);
    return errand_run(&errand);
}

const struct command set_command = {
    .name = "set",
    .acting = AS_PERSON,
    .usage = "STATUS [--activity A] [--until WHEN] [--note TEXT] [--forward TO] [--user USER] [--open]",
    .summary = "set availability: available, busy, dnd or away",
    .run = run,
    .help = "\n  --activity A   why: meeting, lunch, break, vacation, sick or a word of the company's own\n"
            "  --until WHEN   the return time: 14:30, 45m, 1h30m, tomorrow, mandag 10:00, 2026-12-01T14:30\n"
            "  --note TEXT    what colleagues may read: a line of up to 200 characters\n"
            "  --forward TO   where calls go meanwhile: a number, a colleague or a queue\n"
            "  --user USER    on behalf of this colleague, with --role switchboard or a token that allows it\n"
            "  --open         colleagues see sick or vacation, and the note; else they see plain away\n"
            "\nWhat is not given is cleared. `available` alone returns to the automatic state.\n"
            "\nExamples:\n"
            "  ledig set --as ola busy --activity meeting --until 14:30 --note \"Styremøte\"\n"
            "  ledig set --as ola away --until tomorrow\n"
            "  ledig set --as kari --role switchboard dnd --user ola --until 45m\n"
            "  ledig set --as ola available\n",
};

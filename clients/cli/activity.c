#include "clients/cli/errand.h"
#include "clients/cli/terminal.h"
#include "protocol/limits.h"

#include <stdlib.h>
#include <time.h>

#define LIMIT_DEFAULT 20
#define LIMIT_MAX 100
#define TIME_BYTES 32

struct log {
    uint32_t limit;
    size_t count; /* printed */
    struct terminal terminal;
};

static void write_time(int64_t at_ms, char to[static TIME_BYTES]) {
    time_t at = (time_t)(at_ms / 1000);
    struct tm local;
    if (!localtime_r(&at, &local) || strftime(to, TIME_BYTES, "%Y-%m-%d %H:%M", &local) == 0) *to = 0;
}

static void put(struct terminal *terminal, enum tint tint, const char *word, const char *text) {
    char harmless[2 * LEDIG_NAME_CHARS_MAX];
    if (!text) return;
    text_harmless(text, harmless, sizeof harmless);
    fputs(word, terminal->file);
    terminal_put(terminal, tint, harmless, 0, 0);
}

static void take(void *arg, const struct ledig_activity *activity) {
    struct errand *errand = arg;
    struct log *log = errand->arg;
    struct terminal *terminal = &log->terminal;
    char at[TIME_BYTES], what[2 * LEDIG_WORD_CHARS_MAX];
    if (errand->arguments->json) return;
    log->count++;
    write_time(activity->at, at);
    terminal_put(terminal, TINT_NONE, at, 0, 18);
    text_harmless(activity->what, what, sizeof what);
    terminal_put(terminal, TINT_NONE, what, 0, 16);
    put(terminal, TINT_NONE, "", activity->detail);
    put(terminal, TINT_NONE, " by ", activity->actor);
    put(terminal, TINT_DIM, " device ", activity->device);
    if (activity->times) fprintf(terminal->file, " %u times in a row", activity->times);
    fputc('\n', terminal->file);
}

static int ask(struct errand *errand) {
    const struct log *log = errand->arg;
    return ledig_activity(errand->client, 0, log->limit, take, errand_done, errand);
}

static void done(struct errand *errand, const struct ledig_result *result) {
    const struct log *log = errand->arg;
    fflush(stdout);
    if (errand->arguments->json) return;
    if (log->count == 0)
        fprintf(stderr, "nothing yet\n");
    else if (result->before)
        fprintf(stderr, "there is more: --limit N\n");
}

static enum exit_code run(const struct command *command, int argc, char **argv) {
    struct log log = {.limit = LIMIT_DEFAULT};
    const char *limit_text = NULL;
    const struct flag flags[] = {{"limit", &limit_text, NULL}, {NULL, NULL, NULL}};
    struct arguments arguments;
    struct errand errand = {
        .command = command, .arguments = &arguments, .reads = true, .ask = ask, .done = done, .arg = &log};
    enum exit_code code;
    if (!arguments_read(command, argc, argv, flags, &arguments, &code)) return code;
    if (arguments.rest_count > 0) return arguments_wrong(command, "it takes no words: the log is one's own");
    if (limit_text) {
        char *end;
        long limit = strtol(limit_text, &end, 10);
        if (!*limit_text || *end || limit < 1 || limit > LIMIT_MAX)
            return arguments_wrong(command, "--limit takes a number from 1 to %d", LIMIT_MAX);
        log.limit = (uint32_t)limit;
    }
    terminal_open(&log.terminal, stdout);
    return errand_run(&errand);
}

const struct command activity_command = {
    .name = "activity",
    .acting = AS_PERSON,
    .usage = "[--limit N]",
    .summary = "what was done about one's own data and access",
    .run = run,
    .help = "\n  --limit N   so many, the newest first: up to 100 (default 20)\n"
            "\nLog-ins, devices, passwords, consents, exports, and who has set one's status on one's behalf.\n"
            "\nExamples:\n"
            "  ledig activity --as ola\n"
            "  ledig activity --as ola --json\n",
};

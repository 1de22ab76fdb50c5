#include "clients/cli/credentials.h"
#include "clients/cli/errand.h"
#include "clients/cli/terminal.h"
#include "protocol/limits.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LIMIT_DEFAULT 20
#define LIMIT_MAX 100
#define DAY_MS 86400000LL
#define TIME_BYTES 32
#define LENGTH_BYTES 32

struct history {
    bool sums;
    int64_t from; /* of the sums; 0 = all that are kept */
    uint32_t limit;
    size_t count; /* printed */
    struct terminal terminal;
};

/* ---- One line ---- */

static void write_time(int64_t at_ms, char to[static TIME_BYTES]) {
    time_t at = (time_t)(at_ms / 1000);
    struct tm local;
    if (!localtime_r(&at, &local) || strftime(to, TIME_BYTES, "%Y-%m-%d %H:%M", &local) == 0) *to = 0;
}

static void write_length(int64_t ms, char to[static LENGTH_BYTES]) {
    long long seconds = ms > 0 ? (long long)(ms / 1000) : 0;
    snprintf(to, LENGTH_BYTES, "%lld:%02lld:%02lld", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

static enum tint tint_of(const char *result) {
    if (strcmp(result, "answered") == 0) return TINT_GREEN;
    return strcmp(result, "missed") == 0 ? TINT_RED : TINT_DIM;
}

static void take_call(void *arg, const struct ledig_past_call *call) {
    struct errand *errand = arg;
    struct history *history = errand->arg;
    struct terminal *terminal = &history->terminal;
    char at[TIME_BYTES], length[LENGTH_BYTES] = "", text[2 * LEDIG_NAME_CHARS_MAX];
    if (errand->arguments->json) return;
    history->count++;
    write_time(call->started_at, at);
    if (call->answered_at) write_length(call->ended_at - call->answered_at, length);
    terminal_put(terminal, TINT_NONE, at, 0, 18);
    text_harmless(call->direction ? call->direction : "", text, sizeof text);
    terminal_put(terminal, TINT_NONE, text, 0, 10);
    text_harmless(call->result, text, sizeof text);
    terminal_put(terminal, tint_of(call->result), text, 0, 11);
    terminal_put(terminal, TINT_NONE, length, 0, 10);
    text_harmless(call->peer ? call->peer : "", text, sizeof text);
    terminal_put(terminal, TINT_NONE, text, 0, call->queue ? 18 : 0);
    if (call->queue) terminal_put(terminal, TINT_DIM, call->queue, 0, 0);
    fputc('\n', terminal->file);
}

static void take_sum(void *arg, const struct ledig_usage *sum) {
    struct errand *errand = arg;
    struct history *history = errand->arg;
    char length[LENGTH_BYTES];
    if (errand->arguments->json) return;
    history->count++;
    write_length(sum->talk_ms, length);
    terminal_put(&history->terminal, TINT_NONE, sum->queue ? sum->queue : "all", 0, 18);
    fprintf(history->terminal.file, "%u calls: %u in, %u out, %u internal; %u answered, %u missed; %s talked\n",
            sum->calls, sum->in, sum->out, sum->internal, sum->answered, sum->missed, length);
}

/* ---- The errand ---- */

static int ask(struct errand *errand) {
    const struct history *history = errand->arg;
    return history->sums ? ledig_usage(errand->client, history->from, 0, take_sum, errand_done, errand)
                         : ledig_calls(errand->client, 0, history->limit, take_call, errand_done, errand);
}

static void done(struct errand *errand, const struct ledig_result *result) {
    const struct history *history = errand->arg;
    fflush(stdout);
    if (history->count == 0)
        fprintf(stderr, "no calls\n");
    else if (result->before)
        fprintf(stderr, "there are older ones: --limit N\n");
}

static bool refused(struct errand *errand, const struct ledig_result *result) {
    if (result->error != LEDIG_ECONSENT_REQUIRED || errand->arguments->json) return false;
    fprintf(stderr, "ledig calls: no history is kept without consent to it: ledig consent call_history yes\n");
    errand_end(errand, EXIT_REFUSED);
    return true;
}

static bool take_number(const struct command *command, const char *flag, const char *text, long most, long *number,
                        enum exit_code *code) {
    char *end;
    if (!text) return true;
    *number = strtol(text, &end, 10);
    if (*text && !*end && *number >= 1 && *number <= most) return true;
    *code = arguments_wrong(command, "--%s takes a number from 1 to %ld", flag, most);
    return false;
}

static enum exit_code run(const struct command *command, int argc, char **argv) {
    struct history history = {0};
    const char *limit_text = NULL, *days_text = NULL;
    const struct flag flags[] = {
        {"limit", &limit_text, NULL}, {"sum", NULL, &history.sums}, {"days", &days_text, NULL}, {NULL, NULL, NULL}};
    struct arguments arguments;
    struct errand errand = {.command = command,
                            .arguments = &arguments,
                            .reads = true,
                            .ask = ask,
                            .done = done,
                            .refused = refused,
                            .arg = &history};
    enum exit_code code;
    long limit = LIMIT_DEFAULT, days = 0;
    if (!arguments_read(command, argc, argv, flags, &arguments, &code)) return code;
    if (arguments.rest_count > 0) return arguments_wrong(command, "it takes no words: the history is one's own");
    if (days_text && !history.sums) return arguments_wrong(command, "--days is for --sum");
    if (limit_text && history.sums) return arguments_wrong(command, "--limit is not for --sum");
    if (!take_number(command, "limit", limit_text, LIMIT_MAX, &limit, &code) ||
        !take_number(command, "days", days_text, 400, &days, &code))
        return code;
    history.limit = (uint32_t)limit;
    if (days) history.from = now_ms() - days * DAY_MS;
    terminal_open(&history.terminal, stdout);
    return errand_run(&errand);
}

const struct command calls_command = {
    .name = "calls",
    .acting = AS_PERSON,
    .usage = "[--limit N | --sum [--days N]]",
    .summary = "one's own history of calls, or its sums",
    .run = run,
    .help = "\n  --limit N   so many, the newest first: up to 100 (default 20)\n"
            "  --sum       added up, all and for each queue\n"
            "  --days N    of the last days only\n"
            "\nOne's own, and only with consent: ledig consent call_history yes. Withdrawing it destroys the history.\n"
            "\nExamples:\n"
            "  ledig calls --as ola\n"
            "  ledig calls --as ola --sum --days 30\n"
            "  ledig calls --as ola --json\n",
};

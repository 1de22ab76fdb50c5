#include "clients/cli/credentials.h"
#include "clients/cli/errand.h"
#include "clients/cli/people.h"
#include "clients/cli/when.h"
#include "protocol/limits.h"

#include <stdlib.h>
#include <string.h>

#define DIGITS_BYTES 24

struct asking {
    struct ledig_question question;
    bool *had; /* of each number: somebody has it */
    size_t row_count;
    struct people *people;
    struct terminal terminal;
    size_t looked_up; /* of the users and queues, where one is not there */
};

/* ---- Numbers ---- */

/* A number as people write it, in its bare digits: without a plus, the zeros in its place, and what stands between. */
static void digits_of(const char *number, char to[static DIGITS_BYTES]) {
    size_t length = 0;
    for (; *number && length < DIGITS_BYTES - 1; number++)
        if (*number >= '0' && *number <= '9') to[length++] = *number;
    to[length] = 0;
    if (strncmp(to, "00", 2) == 0) memmove(to, to + 2, length - 1);
}

static void note_numbers(struct asking *asking, const struct ledig_profile *profile) {
    char asked[DIGITS_BYTES], had[DIGITS_BYTES];
    for (size_t i = 0; i < asking->question.number_count; i++) {
        digits_of(asking->question.numbers[i], asked);
        for (size_t k = 0; k < profile->number_count && !asking->had[i]; k++) {
            digits_of(profile->numbers[k], had);
            asking->had[i] = strcmp(asked, had) == 0;
        }
    }
}

static void name_nobodys(const struct asking *asking) {
    char harmless[2 * LEDIG_NAME_CHARS_MAX];
    for (size_t i = 0; i < asking->question.number_count; i++) {
        if (asking->had[i]) continue;
        text_harmless(asking->question.numbers[i], harmless, sizeof harmless);
        fprintf(stderr, "ledig ask: nobody has %s\n", harmless);
    }
}

/* ---- The answer ---- */

static int ask(struct errand *errand) {
    struct asking *asking = errand->arg;
    return ledig_ask(errand->client, &asking->question, errand->row, errand_done, errand);
}

static void take_row(void *arg, const struct ledig_change *row) {
    struct errand *errand = arg;
    struct asking *asking = errand->arg;
    asking->row_count++;
    if (row->kind == LEDIG_PROFILE) note_numbers(asking, &row->profile);
    if (errand->arguments->json) return;
    if (row->kind == LEDIG_QUEUE)
        queue_print(&row->queue, &asking->terminal, now_ms());
    else if (!people_take(asking->people, row))
        fprintf(stderr, "ledig ask: out of memory\n");
}

static void done(struct errand *errand, const struct ledig_result *result) {
    struct asking *asking = errand->arg;
    char stale[WHEN_STALE_BYTES];
    people_settle(asking->people, &asking->terminal, now_ms(), true);
    fflush(stdout); /* what it is about comes first */
    if (when_stale(result->stale_ms, stale)) fprintf(stderr, "%s\n", stale);
}

/* ---- Who is it that is not there? ---- */

static void look_up_next(struct errand *errand);

static void say_missing(const struct asking *asking, size_t index) {
    const struct ledig_question *question = &asking->question;
    if (index < question->user_count)
        fprintf(stderr, "ledig ask: there is no colleague %s\n", question->users[index]);
    else
        fprintf(stderr, "ledig ask: there is no queue %s\n", question->queues[index - question->user_count]);
}

static void looked_up(void *arg, const struct ledig_result *result) {
    struct errand *errand = arg;
    struct asking *asking = errand->arg;
    if (errand->over) return;
    if (result->error && result->error != LEDIG_ENOT_FOUND) {
        errand_complain(errand, result);
        errand_end(errand, exit_code_of(result->error));
        return;
    }
    if (result->error) say_missing(asking, asking->looked_up);
    asking->looked_up++;
    look_up_next(errand);
}

static void look_up_next(struct errand *errand) {
    struct asking *asking = errand->arg;
    const struct ledig_question *question = &asking->question;
    size_t at = asking->looked_up;
    struct ledig_question one = {0};
    if (at == question->user_count + question->queue_count) {
        errand_end(errand, EXIT_REFUSED);
        return;
    }
    if (at < question->user_count)
        one = (struct ledig_question){.users = &question->users[at], .user_count = 1};
    else
        one = (struct ledig_question){.queues = &question->queues[at - question->user_count], .queue_count = 1};
    int error = ledig_ask(errand->client, &one, NULL, looked_up, errand);
    if (!error) return;
    errand_complain(errand, &(struct ledig_result){.error = error});
    errand_end(errand, exit_code_of(error));
}

/* The broker does not say which of them: they are asked for one by one. A program finds that out by itself. */
static bool refused(struct errand *errand, const struct ledig_result *result) {
    const struct asking *asking = errand->arg;
    bool only_one = asking->question.user_count + asking->question.queue_count == 1;
    if (result->error != LEDIG_ENOT_FOUND || (errand->arguments->json && !only_one)) return false;
    if (only_one) {
        say_missing(asking, 0);
        errand_end(errand, EXIT_REFUSED);
    } else {
        look_up_next(errand);
    }
    return true;
}

/* ---- The command line ---- */

/* Sorts the words behind --numbers and --queues from the users. Each list is over at the next flag. */
struct lists {
    const char **users, **numbers, **queues;
    size_t user_count, number_count, queue_count;
};

static bool lists_open(struct lists *lists, int argc) {
    size_t most = (size_t)argc + 1;
    lists->users = calloc(3 * most, sizeof *lists->users);
    if (!lists->users) return false;
    lists->numbers = lists->users + most;
    lists->queues = lists->numbers + most;
    return true;
}

/* Takes `--numbers N…` and `--queues Q…` out of argv, which getopt cannot; returns what is left of argc. */
static int take_lists(int argc, char **argv, struct lists *lists) {
    int left = 1;
    const char **list = NULL;
    size_t *count = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--numbers") == 0) {
            list = lists->numbers;
            count = &lists->number_count;
        } else if (strcmp(argv[i], "--queues") == 0) {
            list = lists->queues;
            count = &lists->queue_count;
        } else if (list && strncmp(argv[i], "--", 2) != 0) {
            list[(*count)++] = argv[i];
        } else {
            list = NULL;
            argv[left++] = argv[i];
        }
    }
    argv[left] = NULL;
    return left;
}

static bool check(const struct command *command, const struct ledig_question *question, enum exit_code *code) {
    for (size_t i = 0; i < question->user_count; i++)
        if (!arguments_check_id(command, "user", question->users[i], code)) return false;
    for (size_t i = 0; i < question->queue_count; i++)
        if (!arguments_check_id(command, "queue", question->queues[i], code)) return false;
    for (size_t i = 0; i < question->number_count; i++)
        if (!arguments_check_text(command, "a number", question->numbers[i], LEDIG_NAME_CHARS_MAX, code)) return false;
    if (question->user_count + question->number_count + question->queue_count <= LEDIG_ASK_COUNT_MAX) return true;
    *code = arguments_wrong(command, "users, numbers and queues are at most %d together", LEDIG_ASK_COUNT_MAX);
    return false;
}

static enum exit_code ask_broker(struct errand *errand) {
    struct asking *asking = errand->arg;
    asking->people = people_create();
    asking->had = calloc(asking->question.number_count + 1, sizeof *asking->had);
    enum exit_code code = EXIT_REFUSED;
    if (asking->people && asking->had) {
        terminal_open(&asking->terminal, stdout);
        code = errand_run(errand);
    }
    if (code == EXIT_DONE) {
        name_nobodys(asking);
        if (asking->row_count == 0) code = EXIT_REFUSED;
    }
    free(asking->had);
    people_free(asking->people);
    return code;
}

static enum exit_code go(const struct command *command, int argc, char **argv, struct lists *lists) {
    struct arguments arguments;
    struct asking asking = {0};
    struct errand errand = {.command = command,
                            .arguments = &arguments,
                            .reads = true,
                            .ask = ask,
                            .row = take_row,
                            .done = done,
                            .refused = refused,
                            .arg = &asking};
    enum exit_code code;
    argc = take_lists(argc, argv, lists);
    if (!arguments_read(command, argc, argv, NULL, &arguments, &code)) return code;
    if (arguments.rest_count == 0 && lists->number_count == 0 && lists->queue_count == 0)
        return arguments_wrong(command, "whom? Name users, --numbers or --queues");
    asking.question = (struct ledig_question){.users = (const char *const *)arguments.rest,
                                              .user_count = (size_t)arguments.rest_count,
                                              .numbers = lists->numbers,
                                              .number_count = lists->number_count,
                                              .queues = lists->queues,
                                              .queue_count = lists->queue_count};
    return check(command, &asking.question, &code) ? ask_broker(&errand) : code;
}

static enum exit_code run(const struct command *command, int argc, char **argv) {
    struct lists lists = {0};
    if (!lists_open(&lists, argc)) return EXIT_REFUSED;
    enum exit_code code = go(command, argc, argv, &lists);
    free(lists.users);
    return code;
}

const struct command ask_command = {
    .name = "ask",
    .acting = AS_PERSON,
    .usage = "USER… [--numbers N…] [--queues Q…]",
    .summary = "ask once how these colleagues, numbers or queues are",
    .run = run,
    .help = "\n  USER           by id; one who does not exist is an error\n"
            "  --numbers N…   by telephone number; numbers that nobody has are named on stderr\n"
            "  --queues Q…    free and busy agents, calls that wait\n"
            "\nExamples:\n"
            "  ledig ask --as kari ola nina\n"
            "  ledig ask --as kari --numbers +4710000001 --queues support\n"
            "  ledig ask --as kari ola --json\n",
};

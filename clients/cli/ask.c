#include "clients/cli/credentials.h"
#include "clients/cli/errand.h"
#include "clients/cli/people.h"

#include <stdlib.h>
#include <string.h>

#define STALE_WORTH_A_WORD_MS 5000

struct asking {
    struct ledig_question question;
    struct people *people;
    struct terminal terminal;
};

static int ask(struct errand *errand) {
    struct asking *asking = errand->arg;
    return ledig_ask(errand->client, &asking->question, errand->row, errand_done, errand);
}

static void take_row(void *arg, const struct ledig_change *row) {
    struct errand *errand = arg;
    struct asking *asking = errand->arg;
    if (errand->arguments->json) return;
    if (row->kind == LEDIG_QUEUE)
        queue_print(&row->queue, &asking->terminal, now_ms());
    else if (!people_take(asking->people, row))
        fprintf(stderr, "ledig ask: out of memory\n");
}

static void done(struct errand *errand, const struct ledig_result *result) {
    struct asking *asking = errand->arg;
    people_settle(asking->people, &asking->terminal, now_ms(), true);
    if (result->stale_ms >= STALE_WORTH_A_WORD_MS)
        fprintf(stderr, "ledig ask: this is %lld s old; the broker's store does not answer\n",
                (long long)(result->stale_ms / 1000));
}

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

static enum exit_code go(const struct command *command, int argc, char **argv, struct lists *lists) {
    struct arguments arguments;
    struct asking asking = {0};
    struct errand errand = {
        .command = command, .arguments = &arguments, .ask = ask, .row = take_row, .done = done, .arg = &asking};
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
    asking.people = people_create();
    if (!asking.people) return EXIT_REFUSED;
    terminal_open(&asking.terminal, stdout);
    code = errand_run(&errand);
    people_free(asking.people);
    return code;
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
    .usage = "USER… [--numbers N…] [--queues Q…]",
    .summary = "ask once how these colleagues, numbers or queues are",
    .run = run,
    .help = "\n  USER           by id; one who does not exist is an error\n"
            "  --numbers N…   by telephone number; numbers that nobody has are left out\n"
            "  --queues Q…    free and busy agents, calls that wait\n"
            "\nExamples:\n"
            "  ledig ask --as kari ola nina\n"
            "  ledig ask --as kari --numbers +4710000001 --queues support\n"
            "  ledig ask --as kari ola --json\n",
};

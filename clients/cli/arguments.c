#include "clients/cli/arguments.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FLAGS_COUNT_MAX 24
#define WORD_CHARS_MAX 32 /* longer ones are not compared */

static const char shared_help[] =
    "\nWho you are (one of these; a token is never an argument, since others can read those):\n"
    "  LEDIG_TOKEN=…        a token in the environment\n"
    "  --token-file FILE    a token in a file; re-read when it is refused\n"
    "  --as USER[@COMPANY]  on the broker's machine: a token made with the key in the data directory\n"
    "    --data DIR         that directory ($LEDIG_DATA, ./var/data, or var/data beside the program's)\n"
    "    --role ROLE        to act as: member, switchboard, lead, admin, router\n"
    "\nGeneral:\n"
    "  --url URL            where the broker is (default: the one that runs on the data directory)\n"
    "  --json               one JSON object a line, as the protocol has it\n"
    "  --help\n"
    "\nExit code: 0 done; 1 refused; 2 wrong command line; 3 not allowed; 4 the broker cannot be reached or cannot\n"
    "answer now.\n";

/* ---- Nearest ---- */

/* Optimal string alignment: insertions, deletions, changes, and neighbours that changed places. */
static size_t distance(const char *a, const char *b) {
    size_t n = strlen(a), m = strlen(b), rows[3][WORD_CHARS_MAX + 1];
    if (n > WORD_CHARS_MAX || m > WORD_CHARS_MAX) return n + m;
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= m; j++)
        last[j] = j;
    for (size_t i = 1; i <= n; i++) {
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < best) best = last[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
        size_t *free_row = before;
        before = last;
        last = row;
        row = free_row;
    }
    return last[m];
}

const char *arguments_nearest(const char *word, const char *const *candidates, size_t count) {
    const char *nearest = NULL;
    size_t best = 1 + (strlen(word) + 1) / 3; /* a third may be wrong */
    for (size_t i = 0; i < count; i++) {
        size_t steps = distance(word, candidates[i]);
        if (steps >= best) continue;
        best = steps;
        nearest = candidates[i];
    }
    return nearest;
}

/* ---- What is wrong ---- */

enum exit_code arguments_wrong(const struct command *command, const char *format, ...) {
    va_list list;
    va_start(list, format);
    fprintf(stderr, "ledig %s: ", command->name);
    vfprintf(stderr, format, list);
    fprintf(stderr, "\nTry: ledig %s --help\n", command->name);
    va_end(list);
    return EXIT_USAGE;
}

static enum exit_code unknown_flag(const struct command *command, const char *word, const struct option *options) {
    const char *names[FLAGS_COUNT_MAX], *name = word + strspn(word, "-");
    char bare[WORD_CHARS_MAX + 1];
    size_t count = 0;
    snprintf(bare, sizeof bare, "%.*s", (int)strcspn(name, "="), name);
    for (; options[count].name; count++)
        names[count] = options[count].name;
    const char *nearest = strncmp(word, "--", 2) == 0 ? arguments_nearest(bare, names, count) : NULL;
    if (nearest) return arguments_wrong(command, "there is no flag %s; did you mean --%s?", word, nearest);
    return arguments_wrong(command, "there is no flag %s", word);
}

/* ---- Reading ---- */

/* Puts the flags into getopt's form: `val` is the index among `flags`. */
static size_t collect(const struct flag *from, size_t count, const struct flag **flags, struct option *options) {
    for (; from && from->name && count < FLAGS_COUNT_MAX - 1; from++, count++) {
        flags[count] = from;
        options[count] = (struct option){
            .name = from->name, .has_arg = from->text ? required_argument : no_argument, .val = (int)count + 256};
    }
    options[count] = (struct option){0};
    return count;
}

static void give_help(const struct command *command) {
    printf("ledig %s %s\n\n%s\n%s%s", command->name, command->usage, command->summary, command->help, shared_help);
}

bool arguments_read(const struct command *command, int argc, char **argv, const struct flag *own,
                    struct arguments *arguments, enum exit_code *code) {
    bool help = false;
    *arguments = (struct arguments){0};
    const struct flag shared[] = {
        {"url", &arguments->url, NULL},
        {"token-file", &arguments->token_file, NULL},
        {"data", &arguments->data, NULL},
        {"as", &arguments->as, NULL},
        {"role", &arguments->role, NULL},
        {"json", NULL, &arguments->json},
        {"help", NULL, &help},
        {NULL, NULL, NULL},
    };
    const struct flag *flags[FLAGS_COUNT_MAX];
    struct option options[FLAGS_COUNT_MAX];
    collect(shared, collect(own, 0, flags, options), flags, options);

    opterr = 0;
    optind = 1;
    int found;
    while ((found = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        if (found == 'h') {
            help = true;
        } else if (found == ':') {
            *code = arguments_wrong(command, "%s needs a value", argv[optind - 1]);
            return false;
        } else if (found == '?' && optopt >= 256) {
            *code = arguments_wrong(command, "--%s takes no value", flags[optopt - 256]->name);
            return false;
        } else if (found == '?') {
            *code = unknown_flag(command, argv[optind - 1], options);
            return false;
        } else if (flags[found - 256]->text) {
            *flags[found - 256]->text = optarg;
        } else {
            *flags[found - 256]->on = true;
        }
    }
    arguments->rest = argv + optind;
    arguments->rest_count = argc - optind;
    if (!help) return true;
    give_help(command);
    *code = EXIT_DONE;
    return false;
}

#include "clients/cli/arguments.h"
#include "clients/cli/terminal.h"
#include "clients/cli/wire_text.h"
#include "protocol/shape.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FLAGS_COUNT_MAX 24
#define SHARED_COUNT_MAX 8
#define WORD_CHARS_MAX 32 /* longer ones are not compared */

/* ---- Help ---- */

static const char help_person[] =
    "\nWho you are (one of these; a token is never an argument, since others can read those):\n"
    "  LEDIG_TOKEN=…        a token in the environment\n"
    "  --token-file FILE    a token in a file; re-read when it is refused\n"
    "  --as USER[@COMPANY]  on the broker's machine: a token made with the key in the data directory\n"
    "    --data DIR         that directory ($LEDIG_DATA, ./var/data, or var/data beside the program's)\n"
    "    --role ROLE        to act as: member (the default), switchboard, lead or admin\n"
    "\nGeneral:\n"
    "  --url URL            where the broker is (default: the one that runs on the data directory)\n"
    "  --json               one JSON object a line, as the protocol has it\n"
    "  --help\n";

/* with the role that is made, and the roles there are for it */
static const char help_http[] =
    "\nWith which token (one of these; a token is never an argument, since others can read those):\n"
    "  LEDIG_TOKEN=…        one in the environment\n"
    "  --token-file FILE    one in a file, alone or as a header line for curl\n"
    "  --data DIR           on the broker's machine, and where none of these is given: one made with the key in the\n"
    "                       data directory ($LEDIG_DATA, ./var/data, or var/data beside the program's)\n"
    "    --as USER          whom it names (default: ledig)\n"
    "    --role ROLE        %s\n"
    "\nGeneral:\n"
    "  --url URL            the routers' port (default: of the broker that runs on the data directory)\n"
    "  --json               the broker's answer as it came, on one line\n"
    "  --help\n";

static const char help_key[] = "\nGeneral:\n"
                               "  --json        as a JSON object\n"
                               "  --help\n"
                               "\nExit code: 0 done; 1 the key cannot be used; 2 wrong command line; 3 the key may not "
                               "be used.\n";

static const char help_machine[] =
    "\nGeneral:\n"
    "  --data DIR           the broker's data directory ($LEDIG_DATA, ./var/data, or var/data beside the program's)\n"
    "  --keys FILE          the keys (default: as the broker that runs has them, or DATA/keys)\n"
    "  --keys-command CMD   prints them, in place of a file\n"
    "  --json               one JSON object a line\n"
    "  --help\n"
    "\nRun by root it works as whoever the data directory belongs to.\n"
    "\nExit code: 0 done; 1 refused, or it failed; 2 wrong command line; 3 the keys may not be read; 4 no broker runs "
    "there,\nor it cannot answer now.\n";

static const char help_exit_code[] =
    "\nExit code: 0 done; 1 refused; 2 wrong command line; 3 not allowed; 4 the broker cannot be reached or cannot\n"
    "answer now.\n";

static void give_help(const struct command *command) {
    printf("ledig %s %s\n\n%s\n%s", command->name, command->usage, command->summary, command->help);
    switch (command->acting) {
    case AS_PERSON:
        fputs(help_person, stdout);
        break;
    case AS_ROUTER:
        printf(help_http, "router (the default), operator or admin");
        break;
    case AS_ADMIN:
        printf(help_http, "admin (the default) or operator");
        break;
    case WITH_THE_KEY:
        fputs(help_key, stdout);
        return;
    case ON_THE_MACHINE:
        fputs(help_machine, stdout);
        return;
    }
    fputs(help_exit_code, stdout);
}

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
    const char *names[FLAGS_COUNT_MAX];
    char bare[WORD_CHARS_MAX + 1];
    size_t count = 0;
    snprintf(bare, sizeof bare, "%.*s", (int)strcspn(word, "="), word); /* the value may be a secret */
    if (strcmp(bare, "token") == 0)
        return arguments_wrong(command,
                               "there is no flag --token: others can read the command line. Put the token into "
                               "LEDIG_TOKEN, or into a file for --token-file");
    for (; options[count].name; count++)
        names[count] = options[count].name;
    const char *nearest = arguments_nearest(bare, names, count);
    if (nearest) return arguments_wrong(command, "there is no flag --%s; did you mean --%s?", bare, nearest);
    return arguments_wrong(command, "there is no flag --%s", bare);
}

bool arguments_check_text(const struct command *command, const char *what, const char *text, size_t chars_max,
                          enum exit_code *code) {
    char fault[WIRE_TEXT_FAULT_BYTES];
    if (!text || wire_text_check(text, chars_max, fault) == 0) return true;
    *code = arguments_wrong(command, "%s %s", what, fault);
    return false;
}

bool arguments_check_id(const struct command *command, const char *what, const char *id, enum exit_code *code) {
    char harmless[2 * WORD_CHARS_MAX];
    if (!id || shape_is_id(id)) return true;
    text_harmless(id, harmless, sizeof harmless);
    *code = arguments_wrong(command, "there can be no %s “%s”: an id has 1 to 64 of a-z 0-9 . _ -", what, harmless);
    return false;
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

/* The first word that looks like a flag and is none, behind its dashes; NULL where there is none. Each flag has to be
 * written out: getopt takes a beginning for the whole, and `--token` would be --token-file. */
static const char *find_unknown(int argc, char **argv, const struct option *options) {
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], "--", 2) != 0) continue;
        const char *name = argv[i] + 2;
        size_t length = strcspn(name, "=");
        const struct option *option = options;
        while (option->name && (strlen(option->name) != length || strncmp(option->name, name, length) != 0))
            option++;
        if (!option->name) return name;
        if (option->has_arg == required_argument && !name[length]) i++;
    }
    return NULL;
}

/* The flags that the command shares with others; `shared` has room for all of them. */
static void list_shared(const struct command *command, struct arguments *arguments, bool *help, struct flag *shared) {
    *shared++ = (struct flag){"data", &arguments->data, NULL};
    if (command->acting != ON_THE_MACHINE) *shared++ = (struct flag){"role", &arguments->role, NULL};
    *shared++ = (struct flag){"json", NULL, &arguments->json};
    *shared++ = (struct flag){"help", NULL, help};
    if (command->acting != WITH_THE_KEY && command->acting != ON_THE_MACHINE) {
        *shared++ = (struct flag){"url", &arguments->url, NULL};
        *shared++ = (struct flag){"token-file", &arguments->token_file, NULL};
        *shared++ = (struct flag){"as", &arguments->as, NULL};
    }
    *shared = (struct flag){NULL, NULL, NULL};
}

bool arguments_read(const struct command *command, int argc, char **argv, const struct flag *own,
                    struct arguments *arguments, enum exit_code *code) {
    bool help = false;
    *arguments = (struct arguments){0};
    struct flag shared[SHARED_COUNT_MAX];
    const struct flag *flags[FLAGS_COUNT_MAX];
    struct option options[FLAGS_COUNT_MAX];
    list_shared(command, arguments, &help, shared);
    collect(shared, collect(own, 0, flags, options), flags, options);
    const char *unknown = find_unknown(argc, argv, options);
    if (unknown) {
        *code = unknown_flag(command, unknown, options);
        return false;
    }

    opterr = 0;
    optind = 0; /* begins anew, also after an earlier reading (getopt(3), notes) */
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
            *code = arguments_wrong(command, "there is no flag -%c", optopt > ' ' && optopt < 0x7f ? optopt : '?');
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

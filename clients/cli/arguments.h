/* The command line of `ledig COMMAND`: flags that all commands share, a command's own, and what is left. Says what is
 * wrong, with the nearest thing that would have been right. */
#ifndef LEDIG_CLI_ARGUMENTS_H
#define LEDIG_CLI_ARGUMENTS_H

#include "clients/cli/exit_code.h"

#include <stdbool.h>
#include <stddef.h>

/* A flag: either it takes a value (`text`) or it does not (`on`). */
struct flag {
    const char *name; /* without its dashes; NULL ends a list */
    const char **text;
    bool *on;
};

struct arguments {
    const char *url, *token_file, *data, *as, *role; /* shared flags; NULL = not given */
    bool json;
    char **rest; /* what is no flag */
    int rest_count;
};

/* With which token a command comes to the broker; tells which of the shared flags it has, and their help. */
enum acting {
    AS_PERSON,
    AS_ROUTER,
    AS_ADMIN,
    WITH_THE_KEY /* mints, and comes to no broker */,
    ON_THE_MACHINE /* works on the data directory */
};

struct command {
    const char *name, *summary;
    enum acting acting;
    const char *help; /* after the line of usage: flags, examples */
    const char *usage;
    enum exit_code (*run)(const struct command *command, int argc, char **argv);
};

/* Reads argv[1] and on; argv[0] is the command's name. Returns true to go on; else *code is to be the exit code: help
 * was asked for and given, or something is wrong and was said. */
bool arguments_read(const struct command *command, int argc, char **argv, const struct flag *own,
                    struct arguments *arguments, enum exit_code *code);

/* Says that something about the command line is wrong, and where to read on. Always EXIT_USAGE. */
enum exit_code arguments_wrong(const struct command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Whether the broker could take this text (NULL is fine), or an id; else says what is wrong with `what`, and *code is
 * the exit code. */
bool arguments_check_text(const struct command *command, const char *what, const char *text, size_t chars_max,
                          enum exit_code *code);
bool arguments_check_id(const struct command *command, const char *what, const char *id, enum exit_code *code);

/* The candidate that `word` was probably meant to be, or NULL where none is near. */
const char *arguments_nearest(const char *word, const char *const *candidates, size_t count);

/* The program's commands, in the order in which they are shown; NULL behind the last. */
const struct command *command_at(size_t index);
const struct command *command_find(const char *name); /* NULL = there is none */

extern const struct command watch_command, set_command, ask_command, consent_command, queue_command, route_command,
    token_command, import_command, calls_command, activity_command, backup_command, restore_command, keys_command;

#endif

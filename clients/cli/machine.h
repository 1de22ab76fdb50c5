/* What the commands have in common that are for the broker's own machine, and ask no broker: the data directory, as
 * whom it is worked on, and the keys. */
#ifndef LEDIG_CLI_MACHINE_H
#define LEDIG_CLI_MACHINE_H

#include "broker/backup/backup.h"
#include "clients/cli/arguments.h"

#include <jansson.h>
#include <limits.h>

struct machine {
    const struct command *command;
    const struct arguments *arguments;
    const char *keys_flag, *keys_command; /* --keys, --keys-command; NULL = not given */
    char data[PATH_MAX], keys[PATH_MAX];  /* keys "" = by command */
    uint32_t settle_ms;                   /* of the broker that runs, or would */
};

/* Finds the directory and becomes its owner. Says what is wrong. */
bool machine_open(struct machine *machine, enum exit_code *code);

/* NULL after having said what is wrong. */
struct vault *machine_keys(const struct machine *machine, enum exit_code *code);

/* Says what went wrong; the exit code for it. */
enum exit_code machine_failed(const struct machine *machine, const struct backup_trouble *trouble);

/* One JSON object a line, at once; released. */
void machine_print(json_t *object);

#endif

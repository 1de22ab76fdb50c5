#include "clients/cli/machine.h"
#include "broker/backup/directory.h"
#include "broker/privacy/vault.h"
#include "clients/cli/credentials.h"
#include "clients/cli/terminal.h"
#include "protocol/errors.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SETTLE_MS_DEFAULT 5000

static bool take_path(char to[static PATH_MAX], const char *path) {
    return snprintf(to, PATH_MAX, "%s", path) < PATH_MAX;
}

/* As the broker that runs has told; else as it would be without flags. */
static bool find_keys(struct machine *machine) {
    char path[PATH_MAX];
    json_t *facts = directory_path(machine->data, "ledigd.json", path) == 0 ? json_load_file(path, 0, NULL) : NULL;
    const char *told = json_string_value(json_object_get(facts, "keys"));
    json_int_t settle_ms = json_integer_value(json_object_get(facts, "settle_ms"));
    machine->settle_ms = settle_ms > 0 && settle_ms < 600000 ? (uint32_t)settle_ms : SETTLE_MS_DEFAULT;
    bool good;
    if (machine->keys_command)
        good = take_path(machine->keys, "");
    else if (machine->keys_flag || told)
        good = take_path(machine->keys, machine->keys_flag ? machine->keys_flag : told);
    else
        good = directory_path(machine->data, "keys", machine->keys) == 0;
    json_decref(facts);
    return good;
}

bool machine_open(struct machine *machine, enum exit_code *code) {
    const struct command *command = machine->command;
    *code = EXIT_REFUSED;
    if (machine->keys_flag && machine->keys_command) {
        *code = arguments_wrong(command, "either --keys or --keys-command");
        return false;
    }
    if (!data_find(machine->arguments->data, machine->data)) {
        *code = arguments_wrong(command, "where is the broker's data? --data DIR");
        return false;
    }
    if (directory_become_owner(machine->data) != 0) {
        *code = errno == EPERM ? EXIT_NOT_ALLOWED : EXIT_REFUSED;
        fprintf(stderr, "ledig %s: %s: %s\n", command->name, machine->data, strerror(errno));
        return false;
    }
    if (find_keys(machine)) return true;
    fprintf(stderr, "ledig %s: the path of the keys is too long\n", command->name);
    return false;
}

struct vault *machine_keys(const struct machine *machine, enum exit_code *code) {
    struct vault *vault = NULL;
    struct vault_source source = {.path = machine->keys[0] ? machine->keys : NULL, .command = machine->keys_command};
    if (!source.path && !source.command) {
        *code =
            arguments_wrong(machine->command, "the broker has its keys from a command: give it with --keys-command");
        return NULL;
    }
    int error = vault_open(&source, false, &vault);
    if (!error) return vault;
    *code = error == LEDIG_EFORBIDDEN || (error == LEDIG_EIO && errno == EACCES) ? EXIT_NOT_ALLOWED : EXIT_REFUSED;
    fprintf(stderr, "ledig %s: %s: %s\n", machine->command->name, source.path ? source.path : "--keys-command",
            vault_why(error));
    if (error == LEDIG_ENOT_FOUND)
        fprintf(stderr, "Without the keys nobody can read what they sealed, in a backup or anywhere: put them back.\n");
    return NULL;
}

enum exit_code machine_failed(const struct machine *machine, const struct backup_trouble *trouble) {
    char why[BACKUP_WHY_BYTES];
    text_harmless(trouble->why, why, sizeof why);
    fprintf(stderr, "ledig %s: %s\n", machine->command->name, why);
    return trouble->error == LEDIG_EIO ? EXIT_REFUSED : exit_code_of(trouble->error);
}

void machine_print(json_t *object) {
    json_dumpf(object, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(object);
}

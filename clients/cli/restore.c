#include "broker/backup/restore.h"
#include "broker/privacy/vault.h"
#include "clients/cli/machine.h"

#include <stdio.h>

static void report(const struct machine *machine, const char *aside, const struct survey *survey) {
    if (machine->arguments->json) {
        machine_print(json_pack("{s:I,s:I,s:s}", "companies", (json_int_t)survey->companies, "records",
                                (json_int_t)survey->records, "aside", aside));
        return;
    }
    printf("%llu records of %llu companies are in place: start the broker\n", (unsigned long long)survey->records,
           (unsigned long long)survey->companies);
    if (aside[0]) printf("What was there stands in %s; remove it when you do not need it\n", aside);
    printf("Who was erased, and what was withdrawn, after the backup was made is back: do that again\n");
}

static enum exit_code run(const struct command *command, int argc, char **argv) {
    struct arguments arguments;
    struct machine machine = {.command = command, .arguments = &arguments};
    const struct flag flags[] = {
        {"keys", &machine.keys_flag, NULL}, {"keys-command", &machine.keys_command, NULL}, {NULL, NULL, NULL}};
    struct backup_trouble trouble;
    struct survey survey;
    char aside[PATH_MAX];
    enum exit_code code;
    if (!arguments_read(command, argc, argv, flags, &arguments, &code)) return code;
    if (arguments.rest_count != 1) return arguments_wrong(command, "it takes one file");
    if (!machine_open(&machine, &code)) return code;
    struct vault *vault = machine_keys(&machine, &code);
    if (!vault) return code;
    int error = restore_run(machine.data, arguments.rest[0], vault, aside, &survey, &trouble);
    vault_close(vault);
    if (error) return machine_failed(&machine, &trouble);
    report(&machine, aside, &survey);
    return EXIT_DONE;
}

const struct command restore_command = {
    .name = "restore",
    .acting = ON_THE_MACHINE,
    .usage = "FILE [--data DATA]",
    .summary = "put a backup in the place of what a stopped broker held",
    .run = run,
    .help = "\n  FILE          made by `ledig backup`\n"
            "\nThe broker must be stopped, and the keys that sealed the backup must be in place: DATA/keys, --keys or\n"
            "--keys-command. Every record is opened first; where one cannot be, nothing is changed. What was there is\n"
            "kept beside it. Apps and workers see a new epoch, and keep nothing that the backup does not have.\n"
            "\nExample:\n"
            "  systemctl stop ledigd && ledig restore /backup/ledig/ledig-20261125-031500.rdb --data /var/lib/ledig\n",
};

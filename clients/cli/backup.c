#include "broker/privacy/vault.h"
#include "clients/cli/machine.h"

#include <stdio.h>
#include <string.h>

static void report(const struct machine *machine, const char *file, const struct survey *survey) {
    if (machine->arguments->json)
        machine_print(json_pack("{s:s,s:I,s:I,s:I}", "file", file, "companies", (json_int_t)survey->companies,
                                "records", (json_int_t)survey->records, "old", (json_int_t)survey->old));
    else
        printf("%s: %llu records of %llu companies, all opened with the keys\n", file,
               (unsigned long long)survey->records, (unsigned long long)survey->companies);
    if (survey->old > 0 && !machine->arguments->json)
        printf("%llu of them are sealed with an older key: once the rotation is through they cannot be read from it\n",
               (unsigned long long)survey->old);
}

static enum exit_code run(const struct command *command, int argc, char **argv) {
    struct arguments arguments;
    struct machine machine = {.command = command, .arguments = &arguments};
    const struct flag flags[] = {
        {"keys", &machine.keys_flag, NULL}, {"keys-command", &machine.keys_command, NULL}, {NULL, NULL, NULL}};
    struct backup_trouble trouble;
    struct survey survey;
    char file[PATH_MAX] = "";
    enum exit_code code;
    if (!arguments_read(command, argc, argv, flags, &arguments, &code)) return code;
    bool verify = arguments.rest_count == 2 && strcmp(arguments.rest[0], "verify") == 0;
    if (!verify && arguments.rest_count != 1)
        return arguments_wrong(command, "it takes the directory for the backup, or verify FILE");
    if (!machine_open(&machine, &code)) return code;
    struct vault *vault = machine_keys(&machine, &code);
    if (!vault) return code;
    const char *made = verify ? arguments.rest[1] : file;
    int error = verify ? backup_verify(arguments.rest[1], vault, &survey, &trouble)
                       : backup_make(machine.data, arguments.rest[0], vault, file, &survey, &trouble);
    vault_close(vault);
    if (error) return machine_failed(&machine, &trouble);
    report(&machine, made, &survey);
    return EXIT_DONE;
}

const struct command backup_command = {
    .name = "backup",
    .acting = ON_THE_MACHINE,
    .usage = "DIR | verify FILE  [--data DATA]",
    .summary = "copy what the broker holds while it runs, and open every record of the copy",
    .run = run,
    .help =
        "\n  DIR           where the backup goes, as ledig-DATE-TIME.rdb (UTC); made if missing. Best on another disk\n"
        "  verify FILE   load a backup in a Redis of its own, and open every record\n"
        "\nA backup says nothing without the keys, which are not in it: keep a copy of DATA/keys and DATA/token.key\n"
        "elsewhere. Whoever lost the keys has lost the data and every backup of it.\n"
        "\nExamples:\n"
        "  ledig backup /backup/ledig --data /var/lib/ledig\n"
        "  ledig backup verify /backup/ledig/ledig-20261125-031500.rdb --data /var/lib/ledig\n",
};

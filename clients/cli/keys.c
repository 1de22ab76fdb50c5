#include "broker/backup/directory.h"
#include "broker/backup/rotation.h"
#include "broker/privacy/vault.h"
#include "clients/cli/machine.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BAR_COLUMNS 30

static const char *const steps[] = {[ROTATION_BEGUN] = "begun",
                                    [ROTATION_REWRAPPING] = "rewrapping",
                                    [ROTATION_REWRAPPED] = "rewrapped",
                                    [ROTATION_BACKED_UP] = "backed_up",
                                    [ROTATION_DONE] = "done"};

/* ---- Rotating ---- */

static void draw_bar(const struct survey *survey) {
    uint64_t done = survey->records - survey->old;
    int filled = survey->records ? (int)(done * BAR_COLUMNS / survey->records) : BAR_COLUMNS;
    fprintf(stderr, "\r[%.*s%*s] %llu of %llu records ", filled, "##############################", BAR_COLUMNS - filled,
            "", (unsigned long long)done, (unsigned long long)survey->records);
    fflush(stderr);
}

static void tell_person(enum rotation_step step, const struct survey *survey, const char *backup) {
    bool draws = isatty(STDERR_FILENO);
    switch (step) {
    case ROTATION_BEGUN:
        printf("A new master key seals from now on; the broker wraps anew what is there\n");
        break;
    case ROTATION_REWRAPPING:
        if (draws) draw_bar(survey);
        return;
    case ROTATION_REWRAPPED:
        if (draws) fputc('\n', stderr);
        printf("%llu records are wrapped anew\n", (unsigned long long)survey->records);
        break;
    case ROTATION_BACKED_UP:
        printf("%s: %llu records, all opened with the new key alone\n", backup, (unsigned long long)survey->records);
        break;
    case ROTATION_DONE:
        printf("The old key is destroyed, and every older backup with it. Copy the new keys to where you keep them\n");
        break;
    }
    fflush(stdout);
}

static void tell(void *arg, enum rotation_step step, const struct survey *survey, const char *backup) {
    const struct machine *machine = arg;
    if (!machine->arguments->json) {
        tell_person(step, survey, backup);
        return;
    }
    json_t *line = json_pack("{s:s,s:s*}", "step", steps[step], "file", backup);
    if (survey) {
        json_object_set_new(line, "records", json_integer((json_int_t)survey->records));
        json_object_set_new(line, "old", json_integer((json_int_t)survey->old));
    }
    machine_print(line);
}

static enum exit_code rotate(struct machine *machine, const char *backups) {
    char standard[PATH_MAX];
    struct backup_trouble trouble;
    if (!machine->keys[0])
        return arguments_wrong(machine->command,
                               "the keys come from a command, and only its owner can rotate them: docs/operating.md");
    if (!backups && directory_path(machine->data, "backups", standard) != 0)
        return arguments_wrong(machine->command, "the path of the data directory is too long");
    struct rotation rotation = {.data = machine->data,
                                .keys = machine->keys,
                                .backups = backups ? backups : standard,
                                .settle_ms = machine->settle_ms,
                                .tell = tell,
                                .arg = machine};
    return rotation_run(&rotation, &trouble) ? machine_failed(machine, &trouble) : EXIT_DONE;
}

/* ---- How it stands ---- */

static json_t *describe(const struct machine *machine, struct vault *vault) {
    struct stat status;
    struct survey survey;
    json_t *masters = json_array(), *facts;
    for (size_t i = 0; i < vault_masters(vault); i++)
        json_array_append_new(masters, json_string(vault_master_at(vault, i)));
    facts = json_pack("{s:o}", "masters", masters);
    if (machine->keys[0] && stat(machine->keys, &status) == 0)
        json_object_set_new(facts, "changed_at", json_integer((json_int_t)status.st_mtim.tv_sec * 1000));
    redisContext *redis = directory_redis(machine->data);
    if (redis && survey_take(redis, vault, false, &survey) == 0) {
        json_object_set_new(facts, "records", json_integer((json_int_t)survey.records));
        json_object_set_new(facts, "old", json_integer((json_int_t)survey.old));
    }
    if (redis) redisFree(redis);
    return facts;
}

static void print_facts(const json_t *facts) {
    const json_t *changed = json_object_get(facts, "changed_at"), *records = json_object_get(facts, "records");
    size_t count = json_array_size(json_object_get(facts, "masters"));
    char day[32] = "";
    time_t at = (time_t)(json_integer_value(changed) / 1000);
    struct tm moment;
    if (changed && gmtime_r(&at, &moment)) strftime(day, sizeof day, ", changed on %Y-%m-%d", &moment);
    printf("%zu master key%s%s%s\n", count, count == 1 ? "" : "s", day,
           count > 1 ? "; a rotation is under way, or was cut short: ledig keys rotate goes on" : "");
    if (records)
        printf("%lld records, %lld sealed with an older key\n", (long long)json_integer_value(records),
               (long long)json_integer_value(json_object_get(facts, "old")));
    else
        printf("No broker with a Redis of its own runs here, so nothing was counted\n");
}

static enum exit_code show(const struct machine *machine) {
    enum exit_code code;
    struct vault *vault = machine_keys(machine, &code);
    if (!vault) return code;
    json_t *facts = describe(machine, vault);
    vault_close(vault);
    if (machine->arguments->json) {
        machine_print(facts);
        return EXIT_DONE;
    }
    print_facts(facts);
    json_decref(facts);
    return EXIT_DONE;
}

static enum exit_code run(const struct command *command, int argc, char **argv) {
    struct arguments arguments;
    struct machine machine = {.command = command, .arguments = &arguments};
    const char *backups = NULL;
    const struct flag flags[] = {{"keys", &machine.keys_flag, NULL},
                                 {"keys-command", &machine.keys_command, NULL},
                                 {"backups", &backups, NULL},
                                 {NULL, NULL, NULL}};
    enum exit_code code;
    if (!arguments_read(command, argc, argv, flags, &arguments, &code)) return code;
    bool rotates = arguments.rest_count == 1 && strcmp(arguments.rest[0], "rotate") == 0;
    if (!rotates && (arguments.rest_count != 1 || strcmp(arguments.rest[0], "status") != 0))
        return arguments_wrong(command, "it takes rotate or status");
    if (!machine_open(&machine, &code)) return code;
    return rotates ? rotate(&machine, backups) : show(&machine);
}

const struct command keys_command = {
    .name = "keys",
    .acting = ON_THE_MACHINE,
    .usage = "rotate [--backups DIR] | status  [--data DATA]",
    .summary = "replace the key that seals everything, so that old backups forget who was erased",
    .run = run,
    .help =
        "\n  rotate        a new master key; all records are wrapped anew while the broker serves; a new backup is "
        "made\n"
        "                and verified; then the old key is destroyed, and no older backup can be read any more.\n"
        "                Cut short at any moment, it goes on where it was when it is run again\n"
        "  --backups DIR where that backup goes (default: DATA/backups)\n"
        "  status        how many keys there are, and what is sealed with an older one\n"
        "\nThe broker does this by itself every --keys-days. Afterwards copy DATA/keys to where you keep it: the copy\n"
        "that you have opens none of the newer backups.\n"
        "\nExamples:\n"
        "  ledig keys status --data /var/lib/ledig\n"
        "  ledig keys rotate --data /var/lib/ledig --backups /backup/ledig\n",
};

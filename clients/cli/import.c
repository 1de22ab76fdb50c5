#include "clients/cli/credentials.h"
#include "clients/cli/errand_http.h"
#include "protocol/shape.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX (32 * 1024 * 1024) /* as much as the broker takes */
#define TIMEOUT_MS (10 * 60 * 1000)
#define READ_BYTES 65536

static bool read_file(const struct command *command, const char *path, struct buffer *to) {
    bool standard_input = strcmp(path, "-") == 0;
    FILE *file = standard_input ? stdin : fopen(path, "re");
    char bytes[READ_BYTES];
    size_t length = 0;
    if (!file) {
        fprintf(stderr, "ledig %s: %s: %s\n", command->name, path, strerror(errno));
        return false;
    }
    while (to->length <= FILE_BYTES_MAX && (length = fread(bytes, 1, sizeof bytes, file)) > 0)
        buffer_append(to, bytes, length);
    bool failed = ferror(file) != 0 || to->failed;
    int cause = errno;
    if (!standard_input) fclose(file);
    if (failed)
        fprintf(stderr, "ledig %s: %s: %s\n", command->name, path, strerror(cause));
    else if (to->length > FILE_BYTES_MAX)
        fprintf(stderr, "ledig %s: %s is larger than 32 MiB; import it in parts\n", command->name, path);
    else if (to->length == 0)
        fprintf(stderr, "ledig %s: %s is empty\n", command->name, path);
    return !failed && to->length > 0 && to->length <= FILE_BYTES_MAX;
}

static void print_counts(const char *what, const json_t *counts) {
    printf("  %-7s %lld new, %lld changed, %lld as before\n", what,
           (long long)json_integer_value(json_object_get(counts, "created")),
           (long long)json_integer_value(json_object_get(counts, "changed")),
           (long long)json_integer_value(json_object_get(counts, "unchanged")));
}

static enum exit_code send_file(const struct command *command, const struct arguments *arguments, const char *company,
                                bool dry_run, const struct buffer *body) {
    char path[LEDIG_ID_CHARS_MAX + 64];
    json_t *answer = NULL;
    snprintf(path, sizeof path, "/v1/companies/%s/import%s", company, dry_run ? "?dry_run=true" : "");
    struct errand_http errand = {.command = command,
                                 .arguments = arguments,
                                 .role = ROLE_ADMIN,
                                 .company = company,
                                 .call = {.method = "POST",
                                          .path = path,
                                          .content_type = "text/csv",
                                          .body = body->bytes,
                                          .length = body->length,
                                          .timeout_ms = TIMEOUT_MS}};
    enum exit_code code = errand_http_run(&errand, &answer);
    if (code == EXIT_DONE && !arguments->json) {
        printf("%s%s\n", company, dry_run ? " (only checked, nothing is changed)" : "");
        print_counts("people", json_object_get(answer, "users"));
        print_counts("queues", json_object_get(answer, "queues"));
    }
    if (code == EXIT_DONE && !dry_run) company_remember(errand.data, company);
    json_decref(answer);
    return code;
}

static enum exit_code run(const struct command *command, int argc, char **argv) {
    const char *company = NULL;
    bool dry_run = false;
    const struct flag flags[] = {{"company", &company, NULL}, {"dry-run", NULL, &dry_run}, {NULL, NULL, NULL}};
    struct arguments arguments;
    struct buffer body = {0};
    enum exit_code code;
    if (!arguments_read(command, argc, argv, flags, &arguments, &code)) return code;
    if (arguments.rest_count != 1) return arguments_wrong(command, "it takes one file");
    if (!company || !shape_is_id(company))
        return arguments_wrong(command, "into which company? --company ID, of a-z 0-9 . _ -");
    code = EXIT_REFUSED;
    if (read_file(command, arguments.rest[0], &body)) code = send_file(command, &arguments, company, dry_run, &body);
    buffer_free(&body);
    return code;
}

const struct command import_command = {
    .name = "import",
    .acting = AS_ADMIN,
    .usage = "FILE.csv --company C [--dry-run]",
    .summary = "bring a company's people, numbers and queues in from a file",
    .run = run,
    .help =
        "\n  FILE.csv      columns user,name,numbers,department,role,queues,schedule; several numbers or queues with "
        "blanks\n"
        "                between; - for standard input\n"
        "  --company C   its id; made where it does not exist\n"
        "  --dry-run     only check the file\n"
        "\nThe file is checked as a whole first; where a line is wrong nothing is changed. It can be repeated. Done "
        "on\n"
        "the routers' port, with an admin's token; on the broker's machine one is made where none is given.\n"
        "\nExamples:\n"
        "  ledig import people.csv --company demo --dry-run\n"
        "  ledig import people.csv --company demo\n",
};

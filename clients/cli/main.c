/* ledig: Ledig from the command line. This file only finds the command; each has a file of its own. */
#include "clients/cli/arguments.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define COMMANDS_COUNT_MAX 32

static void give_overview(FILE *to) {
    fprintf(to, "ledig: can this colleague take a call now, and if not, until when and who instead?\n\n"
                "  ledig COMMAND …      ledig COMMAND --help explains one, with examples\n\n");
    for (size_t i = 0; command_at(i); i++)
        fprintf(to, "  %-8s %s\n", command_at(i)->name, command_at(i)->summary);
    fprintf(to, "\nThe shortest way in, on the broker's machine: ledig watch --as USER\n");
}

static enum exit_code unknown_command(const char *word) {
    const char *names[COMMANDS_COUNT_MAX];
    size_t count = 0;
    for (; command_at(count) && count < COMMANDS_COUNT_MAX; count++)
        names[count] = command_at(count)->name;
    const char *nearest = arguments_nearest(word, names, count);
    fprintf(stderr, "ledig: there is no command %s", word);
    if (nearest) fprintf(stderr, "; did you mean %s?", nearest);
    fprintf(stderr, "\nTry: ledig --help\n");
    return EXIT_USAGE;
}

static enum exit_code run(int argc, char **argv) {
    if (argc < 2) {
        give_overview(stderr);
        return EXIT_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--version") == 0) {
        printf("ledig %s\n", LEDIG_VERSION);
        return EXIT_DONE;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || (strcmp(word, "help") == 0 && argc == 2)) {
        give_overview(stdout);
        return EXIT_DONE;
    }
    if (strcmp(word, "help") == 0) word = argv[2];
    const struct command *command = command_find(word);
    if (!command) return unknown_command(word);
    if (word == argv[2]) {
        char help[] = "--help", *asked[] = {argv[2], help, NULL};
        return command->run(command, 2, asked);
    }
    return command->run(command, argc - 1, argv + 1);
}

/* A socket that took the number of a closed standard stream would be written to. These cannot be. */
static void open_standard_streams(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) < 0) return;
}

int main(int argc, char **argv) {
    open_standard_streams();
    enum exit_code code = run(argc, argv);
    bool written = fflush(stdout) == 0 && !ferror(stdout);
    if (!written && code == EXIT_DONE) {
        fprintf(stderr, "ledig: standard output cannot be written to\n");
        code = EXIT_REFUSED;
    }
    return (int)code;
}

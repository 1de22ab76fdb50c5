/* What the exit code of `ledig` means. Part of its interface: scripts depend on it. */
#ifndef LEDIG_CLI_EXIT_CODE_H
#define LEDIG_CLI_EXIT_CODE_H

enum exit_code {
    EXIT_DONE = 0,
    EXIT_REFUSED = 1,     /* the broker said no, or a file could not be read or written */
    EXIT_USAGE = 2,       /* the command line makes no sense */
    EXIT_NOT_ALLOWED = 3, /* no token, a bad or expired one, or one whose role does not suffice */
    EXIT_UNAVAILABLE = 4, /* the broker cannot be reached, or cannot answer now: try again */
};

/* The exit code for a LEDIG_E…; EXIT_DONE for 0. */
enum exit_code exit_code_of(int error);

#endif

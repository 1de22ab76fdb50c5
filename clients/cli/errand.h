/* One request over a connection of its own: connect, ask, print, leave. What `set`, `ask` and `consent` have in common.
 *
 * It connects as a device in the background that follows nobody, so that a command in a terminal does not make a person
 * look present at their desk. */
#ifndef LEDIG_CLI_ERRAND_H
#define LEDIG_CLI_ERRAND_H

#include "clients/c/ledig.h"
#include "clients/cli/arguments.h"

struct errand {
    const struct command *command;
    const struct arguments *arguments;
    enum exit_code code;
    struct ledig_client *client;
    bool connected, over;
    bool minted; /* who we are comes from --as and --role */
    bool reads;  /* it changes nothing, so that a failure leaves nothing to be looked after */
    const char *url;

    /* Makes the request with errand_done as its callback; returns what the request returned. */
    int (*ask)(struct errand *errand);
    void (*row)(void *arg, const struct ledig_change *row);                 /* of ledig_ask, with arg = the errand */
    void (*done)(struct errand *errand, const struct ledig_result *result); /* it went well; not with --json */

    /* The broker said no, and the command may know better words. True: said, or being looked into with requests of
     * its own, which end in errand_end. May be NULL. */
    bool (*refused)(struct errand *errand, const struct ledig_result *result);
    void *arg;
};

/* Finds who we are and where the broker is, runs the errand on a loop of its own, and says what went wrong. */
enum exit_code errand_run(struct errand *errand);

/* The ledig_done of the request; its arg is the errand. */
void errand_done(void *arg, const struct ledig_result *result);

/* Says on stderr what the broker has said no to, as a sentence that begins with what is at fault. */
void errand_complain(const struct errand *errand, const struct ledig_result *result);

/* Leaves, with this exit code. */
void errand_end(struct errand *errand, enum exit_code code);

#endif

/* What the routers' port answers, for a person: the call with who and where filled in, problem documents (RFC 9457) a
 * line each. What `route` and `import` have in common. */
#ifndef LEDIG_CLI_ERRAND_HTTP_H
#define LEDIG_CLI_ERRAND_HTTP_H

#include "broker/identity/token.h"
#include "clients/c/http_call.h"
#include "clients/cli/arguments.h"

#include <jansson.h>
#include <limits.h>

struct errand_http {
    const struct command *command;
    const struct arguments *arguments;
    enum role role;        /* that is minted where the key is at hand */
    const char *company;   /* of that token; "*" = all */
    struct http_call call; /* all but endpoint and token */
    char data[PATH_MAX];   /* out: the data directory; "" = none */
};

/* Calls, and parses the answer of a success into *json (to be released). With --json the answer is printed as it came,
 * whatever it is. Says what went wrong. */
enum exit_code errand_http_run(struct errand_http *errand, json_t **json);

#endif

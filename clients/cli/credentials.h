/* Who the command acts as, and where the broker is: tokens from the environment, a file, or minted with the key of the
 * broker's data directory; addresses from the command line or from what the broker wrote there. */
#ifndef LEDIG_CLI_CREDENTIALS_H
#define LEDIG_CLI_CREDENTIALS_H

#include "broker/identity/token.h"
#include "clients/cli/arguments.h"

#include <limits.h>

#define CREDENTIALS_URL_BYTES 2048

enum credentials_source { FROM_KEY, FROM_FILE, FROM_ENVIRONMENT };

struct credentials {
    enum credentials_source source;
    char token[LEDIG_TOKEN_CHARS_MAX + 1]; /* wipe it with credentials_wipe */
    char data[PATH_MAX];                   /* the data directory; "" = none */
    const char *token_file;
    struct token_claims claims; /* FROM_KEY: what is minted */
};

/* Finds the token. `role` is the one minted where --role is not given; `company` NULL = from --as, $LEDIG_COMPANY or
 * the data directory's default. With `nameless` a data directory without --as will do. Says what is wrong. */
bool credentials_find(const struct command *command, const struct arguments *arguments, enum role role,
                      const char *company, bool nameless, struct credentials *credentials, enum exit_code *code);

/* The token was refused: mints another, or reads the file again. False where that gives no other token. */
bool credentials_renew(struct credentials *credentials);

void credentials_wipe(struct credentials *credentials);

/* The data directory: `given`, else $LEDIG_DATA, ./var/data, or ../var/data beside the program, where a key is in the
 * latter two. False where there is none; `to` is "" then. */
bool data_find(const char *given, char to[static PATH_MAX]);

/* The company of people who do not name theirs: $LEDIG_COMPANY, else the first that was imported. False = none. */
bool company_default(const char *data, char to[static LEDIG_ID_CHARS_MAX + 1]);

/* Makes this company the default of the data directory, unless there is one. Failure is not worth a word. */
void company_remember(const char *data, const char *company);

/* The broker's address: `--url`, else from DATA/ledigd.json under `name` ("url" or "router_url"), else `fallback`. */
void url_find(const struct arguments *arguments, const char *data, const char *name, const char *fallback,
              char to[static CREDENTIALS_URL_BYTES]);

/* Opens the key in `data` and mints; says what is wrong. */
bool mint(const struct command *command, const char *data, struct token_claims *claims, int64_t ttl_ms,
          char token[static LEDIG_TOKEN_CHARS_MAX + 1], enum exit_code *code);

int64_t now_ms(void);

#endif

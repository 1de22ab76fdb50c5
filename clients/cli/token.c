#include "clients/cli/credentials.h"
#include "clients/cli/when.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TTL_DEFAULT "1h"

static bool take_claims(const struct command *command, const char *data, const char *company, const char *user,
                        const char *role, struct token_claims *claims, enum exit_code *code) {
    if (!role_parse(role, &claims->role)) {
        const char *names[ROLE_COUNT];
        for (int i = 0; i < ROLE_COUNT; i++)
            names[i] = role_name((enum role)i);
        const char *nearest = arguments_nearest(role, names, ROLE_COUNT);
        *code = nearest ? arguments_wrong(command, "there is no role %s; did you mean %s?", role, nearest)
                        : arguments_wrong(command, "there is no role %s", role);
        return false;
    }
    if (!user) {
        *code = arguments_wrong(command, "for whom? --user USER");
        return false;
    }
    if (!arguments_check_id(command, "user", user, code)) return false;
    memcpy(claims->user, user, strlen(user) + 1);
    if (company && strlen(company) >= sizeof claims->companies) {
        *code = arguments_wrong(command, "--company is longer than %d characters", TOKEN_COMPANIES_BYTES_MAX - 1);
        return false;
    }
    if (company) {
        memcpy(claims->companies, company, strlen(company) + 1);
    } else if (!company_default(data, claims->companies)) {
        *code = arguments_wrong(command, "of which company? --company COMPANY");
        return false;
    }
    return true;
}

static enum exit_code run(const struct command *command, int argc, char **argv) {
    const char *company = NULL, *user = NULL, *ttl = TTL_DEFAULT;
    bool header = false;
    const struct flag flags[] = {{"company", &company, NULL},
                                 {"user", &user, NULL},
                                 {"ttl", &ttl, NULL},
                                 {"header", NULL, &header},
                                 {NULL, NULL, NULL}};
    struct arguments arguments;
    struct token_claims claims = {0};
    char data[PATH_MAX], token[LEDIG_TOKEN_CHARS_MAX + 1];
    int64_t ttl_ms;
    enum exit_code code;
    if (!arguments_read(command, argc, argv, flags, &arguments, &code)) return code;
    if (arguments.rest_count > 0) return arguments_wrong(command, "%s is too much", arguments.rest[0]);
    if (when_duration(ttl, &ttl_ms) || ttl_ms > TOKEN_TTL_MS_MAX)
        return arguments_wrong(command, "--ttl takes a time such as 1h, 30m or 7d, at most 366d");
    if (!data_find(arguments.data, data)) return arguments_wrong(command, "where is the broker's data? --data DIR");
    const char *role = arguments.role ? arguments.role : role_name(ROLE_MEMBER);
    if (!take_claims(command, data, company, user, role, &claims, &code)) return code;
    if (!mint(command, data, &claims, ttl_ms, token, &code)) return code;
    if (arguments.json)
        printf("{\"token\":\"%s\"}\n", token); /* base64url and dots: nothing to escape */
    else
        printf("%s%s\n", header ? "Authorization: Bearer " : "", token);
    explicit_bzero(token, sizeof token);
    return EXIT_DONE;
}

const struct command token_command = {
    .name = "token",
    .acting = WITH_THE_KEY,
    .usage = "--data DIR --company C --user U [--role ROLE] [--ttl 1h] [--header]",
    .summary = "mint a token with the broker's own key, on its machine",
    .run = run,
    .help = "\n  --data DIR    the broker's data directory, which holds the key\n"
            "  --company C   for a router several, separated by blanks, or \"*\" for all\n"
            "  --user U      whom the token names\n"
            "  --role ROLE   member (the default), switchboard, lead, admin, router or operator\n"
            "  --ttl TIME    how long it is good: 30m, 1h (the default), 7d\n"
            "  --header      as a header line, for curl -H @FILE\n"
            "\nThe token alone goes to stdout. Whoever has it is who it says: keep it out of logs and command lines.\n"
            "\nExamples:\n"
            "  ledig token --data var/data --company demo --user kari > kari.token\n"
            "  ledig token --data var/data --company '*' --user pbx1 --role router --ttl 30d --header > router.header\n"
            "  curl -H @router.header 'http://127.0.0.1:7701/v1/route?to=%2B4710000001'\n",
};

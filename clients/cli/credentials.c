#include "clients/cli/credentials.h"
#include "protocol/shape.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TOKEN_TTL_MS (10 * 60 * 1000) /* minted anew when it is refused, so short is enough */

int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- The data directory ---- */

static bool join(char to[static PATH_MAX], const char *folder, const char *name) {
    int length = snprintf(to, PATH_MAX, "%s/%s", folder, name);
    return length > 0 && length < PATH_MAX;
}

static bool has_key(const char *data) {
    char path[PATH_MAX];
    return join(path, data, "token.key") && access(path, F_OK) == 0;
}

bool data_find(const char *given, char to[static PATH_MAX]) {
    const char *named = given ? given : getenv("LEDIG_DATA");
    to[0] = 0;
    if (named && named[0]) {
        int length = snprintf(to, PATH_MAX, "%s", named);
        return length > 0 && length < PATH_MAX;
    }
    snprintf(to, PATH_MAX, "var/data");
    if (has_key(to)) return true;
    char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length > 0) {
        program[length] = 0;
        char *slash = strrchr(program, '/');
        if (slash) *slash = 0;
        if (slash && join(to, program, "../var/data") && has_key(to)) return true;
    }
    to[0] = 0;
    return false;
}

/* The first line of a small file, without blanks around it. */
static bool read_line(const char *path, char *to, size_t size) {
    FILE *file = fopen(path, "re");
    if (!file) return false;
    bool read = fgets(to, (int)size, file) != NULL;
    bool whole = read && (strchr(to, '\n') || fgetc(file) == EOF);
    fclose(file);
    if (!whole) return false;
    size_t begin = strspn(to, " \t"), length = strlen(to);
    while (length > begin && strchr(" \t\r\n", to[length - 1]))
        length--;
    memmove(to, to + begin, length - begin);
    to[length - begin] = 0;
    return length > begin;
}

bool company_default(const char *data, char to[static LEDIG_ID_CHARS_MAX + 1]) {
    const char *named = getenv("LEDIG_COMPANY");
    char path[PATH_MAX], line[LEDIG_ID_CHARS_MAX + 8];
    if (!named || !named[0]) {
        if (!data[0] || !join(path, data, "default-company") || !read_line(path, line, sizeof line)) return false;
        named = line;
    }
    if (!shape_is_id(named)) return false;
    memcpy(to, named, strlen(named) + 1);
    return true;
}

void company_remember(const char *data, const char *company) {
    char path[PATH_MAX];
    if (!data[0] || !join(path, data, "default-company")) return;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) return;
    if (dprintf(fd, "%s\n", company) < 0) unlink(path);
    close(fd);
}

void url_find(const struct arguments *arguments, const char *data, const char *name, const char *fallback,
              char to[static CREDENTIALS_URL_BYTES]) {
    char path[PATH_MAX];
    const char *url = arguments->url;
    json_t *facts = !url && data[0] && join(path, data, "ledigd.json") ? json_load_file(path, 0, NULL) : NULL;
    if (!url) url = json_string_value(json_object_get(facts, name));
    snprintf(to, CREDENTIALS_URL_BYTES, "%s", url ? url : fallback);
    json_decref(facts);
}

/* ---- Tokens ---- */

static enum exit_code key_trouble(const struct command *command, const char *data, int error) {
    int cause = errno;
    const char *why = "cannot be used";
    if (error == LEDIG_ENOT_FOUND) why = "does not exist: is this the broker's data directory, and has it run once?";
    if (error == LEDIG_EFORBIDDEN) why = "can be read by others, who could mint tokens with it; chmod 600 it";
    if (error == LEDIG_EDAMAGED) why = "is damaged";
    if (error == LEDIG_EIO) why = strerror(cause);
    fprintf(stderr, "ledig %s: %s/token.key: %s\n", command->name, data, why);
    return error == LEDIG_EFORBIDDEN || (error == LEDIG_EIO && cause == EACCES) ? EXIT_NOT_ALLOWED : EXIT_REFUSED;
}

static bool are_companies(const char *companies) {
    char copy[TOKEN_COMPANIES_BYTES_MAX], *rest = NULL;
    snprintf(copy, sizeof copy, "%s", companies);
    for (char *id = strtok_r(copy, " ", &rest); id; id = strtok_r(NULL, " ", &rest))
        if (!shape_is_id(id)) return false;
    return companies[strspn(companies, " ")] != 0;
}

/* Says which of the claims it is that no token can have. */
static enum exit_code unfit_claims(const struct command *command, const struct token_claims *claims) {
    enum exit_code code;
    bool all = strcmp(claims->companies, "*") == 0,
         serves = claims->role == ROLE_ROUTER || claims->role == ROLE_OPERATOR;
    if (!arguments_check_id(command, "user", claims->user, &code)) return code;
    if (!serves && (all || strchr(claims->companies, ' ')) && (all || are_companies(claims->companies)))
        return arguments_wrong(command, "%s is for routers and operators; a %s is of one",
                               all ? "--company \"*\"" : "more than one company", role_name(claims->role));
    if (!all && !are_companies(claims->companies))
        return arguments_wrong(command, "--company takes an id, 1 to 64 of a-z 0-9 . _ -; for routers and operators "
                                        "several with blanks between, or \"*\" for all");
    return arguments_wrong(command, "--ttl takes a time such as 1h, 30m or 7d, at most 366d");
}

bool mint(const struct command *command, const char *data, struct token_claims *claims, int64_t ttl_ms,
          char token[static LEDIG_TOKEN_CHARS_MAX + 1], enum exit_code *code) {
    struct token_key *key;
    int error = token_key_open(data, false, &key);
    if (error) {
        *code = key_trouble(command, data, error);
        return false;
    }
    claims->issued_at_ms = now_ms() / 1000 * 1000;
    claims->expires_at_ms = claims->issued_at_ms + ttl_ms;
    error = token_mint(key, claims, token);
    token_key_close(key);
    if (error) *code = unfit_claims(command, claims);
    return error == 0;
}

/* `Authorization: Bearer TOKEN`, as curl reads it from a file, or the token alone. */
static bool read_token(const char *path, char token[static LEDIG_TOKEN_CHARS_MAX + 1]) {
    static const char header[] = "authorization: bearer ";
    char line[LEDIG_TOKEN_CHARS_MAX + sizeof header + 8];
    if (!read_line(path, line, sizeof line)) return false;
    const char *begin = strncasecmp(line, header, sizeof header - 1) == 0 ? line + sizeof header - 1 : line;
    size_t length = strlen(begin);
    bool fits = length > 0 && length <= LEDIG_TOKEN_CHARS_MAX;
    if (fits) memcpy(token, begin, length + 1);
    explicit_bzero(line, sizeof line);
    return fits;
}

/* USER[@COMPANY], or nobody in particular, in the company that the command, the person or the directory names. */
static bool take_identity(const struct command *command, const struct arguments *arguments, enum role role,
                          const char *company, struct credentials *credentials, enum exit_code *code) {
    struct token_claims *claims = &credentials->claims;
    const char *as = arguments->as ? arguments->as : "ledig", *at = strchr(as, '@');
    size_t length = at ? (size_t)(at - as) : strlen(as);
    *claims = (struct token_claims){.role = role};
    if (length >= sizeof claims->user) length = sizeof claims->user - 1;
    memcpy(claims->user, as, length);
    if (!shape_is_id(claims->user) || (at && !shape_is_id(at + 1))) {
        *code = arguments_wrong(command, "--as takes USER or USER@COMPANY, of a-z 0-9 . _ -");
        return false;
    }
    if (arguments->role && !role_parse(arguments->role, &claims->role)) {
        *code = arguments_wrong(command, "there is no role %s", arguments->role);
        return false;
    }
    if (at) company = at + 1;
    if (company) {
        snprintf(claims->companies, sizeof claims->companies, "%s", company);
    } else if (!company_default(credentials->data, claims->companies)) {
        *code = arguments_wrong(command, "of which company? --as %s@COMPANY", claims->user);
        return false;
    }
    return true;
}

bool credentials_find(const struct command *command, const struct arguments *arguments, enum role role,
                      const char *company, bool nameless, struct credentials *credentials, enum exit_code *code) {
    *credentials = (struct credentials){.token_file = arguments->token_file};
    bool has_data = data_find(arguments->data, credentials->data);
    const char *environment = getenv("LEDIG_TOKEN");
    if (arguments->as && arguments->token_file) {
        *code = arguments_wrong(command, "--as and --token-file are two answers to one question");
        return false;
    }
    if (arguments->token_file) {
        credentials->source = FROM_FILE;
        if (read_token(arguments->token_file, credentials->token)) return true;
        /* not its name: who mistakes the flag gives it a token */
        fprintf(stderr, "ledig %s: the file of --token-file has no token in it, or cannot be read\n", command->name);
        *code = EXIT_NOT_ALLOWED;
        return false;
    }
    if (!arguments->as && environment && environment[0]) {
        credentials->source = FROM_ENVIRONMENT;
        if (strlen(environment) <= LEDIG_TOKEN_CHARS_MAX) {
            memcpy(credentials->token, environment, strlen(environment) + 1);
            return true;
        }
        fprintf(stderr, "ledig %s: what LEDIG_TOKEN holds is too long for a token\n", command->name);
        *code = EXIT_NOT_ALLOWED;
        return false;
    }
    if (!has_data || (!arguments->as && !nameless)) {
        fprintf(stderr,
                "ledig %s: who are you? On the broker's machine: --as USER, with --data DIR where the broker's "
                "data directory is elsewhere. Else a token in LEDIG_TOKEN or --token-file FILE.\n",
                command->name);
        *code = EXIT_NOT_ALLOWED;
        return false;
    }
    credentials->source = FROM_KEY;
    return take_identity(command, arguments, role, company, credentials, code) &&
           mint(command, credentials->data, &credentials->claims, TOKEN_TTL_MS, credentials->token, code);
}

bool credentials_renew(struct credentials *credentials) {
    char token[LEDIG_TOKEN_CHARS_MAX + 1];
    struct token_key *key;
    bool got = false;
    if (credentials->source == FROM_FILE) got = read_token(credentials->token_file, token);
    if (credentials->source == FROM_KEY && token_key_open(credentials->data, false, &key) == 0) {
        credentials->claims.issued_at_ms = now_ms() / 1000 * 1000;
        credentials->claims.expires_at_ms = credentials->claims.issued_at_ms + TOKEN_TTL_MS;
        got = token_mint(key, &credentials->claims, token) == 0;
        token_key_close(key);
    }
    bool other = got && strcmp(token, credentials->token) != 0;
    if (other) memcpy(credentials->token, token, strlen(token) + 1);
    explicit_bzero(token, sizeof token);
    return other;
}

void credentials_wipe(struct credentials *credentials) {
    explicit_bzero(credentials->token, sizeof credentials->token);
}

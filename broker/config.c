#include "broker/config.h"
#include "protocol/errors.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { TEXT_, ENDPOINT_, COUNT_, MS_, LEVEL_, SWITCH_ };

struct key {
    const char *name; /* as a flag with dashes, as a variable in capitals after LEDIG_ */
    enum kind kind;
    size_t offset, size;
    uint32_t least, most; /* COUNT_, MS_ */
    const char *standard;
    const char *operand, *meaning; /* NULL = not in the help: set by the supervisor for its children */
};

#define AT(field) offsetof(struct config, field), sizeof(((struct config *)0)->field)
#define MS_MOST 86400000u

static const struct key keys[] = {
    {"data", TEXT_, AT(data), 0, 0, "", "DIR", "where the key, the lock and the private Redis are kept (needed)"},
    {"listen", ENDPOINT_, AT(listen), 0, 0, "127.0.0.1:7700", "HOST:PORT",
     "apps, by WebSocket; port 0 takes a free one"},
    {"router-listen", ENDPOINT_, AT(router_listen), 0, 0, "127.0.0.1:7701", "HOST:PORT",
     "routers and provisioning, by HTTP"},
    {"ops-listen", ENDPOINT_, AT(ops_listen), 0, 0, "127.0.0.1:7702", "HOST:PORT", "operations: /healthz, /readyz"},
    {"redis", TEXT_, AT(redis), 0, 0, "", "URL",
     "a Redis that exists: redis://HOST:PORT[/DB] or unix:/PATH; without it, a private one"},
    {"redis-user", TEXT_, AT(redis_user), 0, 0, "", "NAME", "its user"},
    {"redis-password-file", TEXT_, AT(redis_password_file), 0, 0, "", "FILE",
     "its password, the first line of the file"},
    {"keys", TEXT_, AT(keys), 0, 0, "", "FILE",
     "the keys that seal what is stored; without it, DIR/keys, made if missing"},
    {"keys-command", TEXT_, AT(keys_command), 0, 0, "", "COMMAND",
     "prints those keys, in place of a file; run by the shell at each start of a worker"},
    {"keys-days", COUNT_, AT(keys_days), 0, 3650, "30", "DAYS",
     "the file of keys gets a new master key after this, the old one is destroyed; 0: only by `ledig keys rotate`"},
    {"keys-look-ms", MS_, AT(keys_look_ms), 100, MS_MOST, "600000", "MS", "between two looks whether that is due"},
    {"tls-cert", TEXT_, AT(tls_cert), 0, 0, "", "FILE",
     "apps come by TLS: the certificate and those between it and the root, in PEM"},
    {"tls-key", TEXT_, AT(tls_key), 0, 0, "", "FILE", "its private key, in PEM"},
    {"router-tls-cert", TEXT_, AT(router_tls_cert), 0, 0, "", "FILE",
     "the same for routers: --router-listen speaks TLS"},
    {"router-tls-key", TEXT_, AT(router_tls_key), 0, 0, "", "FILE", "its private key, in PEM"},
    {"tls-look-ms", MS_, AT(tls_look_ms), 50, 3600000, "60000", "MS",
     "between two looks whether those files were renewed"},
    {"insecure", SWITCH_, AT(insecure), 0, 0, "no", "", "listen without TLS where others can reach it, too"},
    {"origins", TEXT_, AT(origins), 0, 0, "", "LIST",
     "web pages that may connect, such as https://app.example.com; without it, those of the broker's own address"},
    {"user", TEXT_, AT(user), 0, 0, "", "NAME", "started as root: become this user; `root` stays root"},
    {"workers", COUNT_, AT(workers), 1, 64, "1", "N", "processes that serve apps, one core each"},
    {"store-timeout-ms", MS_, AT(store_timeout_ms), 50, 60000, "2000", "MS",
     "a request waits for Redis so long, then is `unavailable`"},
    {"verify-ms", MS_, AT(verify_ms), 20, 60000, "2000", "MS", "between two checks against Redis"},
    {"hello-ms", MS_, AT(hello_ms), 50, 60000, "5000", "MS", "a client that has not said hello by then is closed"},
    {"ping-ms", MS_, AT(ping_ms), 50, 600000, "25000", "MS", "longest silence towards a client"},
    {"background-ms", MS_, AT(background_ms), 20, 600000, "20000", "MS",
     "an app in the background hears at most this often"},
    {"grace-ms", MS_, AT(grace_ms), 20, 600000, "30000", "MS", "a dropped connection keeps its session so long"},
    {"slice-ms", MS_, AT(slice_ms), 1, 1000, "1", "MS", "a flush that takes longer lets others go first"},
    {"flush-ms", MS_, AT(flush_ms), 1, 1000, "5", "MS", "under load changes may wait so long for each other"},
    {"stall-ms", MS_, AT(stall_ms), 50, 600000, "60000", "MS",
     "a client that acknowledges nothing for so long is dropped"},
    {"idle-ms", MS_, AT(idle_ms), 100, MS_MOST, "600000", "MS",
     "a company that nobody asks for is unloaded after this"},
    {"lease-ms", MS_, AT(lease_ms), 100, 600000, "10000", "MS",
     "a worker that is silent for so long is dead; the same on all machines"},
    {"router-lease-ms", MS_, AT(router_lease_ms), 100, 600000, "30000", "MS",
     "a router that is silent for so long has ended, and its calls with it. The same on all machines"},
    {"number-sweep-ms", MS_, AT(number_sweep_ms), 100, MS_MOST, "600000", "MS",
     "the index of numbers is looked through this often"},
    {"history-sweep-ms", MS_, AT(history_sweep_ms), 100, MS_MOST, "3600000", "MS",
     "between two looks for call histories that are over their age"},
    {"log-level", LEVEL_, AT(log_level), 0, 0, "info", "LEVEL", "debug, info, warning or error"},
    {"worker", TEXT_, AT(worker), 0, 0, "", NULL, NULL},
    {"index", COUNT_, AT(index), 0, 64, "0", NULL, NULL},
    {"report-fd", COUNT_, AT(report_fd), 0, 1 << 20, "0", NULL, NULL},
};
#define KEYS (sizeof keys / sizeof *keys)

/* ---- One value ---- */

static bool parse_count(const char *text, uint32_t least, uint32_t most, uint32_t *count) {
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end || errno || value < least || value > most) return false;
    *count = (uint32_t)value;
    return true;
}

static bool parse_endpoint(const char *text, struct endpoint *endpoint) {
    const char *colon = strrchr(text, ':');
    unsigned char address[16];
    uint32_t port;
    if (!colon || !parse_count(colon + 1, 0, 65535, &port)) return false;
    size_t length = (size_t)(colon - text);
    if (length > 1 && text[0] == '[' && text[length - 1] == ']') text++, length -= 2;
    if (length == 0 || length >= sizeof endpoint->host) return false;
    memcpy(endpoint->host, text, length);
    endpoint->host[length] = 0;
    if (strcmp(endpoint->host, "localhost") == 0) strcpy(endpoint->host, "127.0.0.1");
    endpoint->port = (int)port;
    return inet_pton(AF_INET, endpoint->host, address) == 1 || inet_pton(AF_INET6, endpoint->host, address) == 1;
}

static bool is_level(const char *text) {
    return strcmp(text, "debug") == 0 || strcmp(text, "info") == 0 || strcmp(text, "warning") == 0 ||
           strcmp(text, "error") == 0;
}

static bool parse_switch(const char *text, bool *on) {
    *on = strcmp(text, "yes") == 0;
    return *on || strcmp(text, "no") == 0;
}

static int set(struct config *config, const struct key *key, const char *text, const char *from, char *why,
               size_t size) {
    void *to = (char *)config + key->offset;
    switch (key->kind) {
    case ENDPOINT_:
        if (parse_endpoint(text, to)) return 0;
        snprintf(why, size, "%s: %s must be ADDRESS:PORT, such as 127.0.0.1:7700", from, key->name);
        return LEDIG_EBAD_REQUEST;
    case COUNT_:
    case MS_:
        if (parse_count(text, key->least, key->most, to)) return 0;
        snprintf(why, size, "%s: %s must be a number from %u to %u", from, key->name, key->least, key->most);
        return LEDIG_EBAD_REQUEST;
    case SWITCH_:
        if (parse_switch(text, to)) return 0;
        snprintf(why, size, "%s: %s must be yes or no", from, key->name);
        return LEDIG_EBAD_REQUEST;
    case LEVEL_:
        if (!is_level(text)) {
            snprintf(why, size, "%s: %s must be debug, info, warning or error", from, key->name);
            return LEDIG_EBAD_REQUEST;
        }
        break;
    default:
        break;
    }
    if (strlen(text) < key->size) {
        strcpy(to, text);
        return 0;
    }
    snprintf(why, size, "%s: %s is too long", from, key->name);
    return LEDIG_EBAD_REQUEST;
}

/* `name` may have underscores for dashes, and capitals. */
static const struct key *find(const char *name, size_t length) {
    for (size_t i = 0; i < KEYS; i++) {
        size_t at = 0;
        if (strlen(keys[i].name) != length) continue;
        while (at < length &&
               (tolower((unsigned char)name[at]) == keys[i].name[at] || (name[at] == '_' && keys[i].name[at] == '-')))
            at++;
        if (at == length) return &keys[i];
    }
    return NULL;
}

/* ---- The three sources ---- */

static char *trim(char *text) {
    while (isspace((unsigned char)*text))
        text++;
    size_t length = strlen(text);
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        text[--length] = 0;
    return text;
}

static int read_line(struct config *config, char *line, const char *from, char *why, size_t size) {
    char *text = trim(line);
    if (*text == 0 || *text == '#') return 0;
    char *equals = strchr(text, '=');
    if (equals) *equals = 0;
    char *name = trim(text);
    const struct key *key = equals ? find(name, strlen(name)) : NULL;
    if (key && key->meaning) return set(config, key, trim(equals + 1), from, why, size);
    if (equals)
        snprintf(why, size, "%s: unknown key %.64s; `ledigd --help` lists them", from, name);
    else
        snprintf(why, size, "%s: a line must be `key = value`", from);
    return LEDIG_EBAD_REQUEST;
}

static int read_file(struct config *config, const char *path, char *why, size_t size) {
    char line[PATH_MAX + 128], from[PATH_MAX + 32];
    int number = 0, error = 0;
    FILE *file = fopen(path, "re");
    if (!file) {
        snprintf(why, size, "cannot read the configuration %s: %s", path, strerror(errno));
        return LEDIG_EBAD_REQUEST;
    }
    while (!error && fgets(line, sizeof line, file)) {
        snprintf(from, sizeof from, "%s:%d", path, ++number);
        error = read_line(config, line, from, why, size);
    }
    fclose(file);
    return error;
}

static int read_environment(struct config *config, char *why, size_t size) {
    for (size_t i = 0; i < KEYS; i++) {
        char name[64];
        size_t length = (size_t)snprintf(name, sizeof name, "LEDIG_%s", keys[i].name);
        for (size_t at = 0; at < length; at++)
            name[at] = name[at] == '-' ? '_' : (char)toupper((unsigned char)name[at]);
        const char *value = keys[i].meaning ? getenv(name) : NULL;
        int error = value ? set(config, &keys[i], value, name, why, size) : 0;
        if (error) return error;
    }
    return 0;
}

/* Calls `set` for each flag; with `config` NULL only finds --config. */
static int read_arguments(struct config *config, int argc, char *const argv[], const char **file, char *why,
                          size_t size) {
    for (int i = 1; i < argc; i++) {
        const char *flag = argv[i], *value;
        if (strcmp(flag, "--help") == 0 || strcmp(flag, "-h") == 0) {
            if (config) config->help = true;
            continue;
        }
        if (strcmp(flag, "--version") == 0) {
            if (config) config->version = true;
            continue;
        }
        const char *equals = strchr(flag, '=');
        size_t length = equals ? (size_t)(equals - flag) : strlen(flag);
        bool is_config = length == strlen("--config") && strncmp(flag, "--config", length) == 0;
        const struct key *key = length > 2 && strncmp(flag, "--", 2) == 0 ? find(flag + 2, length - 2) : NULL;
        if (!key && !is_config) {
            snprintf(why, size, "unknown argument %.*s; `ledigd --help` lists them", (int)length, flag);
            return LEDIG_EBAD_REQUEST;
        }
        if (key && key->kind == SWITCH_ && !equals)
            value = "yes";
        else
            value = equals ? equals + 1 : i + 1 < argc ? argv[++i] : NULL;
        if (!value) {
            snprintf(why, size, "%s needs a value", flag);
            return LEDIG_EBAD_REQUEST;
        }
        if (is_config)
            *file = value;
        else if (config) {
            int error = set(config, key, value, "command line", why, size);
            if (error) return error;
        }
    }
    return 0;
}

/* A worker is told everything by its supervisor, on the command line: what has changed in the file since, or is wrong
 * in it by now, must not keep it from starting again. */
static bool is_worker(int argc, char *const argv[]) {
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], "--worker=", strlen("--worker=")) == 0) return true;
    return false;
}

static int check_pair(const char *cert, const char *key, const char *prefix, char *why, size_t size) {
    if (!cert[0] == !key[0]) return 0;
    snprintf(why, size, "--%stls-cert and --%stls-key belong together: give both, or neither", prefix, prefix);
    return LEDIG_EBAD_REQUEST;
}

int config_read(struct config *config, int argc, char *const argv[], char *why, size_t size) {
    memset(config, 0, sizeof *config);
    for (size_t i = 0; i < KEYS; i++) {
        if (keys[i].standard[0] && set(config, &keys[i], keys[i].standard, "default", why, size) != 0) abort();
    }
    const char *file = getenv("LEDIG_CONFIG");
    bool told_all = is_worker(argc, argv);
    int error = read_arguments(NULL, argc, argv, &file, why, size);
    if (!error && file && !told_all) error = read_file(config, file, why, size);
    if (!error && !told_all) error = read_environment(config, why, size);
    if (!error) error = read_arguments(config, argc, argv, &file, why, size);
    if (!error && !config->data[0] && !config->help && !config->version) {
        snprintf(why, size, "--data DIR is needed: where the key, the lock and the private Redis are kept");
        error = LEDIG_EBAD_REQUEST;
    }
    if (!error) error = check_pair(config->tls_cert, config->tls_key, "", why, size);
    if (!error) error = check_pair(config->router_tls_cert, config->router_tls_key, "router-", why, size);
    return error;
}

/* ---- Back to arguments, and the help ---- */

static int print_value(const struct config *config, const struct key *key, char *to, size_t size) {
    const void *from = (const char *)config + key->offset;
    if (key->kind == COUNT_ || key->kind == MS_)
        return snprintf(to, size, "--%s=%u", key->name, *(const uint32_t *)from);
    if (key->kind == SWITCH_) return snprintf(to, size, "--%s=%s", key->name, *(const bool *)from ? "yes" : "no");
    if (key->kind == ENDPOINT_) {
        const struct endpoint *endpoint = from;
        return snprintf(to, size, strchr(endpoint->host, ':') ? "--%s=[%s]:%d" : "--%s=%s:%d", key->name,
                        endpoint->host, endpoint->port);
    }
    return snprintf(to, size, "--%s=%s", key->name, (const char *)from);
}

char **config_arguments(const struct config *config, const char *program) {
    size_t bytes = strlen(program) + 1;
    for (size_t i = 0; i < KEYS; i++)
        bytes += (size_t)print_value(config, &keys[i], NULL, 0) + 1;
    char **arguments = malloc((KEYS + 2) * sizeof *arguments + bytes);
    if (!arguments) return NULL;
    char *text = (char *)(arguments + KEYS + 2), *end = text + bytes;
    size_t count = 0;
    arguments[count++] = strcpy(text, program);
    text += strlen(program) + 1;
    for (size_t i = 0; i < KEYS; i++) {
        arguments[count++] = text;
        text += print_value(config, &keys[i], text, (size_t)(end - text)) + 1;
    }
    arguments[count] = NULL;
    return arguments;
}

void config_print_help(void) {
    printf("ledigd: the presence and availability broker\n\n"
           "  ledigd --data DIR [--workers N] [--listen HOST:PORT] …\n\n"
           "Each flag is also a key of the configuration file (--config FILE, `key = value` lines) and an environment\n"
           "variable (LEDIG_ROUTER_LISTEN for --router-listen). The command line wins, then the variable.\n\n");
    for (size_t i = 0; i < KEYS; i++) {
        char flag[48], standard[64] = "";
        if (!keys[i].meaning) continue;
        snprintf(flag, sizeof flag, "--%s%s%s", keys[i].name, *keys[i].operand ? " " : "", keys[i].operand);
        if (keys[i].standard[0]) snprintf(standard, sizeof standard, " [%s]", keys[i].standard);
        printf("  %-28s %s%s\n", flag, keys[i].meaning, standard);
    }
    printf("  %-28s %s\n  %-28s %s\n  %-28s %s\n\n", "--config FILE", "read more keys from here", "--help", "this",
           "--version", "the version");
    printf("One line on stdout tells when it is ready. SIGTERM stops it in order. Exit codes: 0 stopped as asked,\n"
           "1 could not start or go on (one line on stderr says why), 2 bad arguments.\n\n"
           "Example:\n  ledigd --data /var/lib/ledig --workers 2 --listen 0.0.0.0:7700 \\\n"
           "    --tls-cert /etc/ledig/fullchain.pem --tls-key /etc/ledig/privkey.pem\n");
}

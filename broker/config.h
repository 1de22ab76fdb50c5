/* What the operator has set: on the command line, in LEDIG_… variables, or in a file of `key = value` lines; in this
 * order of precedence. One table in config.c names all keys, their meaning and their limits. */
#ifndef LEDIG_CONFIG_H
#define LEDIG_CONFIG_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_TEXT_BYTES 256
#define CONFIG_ORIGINS_BYTES 2048
#define CONFIG_USER_BYTES 64

struct endpoint {
    char host[64]; /* an address, without brackets */
    int port;
};

struct config {
    char data[PATH_MAX];
    struct endpoint listen, router_listen, ops_listen;
    char redis[CONFIG_TEXT_BYTES]; /* "" = the private one */
    char redis_user[CONFIG_TEXT_BYTES];
    char redis_password_file[PATH_MAX];
    char keys[PATH_MAX];                  /* "" = DATA/keys, or what the command prints */
    char keys_command[CONFIG_TEXT_BYTES]; /* "" = none */
    uint32_t keys_days;                   /* 0 = they are not rotated by themselves */
    uint32_t keys_look_ms;
    char tls_cert[PATH_MAX], tls_key[PATH_MAX]; /* both or neither */
    char router_tls_cert[PATH_MAX], router_tls_key[PATH_MAX];
    bool insecure;                      /* no TLS is asked for where others can reach it */
    char origins[CONFIG_ORIGINS_BYTES]; /* of web pages that may connect, see front/origin.h; "" = the broker's own */
    char user[CONFIG_USER_BYTES];       /* to become when started as root */
    uint32_t workers;
    uint32_t store_timeout_ms, verify_ms, hello_ms, ping_ms, background_ms, grace_ms, slice_ms, flush_ms, stall_ms,
        idle_ms, lease_ms, router_lease_ms, history_sweep_ms, number_sweep_ms, tls_look_ms;
    char log_level[16];
    char worker[16]; /* set by the supervisor for its children: "app" or "router" */
    uint32_t index;
    uint32_t report_fd;
    bool help, version;
};

/* Reads all three. On failure returns LEDIG_EBAD_REQUEST and a line for the operator in `why`. */
int config_read(struct config *config, int argc, char *const argv[], char *why, size_t size);

/* The configuration as arguments that read back as the same, NULL at the end; argv[0] is `program`. One allocation to
 * be freed. NULL when out of memory. */
char **config_arguments(const struct config *config, const char *program);

/* What --help prints. */
void config_print_help(void);

#endif

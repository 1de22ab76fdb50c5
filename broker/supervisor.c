#include "broker/supervisor.h"
#include "broker/child.h"
#include "broker/config.h"
#include "broker/data_dir.h"
#include "broker/exposure.h"
#include "broker/front/certificate.h"
#include "broker/front/front.h"
#include "broker/front/origin.h"
#include "broker/front/ticket_keys.h"
#include "broker/identity/token.h"
#include "broker/keys_renewal.h"
#include "broker/log.h"
#include "broker/metrics_page.h"
#include "broker/operations.h"
#include "broker/privacy/vault.h"
#include "broker/privileges.h"
#include "broker/store/embedded_redis.h"
#include "broker/store/redis_address.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define END_MS_MAX 6000       /* then a worker that has not ended is killed */
#define SETTLE_MS 2000        /* above the store's timeout: see service/rewrap.h */
#define TICKETS_LOOK_MS 60000 /* whether a key of the session tickets is to be replaced */

struct supervisor {
    struct config *config;
    uv_loop_t loop;
    uv_signal_t terminate, interrupt, hang_up, child_ended;
    uv_timer_t deadline; /* of an orderly end */
    uv_timer_t tickets;  /* with TLS */
    struct keys_renewal renewal;
    struct embedded_redis *redis; /* NULL: one that exists is used */
    uint64_t redis_starts;
    struct front *front;
    struct operations operations;
    struct child children[CHILDREN_MAX];
    size_t count;
    int reserved[2];  /* sockets that keep the workers' ports ours while no worker listens */
    bool in_terminal; /* at its start */
    bool announced;
    bool ending;        /* no worker is started any more */
    bool workers_ended; /* now the port and Redis are closed */
    int code;
};

static int fail(const char *line) {
    fprintf(stderr, "ledigd: %s\n", line);
    return 1;
}

/* ---- Saying where we are ---- */

static void print_url(char *url, size_t size, const char *scheme, const struct endpoint *endpoint, const char *path) {
    bool v6 = strchr(endpoint->host, ':') != NULL;
    snprintf(url, size, "%s://%s%s%s:%d%s", scheme, v6 ? "[" : "", endpoint->host, v6 ? "]" : "", endpoint->port, path);
}

/* Where apps, routers and operators find it. */
struct urls {
    char app[128], router[128], ops[128];
};

static void print_urls(const struct config *config, struct urls *urls) {
    print_url(urls->app, sizeof urls->app, config->tls_cert[0] ? "wss" : "ws", &config->listen, "/v1");
    print_url(urls->router, sizeof urls->router, config->router_tls_cert[0] ? "https" : "http", &config->router_listen,
              "");
    print_url(urls->ops, sizeof urls->ops, "http", &config->ops_listen, "");
}

static json_t *describe_children(const struct supervisor *supervisor) {
    json_t *list = json_array();
    for (size_t i = 0; i < supervisor->count; i++) {
        const struct child *child = &supervisor->children[i];
        json_array_append_new(list, json_pack("{s:s, s:i, s:I}", "kind", child->kind, "index", (int)child->index, "pid",
                                              (json_int_t)child->pid));
    }
    return list;
}

static void publish(const struct supervisor *supervisor) {
    const struct config *config = supervisor->config;
    struct urls urls;
    print_urls(config, &urls);
    char keys[PATH_MAX];
    pid_t redis = supervisor->redis ? embedded_redis_pid(supervisor->redis) : 0;
    json_t *json = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:s*, s:o}", "url", urls.app, "router_url", urls.router,
                             "ops_url", urls.ops, "pid", (json_int_t)getpid(), "redis_pid", (json_int_t)redis,
                             "settle_ms", (json_int_t)config->store_timeout_ms + SETTLE_MS, "keys",
                             config->keys_command[0] ? "" : realpath(config->keys, keys), "workers",
                             describe_children(supervisor));
    char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
    if (!text || data_dir_publish(config->data, text, strlen(text)) != 0)
        log_event(LOG_ERROR, "publish_failed", "error=\"%s\"", strerror(errno));
    free(text);
    json_decref(json);
}

static bool all_ready(void *arg) {
    const struct supervisor *supervisor = arg;
    for (size_t i = 0; i < supervisor->count; i++)
        if (!child_is_ready(&supervisor->children[i])) return false;
    return supervisor->count > 0 && !supervisor->ending;
}

static int write_metrics(void *arg, struct buffer *text) {
    const struct supervisor *supervisor = arg;
    struct metrics_page page = {.data_dir = supervisor->config->data,
                                .children = supervisor->children,
                                .count = supervisor->count,
                                .redis = supervisor->redis ? embedded_redis_pid(supervisor->redis) : 0,
                                .has_redis = supervisor->redis != NULL,
                                .redis_starts = supervisor->redis_starts};
    return metrics_page_write(&page, text);
}

static void on_child_changed(void *arg) {
    struct supervisor *supervisor = arg;
    if (supervisor->ending) return;
    if (supervisor->announced) publish(supervisor);
    if (supervisor->announced || !all_ready(supervisor)) return;
    supervisor->announced = true;
    if (geteuid() == 0) log_event(LOG_WARNING, "runs_as_root", "better=\"--user NAME\"");
    publish(supervisor);
    struct urls urls;
    print_urls(supervisor->config, &urls);
    printf("ledigd ready: apps %s, routers %s, operations %s\n", urls.app, urls.router, urls.ops);
    fflush(stdout);
}

/* ---- Ending ---- */

static void close_handles(struct supervisor *supervisor) {
    for (size_t i = 0; i < supervisor->count; i++)
        child_close(&supervisor->children[i]);
    uv_close((uv_handle_t *)&supervisor->terminate, NULL);
    uv_close((uv_handle_t *)&supervisor->interrupt, NULL);
    uv_close((uv_handle_t *)&supervisor->hang_up, NULL);
    uv_close((uv_handle_t *)&supervisor->child_ended, NULL);
    uv_close((uv_handle_t *)&supervisor->deadline, NULL);
    uv_close((uv_handle_t *)&supervisor->tickets, NULL);
    uv_close((uv_handle_t *)&supervisor->renewal.timer, NULL);
}

static void on_redis_stopped(void *arg) {
    struct supervisor *supervisor = arg;
    data_dir_withdraw(supervisor->config->data);
    close_handles(supervisor);
}

static void on_front_closed(void *arg) {
    struct supervisor *supervisor = arg;
    supervisor->front = NULL;
    if (supervisor->redis)
        embedded_redis_stop(supervisor->redis, on_redis_stopped, supervisor);
    else
        on_redis_stopped(supervisor);
}

/* Redis goes last: the workers end their leases in it. */
static void go_on_ending(struct supervisor *supervisor) {
    if (!supervisor->ending || supervisor->workers_ended) return;
    for (size_t i = 0; i < supervisor->count; i++)
        if (supervisor->children[i].pid) return;
    if (supervisor->renewal.pid) return;
    supervisor->workers_ended = true;
    uv_timer_stop(&supervisor->deadline);
    if (supervisor->front)
        front_close(supervisor->front, on_front_closed, supervisor);
    else
        on_front_closed(supervisor);
}

static void signal_children(struct supervisor *supervisor, int number) {
    for (size_t i = 0; i < supervisor->count; i++)
        if (supervisor->children[i].pid) kill(supervisor->children[i].pid, number);
}

static void on_deadline(uv_timer_t *timer) {
    signal_children(timer->data, SIGKILL);
}

static void end(struct supervisor *supervisor, int code) {
    if (supervisor->ending) {
        signal_children(supervisor, SIGKILL); /* asked twice: at once */
        return;
    }
    supervisor->ending = true;
    supervisor->code = code;
    if (supervisor->announced) log_event(LOG_INFO, "ending", "code=%d", code); /* else one line has said why */
    for (size_t i = 0; i < supervisor->count; i++)
        uv_timer_stop(&supervisor->children[i].again);
    keys_renewal_stop(&supervisor->renewal);
    signal_children(supervisor, SIGTERM);
    uv_timer_start(&supervisor->deadline, on_deadline, END_MS_MAX, 0);
    go_on_ending(supervisor);
}

static void on_terminate(uv_signal_t *signal, int number) {
    (void)number;
    end(signal->data, 0);
}

/* Where the terminal it was started in is gone, that ends it; otherwise somebody asks that certificates be read again.
 */
static void on_hang_up(uv_signal_t *signal, int number) {
    struct supervisor *supervisor = signal->data;
    if (supervisor->in_terminal && !isatty(STDIN_FILENO)) {
        end(supervisor, 0);
        return;
    }
    log_event(LOG_INFO, "reload", "workers=%zu", supervisor->count);
    signal_children(supervisor, number);
}

static void on_child_ended(uv_signal_t *signal, int number) {
    struct supervisor *supervisor = signal->data;
    int status;
    pid_t pid;
    (void)number;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (supervisor->redis && embedded_redis_reaped(supervisor->redis, pid, status)) continue;
        if (keys_renewal_reaped(&supervisor->renewal, pid, status)) continue;
        for (size_t i = 0; i < supervisor->count; i++)
            if (supervisor->children[i].pid == pid) child_reaped(&supervisor->children[i], status, supervisor->ending);
    }
    go_on_ending(supervisor);
}

/* ---- Starting ---- */

static void start_workers(struct supervisor *supervisor) {
    size_t apps = supervisor->config->workers;
    for (size_t i = 0; i <= apps; i++) {
        struct child *child = &supervisor->children[supervisor->count++];
        child->config = supervisor->config;
        child->kind = i < apps ? "app" : "router";
        child->index = i < apps ? (uint32_t)i : 0;
        child->changed = on_child_changed;
        child->arg = supervisor;
        if (child_open(&supervisor->loop, child) != 0) {
            fail("cannot start a worker: no process or descriptor is left");
            end(supervisor, 1);
            return;
        }
    }
}

static void on_redis_ready(void *arg, const char *url) {
    struct supervisor *supervisor = arg;
    supervisor->redis_starts++;
    if (supervisor->ending) return;
    if (supervisor->count > 0) { /* it is back */
        log_event(LOG_INFO, "redis_back", "pid=%ld", (long)embedded_redis_pid(supervisor->redis));
        if (supervisor->announced) publish(supervisor);
        return;
    }
    snprintf(supervisor->config->redis, sizeof supervisor->config->redis, "%s", url);
    start_workers(supervisor);
}

static void on_redis_down(void *arg, const char *why) {
    (void)arg;
    log_event(LOG_ERROR, "redis_down", "why=\"%s\"", why);
}

static void on_redis_failed(void *arg, const char *why) {
    fail(why);
    end(arg, 1);
}

/* Finds out that a port is taken before anything is started, and keeps it: with SO_REUSEPORT a second broker of the
 * same user could otherwise share it unseen. */
static int reserve(struct endpoint *endpoint, const char *flag, int *kept) {
    char line[256];
    int port;
    int probe = front_bind(endpoint->host, endpoint->port, true, &port);
    if (probe < 0) {
        snprintf(line, sizeof line,
                 errno == EADDRINUSE ? "port %d of %s is taken: stop what listens there, or give another with --%s"
                                     : "cannot listen on port %d of %s: give another address with --%s",
                 endpoint->port, endpoint->host, flag);
        return fail(line);
    }
    close(probe);
    *kept = front_bind(endpoint->host, port, false, &endpoint->port);
    if (*kept >= 0) return 0;
    snprintf(line, sizeof line, "cannot keep port %d of %s: %s", port, endpoint->host, strerror(errno));
    return fail(line);
}

static int open_operations(struct supervisor *supervisor) {
    struct config *config = supervisor->config;
    int kept = -1;
    if (reserve(&config->ops_listen, "ops-listen", &kept)) return 1;
    supervisor->operations = (struct operations){all_ready, write_metrics, supervisor};
    struct front_options options = {.host = config->ops_listen.host,
                                    .port = config->ops_listen.port,
                                    .http = operations_handle,
                                    .http_arg = &supervisor->operations,
                                    .http_body_bytes_max = 1024};
    int error = front_open(&supervisor->loop, &options, &supervisor->front);
    close(kept);
    return error ? fail("cannot serve the operations port") : 0;
}

static int open_key(const struct config *config) {
    char line[PATH_MAX + 128];
    struct token_key *key = NULL;
    int error = token_key_open(config->data, true, &key);
    token_key_close(key);
    if (!error) return 0;
    snprintf(line, sizeof line, "%s/token.key: %s", config->data,
             error == LEDIG_EFORBIDDEN ? "others may read it: chmod 600, and think of whom it may have reached"
             : error == LEDIG_EDAMAGED ? "is damaged: put the right one back, or move it away to void every token"
                                       : strerror(errno));
    return fail(line);
}

/* Whether the private Redis has been written to. */
static bool has_records(const struct config *config) {
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/redis/appendonlydir", config->data);
    return !config->redis[0] && access(path, F_OK) == 0;
}

/* The workers open it again; here it is made, and seen that they will be able to. */
static int open_vault(struct config *config) {
    char line[2 * PATH_MAX + 320];
    struct vault *vault = NULL;
    bool by_command = config->keys_command[0];
    if (by_command && config->keys[0]) return fail("either --keys or --keys-command");
    if (!by_command && !config->keys[0] &&
        snprintf(config->keys, sizeof config->keys, "%s/keys", config->data) >= (int)sizeof config->keys)
        return fail("the path of the data directory is too long");
    struct vault_source source = {.path = by_command ? NULL : config->keys,
                                  .command = by_command ? config->keys_command : NULL};
    bool has = has_records(config);
    int error = vault_open(&source, !has, &vault);
    vault_close(vault);
    if (!error) return 0;
    if (error == LEDIG_ENOT_FOUND && has)
        snprintf(line, sizeof line,
                 "%s is missing, and without the keys nobody can read what %s holds: put them back. Where it was made "
                 "by a version that did not seal yet, start anew with an empty directory and import your people",
                 config->keys, config->data);
    else
        snprintf(line, sizeof line, "%s: %s", by_command ? "--keys-command" : config->keys, vault_why(error));
    return fail(line);
}

static void watch_signals(struct supervisor *supervisor) {
    uv_loop_t *loop = &supervisor->loop;
    supervisor->terminate.data = supervisor->interrupt.data = supervisor->hang_up.data = supervisor;
    supervisor->child_ended.data = supervisor;
    supervisor->deadline.data = supervisor->tickets.data = supervisor;
    uv_signal_init(loop, &supervisor->terminate);
    uv_signal_init(loop, &supervisor->interrupt);
    uv_signal_init(loop, &supervisor->hang_up);
    uv_signal_init(loop, &supervisor->child_ended);
    uv_timer_init(loop, &supervisor->deadline);
    uv_timer_init(loop, &supervisor->tickets);
    uv_signal_start(&supervisor->terminate, on_terminate, SIGTERM);
    uv_signal_start(&supervisor->interrupt, on_terminate, SIGINT);
    uv_signal_start(&supervisor->hang_up, on_hang_up, SIGHUP);
    uv_signal_start(&supervisor->child_ended, on_child_ended, SIGCHLD);
    signal(SIGPIPE, SIG_IGN);
}

/* The workers read it; here it is only seen that they will be able to. */
static int check_password_file(const char *path) {
    char line[PATH_MAX + 128];
    struct stat status;
    if (!path[0]) return 0;
    if (access(path, R_OK) != 0 || stat(path, &status) != 0)
        snprintf(line, sizeof line, "cannot read --redis-password-file %s: %s", path, strerror(errno));
    else if (status.st_mode & (S_IRWXG | S_IRWXO))
        snprintf(line, sizeof line, "others may read --redis-password-file %s: chmod 600", path);
    else
        return 0;
    return fail(line);
}

/* Each worker reads its certificate by itself; here it is only seen that they will be able to. */
static int check_certificate(const struct certificate_files *files) {
    char line[2 * PATH_MAX + 128];
    struct certificate *certificate = NULL;
    if (!files->cert_path[0]) return 0;
    int error = certificate_open(files, &certificate, line, sizeof line);
    certificate_free(certificate);
    return error ? fail(line) : 0;
}

static int check_certificates(const struct config *config) {
    return check_certificate(&(struct certificate_files){config->tls_cert, config->tls_key, ""}) ||
           check_certificate(&(struct certificate_files){config->router_tls_cert, config->router_tls_key, "router-"});
}

static void on_tickets(uv_timer_t *timer) {
    const struct supervisor *supervisor = timer->data;
    if (ticket_keys_rotate(supervisor->config->data, (int64_t)time(NULL)) != 0)
        log_event(LOG_WARNING, "ticket_keys_kept", "why=\"%s\"", strerror(errno));
}

static int open_tickets(struct supervisor *supervisor) {
    char line[PATH_MAX + 128];
    const char *data = supervisor->config->data;
    if (!supervisor->config->tls_cert[0] && !supervisor->config->router_tls_cert[0]) return 0;
    if (ticket_keys_rotate(data, (int64_t)time(NULL)) != 0) {
        snprintf(line, sizeof line, "cannot write %s/" TICKET_FILE ": %s", data, strerror(errno));
        return fail(line);
    }
    uv_timer_start(&supervisor->tickets, on_tickets, TICKETS_LOOK_MS, TICKETS_LOOK_MS);
    return 0;
}

static int start(struct supervisor *supervisor) {
    struct config *config = supervisor->config;
    char why[PATH_MAX + 256], dir[PATH_MAX + 16];
    if (config->redis[0] && redis_address_parse(config->redis, &(struct redis_address){0}) != 0)
        return fail("--redis must be redis://HOST[:PORT][/DB] or unix:/PATH, without a password: name a file with "
                    "--redis-password-file");
    if (!origin_list_is_good(config->origins))
        return fail(
            "--origins must be SCHEME://HOST or SCHEME://HOST:PORT, one or several with spaces between them, and "
            "nothing behind: https://app.example.com");
    if (exposure_check(config, geteuid() == 0, why, sizeof why) != 0 || privileges_begin(config, why, sizeof why) != 0)
        return fail(why);
    if (check_password_file(config->redis_password_file) || check_certificates(config)) return 1;
    if (data_dir_open(config->data, why, sizeof why) != 0) return fail(why);
    if (open_key(config) || open_vault(config) || reserve(&config->listen, "listen", &supervisor->reserved[0]) ||
        reserve(&config->router_listen, "router-listen", &supervisor->reserved[1]))
        return 1;
    if (uv_loop_init(&supervisor->loop) != 0) return fail("cannot make a loop");
    watch_signals(supervisor);
    supervisor->renewal = (struct keys_renewal){.config = config, .may_begin = all_ready, .arg = supervisor};
    keys_renewal_open(&supervisor->renewal, &supervisor->loop);
    if (open_operations(supervisor) || open_tickets(supervisor)) return 1;
    if (config->redis[0]) {
        start_workers(supervisor);
        return 0;
    }
    snprintf(dir, sizeof dir, "%s/redis", config->data);
    struct embedded_redis_options options = {
        .dir = dir, .ready = on_redis_ready, .down = on_redis_down, .failed = on_redis_failed, .arg = supervisor};
    return embedded_redis_start(&supervisor->loop, &options, &supervisor->redis) ? fail("out of memory") : 0;
}

int supervisor_run(struct config *config) {
    static struct supervisor supervisor; /* lives as long as the process; large */
    supervisor.config = config;
    supervisor.in_terminal = isatty(STDIN_FILENO);
    if (start(&supervisor)) return 1;
    uv_run(&supervisor.loop, UV_RUN_DEFAULT);
    uv_loop_close(&supervisor.loop);
    return supervisor.code;
}

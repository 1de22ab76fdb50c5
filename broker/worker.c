#include "broker/worker.h"
#include "broker/config.h"
#include "broker/front/front.h"
#include "broker/log.h"
#include "broker/metrics/process.h"
#include "broker/metrics/pulse.h"
#include "broker/metrics/report.h"
#include "broker/privacy/vault.h"
#include "broker/privileges.h"
#include "broker/sandbox.h"
#include "broker/service/people_api.h"
#include "broker/service/provisioning.h"
#include "broker/service/router_api.h"
#include "broker/service/service.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define LOOK_MS 10        /* for readiness, until it is there */
#define COUNT_MS 10000    /* between two counts of descriptors: before Linux 6.2 each of them has to be walked over */
#define DRAIN_MS_MAX 3000 /* for the clients to close after `bye` */

struct worker {
    const struct config *config;
    bool serves_apps;
    uv_loop_t loop;
    struct token_key *key;
    struct vault *vault;
    struct service *service;
    struct front *front;
    uv_signal_t terminate, hang_up;
    uv_timer_t timer; /* reports; while ending, waits for the clients to go */
    struct metrics metrics;
    struct pulse pulse;
    struct process process;                            /* how it was at counted_ms */
    uint64_t counted_ms, reported_ms, ending_since_ms; /* the loop's time */
    bool ready, ending;
    char password[CONFIG_TEXT_BYTES];
};

static int fail(const char *what, const char *why) {
    fprintf(stderr, "ledigd: %s: %s\n", what, why);
    return 1;
}

/* ---- Reporting ---- */

static void count_descriptors(struct worker *worker) {
    if (worker->counted_ms && worker->reported_ms - worker->counted_ms < COUNT_MS) return;
    worker->counted_ms = worker->reported_ms;
    if (process_look(getpid(), &worker->process) != 0) log_event(LOG_WARNING, "not_counted", "pid=%d", (int)getpid());
}

static void report(struct worker *worker) {
    worker->reported_ms = uv_now(&worker->loop);
    count_descriptors(worker);
    pulse_measure(&worker->pulse);
    service_measure(worker->service);
    if (worker->front) front_measure(worker->front);
    int error =
        report_write((int)worker->config->report_fd, worker->ready, worker->process.descriptors, &worker->metrics);
    if (error == LEDIG_EIO) _exit(1); /* the supervisor is gone, and its other children with it */
    if (error) worker->metrics.reports_missed++;
}

static void on_timer(uv_timer_t *timer) {
    struct worker *worker = timer->data;
    bool was = worker->ready;
    worker->ready = service_is_ready(worker->service);
    if (worker->ready != was)
        log_event(LOG_INFO, worker->ready ? "ready" : "not_ready", "connections=%zu", worker->service->connections);
    if (worker->ready != was || uv_now(&worker->loop) - worker->reported_ms >= WORKER_REPORT_MS) report(worker);
    uv_timer_set_repeat(timer, worker->ready ? WORKER_REPORT_MS : LOOK_MS);
    if (worker->ready && !was) uv_timer_again(timer);
}

/* ---- Ending ---- */

static void on_service_closed(void *arg) {
    struct worker *worker = arg;
    uv_close((uv_handle_t *)&worker->terminate, NULL);
    uv_close((uv_handle_t *)&worker->hang_up, NULL);
    uv_close((uv_handle_t *)&worker->timer, NULL);
    pulse_close(&worker->pulse);
}

static void on_front_closed(void *arg) {
    struct worker *worker = arg;
    worker->front = NULL;
    worker->ready = false;
    report(worker); /* the last one: nothing that was counted is lost */
    service_close(worker->service, on_service_closed, worker);
}

static void on_drain(uv_timer_t *timer) {
    struct worker *worker = timer->data;
    bool late = uv_now(&worker->loop) - worker->ending_since_ms >= DRAIN_MS_MAX;
    if (worker->service->connections > 0 && !late) return;
    uv_timer_stop(timer);
    front_close(worker->front, on_front_closed, worker);
}

static void on_terminate(uv_signal_t *signal, int number) {
    struct worker *worker = signal->data;
    (void)number;
    if (worker->ending) return;
    worker->ending = true;
    worker->ending_since_ms = uv_now(&worker->loop);
    log_event(LOG_INFO, "draining", "connections=%zu", worker->service->connections);
    front_stop_accepting(worker->front);
    service_drain(worker->service);
    uv_timer_start(&worker->timer, on_drain, LOOK_MS, LOOK_MS);
}

static void on_hang_up(uv_signal_t *signal, int number) {
    struct worker *worker = signal->data;
    (void)number;
    if (!worker->ending) front_reload(worker->front);
}

/* ---- Starting ---- */

static void limit_resources(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN); /* of the terminal: the supervisor decides */
    signal(SIGHUP, SIG_IGN); /* until there is something to read again */
}

static int read_password(struct worker *worker) {
    const char *path = worker->config->redis_password_file;
    if (!path[0]) return 0;
    FILE *file = fopen(path, "re");
    if (!file) return fail(path, strerror(errno));
    if (!fgets(worker->password, sizeof worker->password, file)) worker->password[0] = 0;
    fclose(file);
    worker->password[strcspn(worker->password, "\r\n")] = 0;
    return worker->password[0] ? 0 : fail(path, "holds no password");
}

static int open_vault(struct worker *worker) {
    const struct config *config = worker->config;
    struct vault_source source = {.path = config->keys[0] ? config->keys : NULL,
                                  .command = config->keys_command[0] ? config->keys_command : NULL};
    int error = vault_open(&source, false, &worker->vault);
    return error ? fail("cannot read the keys", vault_why(error)) : 0;
}

static int open_service(struct worker *worker) {
    const struct config *config = worker->config;
    struct service_options options = {.redis_url = config->redis,
                                      .redis_user = config->redis_user[0] ? config->redis_user : NULL,
                                      .redis_password = worker->password[0] ? worker->password : NULL,
                                      .store_timeout_ms = config->store_timeout_ms,
                                      .verify_ms = config->verify_ms,
                                      .hello_ms = config->hello_ms,
                                      .ping_ms = config->ping_ms,
                                      .background_ms = config->background_ms,
                                      .grace_ms = config->grace_ms,
                                      .slice_ms = config->slice_ms,
                                      .flush_ms = config->flush_ms,
                                      .stall_ms = config->stall_ms,
                                      .idle_ms = config->idle_ms,
                                      .lease_ms = config->lease_ms,
                                      .router_lease_ms = config->router_lease_ms,
                                      .history_sweep_ms = config->history_sweep_ms,
                                      .number_sweep_ms = config->number_sweep_ms,
                                      .serves_apps = worker->serves_apps,
                                      .metrics = &worker->metrics,
                                      .vault = worker->vault};
    int error = service_open(&worker->loop, &options, worker->key, &worker->service);
    return error ? fail("cannot open the store", ledig_error_meaning(error)) : 0;
}

static int open_front(struct worker *worker) {
    const struct config *config = worker->config;
    const struct endpoint *endpoint = worker->serves_apps ? &config->listen : &config->router_listen;
    struct front_options options = {.host = endpoint->host,
                                    .port = endpoint->port,
                                    .service = worker->service,
                                    .stall_ms = config->stall_ms,
                                    .metrics = &worker->metrics};
    char what[96];
    const char *cert = worker->serves_apps ? config->tls_cert : config->router_tls_cert;
    if (worker->serves_apps) {
        options.http = people_api_handle;
        options.http_arg = worker->service;
        options.for_people = true;
        options.http_body_bytes_max = PEOPLE_BODY_BYTES_MAX;
        options.origins = config->origins;
    } else {
        options.http = router_api_handle;
        options.http_arg = worker->service;
        options.http_body_bytes_max = IMPORT_BYTES_MAX;
    }
    if (cert[0]) {
        options.tls_cert = cert;
        options.tls_key = worker->serves_apps ? config->tls_key : config->router_tls_key;
        options.tls_prefix = worker->serves_apps ? "" : "router-";
        options.data_dir = config->data;
        options.tls_look_ms = config->tls_look_ms;
    }
    int error = front_open(&worker->loop, &options, &worker->front);
    if (!error) return 0;
    snprintf(what, sizeof what, "cannot listen on %s port %d", endpoint->host, endpoint->port);
    return fail(what, error == LEDIG_EIO ? strerror(errno) : "TLS cannot be served");
}

/* All is open: from here on what a worker may do is what serving takes. */
static int give_up_the_rest(void) {
    if (privileges_end() != 0) return fail("cannot give up privileges", strerror(errno));
    int error = sandbox_enter();
    if (error == LEDIG_EUNSUPPORTED) log_event(LOG_WARNING, "no_sandbox", "why=\"the kernel has no seccomp\"");
    return error && error != LEDIG_EUNSUPPORTED ? fail("cannot limit system calls", ledig_error_meaning(error)) : 0;
}

static int start(struct worker *worker) {
    setenv("UV_USE_IO_URING", "0", 1); /* libuv 1.46 and later: what goes through a ring passes by the sandbox */
    int error = token_key_open(worker->config->data, false, &worker->key);
    if (error) return fail("cannot read the token key", ledig_error_meaning(error));
    if (open_vault(worker)) return 1;
    if (uv_loop_init(&worker->loop) != 0) return fail("cannot make a loop", strerror(errno));
    worker->terminate.data = worker->hang_up.data = worker->timer.data = worker;
    uv_signal_init(&worker->loop, &worker->terminate);
    uv_signal_start(&worker->terminate, on_terminate, SIGTERM);
    uv_signal_init(&worker->loop, &worker->hang_up);
    uv_timer_init(&worker->loop, &worker->timer);
    if (pulse_open(&worker->pulse, &worker->loop, &worker->metrics) != 0)
        return fail("cannot make a timer", strerror(errno));
    if (read_password(worker) || open_service(worker) || open_front(worker)) return 1;
    fcntl((int)worker->config->report_fd, F_SETFL, O_NONBLOCK);
    fcntl((int)worker->config->report_fd, F_SETFD, FD_CLOEXEC);
    uv_signal_start(&worker->hang_up, on_hang_up, SIGHUP);
    uv_timer_start(&worker->timer, on_timer, LOOK_MS, LOOK_MS);
    return give_up_the_rest();
}

int worker_run(const struct config *config) {
    struct worker worker = {.config = config, .serves_apps = strcmp(config->worker, "app") == 0};
    prctl(PR_SET_NAME, worker.serves_apps ? "ledigd-app" : "ledigd-router"); /* as top shows it */
    limit_resources();
    if (start(&worker)) return 1;
    uv_run(&worker.loop, UV_RUN_DEFAULT);
    uv_loop_close(&worker.loop);
    token_key_close(worker.key);
    vault_close(worker.vault);
    explicit_bzero(worker.password, sizeof worker.password);
    return 0;
}

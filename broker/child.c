#include "broker/child.h"
#include "broker/log.h"
#include "protocol/errors.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the new process: nothing but what is safe after fork, then the program itself. */
static void become_worker(pid_t parent, int report_fd, char **arguments) {
    sigset_t none;
    signal(SIGHUP, SIG_IGN); /* it may be sent before the worker can hear it, and its usual meaning is death */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) _exit(1);
    if (fcntl(report_fd, F_SETFD, 0) != 0) _exit(1);
    execv("/proc/self/exe", arguments);
    _exit(1);
}

static char **arguments_for(const struct child *child, int report_fd) {
    struct config *config = malloc(sizeof *config);
    if (!config) return NULL;
    *config = *child->config;
    strcpy(config->worker, child->kind);
    config->index = child->index;
    config->report_fd = (uint32_t)report_fd;
    char **arguments = config_arguments(config, "ledigd");
    free(config);
    return arguments;
}

/* ---- Reports ---- */

static void take_report(struct child *child) {
    const struct report *report = &child->report;
    bool was = child->ready;
    if (!report_is_good(report)) { /* both ends are one program, so this is a fault of ours: it shows as not ready */
        log_event(LOG_ERROR, "report_refused", "kind=%s index=%u", child->kind, child->index);
        return;
    }
    child->heard_ms = uv_now(child->loop);
    child->ready = report->ready != 0;
    child->descriptors = report->descriptors;
    child->metrics = report->metrics;
    if (child->ready != was) child->changed(child->arg);
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
    struct child *child = handle->data;
    (void)suggested;
    *buffer = uv_buf_init((char *)&child->report + child->report_bytes,
                          (unsigned)(sizeof child->report - child->report_bytes));
}

static void stop_hearing(struct child *child) {
    if (!child->hears) return;
    child->hears = false;
    uv_close((uv_handle_t *)&child->reports, NULL);
}

static void take_bytes(struct child *child, size_t count) {
    child->report_bytes += count;
    if (child->report_bytes < sizeof child->report) return;
    child->report_bytes = 0;
    take_report(child);
}

static void on_report(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
    struct child *child = stream->data;
    (void)buffer;
    if (count < 0) uv_read_stop(stream); /* it has ended, and will be reaped */
    if (count > 0) take_bytes(child, (size_t)count);
}

/* ---- Starting ---- */

static int start(struct child *child) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return LEDIG_EIO;
    pid_t parent = getpid();
    char **arguments = arguments_for(child, ends[1]);
    child->pid = arguments ? fork() : -1;
    if (child->pid == 0) become_worker(parent, ends[1], arguments);
    free(arguments);
    close(ends[1]);
    if (child->pid < 0) {
        child->pid = 0;
        close(ends[0]);
        return LEDIG_EIO;
    }
    child->started_ms = child->heard_ms = uv_now(child->loop);
    child->report_bytes = 0;
    child->starts++;
    uv_pipe_init(child->loop, &child->reports, 0);
    child->reports.data = child;
    child->hears = true;
    uv_pipe_open(&child->reports, ends[0]);
    uv_read_start((uv_stream_t *)&child->reports, on_room, on_report);
    log_event(LOG_INFO, "worker_started", "kind=%s index=%u pid=%ld", child->kind, child->index, (long)child->pid);
    child->changed(child->arg);
    return 0;
}

static void start_after_back_off(struct child *child);

static void on_again(uv_timer_t *timer) {
    struct child *child = timer->data;
    if (start(child) != 0) start_after_back_off(child);
}

static void start_after_back_off(struct child *child) {
    uint32_t wait_ms = child->back_off_ms; /* by then the pipe's handle is closed, and can be used anew */
    child->back_off_ms = wait_ms * 2 > CHILD_BACK_OFF_MS_MAX ? CHILD_BACK_OFF_MS_MAX : wait_ms * 2;
    uv_timer_start(&child->again, on_again, wait_ms, 0);
}

int child_open(uv_loop_t *loop, struct child *child) {
    child->loop = loop;
    child->back_off_ms = CHILD_BACK_OFF_MS_MIN;
    child->again.data = child;
    uv_timer_init(loop, &child->again);
    return start(child);
}

/* What it had said before it ended. */
static void hear_the_rest(struct child *child) {
    uv_os_fd_t fd;
    ssize_t count;
    if (!child->hears || uv_fileno((uv_handle_t *)&child->reports, &fd) != 0) return;
    while ((count =
                read(fd, (char *)&child->report + child->report_bytes, sizeof child->report - child->report_bytes)) > 0)
        take_bytes(child, (size_t)count);
}

void child_reaped(struct child *child, int status, bool final) {
    bool signalled = WIFSIGNALED(status);
    log_event(final ? LOG_INFO : LOG_ERROR, "worker_ended", "kind=%s index=%u pid=%ld %s=%d", child->kind, child->index,
              (long)child->pid, signalled ? "signal" : "code", signalled ? WTERMSIG(status) : WEXITSTATUS(status));
    child->pid = 0;
    hear_the_rest(child);
    child->ready = false;
    stop_hearing(child);
    metrics_add_counters(&child->ended, &child->metrics);
    child->metrics = (struct metrics){0};
    child->changed(child->arg);
    if (final) return;
    if (uv_now(child->loop) - child->started_ms >= CHILD_STEADY_MS) child->back_off_ms = CHILD_BACK_OFF_MS_MIN;
    start_after_back_off(child);
}

bool child_is_ready(const struct child *child) {
    return child->pid != 0 && child->ready && uv_now(child->loop) - child->heard_ms < CHILD_SILENT_MS;
}

void child_name(const struct child *child, char *name, size_t size) {
    snprintf(name, size, "%s/%u", child->kind, child->index);
}

void child_metrics(const struct child *child, struct metrics *metrics) {
    *metrics = child->metrics;
    metrics_add_counters(metrics, &child->ended);
}

void child_close(struct child *child) {
    stop_hearing(child);
    uv_close((uv_handle_t *)&child->again, NULL);
}

/* One worker as the supervisor sees it: started by fork and exec of this very program, heard over a pipe, started again
 * with back-off when it ends. It dies with the supervisor, however that ends. */
#ifndef LEDIG_CHILD_H
#define LEDIG_CHILD_H

#include "broker/config.h"
#include "broker/metrics/report.h"
#include <sys/types.h>
#include <uv.h>

#define CHILDREN_MAX 65 /* 64 app workers and the router's */
#define CHILD_BACK_OFF_MS_MIN 100
#define CHILD_BACK_OFF_MS_MAX 5000
#define CHILD_STEADY_MS 10000 /* one that lived so long starts again without back-off */
#define CHILD_SILENT_MS 5000  /* one that reports nothing for so long is not ready */

struct child {
    uv_loop_t *loop;
    const struct config *config; /* the supervisor's */
    const char *kind;            /* "app" or "router" */
    uint32_t index;
    pid_t pid; /* 0 = none runs */
    uv_pipe_t reports;
    bool hears; /* the pipe is open */
    uv_timer_t again;
    uint64_t started_ms, heard_ms; /* the loop's time */
    uint32_t back_off_ms;
    bool ready;
    uint64_t starts;
    struct report report;       /* the one that is coming in … */
    size_t report_bytes;        /* … so far */
    uint64_t descriptors;       /* as it last said */
    struct metrics metrics;     /* of the last whole one of the process that runs */
    struct metrics ended;       /* counters of those before it */
    void (*changed)(void *arg); /* it was started, or its readiness changed */
    void *arg;
};

/* Starts it. The struct is the caller's, zeroed but for config, kind, index, changed and arg. LEDIG_EIO. */
int child_open(uv_loop_t *loop, struct child *child);

/* The SIGCHLD handler tells that it has ended; it will be started again, unless `final`. */
void child_reaped(struct child *child, int status, bool final);

/* Whether it says that it can serve, and said so lately. */
bool child_is_ready(const struct child *child);

/* "app/0", as the log has it. */
void child_name(const struct child *child, char *name, size_t size);

/* Its metrics; the counters go on where the process is another than before. */
void child_metrics(const struct child *child, struct metrics *metrics);

/* Closes the handles; no process runs any more. */
void child_close(struct child *child);

#endif

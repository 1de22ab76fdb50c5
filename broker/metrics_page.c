#include "broker/metrics_page.h"
#include "broker/metrics/metrics_text.h"
#include "broker/metrics/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define PROCESSES_MAX (CHILDREN_MAX + 2) /* the supervisor, and Redis */

struct known_process {
    char label[48]; /* as the samples have it */
    uint64_t starts;
    bool runs, is_known;
    struct process now; /* where it is known */
};

static void look(struct known_process *known, const char *name, pid_t pid, uint64_t starts) {
    snprintf(known->label, sizeof known->label, "{process=\"%s\"}", name);
    known->starts = starts;
    known->runs = pid != 0;
    known->is_known = pid != 0 && process_look(pid, &known->now) == 0;
}

static size_t look_at_all(const struct metrics_page *page, struct known_process *known) {
    char name[METRICS_WORKER_CHARS_MAX + 1];
    size_t count = 0;
    look(&known[count++], "supervisor", getpid(), 1);
    if (page->has_redis) look(&known[count++], "redis", page->redis, page->redis_starts);
    for (size_t i = 0; i < page->count; i++) {
        child_name(&page->children[i], name, sizeof name);
        look(&known[count], name, page->children[i].pid, page->children[i].starts);
        known[count++].now.descriptors = page->children[i].descriptors;
    }
    return count;
}

static void write_processes(const struct metrics_page *page, struct buffer *text) {
    struct known_process known[PROCESSES_MAX] = {0};
    size_t count = look_at_all(page, known);
    metrics_text_family(text, "process_starts_total", METRICS_COUNTER, "How often the process was started");
    for (size_t i = 0; i < count; i++)
        metrics_text_sample(text, "process_starts_total", known[i].label, known[i].starts);
    metrics_text_family(text, "process_running", METRICS_GAUGE, "1 while there is such a process");
    for (size_t i = 0; i < count; i++)
        metrics_text_sample(text, "process_running", known[i].label, known[i].runs);
    metrics_text_family(text, "process_resident_bytes", METRICS_GAUGE, "Memory that the process takes");
    for (size_t i = 0; i < count; i++)
        if (known[i].is_known)
            metrics_text_sample(text, "process_resident_bytes", known[i].label, known[i].now.resident_bytes);
    metrics_text_family(text, "process_descriptors", METRICS_GAUGE, "Open files and sockets of the process");
    for (size_t i = 0; i < count; i++)
        if (known[i].is_known)
            metrics_text_sample(text, "process_descriptors", known[i].label, known[i].now.descriptors);
}

static void write_machine(const struct metrics_page *page, struct buffer *text) {
    struct rlimit limit;
    struct statvfs disk;
    metrics_text_family(text, "info", METRICS_GAUGE, "The version that runs");
    metrics_text_sample(text, "info", "{version=\"" LEDIG_VERSION "\"}", 1);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) { /* a worker raises its own to the hard one */
        metrics_text_family(text, "process_descriptors_max", METRICS_GAUGE, "How many a worker may have open");
        metrics_text_sample(text, "process_descriptors_max", "", (uint64_t)limit.rlim_max);
    }
    if (statvfs(page->data_dir, &disk) == 0) {
        metrics_text_family(text, "data_free_bytes", METRICS_GAUGE, "Room left on the disk of the data directory");
        metrics_text_sample(text, "data_free_bytes", "", (uint64_t)disk.f_bavail * disk.f_frsize);
    }
}

static void write_readiness(const struct metrics_page *page, const struct metrics_source *sources,
                            struct buffer *text) {
    char label[48];
    metrics_text_family(text, "worker_ready", METRICS_GAUGE, "1 while the worker says that it can serve");
    for (size_t i = 0; i < page->count; i++) {
        snprintf(label, sizeof label, "{worker=\"%s\"}", sources[i].worker);
        metrics_text_sample(text, "worker_ready", label, child_is_ready(&page->children[i]));
    }
}

int metrics_page_write(const struct metrics_page *page, struct buffer *text) {
    struct metrics_source *sources = calloc(CHILDREN_MAX, sizeof *sources);
    if (!sources) return LEDIG_ENO_MEMORY;
    for (size_t i = 0; i < page->count; i++) {
        child_name(&page->children[i], sources[i].worker, sizeof sources[i].worker);
        child_metrics(&page->children[i], &sources[i].metrics);
    }
    write_machine(page, text);
    write_processes(page, text);
    write_readiness(page, sources, text);
    metrics_text_workers(text, sources, page->count);
    free(sources);
    return text->failed ? LEDIG_ENO_MEMORY : 0;
}

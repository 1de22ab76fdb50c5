#include "bench/report.h"
#include "bench/terminal.h"
#include "protocol/errors.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define SANITIZED 1
#endif

#ifdef __clang__
#define COMPILER __VERSION__
#else
#define COMPILER "gcc " __VERSION__
#endif

static const char *build_kind(void) {
#if defined(SANITIZED)
    return "sanitize";
#elif defined(__OPTIMIZE__)
    return "release";
#else
    return "debug";
#endif
}

void report_warn_of_build(void) {
    if (strcmp(build_kind(), "release") != 0)
        fprintf(stderr, "%s: this is a %s build: good for seeing that it works, not for figures\n",
                program_invocation_short_name, build_kind());
}

static void processor_name(char *name, size_t size) {
    snprintf(name, size, "unknown");
    FILE *file = fopen("/proc/cpuinfo", "re");
    if (!file) return;
    char line[256];
    while (fgets(line, sizeof line, file)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon) continue;
        colon[strcspn(colon, "\n")] = '\0';
        snprintf(name, size, "%s", colon + 1 + strspn(colon + 1, " "));
        break;
    }
    fclose(file);
}

json_t *report_begin(const char *scenario, const struct cores *cores) {
    struct utsname kernel;
    char processor[128];
    processor_name(processor, sizeof processor);
    if (uname(&kernel) != 0) snprintf(kernel.release, sizeof kernel.release, "unknown");
    return json_pack("{s:s, s:{s:s, s:s, s:s}, s:{s:i, s:i, s:s}, s:s}", "scenario", scenario, "versions", "ledig",
                     LEDIG_VERSION, "kernel", kernel.release, "compiler", COMPILER, "cores", "server", cores->server,
                     "generator", cores->generator, "processor", processor, "build", build_kind());
}

void report_number(json_t *report, const char *name, double value) {
    json_object_set_new(report, name, isfinite(value) ? json_real(round(value * 1000) / 1000) : json_null());
}

void report_count(json_t *report, const char *name, int64_t value) {
    json_object_set_new(report, name, json_integer(value));
}

void report_latency(json_t *report, const struct histogram *latency_us) {
    json_t *latency = json_object();
    const struct {
        const char *name;
        double share;
    } rows[] = {{"p50", 0.50}, {"p99", 0.99}, {"p999", 0.999}, {"max", 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        report_number(latency, rows[i].name,
                      latency_us->total ? (double)histogram_at(latency_us, rows[i].share) / 1000 : (double)NAN);
    json_object_set_new(report, "latency_ms", latency);
}

int report_check_path(const char *path) {
    char folder[PATH_MAX];
    if (!path || strcmp(path, "-") == 0) return 0;
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    if (descriptor >= 0) {
        close(descriptor);
        return 0;
    }
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    if (errno == ENOENT && access(folder, W_OK | X_OK) == 0) return 0;
    return complain(LEDIG_EIO, "cannot write %s: %s", path, strerror(errno));
}

int report_write(const json_t *report, const char *path) {
    const size_t flags = JSON_INDENT(2) | JSON_REAL_PRECISION(15);
    if (strcmp(path, "-") == 0) {
        if (json_dumpf(report, stdout, flags) != 0 || puts("") < 0)
            return complain(LEDIG_EIO, "cannot write the report");
        return 0;
    }
    FILE *file = fopen(path, "we");
    bool written = file && json_dumpf(report, file, flags) == 0 && fputc('\n', file) == '\n';
    if (file && fclose(file) != 0) written = false;
    return written ? 0 : complain(LEDIG_EIO, "cannot write %s: %s", path, strerror(errno));
}

char *report_grouped(double value, char text[static REPORT_GROUPED_CHARS]) {
    char digits[24];
    long long whole = llround(value);
    snprintf(digits, sizeof digits, "%lld", whole < 0 ? -whole : whole);
    size_t length = strlen(digits), at = 0;
    if (whole < 0) text[at++] = '-';
    for (size_t i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = '\0';
    return text;
}

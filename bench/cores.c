#include "bench/cores.h"
#include "protocol/errors.h"

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

struct cores cores_choose(void) {
    cpu_set_t allowed;
    struct cores cores = {0};
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) CPU_ZERO(&allowed);
    for (int core = 0; core < CPU_SETSIZE && cores.count < CORES_MAX; core++)
        if (CPU_ISSET((size_t)core, &allowed)) cores.all[cores.count++] = core;
    if (cores.count == 0) cores.count = 1;
    cores.server = cores_of_server(&cores, 0);
    cores.generator = cores_of_generator(&cores, 0);
    return cores;
}

/* Servers on those with an even place in the list, generators on the others. */
int cores_of_server(const struct cores *cores, uint32_t number) {
    uint32_t servers = ((uint32_t)cores->count + 1) / 2;
    return cores->all[number % servers * 2];
}

int cores_of_generator(const struct cores *cores, uint32_t number) {
    uint32_t generators = (uint32_t)cores->count / 2;
    return generators == 0 ? cores->all[0] : cores->all[number % generators * 2 + 1];
}

int process_pin(pid_t pid, int core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)core, &set);
    return sched_setaffinity(pid, sizeof set, &set) == 0 ? 0 : LEDIG_EIO;
}

int cores_pin(int core) {
    return process_pin(0, core);
}

static int64_t read_clock(clockid_t id, int64_t unit_ns) {
    struct timespec now;
    clock_gettime(id, &now);
    return (now.tv_sec * INT64_C(1000000000) + now.tv_nsec) / unit_ns;
}

int64_t clock_now_ns(void) {
    return read_clock(CLOCK_MONOTONIC, 1);
}

int64_t clock_cpu_ns(void) {
    return read_clock(CLOCK_PROCESS_CPUTIME_ID, 1);
}

int64_t clock_wall_us(void) {
    return read_clock(CLOCK_REALTIME, 1000);
}

int64_t clock_wall_ms(void) {
    return read_clock(CLOCK_REALTIME, 1000000);
}

/* The first number of a file of /proc, or -1. */
static int64_t first_number(const char *path, int skip) {
    FILE *file = fopen(path, "re");
    if (!file) return -1;
    long long value = -1;
    for (int i = 0; i <= skip; i++)
        if (fscanf(file, "%lld", &value) != 1) {
            value = -1;
            break;
        }
    fclose(file);
    return value;
}

/* /proc/PID/stat counts in ticks of 10 ms; the scheduler's own figures are in ns, one file a thread. */
int64_t process_cpu_ns(pid_t pid) {
    char path[320];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    if (!tasks) return -1;
    int64_t sum = 0;
    for (struct dirent *task; (task = readdir(tasks));) {
        if (task->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", (int)pid, task->d_name);
        int64_t spent = first_number(path, 0);
        if (spent > 0) sum += spent;
    }
    closedir(tasks);
    return sum;
}

int64_t process_rss_bytes(pid_t pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    int64_t pages = first_number(path, 1);
    return pages < 0 ? -1 : pages * sysconf(_SC_PAGESIZE);
}

#include "broker/metrics/process.h"
#include "protocol/errors.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_resident(pid_t pid, uint64_t *bytes) {
    char path[64];
    unsigned long long resident = 0;
    snprintf(path, sizeof path, "/proc/%ld/statm", (long)pid);
    FILE *file = fopen(path, "re");
    if (!file) return LEDIG_EIO;
    int found = fscanf(file, "%*u %llu", &resident);
    fclose(file);
    *bytes = resident * (uint64_t)sysconf(_SC_PAGESIZE);
    return found == 1 ? 0 : LEDIG_EIO;
}

/* Since Linux 6.2 the directory's size is their number; before, each has to be walked over. */
static void count_descriptors(pid_t pid, uint64_t *count) {
    char path[64];
    struct stat status;
    snprintf(path, sizeof path, "/proc/%ld/fd", (long)pid);
    if (stat(path, &status) == 0 && status.st_size > 0) {
        *count = (uint64_t)status.st_size;
        return;
    }
    DIR *directory = opendir(path);
    if (!directory) return;
    const struct dirent *entry;
    while ((entry = readdir(directory)))
        if (entry->d_name[0] != '.') ++*count;
    closedir(directory);
}

int process_look(pid_t pid, struct process *process) {
    *process = (struct process){0};
    int error = read_resident(pid, &process->resident_bytes);
    if (!error) count_descriptors(pid, &process->descriptors);
    return error;
}

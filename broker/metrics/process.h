/* What a process takes of the machine, as the kernel tells of it: one's own, or that of a child. Keeps nothing. */
#ifndef LEDIG_METRICS_PROCESS_H
#define LEDIG_METRICS_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

struct process {
    uint64_t resident_bytes;
    uint64_t descriptors; /* open ones; 0 of a process that does not let us look */
};

/* 0, or LEDIG_EIO where there is no such process any more; then all is 0. */
int process_look(pid_t pid, struct process *process);

#endif

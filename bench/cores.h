/* Which core the server runs on and which the load generator, and the clocks by which both are measured.
 *
 * The server gets the first core that this process may use and the generator the second; where there is but one, both
 * share it and the report says so. */
#ifndef LEDIG_BENCH_CORES_H
#define LEDIG_BENCH_CORES_H

#include <stdint.h>
#include <sys/types.h>

struct cores {
    int server, generator;
};

struct cores cores_choose(void); /* before anything is pinned */

/* Pins the calling thread; what it starts later stays there too. 0 or LEDIG_EIO. */
int cores_pin(int core);

int process_pin(pid_t pid, int core); /* another's, of the same user */

int64_t clock_now_ns(void);  /* monotonic */
int64_t clock_cpu_ns(void);  /* of this process, user and system */
int64_t clock_wall_ms(void); /* since the Unix epoch */

/* Of another process: time on a core in all of its threads, and resident memory. -1 where it is gone. */
int64_t process_cpu_ns(pid_t pid);
int64_t process_rss_bytes(pid_t pid);

#endif

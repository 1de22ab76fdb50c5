/* Which cores the server runs on and which the load generator, and the clocks by which both are measured.
 *
 * The server gets the first core that this process may use and the generator the second; where there is but one, both
 * share it and the report says so. Where there are more, further workers and generators get the next ones in turn. */
#ifndef LEDIG_BENCH_CORES_H
#define LEDIG_BENCH_CORES_H

#include <stdint.h>
#include <sys/types.h>

#define CORES_MAX 64

struct cores {
    int server, generator;
    int count, all[CORES_MAX]; /* that this process may use */
};

struct cores cores_choose(void); /* before anything is pinned */

/* The core of the worker or generator with that number; 0 gets `server` and `generator`. */
int cores_of_server(const struct cores *cores, uint32_t number);
int cores_of_generator(const struct cores *cores, uint32_t number);

/* Pins the calling thread; what it starts later stays there too. 0 or LEDIG_EIO. */
int cores_pin(int core);

int process_pin(pid_t pid, int core); /* another's, of the same user */

int64_t clock_now_ns(void);  /* monotonic */
int64_t clock_cpu_ns(void);  /* of this process, user and system */
int64_t clock_wall_ms(void); /* since the Unix epoch */
int64_t clock_wall_us(void);

/* Of another process: time on a core in all of its threads, and resident memory. -1 where it is gone. */
int64_t process_cpu_ns(pid_t pid);
int64_t process_rss_bytes(pid_t pid);

#endif

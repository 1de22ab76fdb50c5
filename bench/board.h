/* What several generator processes share: for every publisher, which changes were asked for, which are acknowledged,
 * and when each was due, so that any process can tell how late a row is that another one's publisher caused.
 *
 * One process writes a publisher's entry, the one that holds its connection; all read. The memory is mapped before the
 * processes are forked, belongs to the first of them, and is touched only where there are publishers. */
#ifndef LEDIG_BENCH_BOARD_H
#define LEDIG_BENCH_BOARD_H

#include "protocol/errors.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Changes of one publisher whose due times are kept. A subscriber that is further behind than that counts from the
 * oldest that is: its latency is then at least what is recorded. */
#define BOARD_DUE_COUNT 1024

struct board_publisher {
    _Atomic int32_t asked, acknowledged; /* sequence numbers; SEQUENCE_NONE = none yet */
};

struct board {
    uint32_t publishers;
    struct board_publisher *publisher;
    _Atomic int64_t *due_ns; /* by sequence number first, so that what was never used is never touched */
    size_t bytes;
};

/* 0, or LEDIG_ENO_MEMORY. */
int board_open(struct board *board, uint32_t publishers);
void board_close(struct board *board); /* {0} too */

/* The publisher's next change; the due time is there before the number is. */
void board_ask(struct board *board, uint32_t publisher, int32_t sequence, int64_t due_ns);
void board_acknowledge(struct board *board, uint32_t publisher, int32_t sequence);

int32_t board_asked(const struct board *board, uint32_t publisher);
int32_t board_acknowledged(const struct board *board, uint32_t publisher);

/* When a change that was asked for should have been sent (monotonic). */
int64_t board_due_ns(const struct board *board, uint32_t publisher, int32_t sequence);

#endif

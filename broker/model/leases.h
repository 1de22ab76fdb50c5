/* Leases as last read from the store: which worker incarnations and routers live, and when the others ended.
 *
 * A lease is a stored fact; nothing ends by a worker's own clock. Its id carries the time at which it was taken, by the
 * store's clock (in hex, before a dash), so that one that stands in no reading is told apart: taken after the reading,
 * it is not known yet and counts as alive; taken before, it ended long ago and was forgotten. Pure; the caller owns it.
 */
#ifndef LEDIG_MODEL_LEASES_H
#define LEDIG_MODEL_LEASES_H

#include "protocol/limits.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct leases;

struct leases *leases_create(void); /* read_at 0: everything counts as alive. NULL when out of memory */
void leases_free(struct leases *leases);

/* A new reading: begin, put each lease that stands in the store, end. `read_at_ms` is the store's time of the reading.
 * Returns from `leases_reading_end` whether any lease ended or vanished since the reading before. */
void leases_reading_begin(struct leases *leases, int64_t read_at_ms);
int leases_reading_put(struct leases *leases, const char *id, int64_t ended_at_ms /* 0 = alive */);
bool leases_reading_end(struct leases *leases);

/* A device whose worker has ended, or whose line was cut, still counts this long; the same on all workers. */
#define SESSION_GRACE_MS 30000 /* unless it is set otherwise */
void leases_set_grace(struct leases *leases, int64_t grace_ms);
int64_t leases_grace_ms(const struct leases *leases); /* NULL is fine */

int64_t leases_read_at(const struct leases *leases);

/* When the lease ended; 0 while it lives (NULL, too, lives: a fact that names no lease hangs on none). */
int64_t leases_ended_at(const struct leases *leases, const char *id);

#endif

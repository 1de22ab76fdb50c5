/* Ids of leases as the store makes them: what the tests that need a lease share. */
#ifndef LEDIG_TESTS_LEASE_FIXTURE_H
#define LEDIG_TESTS_LEASE_FIXTURE_H

#include "protocol/limits.h"
#include <stdint.h>

/* "<taken_at in hex>-<suffix>". */
void lease_id(int64_t taken_at_ms, const char *suffix, char id[static LEDIG_ID_CHARS_MAX + 1]);

#endif

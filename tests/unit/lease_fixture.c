#include "tests/unit/lease_fixture.h"

#include <stdio.h>

void lease_id(int64_t taken_at_ms, const char *suffix, char id[static LEDIG_ID_CHARS_MAX + 1]) {
    snprintf(id, LEDIG_ID_CHARS_MAX + 1, "%llx-%s", (unsigned long long)taken_at_ms, suffix);
}

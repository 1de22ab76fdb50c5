#include "broker/model/leases.h"

#include "protocol/errors.h"
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct lease {
    UT_hash_handle hh;
    int64_t ended_at_ms; /* 0 = alive */
    uint64_t reading;    /* the last one that it stood in */
    char id[];
};

/* What was taken for granted between two readings; apart, so that asking leaves the leases themselves untouched. */
struct assumption {
    bool made; /* a lease that stood in no reading was said to live */
};

struct leases {
    struct lease *by_id;
    struct assumption *assumed;
    int64_t read_at_ms, reading_at_ms, grace_ms;
    uint64_t reading;
    bool changed;
};

struct leases *leases_create(void) {
    struct leases *leases = calloc(1, sizeof *leases);
    struct assumption *assumed = calloc(1, sizeof *assumed);
    if (leases == NULL || assumed == NULL) {
        free(leases);
        free(assumed);
        return NULL;
    }
    leases->assumed = assumed;
    leases->grace_ms = SESSION_GRACE_MS;
    return leases;
}

void leases_free(struct leases *leases) {
    if (leases == NULL) return;
    struct lease *lease, *next;
    HASH_ITER(hh, leases->by_id, lease, next) {
        HASH_DEL(leases->by_id, lease);
        free(lease);
    }
    free(leases->assumed);
    free(leases);
}

/* When it was taken, from an id of the form "<time in hex>-<suffix>"; 1, long ago, for one of another form. */
static int64_t taken_at(const char *id) {
    char *end;
    unsigned long long taken = strtoull(id, &end, 16);
    return *end == '-' && taken > 0 && taken <= INT64_MAX ? (int64_t)taken : 1;
}

/* What a lease that stands in no reading has come to. */
static int64_t absent_ended_at(const struct leases *leases, const char *id) {
    int64_t taken = taken_at(id);
    if (taken < leases->read_at_ms) return taken;
    leases->assumed->made = true;
    return 0;
}

void leases_reading_begin(struct leases *leases, int64_t read_at_ms) {
    leases->reading++;
    leases->reading_at_ms = read_at_ms;
    leases->changed = leases->assumed->made;
    leases->assumed->made = false;
}

int leases_reading_put(struct leases *leases, const char *id, int64_t ended_at_ms) {
    struct lease *lease;
    size_t length = strlen(id);
    HASH_FIND(hh, leases->by_id, id, length, lease);
    if (lease == NULL) {
        lease = calloc(1, sizeof *lease + length + 1);
        if (lease == NULL) return LEDIG_ENO_MEMORY;
        memcpy(lease->id, id, length + 1);
        lease->ended_at_ms = taken_at(id) < leases->read_at_ms ? taken_at(id) : 0;
        HASH_ADD_KEYPTR(hh, leases->by_id, lease->id, length, lease);
        if (lease->hh.tbl == NULL) {
            free(lease);
            return LEDIG_ENO_MEMORY;
        }
    }
    if (lease->ended_at_ms != ended_at_ms) leases->changed = true;
    lease->ended_at_ms = ended_at_ms;
    lease->reading = leases->reading;
    return 0;
}

bool leases_reading_end(struct leases *leases) {
    struct lease *lease, *next;
    HASH_ITER(hh, leases->by_id, lease, next) {
        if (lease->reading == leases->reading) continue;
        if (lease->ended_at_ms == 0) /* one that ended long ago is forgotten in good order */
            leases->changed = true;
        HASH_DEL(leases->by_id, lease);
        free(lease);
    }
    leases->read_at_ms = leases->reading_at_ms;
    return leases->changed;
}

void leases_set_grace(struct leases *leases, int64_t grace_ms) {
    leases->grace_ms = grace_ms;
}

int64_t leases_grace_ms(const struct leases *leases) {
    return leases ? leases->grace_ms : SESSION_GRACE_MS;
}

int64_t leases_read_at(const struct leases *leases) {
    return leases->read_at_ms;
}

int64_t leases_ended_at(const struct leases *leases, const char *id) {
    if (id == NULL) return 0;
    struct lease *lease;
    HASH_FIND(hh, leases->by_id, id, strlen(id), lease);
    return lease != NULL ? lease->ended_at_ms : absent_ended_at(leases, id);
}

/* One import under way: read, checked against the store as a whole, then applied in steps, so that a large file holds
 * up nobody. It ends by itself, also when the service closes; it owns the file's bytes and the roster. */
#ifndef LEDIG_SERVICE_IMPORT_H
#define LEDIG_SERVICE_IMPORT_H

#include "broker/service/http_exchange.h"
#include "broker/service/roster.h"
#include "broker/service/service.h"
#include "broker/service/update.h"

#define IMPORTS_MAX 4          /* at a time, of different companies: bounds the memory that files take */
#define IMPORT_LINES_A_STEP 50 /* read before others get their turn: a fraction of a millisecond */
#define IMPORT_NUMBERS_A_STEP 500
#define IMPORT_READS_A_STEP 100
#define IMPORT_WRITES_A_STEP 100 /* entities of one commit */

struct import_dropped { /* a number that its owner has no longer */
    char *number;
    const struct roster_entry *entry; /* of the roster, which does not grow any more */
};

typedef void (*import_done)(struct import *import, int error); /* 0 also where the roster has faults */

struct import {
    struct service *service;
    struct import *next;
    struct http_exchange *exchange;
    import_done done;
    char company[LEDIG_ID_CHARS_MAX + 1];
    bool dry_run;
    bool is_read;
    bool company_exists;
    bool queues_done;      /* people are written after the queues that they are in */
    int64_t people_max;    /* 0 = any number */
    struct tenant *tenant; /* held while its people are counted */
    uint8_t *bytes;
    struct roster *roster;
    uv_idle_t idle; /* while the file is read */

    size_t at;    /* the next entry or number of the step under way */
    size_t taken; /* numbers before this one were taken, if they were free */
    uint64_t version;

    struct import_dropped *dropped;
    size_t dropped_count, dropped_capacity;

    struct roster_entry *batch[IMPORT_READS_A_STEP]; /* of the request that is open */
    struct roster_number *number_batch[IMPORT_NUMBERS_A_STEP];
};

/* Begins; `done` is called once, from the loop. LEDIG_ENO_MEMORY. */
int import_start(struct service *service, const char *company, bool dry_run, struct http_exchange *exchange,
                 const uint8_t *bytes, size_t length, import_done done);

/* Whether an import of this company is under way. */
bool import_runs(const struct service *service, const char *company);

/* ---- Between import.c and import_apply.c ---- */

/* Ends it, with 0 or an error. */
void import_end(struct import *import, int error);

/* Notes those that the record had and has no longer. LEDIG_ENO_MEMORY. */
int import_note_dropped(struct import *import, const struct roster_entry *entry, const struct texts *before,
                        const struct texts *after);

/* Everything was checked and is right: take the numbers, write, give numbers back. */
void import_apply(struct import *import);

/* Whether the entry, brought into the record as it stands (zeroed where there is none), changes it. `record` becomes
 * what it should be. */
bool import_merge(const struct roster *roster, const struct roster_entry *entry, bool exists, struct record *record);

#endif

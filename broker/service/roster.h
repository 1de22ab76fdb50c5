/* An import file, read line by line and checked: the people and queues in it, or what is wrong with it. Knows nothing
 * of the store. What it says of a fault names a line and a field, never what stands there. The bytes of the file are
 * the caller's and must outlive it; everything else is its own. */
#ifndef LEDIG_SERVICE_ROSTER_H
#define LEDIG_SERVICE_ROSTER_H

#include "broker/service/csv.h"
#include "protocol/limits.h"
#include "protocol/shape.h"
#include <stdbool.h>

#define ROSTER_FAULTS_MAX 100     /* told one by one; the others are counted */
#define ROSTER_QUEUES_MAX 10000   /* of one file; bounds what its lines can make us hold */
#define ROSTER_FIELD_CHARS_MAX 32 /* of the name of a column */

enum roster_column {
    ROSTER_USER,
    ROSTER_NAME,
    ROSTER_NUMBERS,
    ROSTER_DEPARTMENT,
    ROSTER_ROLE,
    ROSTER_QUEUES,
    ROSTER_SCHEDULE,
    ROSTER_COLUMN_COUNT
};

enum roster_change { ROSTER_UNCHANGED, ROSTER_CHANGED, ROSTER_CREATED };

struct roster_entry { /* a person or a queue */
    const char *id;
    const char *name;       /* NULL: a queue that people name and no line defines */
    const char *department; /* NULL = none */
    const char *role;       /* NULL = member */
    const char *schedule;   /* NULL = that of the department or company */
    struct texts numbers;   /* in E.164 */
    struct texts queues;
    struct list tiers; /* struct queue_tier, of those queues where it is not the first */
    uint32_t line;
    bool is_queue;
    uint8_t change; /* enum roster_change; the importer's */
};

struct roster_number {
    const char *number;
    const char *owner; /* as in the index: "acme/user/kari" */
    uint32_t line;
    bool is_free; /* nobody has it yet; the importer's */
};

struct roster_fault {
    uint32_t line;
    char field[ROSTER_FIELD_CHARS_MAX + 1]; /* "" = the line as a whole */
    const char *reason;                     /* a constant */
};

struct numbering_plan;
struct roster_key; /* uthash */

struct roster {
    const char *company;
    const struct entity_names
        *names; /* the importer's, set before the first line: by which owners are named; NULL: by id */
    const struct numbering_plan *plan; /* of national numbers; NULL: there are none */
    struct arena *arena;
    bool has_header;
    int columns[ROSTER_COLUMN_COUNT]; /* where each stands in a record; -1 = it is not in the file, and stays as it is
                                       */
    size_t column_count;
    uint32_t lines;

    struct roster_entry *entries;
    size_t count, capacity;
    struct roster_number *numbers;
    size_t number_count, number_capacity;
    struct roster_key *users, *queues, *taken; /* ids and numbers seen so far */
    struct roster_key *named;                  /* queues that people are in */

    struct roster_fault faults[ROSTER_FAULTS_MAX];
    size_t fault_count; /* also those that are not told */

    struct csv csv;
};

/* NULL when out of memory. `company` is lent for as long as the roster lives. */
struct roster *roster_open(const char *company, const uint8_t *bytes, size_t length);
void roster_close(struct roster *roster); /* NULL is fine */

/* Reads up to so many lines. 1 while there is more, 0 at the end, LEDIG_ETOO_LARGE where the file has more than
 * IMPORT_LINES_MAX lines or too many queues, LEDIG_ENO_MEMORY. Faults are no error here. */
int roster_read(struct roster *roster, size_t lines);

/* Notes a fault; `reason` is a constant. */
void roster_complain(struct roster *roster, uint32_t line, const char *field, const char *reason);

/* As the index of numbers names it: "acme/user/kari". In the roster's arena; NULL when out of memory. */
const char *roster_owner(struct roster *roster, const struct roster_entry *entry);

/* The columns that the file has, as a set of ROSTER_FIELD. */
unsigned roster_fields(const struct roster *roster);

#endif

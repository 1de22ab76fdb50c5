/* One change of one person, queue or company that an administrator asks for by HTTP: checked, its numbers taken in the
 * index over all companies, committed, and the numbers that it frees given back; then answered, once. Edits of one
 * entity wait for each other, so that none gives back a number which the next one has just taken. Knows nothing of what
 * is changed: that is its kind's. It ends by itself, also when the service closes; it owns the request's document. */
#ifndef LEDIG_SERVICE_EDIT_H
#define LEDIG_SERVICE_EDIT_H

#include "broker/service/http_exchange.h"
#include "broker/service/json_reader.h"
#include "broker/service/roster_rules.h"
#include "broker/service/service.h"
#include "broker/service/update.h"

#define EDIT_BODY_BYTES_MAX 32768 /* a person with 64 queues of 64 characters and long names is below 8 KB */

enum edit_verb { EDIT_REPLACE, EDIT_CHANGE, EDIT_REMOVE };

struct edit;

struct edit_kind {
    const char *name;          /* "user", "queue", "company": in the answer, and the field for what concerns the id */
    const char *none;          /* "no such person in this company" */
    const char *const *fields; /* that the body may have; NULL-terminated */
    bool (*read)(struct edit *edit, struct json_reader *reader);
    void (*commit)(struct edit *edit); /* begins it; edit_committed ends it */
    void (*remove)(struct edit *edit); /* the same; NULL: cannot be */
};

struct edit {
    struct edit *before, *next; /* of the service */
    struct service *service;
    struct http_exchange *exchange; /* NULL: has been answered */
    const struct edit_kind *kind;
    enum edit_verb verb;
    json_t *document;
    struct arena *arena;

    struct roster_entry entry; /* what it shall be … */
    unsigned fields;           /* … as far as it was said */
    const char *country;       /* of a company, likewise */
    struct texts prefixes;     /* of forwards to the outside, likewise; not present = none were told */
    const char *strategy;      /* of a queue, likewise */
    int64_t wrap_up_ms;
    bool says_strategy, says_wrap_up;
    void *said; /* what else the kind has read of the body, in the arena */

    bool needs_plan;          /* some numbers are as they were dialled, since the company's country is not known yet */
    bool by_operator;         /* whose token it is */
    bool is_new, has_company; /* found by the commit */
    char dropped[LEDIG_NUMBERS_COUNT_MAX][E164_BYTES]; /* by the commit */
    size_t dropped_count;
    uint64_t version;
    uint64_t removed_version; /* of a removal that is made again; 0 = any */
    int failure;              /* to answer with, once the numbers are settled */
    unsigned settle_tries;
    const char *fault_field, *fault_why; /* constants: why the commit was refused; `why` NULL: as the error says */
    void *removal;                       /* what the kind keeps meanwhile */

    char company[LEDIG_ID_CHARS_MAX + 1], id[LEDIG_ID_CHARS_MAX + 1];
};

/* PUT, PATCH or DELETE of one entity. The token was checked. Answers, at once or later. */
void edit_start(struct service *service, const struct edit_kind *kind, const char *company, const char *id,
                struct http_exchange *exchange, const struct http_request *request);

/* Removes one once more that the store has again after it was removed by the commit of this version; what was written
 * since stays. Nobody is answered. */
void edit_remove_again(struct service *service, const struct edit_kind *kind, const char *company, const char *id,
                       uint64_t version);

/* Reads and checks the body; false after an answer. */
bool edit_read_body(struct edit *edit, const struct http_request *request);

/* Brings those numbers to E.164 that are still as they were dialled. NULL, or what is wrong with one. */
const char *edit_complete_numbers(struct edit *edit, const struct numbering_plan *plan);

/* Whether any of this company is under way. */
bool edit_runs(const struct service *service, const char *company);

/* ---- For the kinds ---- */

/* Reads `name`, `numbers`, … of the body into the entry. False: noted in the reader. */
bool edit_read_name(struct edit *edit, struct json_reader *reader, bool is_needed);
bool edit_read_text(struct edit *edit, struct json_reader *reader, enum roster_column column, const char *field,
                    const char **text);
bool edit_read_numbers(struct edit *edit, struct json_reader *reader);
bool edit_read_queues(struct edit *edit, struct json_reader *reader);

/* Whether the body says something of the field; what a PUT does not say is none. */
bool edit_says(const struct edit *edit, const char *field);

/* To be called from an update_apply, with what stood there before and what stands there after: which are dropped? */
void edit_note_dropped(struct edit *edit, const struct texts *before, const struct texts *after);

/* To be called from an update_apply that refuses; gives `error`. */
int edit_fault(struct edit *edit, int error, const char *field, const char *why);

/* The commit is over. LEDIG_ENOT_FOUND: there is no such company, or no such entity (`has_company` tells). */
void edit_committed(struct edit *edit, int error, uint64_t version);

#endif

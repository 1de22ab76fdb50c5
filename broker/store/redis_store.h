/* The store on Redis, inside: what its parts share. store.h is what others see.
 *
 * A request is one thing that a caller asked and that is answered once: it sends commands, may send them again after a
 * lost link or a refusal, and ends at its deadline. Nothing here ends a request from inside of the call that asked. */
#ifndef LEDIG_STORE_REDIS_STORE_H
#define LEDIG_STORE_REDIS_STORE_H

#include "broker/store/redis_link.h"
#include "broker/store/store.h"

#include <uthash.h>

#define LINEAGE_CHARS_MAX 64 /* a replication id has 40 */
#define KEY_BYTES_MAX 192    /* "ledig:{<company>}:log:<name>:entries" */
#define STORE_DOORBELL_BYTES_MAX 65536
#define LEASES_KEY "ledig:leases"

/* ---- Scripts ---- */

enum script {
    SCRIPT_COMMIT,
    SCRIPT_ADOPT,
    SCRIPT_PRUNE,
    SCRIPT_PAGE,
    SCRIPT_SOME,
    SCRIPT_LEASE,
    SCRIPT_NUMBER,
    SCRIPT_LOG_PAGE,
    SCRIPT_LOG_TRIM,
    SCRIPT_COUNT
};

struct script_source {
    const char *text, *sha;
    size_t length;
};
extern const struct script_source script_sources[SCRIPT_COUNT]; /* made from the .lua files by CMake */

/* ---- Requests ---- */

struct deadline {
    struct deadline *prev, *next;
    uint64_t at_ms; /* by redis_store_clock_ms() */
    int error;
    void (*passed)(struct deadline *deadline, int error);
};

struct request;

struct request_type {
    void (*send)(struct request *request);                            /* by request_command or request_script */
    void (*answer)(struct request *request, const redisReply *reply); /* one call a command, in order; no error reply */
    void (*complete)(struct request *request, int error);             /* tells the caller; may not free */
    void (*release)(struct request *request);                         /* frees */
    void (*lost)(struct request *request, bool written); /* NULL = ask again. The link fell with commands of it under
                                                            way, which may have been written; may end the request */
};

struct request {
    struct request *prev, *next;
    struct deadline deadline;
    struct store *store;
    const struct request_type *type;
    size_t pending; /* commands without an answer */
    bool waits;     /* for the link */
    bool lost, written, again, adopting, ended;
};

/* Registers it and sends it as soon as the store is connected. Without `timed` it has no deadline of its own. */
void request_open(struct store *store, struct request *request, const struct request_type *type, bool timed);

/* One that asks for what cannot be: registers it, sends nothing, and ends it with the next turn of the loop. */
void request_refuse(struct store *store, struct request *request, const struct request_type *type, int error);

/* Ends it with the next turn of the loop. */
void request_fail_soon(struct request *request, int error);

/* Completes it now; it is released as soon as no command of it is under way. Only from the loop. */
void request_end(struct request *request, int error);

/* Sends it again once the answer at hand is dealt with. */
void request_again(struct request *request);

/* Gives it `timeout_ms` from now. */
void request_renew_deadline(struct request *request);

/* One command. On failure the request waits or fails soon by itself. */
void request_command(struct request *request, size_t count, const char *const *words, const size_t *lengths);

/* Words of a command, gathered: start with {0}; the texts are borrowed until it is sent. */
struct words {
    const char **at;
    size_t *lengths;
    size_t count, capacity;
    bool failed;
};
void words_add(struct words *words, const char *text);
void words_add_bytes(struct words *words, const void *bytes, size_t length);
void words_free(struct words *words);

/* EVALSHA with this many keys at the front of `arguments`. */
void request_script(struct request *request, enum script script, size_t keys, const struct words *arguments);

/* Adopts the company whose head was seen with this lineage and epoch, then sends the request again. `even_same`: though
 * the lineage is the server's own. */
void request_adopt(struct request *request, const char *company, const char *lineage, const char *epoch,
                   bool even_same);

/* ---- Keys and stored forms ---- */

struct company_keys {
    char records[KEY_BYTES_MAX], changed[KEY_BYTES_MAX], head[KEY_BYTES_MAX], channel[KEY_BYTES_MAX];
};
void company_keys_make(const char *company, struct company_keys *keys);
void words_add_keys(struct words *words, const struct company_keys *keys); /* records, changed, head */

/* The order of a log, and its entries. */
struct log_keys {
    char order[KEY_BYTES_MAX], entries[KEY_BYTES_MAX];
};
void log_keys_make(const char *company, const char *log, struct log_keys *keys);
bool log_name_is_good(const char *name); /* NULL is not */

/* A head as the scripts answer it: lineage, epoch, version, pruned, earlier. 0 or LEDIG_EDAMAGED. */
int head_read(const redisReply *reply, struct store_head *head, char lineage[static LINEAGE_CHARS_MAX + 1]);

/* A record in its stored form; an empty text is one that was never written. 0 or LEDIG_EDAMAGED. */
int record_read(const char *entity, const char *stored, size_t length, struct store_record *record);

/* A number of at most 16 digits; the second, in a reply of type string. 0 or LEDIG_EDAMAGED. */
int number_parse(const char *text, size_t length, uint64_t *number);
int number_read(const redisReply *reply, uint64_t *number);

/* ---- Companies ---- */

struct change;

struct store_company { /* one that is watched or has changes under way */
    UT_hash_handle hh;
    struct store *store;
    char name[LEDIG_ID_CHARS_MAX + 1];
    struct company_keys keys;

    size_t watches;
    bool subscribed;
    struct watcher *watchers;                 /* whose subscription does not stand yet */
    char known_epoch[LEDIG_ID_CHARS_MAX + 1]; /* the newest head heard of while watched … */
    uint64_t known_version;
    uint64_t expected_version; /* … and when the verify batch was sent */
    char expected_epoch[LEDIG_ID_CHARS_MAX + 1];

    struct slot *slots;   /* entities that changes wait for */
    struct change *ready; /* changes that could begin */
    bool in_ring;         /* there are some, and it may have more batches */
    struct store_company *ring_prev, *ring_next;
    size_t in_flight; /* batches */
};

struct store_company *company_find(struct store *store, const char *name);
struct store_company *company_get(struct store *store, const char *name); /* makes it where there is none */
void company_release(struct store_company *company);                      /* frees it where nothing needs it */
void company_heard(struct store_company *company, const char *epoch, uint64_t version);

/* ---- The store ---- */

struct store {
    uv_loop_t *loop;
    struct metrics *metrics; /* never NULL */
    struct metrics own_metrics;
    uint64_t opened_ms;
    struct store_options options;
    struct redis_link *commands, *changes;
    bool ready; /* `connected` was told */
    bool closing;
    bool told_why; /* a first failure to connect was told */

    struct request *requests;
    struct deadline *deadlines;
    uv_timer_t deadline_timer, verify_timer;
    uv_idle_t begin; /* changes, and the end of the store */
    unsigned open_parts;

    char lineage[LINEAGE_CHARS_MAX + 1];

    bool has_offset;
    int64_t offset_ms;      /* the server's clock less redis_store_clock_ms() */
    int64_t clock_error_ms; /* how far that can be off */
    int64_t told_now_ms;    /* so that it never goes backwards */
    uint64_t verified_ms;
    struct verify *verify;  /* the batch under way, or NULL */
    uint64_t verify_number; /* of the last batch that was begun */
    bool verify_wanted;     /* another, once this one ends */
    struct verify_waiter *verify_waiters;

    struct store_company *companies;
    struct store_company *ring; /* those with changes that could begin, in turn */

    void (*closed)(void *arg);
    void *closed_arg;
};

uint64_t redis_store_clock_ms(void); /* monotonic */

void deadline_add(struct store *store, struct deadline *deadline);
void deadline_remove(struct store *store, struct deadline *deadline);
void deadline_now(struct store *store, struct deadline *deadline, int error);

void scripts_load(struct store *store); /* sends what makes EVALSHA work; done before any command that follows */

/* redis_change.c */
void changes_begin_soon(struct store *store);

/* redis_watch.c */
void watch_link_up(struct store *store);
void watch_link_down(struct store *store);
void watch_told(struct store *store, const redisReply *message);
void watch_ping(struct store *store); /* so that a line that is dead is noticed: nothing else is sent on it for long */

/* redis_verify.c */
void verify_begin(struct store *store); /* or once more after the one under way */
void verify_link_down(struct store *store);
void verify_ended(struct store *store, int error);     /* in redis_store.c: goes on from there */
int64_t clock_of_server_ms(const struct store *store); /* as estimated now; unlike store_now_ms it may go backwards */
void clock_set(struct store *store, int64_t now_ms, uint64_t sent_ms); /* the server's clock in an answer */

/* Zeroed memory for a request. A process that cannot get a few hundred bytes cannot keep the contract of store.h (every
 * completion once, from the loop) and ends; the supervisor starts another. */
void *store_allocate(size_t bytes);
char *store_copy(const void *bytes, size_t length); /* with a NUL behind it */

#endif

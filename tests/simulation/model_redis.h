/* A model of the one Redis that all workers share: what the store's scripts do to it, in the terms of their headers
 * (the .lua files of broker/store), on the virtual clock. Answers at once; how long the way takes is the network's. It
 * holds the truth by which a run is judged. Never loses a write that it has acknowledged. */
#ifndef LEDIG_SIMULATION_MODEL_REDIS_H
#define LEDIG_SIMULATION_MODEL_REDIS_H

#include "broker/store/redis_store.h"
#include "tests/simulation/timeline.h"

struct model_record {
    UT_hash_handle hh;
    struct model_record *before, *after; /* in the order of their last change */
    uint64_t revision;
    uint8_t *bytes; /* NULL = tombstone */
    size_t length;
    int64_t removed_at_ms;
    char entity[];
};

struct model_company {
    UT_hash_handle hh;
    char lineage[LINEAGE_CHARS_MAX + 1], epoch[LEDIG_ID_CHARS_MAX + 1]; /* "" = it does not exist */
    uint64_t version, pruned;
    char earlier[1024];
    struct model_record *records, *changed;
    char name[LEDIG_ID_CHARS_MAX + 1];
};

struct model_lease {
    UT_hash_handle hh;
    int64_t renewed_at_ms, ended_at_ms, length_ms;
    char id[LEDIG_ID_CHARS_MAX + 1];
};

struct model_named; /* a text under a name */
struct model_log;   /* what commits have kept under a key */

/* What was stored under one version. */
struct model_commit {
    const struct model_company *company;
    uint64_t version;
    const struct model_record *const *records; /* as they stand now; those taken out are left out */
    size_t count;
};

struct model_redis {
    struct timeline *timeline;
    int64_t began_ms; /* its clock at the beginning */
    char lineage[LINEAGE_CHARS_MAX + 1];
    uint64_t generation; /* of the process: connections of an earlier one are closed */
    bool is_away;
    struct model_company *companies;
    struct model_lease *leases;
    struct model_named *lease_of, *numbers;
    struct model_log *logs;
    int64_t seen_since_ms, seen_at_ms;
    char seen_lineage[LINEAGE_CHARS_MAX + 1];

    /* Called from inside of a command; may read the model. */
    void (*committed)(void *arg, const struct model_commit *commit);
    void (*published)(void *arg, const char *channel, const struct buffer *message);
    void (*leases_changed)(void *arg); /* one has ended, or was taken */
    void *arg;
};

void model_redis_open(struct model_redis *redis, struct timeline *timeline, int64_t began_ms);
void model_redis_close(struct model_redis *redis);

int64_t model_redis_now_ms(const struct model_redis *redis);

/* The process ends, or starts with another replication id and all that it had acknowledged. */
void model_redis_stop(struct model_redis *redis);
void model_redis_start(struct model_redis *redis);

/* Runs a command. The reply is the caller's: model_reply_free. */
redisReply *model_redis_run(struct model_redis *redis, size_t count, const char *const *words, const size_t *lengths);

const struct model_company *model_redis_company(const struct model_redis *redis, const char *name);
const struct model_record *model_redis_record(const struct model_redis *redis, const char *company, const char *entity);

/* A commit of one record, made by somebody outside of the simulation. */
void model_redis_write(struct model_redis *redis, const char *company, const char *entity, const struct buffer *bytes);

/* ---- Replies ---- */

redisReply *model_reply_text(const char *text);
redisReply *model_reply_bytes(const void *bytes, size_t length);
redisReply *model_reply_number(int64_t number); /* as a text, as the scripts answer */
redisReply *model_reply_integer(long long integer);
redisReply *model_reply_nil(void);
redisReply *model_reply_list(size_t count); /* filled by the caller: `element` */
void model_reply_add(redisReply *list, redisReply *one);
void model_reply_free(redisReply *reply);

/* ---- Between the files of the model ---- */

struct model_arguments {
    const char *const *words;
    const size_t *lengths;
    size_t count;
};
struct model_company *model_company_of_key(struct model_redis *redis, const char *key);
redisReply *model_script_run(struct model_redis *redis, enum script script, size_t keys,
                             const struct model_arguments *arguments);
redisReply *model_head_reply(const struct model_company *company);
redisReply *model_record_reply(const struct model_record *record, bool nil_where_absent);
redisReply *model_lease_run(struct model_redis *redis, const struct model_arguments *arguments);
struct model_record *model_record_find(const struct model_company *company, const char *entity);
void model_record_take_out(struct model_company *company, struct model_record *record);
const char *model_named_get(const struct model_named *names, const char *name);
void model_named_set(struct model_named **names, const char *name, const char *text); /* NULL takes it out */
void model_log_keep(struct model_redis *redis, const char *order, const char *id, int64_t at_ms, const void *bytes,
                    size_t length);
void model_log_drop(struct model_redis *redis, const char *order);
redisReply *model_log_page(const struct model_redis *redis, const char *order, int64_t from_ms, int64_t before_ms,
                           size_t limit);
redisReply *model_log_trim(struct model_redis *redis, const char *order, int64_t before_ms, size_t most);
redisReply *model_log_count(const struct model_redis *redis, const char *order, int64_t from_ms);
void model_logs_close(struct model_redis *redis);
bool model_named_expire(struct model_named **names, bool (*is_over)(void *arg, const char *text), void *arg);

#endif

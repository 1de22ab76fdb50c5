/* The judge: sees each commit as it stands in the store, and every so often the time pass, and says where one of the
 * promises of routing is broken. Judges by the store's truth and clock alone, never by what a worker thinks. */
#ifndef LEDIG_SIMULATION_JUDGE_H
#define LEDIG_SIMULATION_JUDGE_H

#include "broker/model/availability.h"
#include "tests/simulation/model_redis.h"

#define JUDGE_AGENTS_MAX 64
#define JUDGE_QUEUES_MAX 4
#define JUDGE_QUICK_US 20000 /* what a commit and its doorbell take at the most, while all is quick */
#define JUDGE_FREE_US_MAX 1000000
#define JUDGE_TURN_US 200000
#define JUDGE_LOOK_MS 50             /* between two looks at what time alone has changed */
#define JUDGE_CLOCK_MS 20            /* a worker's clock is off by less while all is quick … */
#define JUDGE_RESTLESS_CLOCK_MS 2000 /* … and by less than this where answers are slow */

struct world;

struct truth_agent {
    char user[LEDIG_ID_CHARS_MAX + 1];
    struct profile_record *profile;
    struct state_record *state; /* NULL: no consent */
    uint64_t revision;
    int64_t changed_us;
    int64_t left_us[JUDGE_QUEUES_MAX]; /* since when free while somebody waits; 0 = not so */
    struct {                           /* somebody else was claimed, though this one came first */
        int64_t since_us;
        uint64_t revision;
        char call[64];
    } passed_over;
};

struct truth_call {
    UT_hash_handle hh;
    struct call_record *record;
    int64_t changed_us;
    char id[];
};

struct judge {
    struct world *world;
    struct truth_agent agents[JUDGE_AGENTS_MAX];
    size_t agent_count;
    struct queue_record *queues[JUDGE_QUEUES_MAX];
    size_t queue_count;
    int64_t free_us[JUDGE_QUEUES_MAX]; /* since when anybody is free; 0 = nobody is */
    struct company_record *settings;
    struct truth_call *calls;
    struct leases *leases;
    struct arena *arena;
    uint64_t orders_judged, ranks_judged, takeovers_judged; /* so that a run that judged nothing shows */
    bool found;
    char fault[512];
};

void judge_open(struct judge *judge, struct world *world);
void judge_close(struct judge *judge);

void judge_commit(struct judge *judge, const struct model_commit *commit);
void judge_leases(struct judge *judge);
void judge_time(struct judge *judge); /* some time has passed */
void judge_end(struct judge *judge);  /* the routers are gone for longer than their leases: nobody may be held */

/* The first fault counts. */
void judge_fault(struct judge *judge, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- Between the files of the judge ---- */
struct truth_grant {                 /* a claim that a commit gives */
    const struct truth_agent *agent; /* as it was before */
    const struct own_call *own;      /* as it is now */
    int queue;
};
void judge_grant(struct judge *judge, const struct truth_grant *grant);
int64_t judge_now_ms(const struct judge *judge);
bool judge_is_restless(const struct judge *judge);
bool judge_is_live(const struct judge *judge, const struct own_call *own);
bool judge_is_free(const struct judge *judge, const struct truth_agent *agent, int queue, int64_t at_ms);
bool judge_waits(const struct judge *judge, const struct call_record *call, int queue, int64_t at_ms);
const struct call_record *judge_call(const struct judge *judge, const char *id);
int judge_queue(const struct judge *judge, const char *id);

#endif

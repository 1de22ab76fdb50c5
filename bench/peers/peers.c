/* peers: the fan-out and the burst of Ledig beside those of other products, with the same generator, as many
 * subscribers and messages of the same size. All servers are on the same core and stay connected; rounds take turns, so
 * that whatever else the machine does meets all of them, and who is not at turn has nothing to do. */
#include "bench/figures.h"
#include "bench/peers/standings.h"
#include "bench/terminal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONTENDERS_MAX 3
#define WARM_UP_NS 300000000

static const struct peer *const known[] = {&peer_nats, &peer_mosquitto};
static_assert(sizeof known / sizeof *known < CONTENDERS_MAX, "and Ledig");

struct contest {
    struct scenario *scenario;
    struct contender contender[CONTENDERS_MAX]; /* Ledig, then those peers that are installed */
    uint32_t count;
    const struct peer *peer[CONTENDERS_MAX];
    char program[CONTENDERS_MAX][PATH_MAX];
    size_t payload_bytes;
    json_t *skipped;                           /* keys of those that are not */
    int64_t measured_ns, cpu_ns, generator_ns; /* of Ledig's rounds; of its app workers */
    int64_t rounds_ns, idlers_ns;              /* of all rounds; of the servers that were not at turn */
};

static void find_peers(struct contest *contest) {
    contest->count = 1;
    contest->skipped = json_array();
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (server_find(known[i], contest->program[contest->count])) {
            contest->peer[contest->count++] = known[i];
            continue;
        }
        json_array_append_new(contest->skipped, json_string(known[i]->key));
        complain(0, "%s is skipped: %s is not installed (Debian's package has that name)", known[i]->name,
                 known[i]->program);
    }
}

static int warm_up(struct contender *contender) {
    struct contender_round round;
    for (enum contender_mode mode = 0; mode < CONTENDER_MODES; mode++) {
        int error = contender_play(contender, mode, WARM_UP_NS, &round);
        if (error != 0) return error;
    }
    return 0;
}

/* A peer's message is as long as what a change takes in Ledig's frames, when they hold many. */
static size_t choose_payload(const struct tally *before, const struct tally *now) {
    const uint64_t rows = now->deliveries - before->deliveries, bytes = now->wire_bytes - before->wire_bytes;
    const uint64_t each = rows ? bytes / rows : 0;
    return each < AUDIENCE_PAYLOAD_BYTES_MIN   ? AUDIENCE_PAYLOAD_BYTES_MIN
           : each > AUDIENCE_PAYLOAD_BYTES_MAX ? AUDIENCE_PAYLOAD_BYTES_MAX
                                               : (size_t)each;
}

static int open_all(struct contest *contest) {
    struct scenario *scenario = contest->scenario;
    const uint32_t sockets = (contest->count - 1) * (scenario->plan.subscribers + AUDIENCE_PUBLISHING);
    int error = scenario_gather(scenario, sockets);
    if (error != 0) return error;
    const struct tally before = scenario->crowd.tally;
    contender_be_ledig(&contest->contender[0], scenario);
    if ((error = warm_up(&contest->contender[0])) != 0) return error;
    contest->payload_bytes = choose_payload(&before, &scenario->crowd.tally);
    for (uint32_t i = 1; i < contest->count && error == 0; i++) {
        struct contender *contender = &contest->contender[i];
        error = contender_be_peer(contender, scenario, contest->peer[i], contest->program[i], contest->payload_bytes);
        if (error == 0) error = warm_up(contender);
    }
    return error;
}

/* Processor time of all the servers but this one. */
static int64_t others_cpu_ns(const struct contest *contest, uint32_t which) {
    int64_t sum = 0;
    for (uint32_t i = 0; i < contest->count; i++)
        if (i != which) sum += contest->contender[i].ways->cpu_ns(&contest->contender[i]);
    return sum;
}

static int play_round(struct contest *contest, uint32_t which, enum contender_mode mode, uint32_t nth,
                      int64_t duration_ns) {
    struct contender *contender = &contest->contender[which];
    const struct subject *subject = &contest->scenario->subject;
    const int64_t idlers_ns = others_cpu_ns(contest, which), cpu_ns = subject_cpu_ns(subject), own_ns = clock_cpu_ns(),
                  began_ns = clock_now_ns();
    int error = contender_play(contender, mode, duration_ns, &contender->rounds[mode][nth]);
    if (error != 0) return error;
    const int64_t took_ns = clock_now_ns() - began_ns;
    contest->rounds_ns += took_ns;
    contest->idlers_ns += others_cpu_ns(contest, which) - idlers_ns;
    if (which != 0) return 0;
    contest->measured_ns += took_ns;
    contest->cpu_ns += subject_cpu_ns(subject) - cpu_ns;
    contest->generator_ns += clock_cpu_ns() - own_ns;
    return 0;
}

/* Who begins takes turns as well. */
static int play(struct contest *contest) {
    const struct plan *plan = &contest->scenario->plan;
    const uint32_t each = contest->count * CONTENDER_MODES;
    const int64_t duration_ns = (int64_t)(plan->seconds * 1e9 / plan->rounds / each);
    for (uint32_t i = 0; i < plan->rounds; i++)
        for (uint32_t s = 0; s < each; s++) {
            const enum contender_mode mode = (enum contender_mode)(s / contest->count);
            progress_show("rounds", i * each + s, (uint64_t)plan->rounds * each);
            int error = play_round(contest, (s + i) % contest->count, mode, i, duration_ns);
            if (error != 0) return error;
        }
    progress_end();
    return 0;
}

/* The peers' final views: the code that the program is to end with. */
static int judge(const struct contest *contest) {
    int code = 0;
    for (uint32_t i = 1; i < contest->count; i++) {
        const struct audience *audience = &contest->contender[i].audience;
        const uint32_t wrong = audience_wrong_views(audience);
        const uint64_t lost = audience_lost(audience);
        if (wrong == 0 && lost == 0 && audience->broken == 0) continue;
        code = 2;
        complain(0, "%s: %u wrong views, %llu messages lost, %u connections cut off, %llu not understood%s%s",
                 contest->contender[i].name, (unsigned)wrong, (unsigned long long)lost, (unsigned)audience->dropped,
                 (unsigned long long)audience->broken, audience->complaint[0] ? ":" : "", audience->complaint);
    }
    return code;
}

static json_t *make_report(const struct contest *contest, const struct standings *standings) {
    json_t *more = json_object();
    report_count(more, "rounds", standings->rounds);
    report_count(more, "payload_bytes", (int64_t)contest->payload_bytes);
    report_number(more, "idle_servers_cpu", (double)contest->idlers_ns / (double)contest->rounds_ns);
    json_object_set_new(more, "peers", standings_report(standings));
    json_object_set(more, "skipped", contest->skipped);
    return more;
}

static void print(const struct contest *contest, const struct standings *standings, const struct figures *figures) {
    const struct plan *plan = &contest->scenario->plan;
    char subscribers[REPORT_GROUPED_CHARS];
    printf("peers: %s subscribers of each, %zu bytes a change; %u rounds of each in turn\n",
           report_grouped(plan->subscribers, subscribers), contest->payload_bytes, (unsigned)standings->rounds);
    standings_print(standings);
    printf("  right views %u of %u", (unsigned)(plan->subscribers - figures->verdict.wrong_views),
           (unsigned)plan->subscribers);
    for (uint32_t i = 1; i < contest->count; i++)
        printf(", %s %u", contest->contender[i].name,
               (unsigned)(plan->subscribers - audience_wrong_views(&contest->contender[i].audience)));
    printf("; lost %llu", (unsigned long long)figures->verdict.lost);
    for (uint32_t i = 1; i < contest->count; i++)
        printf(", %llu", (unsigned long long)audience_lost(&contest->contender[i].audience));
    putchar('\n');
    printf("  of a core, the servers that were not at turn took %.2f %%",
           (double)contest->idlers_ns * 100 / (double)contest->rounds_ns);
    if (contest->scenario->subject.redis)
        printf("; of what Ledig took, %.0f %% is its Redis, which writes to disk",
               (double)figures->redis_ns * 100 / (double)(contest->cpu_ns + figures->redis_ns));
    putchar('\n');
}

static int measure(struct contest *contest) {
    struct scenario *scenario = contest->scenario;
    const struct plan *plan = &scenario->plan;
    const struct standings standings = {contest->contender, contest->count, plan->rounds};
    struct figures figures;
    if (open_all(contest) != 0) return 1;
    figures_begin(&figures, scenario);
    if (play(contest) != 0) return 1;
    figures_end(&figures, scenario, 0, contest->measured_ns); /* of Ledig's rounds alone */
    figures.cpu_ns = contest->cpu_ns;
    figures.generator_ns = contest->generator_ns;
    figures.wall_ns = contest->measured_ns;
    scenario->tells_itself = true;
    int code = figures_conclude(&figures, scenario, make_report(contest, &standings));
    if (code != 1 && plan_tells(plan)) print(contest, &standings, &figures);
    const int peers_code = judge(contest);
    return code ? code : peers_code;
}

int peers_run(struct scenario *scenario) {
    if (scenario->subject.worker_count == 0)
        return complain(1, "the broker's processes cannot be seen from here, so its core cannot be compared");
    struct contest *contest = calloc(1, sizeof *contest);
    if (!contest) return complain(1, "out of memory");
    contest->scenario = scenario;
    find_peers(contest);
    int code = measure(contest);
    for (uint32_t i = 0; i < CONTENDERS_MAX; i++)
        contender_close(&contest->contender[i]);
    json_decref(contest->skipped);
    free(contest);
    return code;
}

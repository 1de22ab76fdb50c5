/* ledig-bench: the command line. */
#include "bench/compare.h"
#include "bench/rounds.h"
#include "bench/router.h"
#include "bench/scenario.h"
#include "bench/terminal.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define SUBSCRIBERS_MAX 1000000
#define COMPANIES_MAX 100000
#define RATE_MAX 1e6
#define SECONDS_MAX 86400
#define CHANGES_MAX 1e5
#define SEED_MAX 4294967295.0
#define STALL_SPARE_MS 3000
#define STALL_FILL_MS 25 /* to fill the socket of one: those who read again shall not be dropped before */
#define TURNS_MIN 3      /* of rounds, for a median */
#define IDLE_COMPANY 100 /* subscribers of each company of `idle`, where it is not said */

/* What the command line does not say is taken from here; 0 = as said below. */
struct entry {
    const char *name, *help, *title;
    int (*run)(struct scenario *scenario);
    struct plan plan;
};

static const struct entry entries[] = {
    {"fanout",
     "changes on schedule, each to all colleagues: rates and latencies",
     "Changes on schedule, each to all colleagues",
     fanout_run,
     {.subscribers = 1000, .companies = 1, .publishers = 16, .rate = 100, .seconds = 10, .spreads = true}},
    {"burst",
     "changes as fast as they are taken, beside the raw send() loop",
     "Changes as fast as they are taken",
     burst_run,
     {.subscribers = 1000, .companies = 1, .publishers = CROWD_PUBLISHERS_MAX, .people = 10000, .seconds = 24}},
    {"latency",
     "until the last colleague has it, beside the loop and a bare write",
     "From a change until colleagues have it",
     latency_run,
     {.subscribers = 1000, .companies = 1, .publishers = 16, .rate = 20, .seconds = 10}},
    {"idle",
     "memory and processor time of connections that do nothing",
     "Connections that do nothing",
     idle_run,
     {.subscribers = 10000, .publishers = CROWD_PUBLISHERS_MAX, .seconds = 5, .spreads = true}},
    {"storm",
     "everybody comes back at once, while others watch",
     "Everybody comes back at once, while others watch",
     storm_run,
     {.subscribers = 16000,
      .companies = 150,
      .publishers = 16,
      .watchers = 1000,
      .rate = 20,
      .seconds = 9,
      .spreads = true,
      .storms = true}},
    {"stall",
     "some stop reading: what the others notice",
     "Some stop reading: what the others notice",
     stall_run,
     {.subscribers = 10000, .companies = 1, .publishers = 16, .rate = 10, .seconds = 30, .stalled = 1000}},
    {"grow",
     "what a change costs against followers and connections",
     "What a change costs the broker",
     grow_run,
     {.subscribers = 8000, .companies = 1, .publishers = 8, .rate = 50, .seconds = 36, .run_starts_small = true}},
    {"ask",
     "a router's questions on schedule, while people change",
     "A router asks while people change",
     ask_run,
     {.subscribers = 1000,
      .companies = 1,
      .publishers = 100,
      .rate = 2000,
      .changes = 20,
      .connections = 32,
      .seconds = 10,
      .spreads = true,
      .asks = true}},
    {"mixed",
     "a working day in a few seconds: arrivals, meetings, lunches, phones that change network",
     "A working day in a few seconds",
     mixed_run,
     {.subscribers = 2000, .publishers = CROWD_PUBLISHERS_MAX, .seconds = 30, .spreads = true, .is_mixed = true}},
    {"peers",
     "fan-out and burst beside NATS and Mosquitto, as far as installed",
     "Fan-out and burst beside NATS and Mosquitto",
     peers_run,
     {.subscribers = 1000, .companies = 1, .publishers = CROWD_PUBLISHERS_MAX, .seconds = 60, .sides = 6}},
};

static const char head[] =
    "Usage: ledig-bench SCENARIO [options]\n"
    "\n"
    "Measures a broker, and checks what every subscriber received. Starts a broker of its own on the first core and\n"
    "itself on the second, and takes both away again, unless --url names one that runs.\n"
    "\n"
    "Scenarios, with the subscribers that they have if it is not said:\n";

static const char tail[] =
    "  fanout --against-limit  short rounds in turn with the raw send() loop: what part of it is reached\n"
    "\n"
    "Options:\n"
    "  --subscribers N   connections in all\n"
    "  --companies N     that they are spread over (idle: one for each 100)\n"
    "  --people N        of each company (as many as subscribers, at most 1,000; burst 10,000)\n"
    "  --publishers N    people of each company who change (16; burst and idle all)\n"
    "  --rate R          changes a second in all (ask: questions)\n"
    "  --changes R       a second in all, while questions are asked (ask)\n"
    "  --connections N   over which questions are asked (ask: 32)\n"
    "  --saturate        the next question as soon as a connection is free: the most answers a second (ask)\n"
    "  --seed N          of what happens at random: the same for the same seed (ask, mixed; 1)\n"
    "  --seconds S       how long\n"
    "  --rounds N        of each side, where rounds take turns (one a second, at least 8)\n"
    "  --stalled N       subscribers that stop reading (stall)\n"
    "  --watchers N      subscribers that stay connected (storm)\n"
    "  --patience S      to wait for what does not come, before it counts as lost (15)\n"
    "  --json FILE       the result as one JSON object; - is standard output, without the table\n"
    "  --svg FILE        a plot: latency by percentile; of grow, cost against size\n"
    "  --compare FILE    an earlier --json of the same scenario, set beside this run\n"
    "  --workers N       of the broker that is started, for apps (one for each 15,000 connections)\n"
    "  --generators N    processes of this one (fanout, idle, storm, ask, mixed; one for each 15,000 connections).\n"
    "                    burst, latency, stall, grow and --against-limit have one, and no more connections than a\n"
    "                    process may have descriptors (ulimit -Hn)\n"
    "  --tls             the broker that is started speaks TLS, with a P-256 certificate made for it\n"
    "  --full-handshakes no TLS session is resumed\n"
    "  --url URL         a broker that runs, ws://host:port/v1; it gets companies bench-00000, bench-00001, …\n"
    "  --ca FILE         certificates that vouch for it, where its URL begins with wss://\n"
    "  --router-url URL  its routers' port, if DATA/ledigd.json does not say\n"
    "  --data DIR        its data directory, for the key that signs tokens\n"
    "\n"
    "Examples:\n"
    "  ledig-bench fanout --subscribers 1000 --rate 200\n"
    "  ledig-bench fanout --subscribers 1000 --against-limit --json out.json\n"
    "  ledig-bench latency --svg latency.svg\n"
    "  ledig-bench idle --subscribers 10000 --compare last.json\n"
    "  ledig-bench peers --json peers.json\n"
    "  ledig-bench ask --rate 5000 --changes 50\n"
    "  ledig-bench mixed --subscribers 2000 --seconds 30 --seed 7\n"
    "  ledig-bench fanout --url ws://127.0.0.1:7700/v1 --data var/data\n"
    "\n"
    "Exit code 0; 1 where it could not be set up; 2 where a view was wrong or a change lost.\n";

static void print_help(void) {
    fputs(head, stdout);
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        printf("  %-8s %6u  %s\n", entries[i].name, (unsigned)entries[i].plan.subscribers, entries[i].help);
    fputs(tail, stdout);
}

static const struct entry *find_entry(const char *name) {
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        if (strcmp(entries[i].name, name) == 0) return &entries[i];
    complain(0, "there is no scenario \"%s\"; see ledig-bench --help", name);
    return NULL;
}

static bool parse_number(const char *name, const char *text, double low, double high, double *value) {
    char *end;
    errno = 0;
    *value = strtod(text, &end);
    if (errno == 0 && end != text && *end == '\0' && *value >= low && *value <= high) return true;
    complain(0, "--%s takes a number from %g to %g", name, low, high);
    return false;
}

static bool parse_count(const char *name, const char *text, double high, uint32_t *count) {
    double value;
    if (!parse_number(name, text, 1, high, &value)) return false;
    *count = (uint32_t)value;
    return true;
}

static bool parse_option(struct plan *plan, const char *name, const char *text) {
    if (strcmp(name, "subscribers") == 0) return parse_count(name, text, SUBSCRIBERS_MAX, &plan->subscribers);
    if (strcmp(name, "companies") == 0) return parse_count(name, text, COMPANIES_MAX, &plan->companies);
    if (strcmp(name, "people") == 0) return parse_count(name, text, EMPLOYER_PEOPLE_MAX, &plan->people);
    if (strcmp(name, "stalled") == 0) return parse_count(name, text, SUBSCRIBERS_MAX, &plan->stalled);
    if (strcmp(name, "watchers") == 0) return parse_count(name, text, SUBSCRIBERS_MAX, &plan->watchers);
    if (strcmp(name, "publishers") == 0) return parse_count(name, text, CROWD_PUBLISHERS_MAX, &plan->publishers);
    if (strcmp(name, "rounds") == 0) return parse_count(name, text, ROUNDS_MAX, &plan->rounds);
    if (strcmp(name, "rate") == 0) return parse_number(name, text, 0.1, RATE_MAX, &plan->rate);
    if (strcmp(name, "seconds") == 0) return parse_number(name, text, 0.1, SECONDS_MAX, &plan->seconds);
    if (strcmp(name, "patience") == 0) return parse_number(name, text, 0.1, 3600, &plan->patience_s);
    if (strcmp(name, "changes") == 0) return parse_number(name, text, 0.1, CHANGES_MAX, &plan->changes);
    if (strcmp(name, "connections") == 0) return parse_count(name, text, ROUTER_CONNECTIONS_MAX, &plan->connections);
    if (strcmp(name, "seed") == 0) return parse_count(name, text, SEED_MAX, &plan->seed);
    if (strcmp(name, "saturate") == 0) plan->saturates = true;
    if (strcmp(name, "workers") == 0) return parse_count(name, text, SUBJECT_WORKERS_MAX, &plan->workers);
    if (strcmp(name, "generators") == 0) return parse_count(name, text, GENERATORS_MAX, &plan->generators);
    if (strcmp(name, "ca") == 0) plan->trust = text;
    if (strcmp(name, "tls") == 0) plan->tls = true;
    if (strcmp(name, "full-handshakes") == 0) plan->forgets_sessions = true;
    if (strcmp(name, "json") == 0) plan->json = text;
    if (strcmp(name, "svg") == 0) plan->svg = text;
    if (strcmp(name, "compare") == 0) plan->compare = text;
    if (strcmp(name, "url") == 0) plan->url = text;
    if (strcmp(name, "router-url") == 0) plan->router_url = text;
    if (strcmp(name, "data") == 0) plan->data = text;
    if (strcmp(name, "against-limit") == 0) plan->against_limit = true;
    return true;
}

static void fill(uint32_t *value, uint32_t standard) {
    if (*value == 0) *value = standard;
}

static void fill_in(struct plan *plan, const struct plan *standard) {
    plan->spreads = standard->spreads && !plan->against_limit;
    plan->storms = standard->storms;
    plan->asks = standard->asks;
    plan->is_mixed = standard->is_mixed;
    fill(&plan->connections, standard->connections);
    fill(&plan->seed, 1);
    if (plan->changes == 0) plan->changes = standard->changes;
    fill(&plan->subscribers, standard->subscribers);
    fill(&plan->companies, standard->companies);
    fill(&plan->companies, (plan->subscribers + IDLE_COMPANY - 1) / IDLE_COMPANY);
    fill(&plan->publishers, standard->publishers);
    if (standard->run_starts_small && plan->publishers > plan->subscribers / GROW_PARTS)
        plan->publishers = plan->subscribers / GROW_PARTS ? plan->subscribers / GROW_PARTS : 1;
    fill(&plan->people, standard->people);
    if (standard->watchers)
        fill(&plan->watchers,
             plan->subscribers < standard->subscribers ? plan->subscribers / 16 + 1 : standard->watchers);
    if (standard->stalled) fill(&plan->stalled, plan->subscribers / 10);
    if (standard->sides) {
        double turns = (plan->seconds > 0 ? plan->seconds : standard->seconds) / standard->sides;
        fill(&plan->rounds, turns > TURNS_MIN ? (uint32_t)turns : TURNS_MIN);
    }
    fill(&plan->rounds, plan->seconds > 8 ? (uint32_t)plan->seconds : plan->seconds > 0 ? 8 : 10);
    if (plan->rounds > ROUNDS_MAX) plan->rounds = ROUNDS_MAX;
    if (plan->patience_s == 0) plan->patience_s = 15;
    if (plan->seconds == 0) plan->seconds = standard->seconds;
    if (plan->rate == 0 && !plan->against_limit && !plan->saturates) plan->rate = standard->rate;
}

/* Its companies are of different sizes; and the broker's own times are shortened with it. */
static void adapt_to_day(struct plan *plan) {
    static const char *const flags[] = {"--grace-ms", "1000", "--background-ms", "1000"};
    struct group groups[SCENARIO_GROUPS_MAX];
    size_t count = scenario_group(plan, groups);
    plan->companies = 0;
    for (size_t i = 0; i < count; i++)
        plan->companies += groups[i].companies;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        plan->flags[i] = flags[i];
}

/* What was not said. False after a complaint. */
static bool complete(struct plan *plan, const struct entry *entry) {
    const bool is_several = plan->companies > 0 || plan->publishers > 0 || plan->people > 0 || plan->rate > 0;
    bool may_compare = strcmp(entry->name, "fanout") == 0;
    fill_in(plan, &entry->plan);
    if (strcmp(entry->name, "stall") == 0) {
        plan->flags[0] = "--stall-ms";
        plan->flags[1] = plan->stall_ms;
        snprintf(plan->stall_ms, sizeof plan->stall_ms, "%.0f",
                 plan->seconds * 2000 + STALL_SPARE_MS + plan->stalled * STALL_FILL_MS);
        if (plan->patience_s < 2 * plan->seconds + 2 * STALL_SPARE_MS / 1000.0)
            plan->patience_s = 2 * plan->seconds + 2 * STALL_SPARE_MS / 1000.0;
    }
    if (plan->is_mixed) adapt_to_day(plan);
    if (plan->is_mixed && is_several)
        complain(0, "mixed makes companies, people and changes out of --subscribers and --seed");
    else if (!plan->asks && plan->saturates)
        complain(0, "--saturate is for ask");
    else if (plan->saturates && plan->rate > 0)
        complain(0, "--saturate asks as fast as it is answered: there is no --rate");
    else if (plan->companies > plan->subscribers)
        complain(0, "--companies may not be more than --subscribers");
    else if (plan->watchers && plan->watchers + 2 * plan->companies > plan->subscribers)
        complain(0, "besides --watchers, each company of a storm needs two subscribers");
    else if (plan->stalled && plan->stalled + plan->publishers > plan->subscribers)
        complain(0, "those who are --stalled cannot be publishers");
    else if (plan->people && plan->people < plan->publishers && plan->people < plan->subscribers / plan->companies)
        complain(0, "--people may not be fewer than --publishers");
    else if (plan->against_limit && (!may_compare || plan->companies != 1))
        complain(0, "--against-limit is for fanout in one company");
    else if (strcmp(entry->name, "fanout") != 0 && strcmp(entry->name, "idle") != 0 &&
             strcmp(entry->name, "storm") != 0 && !plan->asks && !plan->is_mixed && plan->companies != 1)
        complain(0, "%s is played in one company", entry->name);
    else if (strcmp(entry->name, "peers") == 0 && plan->tls)
        complain(0, "peers is played without --tls");
    else if (plan->is_mixed && plan->generators > plan->companies)
        complain(0, "a day of %u companies cannot be shared by more --generators", (unsigned)plan->companies);
    else if (plan->generators > 1 && !plan->spreads)
        complain(
            0,
            "only fanout (without --against-limit), idle, storm, ask and mixed can be played by several --generators");
    else if (plan->url && (plan->workers || plan->tls))
        complain(0, "--workers and --tls are for a broker that is started here");
    else if ((plan->url == NULL) != (plan->data == NULL) || (plan->router_url && !plan->url))
        complain(0, "--url and --data go together: the broker that runs, and its data directory");
    else
        return true;
    return false;
}

/* 0, 1 to end with success, or a negative error after a complaint. */
static int parse(int argc, char **argv, struct plan *plan, const struct entry **entry) {
    static const struct option options[] = {{"subscribers", required_argument, NULL, 0},
                                            {"companies", required_argument, NULL, 0},
                                            {"publishers", required_argument, NULL, 0},
                                            {"people", required_argument, NULL, 0},
                                            {"stalled", required_argument, NULL, 0},
                                            {"watchers", required_argument, NULL, 0},
                                            {"svg", required_argument, NULL, 0},
                                            {"compare", required_argument, NULL, 0},
                                            {"rate", required_argument, NULL, 0},
                                            {"seconds", required_argument, NULL, 0},
                                            {"rounds", required_argument, NULL, 0},
                                            {"json", required_argument, NULL, 0},
                                            {"url", required_argument, NULL, 0},
                                            {"router-url", required_argument, NULL, 0},
                                            {"data", required_argument, NULL, 0},
                                            {"patience", required_argument, NULL, 0},
                                            {"against-limit", no_argument, NULL, 0},
                                            {"workers", required_argument, NULL, 0},
                                            {"changes", required_argument, NULL, 0},
                                            {"connections", required_argument, NULL, 0},
                                            {"seed", required_argument, NULL, 0},
                                            {"saturate", no_argument, NULL, 0},
                                            {"generators", required_argument, NULL, 0},
                                            {"ca", required_argument, NULL, 0},
                                            {"tls", no_argument, NULL, 0},
                                            {"full-handshakes", no_argument, NULL, 0},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int index = 0;
    for (int option; (option = getopt_long(argc, argv, "h", options, &index)) != -1;) {
        if (option == 'h') {
            print_help();
            return 1;
        }
        if (option != 0 || !parse_option(plan, options[index].name, optarg)) return LEDIG_EBAD_REQUEST;
    }
    if (optind + 1 != argc)
        return complain(LEDIG_EBAD_REQUEST, "one scenario is needed, such as fanout; see ledig-bench --help");
    plan->scenario = argv[optind];
    *entry = find_entry(plan->scenario);
    if (*entry) plan->title = (*entry)->title;
    return *entry && complete(plan, *entry) ? 0 : LEDIG_EBAD_REQUEST;
}

int main(int argc, char **argv) {
    struct plan plan = {0};
    const struct entry *entry = NULL;
    int parsed = parse(argc, argv, &plan, &entry), code = 1;
    if (parsed != 0) return parsed > 0 ? 0 : 1;
    struct rlimit descriptors;
    if (getrlimit(RLIMIT_NOFILE, &descriptors) == 0) {
        descriptors.rlim_cur = descriptors.rlim_max;
        setrlimit(RLIMIT_NOFILE, &descriptors); /* the broker inherits it */
    }
    interrupt_watch();
    report_warn_of_build();
    struct scenario *scenario = calloc(1, sizeof *scenario); /* its histogram is too large for a stack */
    if (!scenario) return complain(1, "out of memory");
    json_t *earlier = NULL;
    if ((!plan.compare || compare_load(plan.compare, plan.scenario, &earlier) == 0) &&
        scenario_open(scenario, &plan) == 0) {
        scenario->earlier = json_incref(earlier);
        code = plan.against_limit ? against_limit_run(scenario) : entry->run(scenario);
    }
    json_decref(earlier);
    scenario_close(scenario);
    free(scenario);
    return code;
}

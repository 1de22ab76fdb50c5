/* ledig-bench: the command line. */
#include "bench/compare.h"
#include "bench/scenario.h"
#include "bench/terminal.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

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
     {.subscribers = 1000,
      .companies = 1,
      .publishers = CROWD_PUBLISHERS_MAX,
      .people = 10000,
      .seconds = 24,
      .sides = 3}},
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
    {"claim",
     "calls of many queues are given to agents, beside the bare commit",
     "Calls of many queues are given to agents",
     claim_run,
     {.subscribers = 800,
      .companies = 100,
      .publishers = CROWD_PUBLISHERS_MAX,
      .connections = 128,
      .seconds = 16,
      .sides = 2,
      .claims = true}},
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
    "Scenarios, with the --subscribers and --seconds that they have if it is not said:\n";

static const char tail[] =
    "  fanout --against-limit  short rounds in turn with the raw send() loop: what part of it is reached\n"
    "  ask --against-nginx     rounds of wrk in turn with nginx and a fixed body; then half as many questions a "
    "second\n"
    "                          on schedule, with 1,000 changes a second, where it is not said\n"
    "\n"
    "Options; in brackets the scenarios that have them, where not all do, and what holds if it is not said:\n"
    "  --subscribers N   connections in all\n"
    "  --seconds S       how long changes go on. A storm comes after a third of it and takes as long as it takes; "
    "stall waits\n"
    "                    beyond it until half of those who stall are dropped (2 minutes in all); grow makes at least "
    "20\n"
    "                    changes of each size; --against-limit gives as much to the loop again\n"
    "  --companies N     that subscribers are spread over (fanout, ask: 1; idle: one for each 100; storm: 150;\n"
    "                    claim: 100)\n"
    "  --people N        of each company (not mixed; as many as subscribers, at most 1,000; burst 10,000)\n"
    "  --publishers N    people of each company who change (not mixed; 16; ask 100, grow 8; burst, idle and peers "
    "all)\n"
    "  --rate R          changes a second in all (fanout 100; latency, storm 20; stall 10; grow 50; ask: questions, "
    "2,000)\n"
    "  --rounds N        of each side, where rounds take turns (--against-limit, burst, latency, peers; about one a "
    "second)\n"
    "  --patience S      to wait for what does not come, before it counts as lost (15)\n"
    "  --stalled N       subscribers that stop reading (stall: a tenth)\n"
    "  --watchers N      subscribers that stay connected (storm: 1,000 of 16,000)\n"
    "  --changes R       a second in all, while questions are asked (ask: 20)\n"
    "  --connections N   over which is asked (ask: 32; claim: 128)\n"
    "  --saturate        the next question as soon as a connection is free: the most answers a second (ask)\n"
    "  --seed N          of what happens at random: the same for the same seed (ask, mixed: 1)\n"
    "\n"
    "  --json FILE       the result as one JSON object; - is standard output, without the table\n"
    "  --svg FILE        a plot: latency by percentile; of grow, cost against size (not idle, peers)\n"
    "  --compare FILE    an earlier --json of the same scenario, set beside this run\n"
    "\n"
    "  --workers N       of the broker that is started, for apps (one for each 15,000 connections)\n"
    "  --generators N    processes of this one (fanout, idle, storm, ask, mixed; one for each 15,000 connections).\n"
    "                    The others have one, and no more connections than a process may have descriptors (ulimit "
    "-Hn)\n"
    "  --tls             the broker that is started speaks TLS, with a P-256 certificate made for it (not peers)\n"
    "  --full-handshakes no TLS session is resumed\n"
    "  --url URL         a broker that runs, ws://host:port/v1 (not latency, stall); it gets companies bench-00000,\n"
    "                    bench-00001, …, which stay\n"
    "  --data DIR        its data directory, for the key that signs tokens\n"
    "  --router-url URL  its routers' port, if DIR/ledigd.json does not say\n"
    "  --ca FILE         certificates that vouch for it, where its URL begins with wss://\n"
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
    "Exit code 0; 1 where it could not be set up or did not come to its end; 2 where a view or an answer was wrong, or "
    "a\n"
    "change or a connection lost.\n";

static void print_help(void) {
    fputs(head, stdout);
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        printf("  %-8s %6u %3.0f s  %s\n", entries[i].name, (unsigned)entries[i].plan.subscribers,
               entries[i].plan.seconds, entries[i].help);
    fputs(tail, stdout);
}

static const struct entry *find_entry(const char *name) {
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        if (strcmp(entries[i].name, name) == 0) return &entries[i];
    complain(0, "there is no scenario \"%s\"; see ledig-bench --help", name);
    return NULL;
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
                                            {"against-nginx", no_argument, NULL, 0},
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
    argv[0] = program_invocation_short_name; /* so that all complaints begin alike */
    for (int option; (option = getopt_long(argc, argv, "h", options, &index)) != -1;) {
        if (option == 'h') {
            print_help();
            return 1;
        }
        if (option != 0 || !plan_take(plan, options[index].name, optarg)) return LEDIG_EBAD_REQUEST;
    }
    if (optind + 1 != argc)
        return complain(LEDIG_EBAD_REQUEST, "one scenario is needed, such as fanout; see ledig-bench --help");
    plan->scenario = argv[optind];
    *entry = find_entry(plan->scenario);
    if (*entry) plan->title = (*entry)->title;
    return *entry && plan_complete(plan, &(*entry)->plan) ? 0 : LEDIG_EBAD_REQUEST;
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
    if (report_check_path(plan.json) == 0 && report_check_path(plan.svg) == 0 &&
        (!plan.compare || compare_load(plan.compare, plan.scenario, &earlier) == 0) &&
        scenario_open(scenario, &plan) == 0) {
        code = plan.against_limit ? against_limit_run(scenario) : entry->run(scenario);
        if (earlier && scenario->report && plan_tells(&plan))
            compare_print(earlier, scenario->report, isatty(STDOUT_FILENO), stdout);
    }
    json_decref(earlier);
    if (code == 1 && interrupt_asked()) complain(0, "interrupted"); /* if nobody has said so yet */
    scenario_close(scenario);
    free(scenario);
    return code;
}

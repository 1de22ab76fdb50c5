/* ledig-bench: the command line. */
#include "bench/rounds.h"
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
#define IDLE_COMPANY 100 /* subscribers of each company of `idle`, where it is not said */

static const char help[] =
    "Usage: ledig-bench SCENARIO [options]\n"
    "\n"
    "Measures a broker, and checks what every subscriber received. Starts a broker of its own on the first core and\n"
    "itself on the second, and takes both away again, unless --url names one that runs.\n"
    "\n"
    "Scenarios:\n"
    "  fanout                  changes on schedule, each to all colleagues: rates and latencies\n"
    "  fanout --against-limit  short rounds in turn with the raw send() loop: what part of the limit is reached\n"
    "  idle                    memory of a connection that does nothing\n"
    "\n"
    "Options:\n"
    "  --subscribers N   connections in all (fanout 1,000, idle 10,000)\n"
    "  --companies N     that they are spread over (fanout 1, idle one for each 100)\n"
    "  --publishers N    people of each company who change (fanout 16, idle all)\n"
    "  --rate R          changes a second in all (100)\n"
    "  --seconds S       how long (10; idle 5; --against-limit: of each side)\n"
    "  --rounds N        of each side, with --against-limit (one a second, at least 8)\n"
    "  --patience S      to wait for what does not come, before it counts as lost (15)\n"
    "  --json FILE       the result as one JSON object; - is standard output, without the table\n"
    "  --url URL         a broker that runs, ws://host:port/v1; it gets companies bench-00000, bench-00001, …\n"
    "  --router-url URL  its routers' port, if DATA/ledigd.json does not say\n"
    "  --data DIR        its data directory, for the key that signs tokens\n"
    "\n"
    "Examples:\n"
    "  ledig-bench fanout --subscribers 1000 --rate 200\n"
    "  ledig-bench fanout --subscribers 1000 --against-limit --json out.json\n"
    "  ledig-bench idle --subscribers 10000\n"
    "  ledig-bench fanout --url ws://127.0.0.1:7700/v1 --data var/data\n"
    "\n"
    "Exit code 0; 1 where it could not be set up; 2 where a view was wrong or a change lost.\n";

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
    if (strcmp(name, "publishers") == 0) return parse_count(name, text, CROWD_PUBLISHERS_MAX, &plan->publishers);
    if (strcmp(name, "rounds") == 0) return parse_count(name, text, ROUNDS_MAX, &plan->rounds);
    if (strcmp(name, "rate") == 0) return parse_number(name, text, 0.1, RATE_MAX, &plan->rate);
    if (strcmp(name, "seconds") == 0) return parse_number(name, text, 0.1, SECONDS_MAX, &plan->seconds);
    if (strcmp(name, "patience") == 0) return parse_number(name, text, 0.1, 3600, &plan->patience_s);
    if (strcmp(name, "json") == 0) plan->json = text;
    if (strcmp(name, "url") == 0) plan->url = text;
    if (strcmp(name, "router-url") == 0) plan->router_url = text;
    if (strcmp(name, "data") == 0) plan->data = text;
    if (strcmp(name, "against-limit") == 0) plan->against_limit = true;
    return true;
}

/* What was not said. False after a complaint. */
static bool complete(struct plan *plan) {
    bool idle = strcmp(plan->scenario, "idle") == 0;
    if (!idle && strcmp(plan->scenario, "fanout") != 0) {
        complain(0, "there is no scenario \"%s\"; see ledig-bench --help", plan->scenario);
        return false;
    }
    if (plan->subscribers == 0) plan->subscribers = idle ? 10000 : 1000;
    if (plan->companies == 0) plan->companies = idle ? (plan->subscribers + IDLE_COMPANY - 1) / IDLE_COMPANY : 1;
    if (plan->publishers == 0) plan->publishers = idle ? CROWD_PUBLISHERS_MAX : 16;
    if (plan->rounds == 0) plan->rounds = plan->seconds > 8 ? (uint32_t)plan->seconds : plan->seconds > 0 ? 8 : 10;
    if (plan->rounds > ROUNDS_MAX) plan->rounds = ROUNDS_MAX;
    if (plan->patience_s == 0) plan->patience_s = 15;
    if (plan->seconds == 0) plan->seconds = idle ? 5 : 10;
    if (plan->rate == 0 && !idle && !plan->against_limit) plan->rate = 100;
    if (plan->companies > plan->subscribers)
        complain(0, "--companies may not be more than --subscribers");
    else if (plan->against_limit && (idle || plan->companies != 1))
        complain(0, "--against-limit is for fanout in one company");
    else if ((plan->url == NULL) != (plan->data == NULL) || (plan->router_url && !plan->url))
        complain(0, "--url and --data go together: the broker that runs, and its data directory");
    else
        return true;
    return false;
}

/* 0, 1 to end with success, or a negative error after a complaint. */
static int parse(int argc, char **argv, struct plan *plan) {
    static const struct option options[] = {{"subscribers", required_argument, NULL, 0},
                                            {"companies", required_argument, NULL, 0},
                                            {"publishers", required_argument, NULL, 0},
                                            {"rate", required_argument, NULL, 0},
                                            {"seconds", required_argument, NULL, 0},
                                            {"rounds", required_argument, NULL, 0},
                                            {"json", required_argument, NULL, 0},
                                            {"url", required_argument, NULL, 0},
                                            {"router-url", required_argument, NULL, 0},
                                            {"data", required_argument, NULL, 0},
                                            {"patience", required_argument, NULL, 0},
                                            {"against-limit", no_argument, NULL, 0},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int index = 0;
    for (int option; (option = getopt_long(argc, argv, "h", options, &index)) != -1;) {
        if (option == 'h') {
            fputs(help, stdout);
            return 1;
        }
        if (option != 0 || !parse_option(plan, options[index].name, optarg)) return LEDIG_EBAD_REQUEST;
    }
    if (optind + 1 != argc)
        return complain(LEDIG_EBAD_REQUEST, "one scenario is needed: fanout or idle; see ledig-bench --help");
    plan->scenario = argv[optind];
    return complete(plan) ? 0 : LEDIG_EBAD_REQUEST;
}

int main(int argc, char **argv) {
    struct plan plan = {0};
    int parsed = parse(argc, argv, &plan), code = 1;
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
    if (scenario_open(scenario, &plan) == 0)
        code = strcmp(plan.scenario, "idle") == 0 ? idle_run(scenario)
               : plan.against_limit               ? against_limit_run(scenario)
                                                  : fanout_run(scenario);
    scenario_close(scenario);
    free(scenario);
    return code;
}

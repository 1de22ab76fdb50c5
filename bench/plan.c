#include "bench/plan.h"
#include "bench/rounds.h"
#include "bench/router.h"
#include "bench/scenario.h"
#include "bench/terminal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUBSCRIBERS_MAX 1000000
#define COMPANIES_MAX 100000
#define RATE_MAX 1e6
#define SECONDS_MAX 86400
#define CHANGES_MAX 1e5
#define SEED_MAX 4294967295.0
#define STALL_SPARE_MS 3000
#define STALL_FILL_SLACK 1.5 /* of what filling the sockets takes at best: a busy machine takes longer */
#define AGAINST_NGINX_CHANGES 1000
#define TURNS_MIN 3      /* of rounds, for a median */
#define IDLE_COMPANY 100 /* subscribers of each company of `idle`, where it is not said */

#define AGAINST_LIMIT "fanout --against-limit"
#define AGAINST_NGINX "ask --against-nginx"

/* Options that not all scenarios have, and those that do. */
static const struct {
    const char *option, *scenarios;
} limited[] = {
    {"companies", "fanout, idle, storm, ask, claim"},
    {"publishers", "fanout, " AGAINST_LIMIT ", burst, latency, idle, storm, stall, grow, ask, peers"},
    {"people", "fanout, " AGAINST_LIMIT ", burst, latency, idle, storm, stall, grow, ask, peers"},
    {"rate", "fanout, latency, storm, stall, grow, ask"},
    {"changes", "ask"},
    {"connections", "ask, claim"},
    {"saturate", "ask"},
    {"against-nginx", "ask"},
    {"seed", "ask, mixed"},
    {"rounds", AGAINST_LIMIT ", burst, latency, " AGAINST_NGINX ", claim, peers"},
    {"stalled", "stall"},
    {"watchers", "storm"},
    {"generators", "fanout, idle, storm, ask, mixed"},
    {"tls", "fanout, " AGAINST_LIMIT ", burst, latency, idle, storm, stall, grow, ask, mixed"},
    {"svg", "fanout, " AGAINST_LIMIT ", burst, latency, storm, stall, grow, ask, claim, mixed"},
    {"url",
     "fanout, " AGAINST_LIMIT ", burst, idle, storm, grow, ask, mixed, peers"}, /* the others look at or set more */
};

/* Whether a word stands in a list with commas. */
static bool is_among(const char *list, const char *word) {
    const size_t length = strlen(word);
    for (const char *at = list; *at;) {
        const size_t next = strcspn(at, ",");
        if (next == length && strncmp(at, word, length) == 0) return true;
        at += next;
        at += strspn(at, ", ");
    }
    return false;
}

/* False after a complaint. */
static bool has_what_was_said(const struct plan *plan) {
    const char *name = plan->against_limit ? AGAINST_LIMIT : plan->scenario;
    if (plan->against_limit && strcmp(plan->scenario, "fanout") != 0) {
        complain(0, "--against-limit is for fanout");
        return false;
    }
    for (uint32_t i = 0; i < sizeof limited / sizeof *limited; i++) {
        if (!(plan->said >> i & 1) || is_among(limited[i].scenarios, name)) continue;
        if (plan->against_nginx && is_among(limited[i].scenarios, AGAINST_NGINX)) continue;
        complain(0, "%s has no --%s: that is for %s", name, limited[i].option, limited[i].scenarios);
        return false;
    }
    return true;
}

static bool parse_number(const char *name, const char *text, double low, double high, double *value) {
    char *end, most[REPORT_GROUPED_CHARS];
    errno = 0;
    *value = strtod(text, &end);
    if (errno == 0 && end != text && *end == '\0' && *value >= low && *value <= high) return true;
    complain(0, "--%s takes a number from %g to %s", name, low, report_grouped(high, most));
    return false;
}

static bool parse_count(const char *name, const char *text, double high, uint32_t *count) {
    double value;
    if (!parse_number(name, text, 1, high, &value)) return false;
    *count = (uint32_t)value;
    if (*count == value) return true;
    complain(0, "--%s takes a whole number", name);
    return false;
}

bool plan_take(struct plan *plan, const char *name, const char *text) {
    for (uint32_t i = 0; i < sizeof limited / sizeof *limited; i++)
        if (strcmp(name, limited[i].option) == 0) plan->said |= UINT32_C(1) << i;
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
    if (strcmp(name, "against-nginx") == 0) plan->against_nginx = true;
    return true;
}

static void fill(uint32_t *value, uint32_t usual) {
    if (*value == 0) *value = usual;
}

static void fill_in(struct plan *plan, const struct plan *usual) {
    plan->spreads = usual->spreads && !plan->against_limit;
    plan->storms = usual->storms;
    plan->asks = usual->asks;
    plan->claims = usual->claims;
    plan->is_mixed = usual->is_mixed;
    fill(&plan->connections, usual->connections);
    fill(&plan->seed, 1);
    plan->finds_rate = plan->against_nginx && plan->rate == 0 && !plan->saturates;
    if (plan->changes == 0) plan->changes = plan->against_nginx ? AGAINST_NGINX_CHANGES : usual->changes;
    fill(&plan->subscribers, usual->subscribers);
    fill(&plan->companies, usual->companies);
    fill(&plan->companies, (plan->subscribers + IDLE_COMPANY - 1) / IDLE_COMPANY);
    fill(&plan->publishers, usual->publishers);
    if (usual->run_starts_small && plan->publishers > plan->subscribers / GROW_PARTS)
        plan->publishers = plan->subscribers / GROW_PARTS ? plan->subscribers / GROW_PARTS : 1;
    fill(&plan->people, usual->people);
    if (usual->watchers)
        fill(&plan->watchers, plan->subscribers < usual->subscribers ? plan->subscribers / 16 + 1 : usual->watchers);
    if (usual->stalled) fill(&plan->stalled, plan->subscribers / 10);
    if (usual->sides) {
        double turns = (plan->seconds > 0 ? plan->seconds : usual->seconds) / usual->sides;
        fill(&plan->rounds, turns > TURNS_MIN ? (uint32_t)turns : TURNS_MIN);
    }
    fill(&plan->rounds, plan->seconds > 8 ? (uint32_t)plan->seconds : plan->seconds > 0 ? 8 : 10);
    if (plan->rounds > ROUNDS_MAX) plan->rounds = ROUNDS_MAX;
    if (plan->patience_s == 0) plan->patience_s = 15;
    if (plan->seconds == 0) plan->seconds = usual->seconds;
    if (plan->rate == 0 && !plan->against_limit && !plan->saturates) plan->rate = usual->rate;
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

/* The broker is to drop those who stall once everything else is measured. */
static void adapt_to_stall(struct plan *plan) {
    const uint32_t usual_people = plan->subscribers < CROWD_PEOPLE_MAX ? plan->subscribers : CROWD_PEOPLE_MAX;
    const double fill_ms = stall_fill_ms(plan->stalled, plan->people ? plan->people : usual_people);
    plan->flags[0] = "--stall-ms";
    plan->flags[1] = plan->stall_ms;
    snprintf(plan->stall_ms, sizeof plan->stall_ms, "%.0f",
             plan->seconds * 2000 + STALL_SPARE_MS + fill_ms * STALL_FILL_SLACK);
    if (plan->patience_s < 2 * plan->seconds + 2 * STALL_SPARE_MS / 1000.0)
        plan->patience_s = 2 * plan->seconds + 2 * STALL_SPARE_MS / 1000.0;
}

/* False after a complaint. */
static bool makes_sense(const struct plan *plan) {
    const bool is_wss = plan->url && strncmp(plan->url, "wss://", 6) == 0;
    if (plan->saturates && plan->rate > 0)
        complain(0, "--saturate asks as fast as it is answered: there is no --rate");
    else if (plan->companies > plan->subscribers)
        complain(0, "--companies may not be more than --subscribers");
    else if (plan->watchers && plan->watchers + 2 * plan->companies > plan->subscribers)
        complain(0, "besides --watchers, each company of a storm needs two subscribers");
    else if (plan->stalled && plan->stalled + plan->publishers > plan->subscribers)
        complain(0, "those who are --stalled cannot be publishers");
    else if (plan->people && plan->people < plan->publishers && plan->people < plan->subscribers / plan->companies)
        complain(0, "--people may not be fewer than --publishers");
    else if (plan->is_mixed && plan->generators > plan->companies)
        complain(0, "a day of %u companies cannot be shared by more --generators", (unsigned)plan->companies);
    else if (plan->url && (plan->workers || plan->tls))
        complain(0, "--workers and --tls are for a broker that is started here");
    else if ((plan->url == NULL) != (plan->data == NULL) || ((plan->router_url || plan->trust) && !plan->url))
        complain(0, "--url and --data go together: the broker that runs, and its data directory");
    else if (plan->forgets_sessions && !plan->tls && !is_wss)
        complain(0, "--full-handshakes are of TLS: with --tls, or --url wss://…");
    else if (plan->svg && strcmp(plan->svg, "-") == 0)
        complain(0, "--svg takes a file; standard output is for the table or the report");
    else
        return true;
    return false;
}

bool plan_complete(struct plan *plan, const struct plan *usual) {
    if (!has_what_was_said(plan)) return false;
    fill_in(plan, usual);
    if (usual->stalled) adapt_to_stall(plan);
    if (plan->is_mixed) adapt_to_day(plan);
    return makes_sense(plan);
}

bool plan_tells(const struct plan *plan) {
    return !plan->json || strcmp(plan->json, "-") != 0;
}

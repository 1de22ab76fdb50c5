#include "bench/scenario.h"
#include "bench/terminal.h"
#include "bench/tls.h"

#include <stdio.h>
#include <string.h>

#define WORKER_CONNECTIONS_MAX 15000 /* of one worker, where their number is not said */
#define MIXED_SMALL 12               /* devices of a small company on a mixed day */
#define MIXED_MIDDLE 90
#define MIXED_LARGE 1500 /* at most; of these devices 1,000 are the first of somebody */

static uint32_t parts(uint32_t whole, uint32_t part) {
    return (whole + part - 1) / part;
}

/* So many companies, of that size on average, in which every third device is somebody's second one. */
static struct group mixed_group(uint32_t subscribers, uint32_t size) {
    struct group group = {.companies = subscribers / size ? subscribers / size : 1, .subscribers = subscribers};
    uint32_t each = parts(subscribers, group.companies);
    group.people = each < 3 ? each : each * 2 / 3;
    if (group.people > CROWD_PEOPLE_MAX) group.people = CROWD_PEOPLE_MAX;
    group.publishers = group.people;
    return group;
}

size_t scenario_group(const struct plan *plan, struct group groups[static SCENARIO_GROUPS_MAX]) {
    size_t count = 0;
    if (plan->is_mixed) {
        uint32_t large = plan->subscribers / 2, middle = plan->subscribers * 3 / 10;
        groups[count++] = mixed_group(plan->subscribers - large - middle, MIXED_SMALL);
        if (middle > 0) groups[count++] = mixed_group(middle, MIXED_MIDDLE);
        if (large > 0) groups[count++] = mixed_group(large, large < MIXED_LARGE ? large : MIXED_LARGE);
        return count;
    }
    if (plan->watchers) groups[count++] = (struct group){1, plan->watchers, 0, plan->publishers};
    groups[count++] = (struct group){plan->companies, plan->subscribers - plan->watchers, plan->people,
                                     plan->watchers ? 1 : plan->publishers};
    return count;
}

/* As many as the crowd's own arithmetic gives each company. */
static uint32_t people_of(const struct group *group) {
    uint32_t people = (group->subscribers + group->companies - 1) / group->companies;
    if (group->people) return group->people;
    return people < CROWD_PEOPLE_MAX ? people : CROWD_PEOPLE_MAX;
}

static int import_all(struct scenario *scenario) {
    uint32_t number = 0, all = scenario->plan.companies + (scenario->plan.watchers ? 1 : 0);
    int error = 0;
    for (size_t g = 0; g < scenario->group_count; g++)
        for (uint32_t c = 0; c < scenario->groups[g].companies && error == 0; c++) {
            progress_show("importing companies", number, all);
            error = interrupt_asked() ? complain(LEDIG_EIO, "interrupted")
                                      : employer_import(&scenario->employer, number++, people_of(&scenario->groups[g]));
        }
    progress_end();
    return error;
}

static int open_subject(struct scenario *scenario) {
    const struct plan *plan = &scenario->plan;
    const struct subject_options options = {.workers = plan->workers ? plan->workers
                                                                     : parts(plan->subscribers, WORKER_CONNECTIONS_MAX),
                                            .tls = plan->tls,
                                            .flags = plan->flags};
    if (!plan->url) return subject_start(&scenario->subject, &scenario->cores, &options);
    return subject_attach(&scenario->subject, plan->data, plan->url, plan->router_url);
}

static int open_tls(struct scenario *scenario) {
    const struct endpoint *apps = &scenario->subject.apps;
    const char *trust = scenario->plan.url ? scenario->plan.trust : scenario->subject.trust;
    char host[SUBJECT_HOST_CHARS];
    if (!apps->tls) return 0;
    if (!trust) return complain(LEDIG_EBAD_REQUEST, "wss:// needs --ca: certificates that vouch for the broker");
    snprintf(host, sizeof host, "%.*s", (int)strcspn(apps->host, ":"), apps->host);
    scenario->tls = tls_client(trust, host);
    return scenario->tls ? 0 : LEDIG_EIO;
}

int scenario_open(struct scenario *scenario, const struct plan *plan) {
    *scenario = (struct scenario){.plan = *plan, .cores = cores_choose(), .crowd = {.epoll = -1, .timer = -1}};
    int error = open_subject(scenario);
    if (error == 0) error = open_tls(scenario);
    if (error == 0) error = employer_open(&scenario->employer, &scenario->subject);
    if (error == 0 && cores_pin(scenario->cores.generator) != 0) error = complain(LEDIG_EIO, "cannot choose a core");
    if (plan->claims) scenario->employer.queue = SCENARIO_QUEUE;
    scenario->group_count = scenario_group(plan, scenario->groups);
    return error ? error : import_all(scenario);
}

/* How many processes play it. */
static uint32_t processes(const struct plan *plan) {
    if (!plan->spreads) return 1;
    uint32_t count = plan->generators ? plan->generators
                     : plan->asks     ? 1 + parts(plan->subscribers, GENERATOR_CONNECTIONS_MAX)
                     : plan->storms   ? 1 + parts(plan->subscribers - plan->watchers, GENERATOR_CONNECTIONS_MAX)
                                      : parts(plan->subscribers, GENERATOR_CONNECTIONS_MAX);
    return count < GENERATORS_MAX ? count : GENERATORS_MAX;
}

int scenario_gather(struct scenario *scenario, uint32_t spare_sockets) {
    struct crowd_options options = {.subject = &scenario->subject,
                                    .employer = &scenario->employer,
                                    .groups = scenario->groups,
                                    .group_count = scenario->group_count,
                                    .spare_sockets = spare_sockets,
                                    .patience_ms = (uint32_t)(scenario->plan.patience_s * 1000),
                                    .share = {.first_publishes = scenario->plan.rate > 0 || scenario->plan.asks,
                                              .first_has_no_others = scenario->plan.asks,
                                              .others_from = scenario->plan.storms ? 1 : 0},
                                    .tls = scenario->tls,
                                    .forgets_sessions = scenario->plan.forgets_sessions,
                                    .seed = scenario->plan.seed,
                                    .day_s = scenario->plan.seconds};
    const uint32_t count = processes(&scenario->plan);
    int error = 0;
    scenario->rss_before = subject_rss_bytes(&scenario->subject);
    if (count > 1) error = generators_start(&scenario->generators, count, &scenario->cores, &options);
    if (error == 0) error = crowd_open(&scenario->crowd, &options);
    if (error == 0 && scenario->wanted_first) {
        scenario->crowd.wanted = scenario->wanted_first;
        for (uint32_t i = scenario->wanted_first; i < scenario->plan.subscribers; i++)
            crowd_set_aside(&scenario->crowd, &scenario->crowd.subscriber[i], true);
    }
    if (error == 0) error = crowd_connect(&scenario->crowd);
    if (error == 0) error = crowd_consent(&scenario->crowd);
    return error ? error : generators_join(&scenario->generators, &scenario->crowd);
}

void scenario_close(struct scenario *scenario) {
    progress_end();
    generators_stop(&scenario->generators);
    crowd_close(&scenario->crowd);
    SSL_CTX_free(scenario->tls);
    employer_close(&scenario->employer);
    subject_stop(&scenario->subject);
    json_decref(scenario->report);
}

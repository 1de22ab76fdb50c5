#include "bench/scenario.h"
#include "bench/compare.h"
#include "bench/plot.h"
#include "bench/terminal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BOUND_SHARE 0.9 /* of a core: then it is what bounds */

static void group(struct scenario *scenario) {
    const struct plan *plan = &scenario->plan;
    uint32_t storming = plan->subscribers - plan->watchers;
    if (plan->watchers)
        scenario->groups[scenario->group_count++] = (struct group){1, plan->watchers, 0, plan->publishers};
    scenario->groups[scenario->group_count++] =
        (struct group){plan->companies, storming, plan->people, plan->watchers ? 1 : plan->publishers};
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

int scenario_open(struct scenario *scenario, const struct plan *plan) {
    *scenario = (struct scenario){.plan = *plan, .cores = cores_choose(), .crowd = {.epoll = -1, .timer = -1}};
    int error = plan->url ? subject_attach(&scenario->subject, plan->data, plan->url, plan->router_url)
                          : subject_start(&scenario->subject, &scenario->cores, plan->flags);
    if (error == 0) error = employer_open(&scenario->employer, &scenario->subject);
    if (error == 0 && cores_pin(scenario->cores.generator) != 0) error = complain(LEDIG_EIO, "cannot choose a core");
    group(scenario);
    return error ? error : import_all(scenario);
}

int scenario_gather(struct scenario *scenario, uint32_t spare_sockets) {
    const struct crowd_options options = {.subject = &scenario->subject,
                                          .employer = &scenario->employer,
                                          .groups = scenario->groups,
                                          .group_count = scenario->group_count,
                                          .spare_sockets = spare_sockets,
                                          .patience_ms = (uint32_t)(scenario->plan.patience_s * 1000)};
    scenario->rss_before = subject_rss_bytes(&scenario->subject);
    int error = crowd_open(&scenario->crowd, &options);
    if (error == 0 && scenario->wanted_first) {
        scenario->crowd.wanted = scenario->wanted_first;
        for (uint32_t i = scenario->wanted_first; i < scenario->plan.subscribers; i++)
            crowd_set_aside(&scenario->crowd, &scenario->crowd.subscriber[i], true);
    }
    if (error == 0) error = crowd_connect(&scenario->crowd);
    return error ? error : crowd_consent(&scenario->crowd);
}

void scenario_close(struct scenario *scenario) {
    progress_end();
    crowd_close(&scenario->crowd);
    employer_close(&scenario->employer);
    subject_stop(&scenario->subject);
    json_decref(scenario->earlier);
}

/* ---- Figures ---- */

void figures_begin(struct figures *figures, struct scenario *scenario) {
    struct crowd *crowd = &scenario->crowd;
    *figures = (struct figures){.changes = crowd->changes,
                                .tally = crowd->tally,
                                .cpu_ns = subject_cpu_ns(&scenario->subject),
                                .generator_ns = clock_cpu_ns(),
                                .redis_ns = process_cpu_ns(scenario->subject.redis),
                                .bytes_per_connection = (double)NAN};
    crowd->latency_us = crowd->complete_us = (struct histogram){0};
}

void figures_end(struct figures *figures, struct scenario *scenario, int64_t began_ns, int64_t ended_ns) {
    const struct crowd *crowd = &scenario->crowd;
    int64_t cpu_ns = subject_cpu_ns(&scenario->subject);
    figures->seconds = (double)(ended_ns - began_ns) / 1e9;
    figures->changes = crowd->changes - figures->changes;
    figures->tally = (struct tally){
        crowd->tally.frames - figures->tally.frames, crowd->tally.wire_bytes - figures->tally.wire_bytes,
        crowd->tally.deliveries - figures->tally.deliveries, crowd->tally.merged - figures->tally.merged};
    figures->cpu_ns = figures->cpu_ns < 0 || cpu_ns < 0 ? -1 : cpu_ns - figures->cpu_ns;
    figures->generator_ns = clock_cpu_ns() - figures->generator_ns;
    figures->redis_ns = process_cpu_ns(scenario->subject.redis) - figures->redis_ns;
    figures->rss_bytes = subject_rss_bytes(&scenario->subject);
    if (figures->rss_bytes >= 0 && scenario->rss_before >= 0)
        figures->bytes_per_connection =
            (double)(figures->rss_bytes - scenario->rss_before) / scenario->plan.subscribers;
}

static double per(double value, double by) {
    return by > 0 ? value / by : 0;
}

/* What kept the run from being faster, as far as processor time shows it. */
static const char *bound(const struct figures *figures, const struct scenario *scenario) {
    double broker = per((double)figures->cpu_ns / 1e9, figures->seconds) / (double)scenario->subject.worker_count;
    double generator = per((double)figures->generator_ns / 1e9, figures->seconds);
    double redis = per((double)figures->redis_ns / 1e9, figures->seconds);
    if (figures->cpu_ns < 0) return "unknown: the broker's processes cannot be seen";
    if (broker >= BOUND_SHARE) return "the broker's core";
    if (generator + (scenario->cores.generator == scenario->cores.server ? broker : redis) >= BOUND_SHARE)
        return "the generator's core, where Redis mostly runs too: the broker could have done more";
    if (redis >= BOUND_SHARE) return "Redis";
    return "no processor: the schedule, or the way of each change through Redis to the disk";
}

static json_t *make_report(const struct figures *figures, const struct scenario *scenario) {
    json_t *report = report_begin(scenario->plan.scenario, &scenario->cores);
    const struct tally *tally = &figures->tally;
    report_count(report, "subscribers", scenario->plan.subscribers);
    report_count(report, "companies", scenario->plan.companies);
    report_count(report, "publishers", scenario->crowd.company[0].publishers);
    report_number(report, "rate", scenario->plan.rate);
    report_number(report, "seconds", figures->seconds);
    report_count(report, "changes", (int64_t)figures->changes);
    report_count(report, "deliveries", (int64_t)tally->deliveries);
    report_number(report, "deliveries_per_s", per((double)tally->deliveries, figures->seconds));
    report_number(report, "frames_per_s", per((double)tally->frames, figures->seconds));
    report_number(report, "bytes_per_frame", per((double)tally->wire_bytes, (double)tally->frames));
    report_number(report, "rows_per_frame", per((double)tally->deliveries, (double)tally->frames));
    report_latency(report, &scenario->crowd.latency_us);
    if (figures->rss_bytes < 0)
        json_object_set_new(report, "broker_rss_bytes", json_null());
    else
        report_count(report, "broker_rss_bytes", figures->rss_bytes);
    report_number(report, "bytes_per_connection", figures->bytes_per_connection);
    report_number(report, "generator_cpu_s", (double)figures->generator_ns / 1e9);
    report_number(report, "redis_cpu_s", figures->redis_ns < 0 ? (double)NAN : (double)figures->redis_ns / 1e9);
    json_object_set_new(report, "bound", json_string(bound(figures, scenario)));
    report_count(report, "dropped", scenario->crowd.dropped);
    report_number(report, "broker_cpu_s", figures->cpu_ns < 0 ? (double)NAN : (double)figures->cpu_ns / 1e9);
    report_count(report, "broker_workers", (int64_t)scenario->subject.worker_count);
    report_count(report, "wrong_views", (int64_t)figures->verdict.wrong_views);
    report_count(report, "lost", (int64_t)figures->verdict.lost);
    report_count(report, "refused", (int64_t)scenario->crowd.refused);
    report_count(report, "disconnected", scenario->crowd.gone);
    report_count(report, "broken_frames", (int64_t)scenario->crowd.broken);
    return report;
}

static void print_count(const char *name, double value, const char *remark, double remark_value) {
    char text[REPORT_GROUPED_CHARS], more[REPORT_GROUPED_CHARS];
    printf("  %-22s %16s", name, report_grouped(value, text));
    if (remark) printf("   %s %s", report_grouped(remark_value, more), remark);
    putchar('\n');
}

static void print_latency(const struct histogram *latency_us) {
    if (latency_us->total == 0) return;
    const double shares[] = {0.50, 0.99, 0.999, 1};
    const char *const names[] = {"latency p50", "latency p99", "latency p99.9", "latency max"};
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        printf("  %-22s %13.2f ms\n", names[i], (double)histogram_at(latency_us, shares[i]) / 1000);
}

static void print_traffic(const struct figures *figures) {
    const struct tally *tally = &figures->tally;
    if (tally->frames == 0) return; /* idle */
    print_count("changes", (double)figures->changes, "a second", per((double)figures->changes, figures->seconds));
    print_count("deliveries", (double)tally->deliveries, "a second", per((double)tally->deliveries, figures->seconds));
    print_count("frames", (double)tally->frames, "a second", per((double)tally->frames, figures->seconds));
    printf("  %-22s %16.1f   %.2f rows\n", "bytes a frame", per((double)tally->wire_bytes, (double)tally->frames),
           per((double)tally->deliveries, (double)tally->frames));
}

static void print_table(const struct figures *figures, const struct scenario *scenario) {
    const struct plan *plan = &scenario->plan;
    char subscribers[REPORT_GROUPED_CHARS];
    printf("%s: %s subscribers in %u %s, %u people of each change; %.1f s\n", plan->scenario,
           report_grouped(plan->subscribers, subscribers), (unsigned)plan->companies,
           plan->companies == 1 ? "company" : "companies", (unsigned)scenario->crowd.company[0].publishers,
           figures->seconds);
    print_traffic(figures);
    print_latency(&scenario->crowd.latency_us);
    if (figures->rss_bytes >= 0) {
        printf("  %-22s %14.1f MiB   %.0f bytes of growth a connection\n", "broker's memory",
               (double)figures->rss_bytes / 1048576, figures->bytes_per_connection);
        printf("  %-22s %14.2f s     %.0f %% of a core\n", "broker's processor time", (double)figures->cpu_ns / 1e9,
               per((double)figures->cpu_ns / 1e7, figures->seconds));
    }
    printf("  %-22s %s\n", "bound by", bound(figures, scenario));
    print_count("right views", plan->subscribers - (double)figures->verdict.wrong_views, "wrong",
                (double)figures->verdict.wrong_views);
    print_count("changes lost", (double)figures->verdict.lost, "refused", (double)scenario->crowd.refused);
}

static int draw_latency(const struct scenario *scenario, const json_t *report) {
    const struct plot plot = {.title = scenario->plan.scenario, .report = report};
    const struct plot_latency series[] = {{"each delivery", &scenario->crowd.latency_us},
                                          {"until all have it", &scenario->crowd.complete_us},
                                          {"back after the storm", &scenario->crowd.return_us}};
    return plot_write_latency(&plot, series, sizeof series / sizeof *series, scenario->plan.svg);
}

static int publish(const struct scenario *scenario, const json_t *report) {
    const struct plan *plan = &scenario->plan;
    int error = plan->json ? report_write(report, plan->json) : 0;
    if (error == 0 && plan->svg && scenario->crowd.latency_us.total > 0 && !scenario->draws_itself)
        error = draw_latency(scenario, report);
    if (scenario->earlier && (!plan->json || strcmp(plan->json, "-") != 0))
        compare_print(scenario->earlier, report, isatty(STDOUT_FILENO), stdout);
    return error;
}

int figures_conclude(struct figures *figures, struct scenario *scenario, json_t *more) {
    const struct crowd *crowd = &scenario->crowd;
    const char *json = scenario->plan.json;
    if (crowd_check(&scenario->crowd, &figures->verdict) != 0) {
        json_decref(more);
        return 1;
    }
    if (!json || strcmp(json, "-") != 0) print_table(figures, scenario);
    json_t *report = make_report(figures, scenario);
    if (more) json_object_update(report, more);
    json_decref(more);
    int error = publish(scenario, report);
    json_decref(report);
    if (error != 0) return 1;
    const struct verdict *verdict = &figures->verdict;
    if (verdict->wrong_views == 0 && verdict->lost == 0 && crowd->gone == 0 && crowd->broken == 0) return 0;
    complain(0, "%llu wrong views, %llu changes lost, %u connections lost, %llu frames not understood",
             (unsigned long long)verdict->wrong_views, (unsigned long long)verdict->lost, (unsigned)crowd->gone,
             (unsigned long long)crowd->broken);
    return 2;
}

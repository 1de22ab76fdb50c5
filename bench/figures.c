#include "bench/figures.h"
#include "bench/bound.h"
#include "bench/plot.h"
#include "bench/replica.h"
#include "bench/scenario.h"
#include "bench/terminal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void figures_begin(struct figures *figures, struct scenario *scenario) {
    struct crowd *crowd = &scenario->crowd;
    *figures = (struct figures){.changes = crowd->changes,
                                .tally = crowd->tally,
                                .cpu_ns = subject_cpu_ns(&scenario->subject),
                                .generator_ns = clock_cpu_ns(),
                                .redis_ns = process_cpu_ns(scenario->subject.redis),
                                .router_ns = process_cpu_ns(scenario->subject.router),
                                .wall_ns = clock_now_ns(),
                                .replica_bytes = -1,
                                .bytes_per_connection = (double)NAN};
    crowd->latency_us = crowd->complete_us = (struct histogram){0};
    if (generators_order(&scenario->generators, crowd, ORDER_BEGIN) != 0) figures->failed = true;
}

static void add_tally(struct tally *sum, const struct tally *more) {
    sum->frames += more->frames;
    sum->wire_bytes += more->wire_bytes;
    sum->deliveries += more->deliveries;
    sum->merged += more->merged;
}

/* What the other processes counted. Returns when the last delivery was, theirs or one's own. */
static int64_t add_others(struct figures *figures, struct scenario *scenario) {
    const struct generators *generators = &scenario->generators;
    int64_t last_ns = 0;
    for (uint32_t rank = 1; rank < generators->processes; rank++) {
        const struct generator_count *count = &generators->counts[rank];
        add_tally(&figures->tally, &count->tally);
        histogram_add(&scenario->crowd.latency_us, &count->latency_us);
        histogram_add(&scenario->crowd.return_us, &count->return_us);
        histogram_add(&scenario->crowd.passed_us, &count->passed_us);
        scenario->crowd.resumed += count->resumed;
        scenario->crowd.resumed_sessions += count->resumed_sessions;
        figures->generator_ns += count->cpu_ns;
        figures->changes += count->changes;
        figures->refused += count->refused;
        if (count->last_delivery_ns > last_ns) last_ns = count->last_delivery_ns;
    }
    return last_ns;
}

void figures_end(struct figures *figures, struct scenario *scenario, int64_t began_ns, int64_t ended_ns) {
    struct crowd *crowd = &scenario->crowd;
    int64_t cpu_ns = subject_cpu_ns(&scenario->subject);
    figures->changes = crowd->changes - figures->changes;
    figures->tally = (struct tally){
        crowd->tally.frames - figures->tally.frames, crowd->tally.wire_bytes - figures->tally.wire_bytes,
        crowd->tally.deliveries - figures->tally.deliveries, crowd->tally.merged - figures->tally.merged};
    figures->cpu_ns = figures->cpu_ns < 0 || cpu_ns < 0 ? -1 : cpu_ns - figures->cpu_ns;
    figures->generator_ns = clock_cpu_ns() - figures->generator_ns;
    figures->redis_ns = process_cpu_ns(scenario->subject.redis) - figures->redis_ns;
    figures->router_ns = process_cpu_ns(scenario->subject.router) - figures->router_ns;
    figures->wall_ns = clock_now_ns() - figures->wall_ns;
    if (generators_order(&scenario->generators, crowd, ORDER_END) != 0) figures->failed = true;
    int64_t last_ns = add_others(figures, scenario);
    figures->seconds = (double)((began_ns && last_ns > ended_ns ? last_ns : ended_ns) - began_ns) / 1e9;
    figures->rss_bytes = subject_rss_bytes(&scenario->subject);
}

/* Of several workers each has its replicas: what is beyond one of each company is taken out. Where that cannot be
 * measured, they are in it. */
static int share_memory(struct figures *figures, struct scenario *scenario) {
    const uint32_t workers = (uint32_t)scenario->subject.worker_count, companies = scenario->crowd.options.companies;
    if (figures->rss_bytes < 0 || scenario->rss_before < 0) return 0;
    double growth = (double)(figures->rss_bytes - scenario->rss_before);
    if (workers > 1 && scenario->subject.started && scenario->subject.router > 0) {
        int error = replica_measure(scenario, &figures->replica_bytes);
        if (error != 0) return error;
        double further = replica_expected(scenario->groups, scenario->group_count, workers) - companies;
        growth -= further * (double)figures->replica_bytes / companies;
    }
    figures->bytes_per_connection = growth / scenario->plan.subscribers;
    return 0;
}

static double per(double value, double by) {
    return by > 0 ? value / by : 0;
}

/* The largest number of workers that share no core with each other. */
static double cores_in_use(const struct scenario *scenario, uint32_t count,
                           int (*core_of)(const struct cores *, uint32_t)) {
    uint32_t distinct = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool taken = false;
        for (uint32_t j = 0; j < i && !taken; j++)
            taken = core_of(&scenario->cores, i) == core_of(&scenario->cores, j);
        if (!taken) distinct++;
    }
    return distinct ? distinct : 1;
}

static uint32_t generator_count(const struct scenario *scenario) {
    return scenario->generators.processes ? scenario->generators.processes : 1;
}

static struct bound_use use_of_cores(const struct figures *figures, const struct scenario *scenario) {
    const struct cores *cores = &scenario->cores;
    const double wall_s = (double)figures->wall_ns / 1e9;
    return (struct bound_use){.broker =
                                  per((double)figures->cpu_ns / 1e9, figures->seconds) /
                                  cores_in_use(scenario, (uint32_t)scenario->subject.worker_count, cores_of_server),
                              .generator = per((double)figures->generator_ns / 1e9, wall_s) /
                                           cores_in_use(scenario, generator_count(scenario), cores_of_generator),
                              .redis = scenario->subject.redis ? per((double)figures->redis_ns / 1e9, wall_s) : -1,
                              .router = scenario->subject.router ? per((double)figures->router_ns / 1e9, wall_s) : -1,
                              .broker_is_seen = figures->cpu_ns >= 0,
                              .shares_core = cores->server == cores->generator,
                              .others_squeeze = cores->count <= 2};
}

/* Then nothing bounded it. */
static bool is_idle(const struct figures *figures) {
    return figures->changes == 0 && figures->tally.frames == 0;
}

static json_t *make_report(const struct figures *figures, const struct scenario *scenario) {
    json_t *report = report_begin(scenario->plan.scenario, &scenario->cores);
    const struct tally *tally = &figures->tally;
    const struct bound_use use = use_of_cores(figures, scenario);
    char bound[BOUND_CHARS];
    report_count(report, "subscribers", scenario->plan.subscribers);
    report_count(report, "companies", scenario->crowd.options.companies);
    report_count(report, "publishers", crowd_publishers(scenario->groups, scenario->group_count));
    report_number(report, "rate", scenario->plan.rate > 0 ? scenario->plan.rate : (double)NAN);
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
    if (figures->replica_bytes < 0)
        json_object_set_new(report, "replica_bytes", json_null());
    else
        report_count(report, "replica_bytes", figures->replica_bytes);
    report_count(report, "generators", generator_count(scenario));
    report_count(report, "workers", (int64_t)scenario->subject.worker_count);
    json_object_set_new(report, "tls", json_boolean(scenario->subject.apps.tls));
    report_number(report, "generator_cpu_s", (double)figures->generator_ns / 1e9);
    report_number(report, "redis_cpu_s", figures->redis_ns < 0 ? (double)NAN : (double)figures->redis_ns / 1e9);
    json_object_set_new(report, "bound", is_idle(figures) ? json_null() : json_string(bound_tell(&use, bound)));
    report_count(report, "dropped", scenario->crowd.dropped);
    report_number(report, "broker_cpu_s", figures->cpu_ns < 0 ? (double)NAN : (double)figures->cpu_ns / 1e9);
    report_count(report, "wrong_views", (int64_t)figures->verdict.wrong_views);
    report_count(report, "lost", (int64_t)figures->verdict.lost);
    report_count(report, "refused", (int64_t)figures->refused);
    json_object_set_new(report, "refusal",
                        scenario->crowd.refusal[0] ? json_string(scenario->crowd.refusal) : json_null());
    report_count(report, "disconnected", figures->gone);
    report_count(report, "broken_frames", (int64_t)figures->broken);
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
    if (is_idle(figures)) return;
    print_count("changes", (double)figures->changes, "a second", per((double)figures->changes, figures->seconds));
    print_count("deliveries", (double)tally->deliveries, "a second", per((double)tally->deliveries, figures->seconds));
    print_count("frames", (double)tally->frames, "a second", per((double)tally->frames, figures->seconds));
    printf("  %-22s %16.1f   %.2f rows\n", "bytes a frame", per((double)tally->wire_bytes, (double)tally->frames),
           per((double)tally->deliveries, (double)tally->frames));
}

static void print_title(const struct figures *figures, const struct scenario *scenario) {
    const struct crowd_options *options = &scenario->crowd.options;
    const uint32_t publishers = crowd_publishers(scenario->groups, scenario->group_count);
    char subscribers[REPORT_GROUPED_CHARS], people[REPORT_GROUPED_CHARS];
    printf("%s: %s %s in %u %s", scenario->plan.scenario, report_grouped(options->subscribers, subscribers),
           options->subscribers == 1 ? "subscriber" : "subscribers", (unsigned)options->companies,
           options->companies == 1 ? "company" : "companies");
    if (!is_idle(figures))
        printf(", %s %s", report_grouped(publishers, people), publishers == 1 ? "person changes" : "people change");
    printf("; %.1f s\n", figures->seconds);
}

static void print_table(const struct figures *figures, const struct scenario *scenario) {
    const struct plan *plan = &scenario->plan;
    char growth[REPORT_GROUPED_CHARS];
    print_title(figures, scenario);
    print_traffic(figures);
    print_latency(&scenario->crowd.latency_us);
    if (figures->rss_bytes >= 0) {
        printf("  %-22s %14.1f MiB   %s bytes of growth a connection%s\n", "broker's memory",
               (double)figures->rss_bytes / 1048576, report_grouped(figures->bytes_per_connection, growth),
               figures->replica_bytes < 0 ? "" : ", with one replica of each company");
        if (figures->replica_bytes >= 0)
            printf("  %-22s %14.1f MiB   on each further worker\n", "replicas of all",
                   (double)figures->replica_bytes / 1048576);
        printf("  %-22s %14.2f s     %.0f %% of a core\n", "broker's processor time", (double)figures->cpu_ns / 1e9,
               per((double)figures->cpu_ns / 1e7, figures->seconds));
    }
    const struct bound_use use = use_of_cores(figures, scenario);
    char bound[BOUND_CHARS];
    if (!is_idle(figures)) printf("  %-22s %s\n", "bound by", bound_tell(&use, bound));
    print_count("right views", plan->subscribers - (double)figures->verdict.wrong_views, "wrong",
                (double)figures->verdict.wrong_views);
    print_count("changes lost", (double)figures->verdict.lost, "refused", (double)figures->refused);
}

static int draw_latency(const struct scenario *scenario, const json_t *report) {
    char subtitle[160], subscribers[REPORT_GROUPED_CHARS], changes[REPORT_GROUPED_CHARS];
    const uint32_t companies = scenario->crowd.options.companies;
    snprintf(subtitle, sizeof subtitle, "%s subscribers in %u %s, %s changes in %.1f s",
             report_grouped(scenario->plan.subscribers, subscribers), (unsigned)companies,
             companies == 1 ? "company" : "companies",
             report_grouped((double)json_integer_value(json_object_get(report, "changes")), changes),
             json_number_value(json_object_get(report, "seconds")));
    const struct plot plot = {.title = scenario->plan.title, .subtitle = subtitle, .report = report};
    struct plot_latency series[3 + SCENARIO_FURTHER_MAX];
    size_t count = 0;
    series[count++] = (struct plot_latency){"each delivery", &scenario->crowd.latency_us};
    series[count++] = (struct plot_latency){"until all have it", &scenario->crowd.complete_us};
    series[count++] = (struct plot_latency){"until live again", &scenario->crowd.return_us};
    for (size_t i = 0; i < scenario->further_count; i++)
        series[count++] = scenario->further[i];
    return plot_write_latency(&plot, series, count, scenario->plan.svg);
}

static int publish(const struct scenario *scenario, const json_t *report) {
    const struct plan *plan = &scenario->plan;
    int error = plan->json ? report_write(report, plan->json) : 0;
    if (error == 0 && plan->svg && (scenario->crowd.latency_us.total > 0 || scenario->further_count > 0) &&
        !scenario->draws_itself)
        error = draw_latency(scenario, report);
    return error;
}

/* Every view in every process. 0, or an error after a complaint. */
static int check_all(struct figures *figures, struct scenario *scenario) {
    struct crowd *crowd = &scenario->crowd;
    int error = figures->failed ? LEDIG_EIO : crowd_check(crowd, &figures->verdict);
    if (error == 0) error = generators_order(&scenario->generators, crowd, ORDER_CHECK);
    figures->gone = crowd->gone + figures->gone_elsewhere;
    figures->broken = crowd->broken;
    figures->refused += crowd->refused;
    for (uint32_t rank = 1; rank < scenario->generators.processes; rank++) {
        const struct generator_count *count = &scenario->generators.counts[rank];
        figures->gone += count->gone;
        figures->broken += count->broken;
        figures->verdict.wrong_views += count->verdict.wrong_views;
        figures->verdict.lost += count->verdict.lost;
    }
    return error;
}

int figures_conclude(struct figures *figures, struct scenario *scenario, json_t *more) {
    if (check_all(figures, scenario) != 0 || share_memory(figures, scenario) != 0) {
        json_decref(more);
        return 1;
    }
    if (!scenario->tells_itself && plan_tells(&scenario->plan)) print_table(figures, scenario);
    json_t *report = make_report(figures, scenario);
    if (more) json_object_update(report, more);
    json_decref(more);
    int error = publish(scenario, report);
    scenario->report = report;
    if (error != 0) return 1;
    const struct verdict *verdict = &figures->verdict;
    if (verdict->wrong_views == 0 && verdict->lost == 0 && figures->wrong_answers == 0 && figures->gone == 0 &&
        figures->broken == 0)
        return 0;
    complain(0,
             "%llu wrong views, %llu wrong answers, %llu changes lost, %u connections lost, %llu frames not understood",
             (unsigned long long)verdict->wrong_views, (unsigned long long)figures->wrong_answers,
             (unsigned long long)verdict->lost, (unsigned)figures->gone, (unsigned long long)figures->broken);
    return 2;
}

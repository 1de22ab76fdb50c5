#include "bench/against_nginx.h"
#include "bench/peers/nginx.h"
#include "bench/terminal.h"
#include "bench/wrk.h"

#include <stdio.h>
#include <string.h>

#define ROUND_S 1 /* wrk counts whole seconds */
#define PATH_CHARS 64

struct duel {
    struct against_nginx *against;
    const struct scenario *scenario;
    struct server server;
    struct wrk wrk;
    char router_path[PATH_CHARS], nginx_path[PATH_CHARS], nginx_host[PATH_CHARS];
};

static int play_round(const struct duel *duel, bool nginx, struct round *round) {
    const struct subject *subject = &duel->scenario->subject;
    const pid_t server = nginx ? duel->server.pid : subject->router;
    const int64_t began_ns = clock_now_ns(), cpu_ns = process_cpu_ns(server);
    double rate;
    int error = nginx ? wrk_run(&duel->wrk, duel->nginx_host, duel->nginx_path, ROUND_S, &rate)
                      : wrk_run(&duel->wrk, subject->routers.host, duel->router_path, ROUND_S, &rate);
    if (error) return error;
    const int64_t spent_ns = process_cpu_ns(server) - cpu_ns, took_ns = clock_now_ns() - began_ns;
    *round = (struct round){rate, spent_ns > 0 ? rate * ROUND_S * 1e9 / (double)spent_ns : 0,
                            (double)spent_ns / (double)took_ns};
    return 0;
}

/* Who begins takes turns as well. */
static int play(struct duel *duel) {
    struct rounds *rounds = &duel->against->rounds;
    const uint32_t count = duel->scenario->plan.rounds;
    struct round warm;
    int error = play_round(duel, false, &warm);
    if (!error) error = play_round(duel, true, &warm);
    for (uint32_t i = 0; i < 2 * count && !error; i++) {
        const bool nginx = (i + i / 2) % 2;
        progress_show("rounds with nginx", i, 2 * (uint64_t)count);
        error = play_round(duel, nginx, nginx ? &rounds->limit[i / 2] : &rounds->broker[i / 2]);
    }
    rounds->count = count;
    progress_end();
    return error;
}

static void name_paths(struct duel *duel) {
    char number[EMPLOYER_NUMBER_CHARS];
    employer_number(0, 0, number);
    snprintf(duel->router_path, sizeof duel->router_path, "/v1/route?to=%%2B%s", number + 1);
    snprintf(duel->nginx_path, sizeof duel->nginx_path, "/%zu", duel->against->body_bytes);
    snprintf(duel->nginx_host, sizeof duel->nginx_host, "127.0.0.1:%u", duel->server.port);
}

static int open_and_play(struct duel *duel, const char *nginx, const char *token) {
    const struct cores *cores = &duel->scenario->cores;
    char script[PATH_MAX + 16];
    int error = server_start(&duel->server, &peer_nginx, nginx, cores->server, duel->wrk.connections);
    if (error) return error;
    snprintf(script, sizeof script, "%s/request.lua", duel->server.directory);
    duel->wrk.script = script;
    if (wrk_write_script(script, token) != 0) return complain(LEDIG_EIO, "%s cannot be written", script);
    if (process_pin(duel->scenario->subject.router, cores->server) != 0)
        return complain(LEDIG_EIO, "cannot choose a core");
    name_paths(duel);
    return play(duel);
}

int against_nginx_play(struct against_nginx *against, const struct scenario *scenario, const struct router *router) {
    const struct peer wrk = {.program = "wrk"};
    char nginx_program[PATH_MAX], wrk_program[PATH_MAX];
    *against =
        (struct against_nginx){.body_bytes = router->body_bytes, .rounds = {.unit = "requests", .other = "nginx"}};
    if (!server_find(&peer_nginx, nginx_program)) against->skipped = "nginx";
    if (!server_find(&wrk, wrk_program)) against->skipped = "wrk";
    if (against->skipped)
        return complain(0, "nginx is skipped: %s is not installed (Debian's package has that name)", against->skipped);
    if (!scenario->subject.started) return complain(LEDIG_EIO, "nginx stands beside a broker that is started here");
    if (against->body_bytes < NGINX_BODY_BYTES_MIN || against->body_bytes > NGINX_BODY_BYTES_MAX)
        return complain(LEDIG_EIO, "an answer has %zu bytes, which is none of nginx's", against->body_bytes);
    server_version(&peer_nginx, nginx_program, against->version);
    struct duel duel = {
        .against = against,
        .scenario = scenario,
        .wrk = {.program = wrk_program, .connections = scenario->plan.connections, .core = scenario->cores.generator}};
    int error = open_and_play(&duel, nginx_program, router->token);
    server_stop(&duel.server);
    return error;
}

double against_nginx_rate(const struct against_nginx *against) {
    return spread_of(&against->rounds.broker[0].sends_per_s, sizeof *against->rounds.broker, against->rounds.count)
        .median;
}

json_t *against_nginx_report(const struct against_nginx *against) {
    if (against->skipped) return json_null();
    json_t *object = rounds_report(&against->rounds);
    json_object_set_new(object, "nginx", json_string(against->version));
    report_count(object, "body_bytes", (int64_t)against->body_bytes);
    return object;
}

void against_nginx_print(const struct against_nginx *against) {
    if (against->skipped) return;
    rounds_print(&against->rounds);
    printf("  %-22s %s, both with bodies of %zu bytes\n", "nginx", against->version, against->body_bytes);
}

#include "store_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int asking; /* calls of the store that have not returned */

/* ---- The server ---- */

static void become_server(const struct server *server) {
    char log[96];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(log, sizeof log, "%s/redis.log", server->dir);
    execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", "redis.sock", "--dir", server->dir, "--save",
           "", "--appendonly", "yes", "--appendfsync", "always", "--logfile", log, (char *)NULL);
    _exit(127);
}

redisContext *server_connect(struct server *server) {
    return redisConnectUnix(server->url + strlen("unix:"));
}

static bool server_answers(struct server *server) {
    redisContext *context = server_connect(server);
    redisReply *reply = context != NULL && context->err == 0 ? redisCommand(context, "PING") : NULL;
    bool answers = reply != NULL && reply->type == REDIS_REPLY_STATUS;
    if (reply != NULL) freeReplyObject(reply);
    if (context != NULL) redisFree(context);
    return answers;
}

void server_start(struct server *server) {
    if (server->dir[0] == '\0') {
        snprintf(server->dir, sizeof server->dir, "/tmp/ledig-store-XXXXXX");
        assert_non_null(mkdtemp(server->dir));
        snprintf(server->url, sizeof server->url, "unix:%s/redis.sock", server->dir);
    }
    server->pid = fork();
    assert_true(server->pid >= 0);
    if (server->pid == 0) become_server(server);
    for (int tries = 0; !server_answers(server); tries++) {
        struct timespec pause = {.tv_nsec = 5000000};
        assert_true(tries < 2000);
        assert_int_equal(waitpid(server->pid, NULL, WNOHANG), 0);
        nanosleep(&pause, NULL);
    }
}

void server_kill(struct server *server) {
    kill(server->pid, SIGKILL);
    assert_int_equal(waitpid(server->pid, NULL, 0), server->pid);
    server->pid = 0;
}

void server_pause(struct server *server, bool paused) {
    int status;
    kill(server->pid, paused ? SIGSTOP : SIGCONT);
    if (paused) assert_int_equal(waitpid(server->pid, &status, WUNTRACED), server->pid);
}

void server_remove(struct server *server) {
    char command[128];
    if (server->pid > 0) server_kill(server);
    snprintf(command, sizeof command, "rm -rf '%s'", server->dir);
    assert_int_equal(system(command), 0);
}

const char *server_tell(struct server *server, const char *format, ...) {
    static char text[4096];
    va_list arguments;
    redisContext *context = server_connect(server);
    assert_non_null(context);
    va_start(arguments, format);
    redisReply *reply = redisvCommand(context, format, arguments);
    va_end(arguments);
    assert_non_null(reply);
    if (reply->type == REDIS_REPLY_ERROR) fail_msg("%s: %s", format, reply->str);
    if (reply->type == REDIS_REPLY_INTEGER) {
        snprintf(text, sizeof text, "%lld", reply->integer);
    } else if (reply->type == REDIS_REPLY_ARRAY) {
        snprintf(text, sizeof text, "%zu", reply->elements);
    } else {
        snprintf(text, sizeof text, "%s", reply->str != NULL ? reply->str : "");
    }
    freeReplyObject(reply);
    redisFree(context);
    return text;
}

/* ---- The fixture ---- */

int fixture_setup(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    const char *seed = getenv("LEDIG_SEED");
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&fixture->loop);
    fixture->seed = seed != NULL ? (unsigned)strtoul(seed, NULL, 10) : (unsigned)time(NULL);
    print_message("LEDIG_SEED=%u\n", fixture->seed);
    server_start(&fixture->server);
    *state = fixture;
    return 0;
}

int fixture_teardown(void **state) {
    struct fixture *fixture = *state;
    server_remove(&fixture->server);
    int busy = uv_loop_close(&fixture->loop);
    free(fixture);
    return busy;
}

int fixture_after(void **state) {
    struct fixture *fixture = *state;
    asking = 0;
    if (fixture->stores == 0 && !uv_loop_alive(&fixture->loop)) return 0;
    fixture->stores = 0;
    uv_loop_init(&fixture->loop);
    if (fixture->server.pid == 0) server_start(&fixture->server);
    kill(fixture->server.pid, SIGCONT);
    return 0;
}

static void on_tick(uv_timer_t *timer) {
    (void)timer;
}

static void on_tick_closed(uv_handle_t *handle) {
    *(bool *)handle->data = true;
}

void fixture_turn(struct fixture *fixture) {
    uv_timer_t tick;
    bool closed = false;
    uv_timer_init(&fixture->loop, &tick);
    tick.data = &closed;
    uv_timer_start(&tick, on_tick, 2, 2); /* again, where it is due before the loop begins to wait */
    uv_run(&fixture->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&tick, on_tick_closed);
    while (!closed) {
        uv_run(&fixture->loop, UV_RUN_NOWAIT);
    }
}

void fixture_run(struct fixture *fixture, uint64_t ms) {
    uint64_t until = uv_hrtime() + ms * 1000000;
    while (uv_hrtime() < until) {
        fixture_turn(fixture);
    }
}

void fixture_settle(struct fixture *fixture) {
    WAIT(fixture, fixture->stores == 0);
    WAIT(fixture, !uv_loop_alive(&fixture->loop));
}

struct store *fixture_open(struct fixture *fixture, const struct store_options *options) {
    struct store_options chosen = {0};
    struct store *store;
    if (options != NULL) chosen = *options;
    if (chosen.url == NULL) chosen.url = fixture->server.url;
    assert_int_equal(store_open(&fixture->loop, &chosen, &store), 0);
    fixture->stores++;
    return store;
}

static void on_store_closed(void *arg) {
    struct fixture *fixture = arg;
    fixture->stores--;
}

void fixture_begin_close(struct fixture *fixture, struct store *store) {
    ASK(store_close(store, on_store_closed, fixture));
}

void fixture_close(struct fixture *fixture, struct store *store) {
    int before = fixture->stores;
    fixture_begin_close(fixture, store);
    WAIT(fixture, fixture->stores < before);
}

struct store *fixture_open_connected(struct fixture *fixture, const struct store_options *options) {
    struct store *store = fixture_open(fixture, options);
    WAIT(fixture, store_is_connected(store));
    return store;
}

/* ---- Answers ---- */

void answer_asking(int step) {
    asking += step;
}

static struct answer *came(void *arg, int error) {
    struct answer *answer = arg;
    if (asking != 0) fail_msg("an answer from inside of the call that asked");
    if (++answer->count > 1) fail_msg("answered twice");
    answer->error = error;
    return answer;
}

static void describe(struct answer *answer, const struct store_record *record) {
    size_t used = strlen(answer->text), room = sizeof answer->text - used;
    answer->records++;
    snprintf(answer->text + used, room, "%s@%llu=%.*s ", record->entity, (unsigned long long)record->revision,
             record->bytes != NULL ? (int)record->length : 1,
             record->bytes != NULL ? (const char *)record->bytes : "-");
}

void answer_commit(void *arg, int error, uint64_t version, const struct store_record *moved) {
    struct answer *answer = came(arg, error);
    answer->version = version;
    assert_true((error == LEDIG_EMOVED_ON) == (moved != NULL));
    if (moved != NULL) describe(answer, moved);
}

void answer_update(void *arg, int error, uint64_t version) {
    struct change_asked *change = arg;
    came(&change->answer, error)->version = version;
    change->dead = true;
}

void answer_done(void *arg, int error) {
    came(arg, error);
}

void answer_page(void *arg, const struct store_record *records, size_t count) {
    struct answer *answer = arg;
    assert_int_equal(asking, 0);
    assert_int_equal(answer->count, 0);
    answer->pages++;
    for (size_t i = 0; i < count; i++) {
        describe(answer, &records[i]);
    }
}

void answer_read(void *arg, int error, const struct store_head *head) {
    struct answer *answer = came(arg, error);
    assert_true((error == 0) == (head != NULL));
    if (head != NULL) answer->head = *head;
}

void answer_some(void *arg, int error, const struct store_head *head, const struct store_record *records,
                 size_t count) {
    answer_read(arg, error, head);
    for (size_t i = 0; i < count; i++) {
        describe(arg, &records[i]);
    }
}

void answer_lease(void *arg, int error, const char *id) {
    struct answer *answer = came(arg, error);
    if (id != NULL) snprintf(answer->text, sizeof answer->text, "%s", id);
}

void answer_numbers(void *arg, int error, size_t which) {
    came(arg, error)->which = which;
}

void answer_found(void *arg, int error, const char *const *owners, size_t count) {
    struct answer *answer = came(arg, error);
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(answer->text);
        snprintf(answer->text + used, sizeof answer->text - used, "%s ", owners[i] != NULL ? owners[i] : "-");
    }
}

/* ---- Asking ---- */

struct answer commit_one(struct fixture *fixture, struct store *store, const char *company, const char *entity,
                         enum store_action action, uint64_t expected, const char *bytes) {
    struct answer answer = {0};
    struct store_write write = {.entity = entity,
                                .action = action,
                                .expected = expected,
                                .bytes = (const uint8_t *)bytes,
                                .length = bytes != NULL ? strlen(bytes) : 0};
    struct store_commit commit = {.company = company, .writes = &write, .count = 1};
    ASK(store_commit(store, &commit, answer_commit, &answer));
    WAIT(fixture, answer.count > 0);
    return answer;
}

struct answer read_one(struct fixture *fixture, struct store *store, const char *company, const char *entity) {
    struct answer answer = {0};
    ASK(store_read(store, company, &entity, 1, answer_some, &answer));
    WAIT(fixture, answer.count > 0);
    return answer;
}

struct answer read_since(struct fixture *fixture, struct store *store, const char *company, uint64_t version) {
    struct answer answer = {0};
    ASK(store_read_since(store, company, version, answer_page, answer_read, &answer));
    WAIT(fixture, answer.count > 0);
    return answer;
}

static int apply(void *arg, const struct store_record *current, struct store_next *next, struct store_kept_list *kept) {
    struct change_asked *change = arg;
    size_t length = strlen(change->text);
    change->applied++;
    if (change->dead) fail_msg("applied after it had ended");
    if (asking != 0) fail_msg("applied from inside of the call that asked");
    for (size_t i = 0; i < change->answer.which; i++) {
        assert_int_equal(next[i].action, STORE_CHECK);
        assert_int_equal(next[i].bytes.length, 0);
        if (change->set && current[i].bytes != NULL && current[i].length == length &&
            memcmp(current[i].bytes, change->text, length) == 0) {
            return UPDATE_NOTHING;
        }
        if (!change->set && current[i].bytes != NULL) {
            buffer_append(&next[i].bytes, current[i].bytes, current[i].length);
        }
        buffer_append(&next[i].bytes, change->text, length);
        next[i].action = STORE_WRITE;
        next[i].not_before_ms = change->not_before_ms;
    }
    if (change->kept_id != NULL) {
        struct store_kept entry = {.log = "audit",
                                   .id = change->kept_id,
                                   .at_ms = 1000,
                                   .bytes = (const uint8_t *)change->text,
                                   .length = length};
        store_keep(kept, &entry);
    }
    return change->fails;
}

void update_ask(struct store *store, const char *company, const char *entity, const char *second,
                struct change_asked *change) {
    const char *entities[2] = {entity, second};
    struct store_update update = {.company = company,
                                  .entities = entities,
                                  .count = second != NULL ? 2 : 1,
                                  .apply = apply,
                                  .done = answer_update,
                                  .arg = change};
    change->answer.which = update.count;
    ASK(store_update(store, &update));
}

/* ---- The proxy ---- */

struct line { /* one connection through it */
    struct line *next;
    struct proxy *proxy;
    uv_pipe_t client, server;
    uv_connect_t connecting;
    int open;
    bool cut;
};

struct proxy {
    struct fixture *fixture;
    uv_pipe_t listener;
    char path[108];
    struct line *lines;
    char lost[64];
    bool losing, holding, closed;
    int cuts;
};

struct chunk {
    uv_write_t request;
    char bytes[];
};

static void on_line_closed(uv_handle_t *handle) {
    struct line *line = handle->data;
    if (--line->open > 0) return;
    for (struct line **at = &line->proxy->lines; *at != NULL; at = &(*at)->next) {
        if (*at != line) continue;
        *at = line->next;
        break;
    }
    free(line);
}

static void line_cut(struct line *line) {
    if (line->cut) return;
    line->cut = true;
    line->proxy->cuts++;
    uv_close((uv_handle_t *)&line->client, on_line_closed);
    uv_close((uv_handle_t *)&line->server, on_line_closed);
}

static void on_chunk_written(uv_write_t *request, int status) {
    (void)status;
    free(request->data);
}

static void pass_on(uv_stream_t *to, const char *bytes, size_t length) {
    struct chunk *chunk = malloc(sizeof *chunk + length);
    memcpy(chunk->bytes, bytes, length);
    chunk->request.data = chunk;
    uv_buf_t buffer = uv_buf_init(chunk->bytes, (unsigned)length);
    uv_write(&chunk->request, to, &buffer, 1, on_chunk_written);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
    (void)handle;
    *buffer = uv_buf_init(malloc(suggested), (unsigned)suggested);
}

static void on_bytes(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
    struct line *line = stream->data;
    bool from_client = stream == (uv_stream_t *)&line->client;
    if (line->cut || count < 0) {
        line_cut(line);
    } else if (!from_client && line->proxy->losing &&
               memmem(buffer->base, (size_t)count, line->proxy->lost, strlen(line->proxy->lost)) != NULL) {
        line->proxy->losing = false;
        line_cut(line);
    } else if (!(from_client && line->proxy->holding)) {
        pass_on((uv_stream_t *)(from_client ? &line->server : &line->client), buffer->base, (size_t)count);
    }
    free(buffer->base);
}

static void on_server_connected(uv_connect_t *request, int status) {
    struct line *line = request->data;
    if (line->cut) return;
    if (status != 0) {
        line_cut(line);
        return;
    }
    uv_read_start((uv_stream_t *)&line->client, on_alloc, on_bytes);
    uv_read_start((uv_stream_t *)&line->server, on_alloc, on_bytes);
}

static void on_client(uv_stream_t *listener, int status) {
    struct proxy *proxy = listener->data;
    struct line *line = calloc(1, sizeof *line);
    (void)status;
    line->proxy = proxy;
    line->open = 2;
    line->next = proxy->lines;
    proxy->lines = line;
    uv_pipe_init(&proxy->fixture->loop, &line->client, 0);
    uv_pipe_init(&proxy->fixture->loop, &line->server, 0);
    line->client.data = line->server.data = line->connecting.data = line;
    uv_accept(listener, (uv_stream_t *)&line->client);
    uv_pipe_connect(&line->connecting, &line->server, proxy->fixture->server.url + strlen("unix:"),
                    on_server_connected);
}

struct proxy *proxy_open(struct fixture *fixture, char url[static 128]) {
    struct proxy *proxy = calloc(1, sizeof *proxy);
    proxy->fixture = fixture;
    snprintf(proxy->path, sizeof proxy->path, "%s/proxy.sock", fixture->server.dir);
    snprintf(url, 128, "unix:%s", proxy->path);
    uv_pipe_init(&fixture->loop, &proxy->listener, 0);
    proxy->listener.data = proxy;
    unlink(proxy->path);
    assert_int_equal(uv_pipe_bind(&proxy->listener, proxy->path), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&proxy->listener, 16, on_client), 0);
    return proxy;
}

static void on_listener_closed(uv_handle_t *handle) {
    ((struct proxy *)handle->data)->closed = true;
}

void proxy_close(struct proxy *proxy) {
    proxy_cut(proxy);
    uv_close((uv_handle_t *)&proxy->listener, on_listener_closed);
    WAIT(proxy->fixture, proxy->closed && proxy->lines == NULL);
    free(proxy);
}

void proxy_lose_answers(struct proxy *proxy, const char *that_holds) {
    snprintf(proxy->lost, sizeof proxy->lost, "%s", that_holds);
    proxy->losing = true;
}

void proxy_hold_requests(struct proxy *proxy, bool hold) {
    proxy->holding = hold;
}

void proxy_cut(struct proxy *proxy) {
    for (struct line *line = proxy->lines; line != NULL; line = line->next) {
        line_cut(line);
    }
}

int proxy_cuts(const struct proxy *proxy) {
    return proxy->cuts;
}

/* The private Redis: how it starts, what it says when it cannot, how it comes back and how it ends. */
#include "broker/store/embedded_redis.h"
#include "store_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct house {
    struct fixture fixture; /* its loop alone; no server of its own */
    char root[64], dir[512], path[4096];
    struct embedded_redis *redis;
    int ready, down, failed;
    char url[600], why[5000];
    bool stopped;
    uv_signal_t children;
    bool signal_closed;
};

/* ---- The supervisor's part ---- */

static void on_child(uv_signal_t *handle, int number) {
    struct house *house = handle->data;
    int status;
    (void)number;
    for (pid_t pid = waitpid(-1, &status, WNOHANG); pid > 0; pid = waitpid(-1, &status, WNOHANG)) {
        if (house->redis != NULL) embedded_redis_reaped(house->redis, pid, status);
    }
}

static void on_ready(void *arg, const char *url) {
    struct house *house = arg;
    house->ready++;
    snprintf(house->url, sizeof house->url, "%s", url);
}

static void on_down(void *arg, const char *why) {
    struct house *house = arg;
    house->down++;
    snprintf(house->why, sizeof house->why, "%s", why);
}

static void on_failed(void *arg, const char *why) {
    struct house *house = arg;
    house->failed++;
    snprintf(house->why, sizeof house->why, "%s", why);
}

static void on_stopped(void *arg) {
    struct house *house = arg;
    house->stopped = true;
    house->redis = NULL;
}

static void begin(struct house *house) {
    struct embedded_redis_options options = {
        .dir = house->dir, .ready = on_ready, .down = on_down, .failed = on_failed, .arg = house};
    house->stopped = false;
    assert_int_equal(embedded_redis_start(&house->fixture.loop, &options, &house->redis), 0);
    assert_int_equal(house->ready + house->failed, 0);
}

static void end(struct house *house) {
    embedded_redis_stop(house->redis, on_stopped, house);
    WAIT(&house->fixture, house->stopped);
}

static int setup(void **state) {
    struct house *house = calloc(1, sizeof *house);
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&house->fixture.loop);
    snprintf(house->root, sizeof house->root, "/tmp/ledig-embedded-XXXXXX");
    assert_non_null(mkdtemp(house->root));
    snprintf(house->dir, sizeof house->dir, "%s/redis", house->root);
    snprintf(house->path, sizeof house->path, "%s", getenv("PATH"));
    uv_signal_init(&house->fixture.loop, &house->children);
    house->children.data = house;
    uv_signal_start(&house->children, on_child, SIGCHLD);
    *state = house;
    return 0;
}

static void on_signal_closed(uv_handle_t *handle) {
    ((struct house *)handle->data)->signal_closed = true;
}

static int teardown(void **state) {
    struct house *house = *state;
    char command[200];
    setenv("PATH", house->path, 1);
    if (house->redis != NULL) end(house); /* a test that failed */
    uv_close((uv_handle_t *)&house->children, on_signal_closed);
    WAIT(&house->fixture, house->signal_closed && !uv_loop_alive(&house->fixture.loop));
    snprintf(command, sizeof command, "chmod -R u+rwx '%s' && rm -rf '%s'", house->root, house->root);
    assert_int_equal(system(command), 0);
    assert_int_equal(uv_loop_close(&house->fixture.loop), 0);
    free(house);
    return 0;
}

static struct store *open_store(struct house *house) {
    struct store_options options = {.url = house->url};
    return fixture_open_connected(&house->fixture, &options);
}

static int mode_of(const char *dir, const char *name) {
    char path[800];
    struct stat status;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(stat(path, &status), 0);
    return (int)(status.st_mode & 0777);
}

/* ---- Tests ---- */

static void it_starts_answers_and_keeps_what_it_acknowledged_over_a_kill(void **state) {
    struct house *house = *state;
    begin(house);
    WAIT(&house->fixture, house->ready == 1);
    assert_int_equal(mode_of(house->dir, "."), 0700);
    assert_int_equal(mode_of(house->dir, "redis.sock"), 0700);
    struct store *store = open_store(house);
    assert_int_equal(commit_one(&house->fixture, store, "acme", "company", STORE_WRITE, 0, "x").error, 0);
    pid_t pid = embedded_redis_pid(house->redis);
    assert_int_equal(getpgid(pid), pid); /* out of reach of a Ctrl-C for the terminal's group */
    kill(pid, SIGKILL);
    WAIT(&house->fixture, house->ready == 2);
    assert_int_equal(house->down, 1);
    assert_non_null(strstr(house->why, "signal 9"));
    assert_int_not_equal(embedded_redis_pid(house->redis), pid);
    WAIT(&house->fixture, store_is_connected(store));
    assert_non_null(strstr(read_one(&house->fixture, store, "acme", "company").text, "=x "));
    fixture_close(&house->fixture, store);
    end(house);
    assert_int_equal(house->down, 1); /* an end that was asked for is no news */
}

static void what_was_stored_is_there_at_the_next_start(void **state) {
    struct house *house = *state;
    begin(house);
    WAIT(&house->fixture, house->ready == 1);
    struct store *store = open_store(house);
    commit_one(&house->fixture, store, "acme", "company", STORE_WRITE, 0, "x");
    fixture_close(&house->fixture, store);
    end(house);
    house->ready = 0;
    begin(house);
    WAIT(&house->fixture, house->ready == 1);
    store = open_store(house);
    assert_non_null(strstr(read_one(&house->fixture, store, "acme", "company").text, "=x "));
    fixture_close(&house->fixture, store);
    end(house);
}

static void it_has_no_tcp_port(void **state) {
    struct house *house = *state;
    begin(house);
    WAIT(&house->fixture, house->ready == 1);
    snprintf(house->fixture.server.url, sizeof house->fixture.server.url, "%.120s", house->url);
    redisContext *context = server_connect(&house->fixture.server);
    redisReply *reply = redisCommand(context, "CONFIG GET port");
    assert_string_equal(reply->element[1]->str, "0");
    freeReplyObject(reply);
    reply = redisCommand(context, "CONFIG GET appendfsync");
    assert_string_equal(reply->element[1]->str, "always");
    freeReplyObject(reply);
    redisFree(context);
    end(house);
}

static void directory_with_a_long_path_works(void **state) {
    struct house *house = *state;
    snprintf(house->dir, sizeof house->dir, "%s/%0150d", house->root, 7);
    begin(house);
    WAIT(&house->fixture, house->ready == 1);
    struct store *store = open_store(house);
    assert_int_equal(commit_one(&house->fixture, store, "acme", "company", STORE_WRITE, 0, "x").error, 0);
    fixture_close(&house->fixture, store);
    end(house);
}

static void left_over_socket_and_odd_names_do_no_harm(void **state) {
    struct house *house = *state;
    char path[800];
    snprintf(house->dir, sizeof house->dir, "%s/with \"blanks\" and 'quotes'", house->root);
    assert_int_equal(mkdir(house->dir, 0700), 0);
    snprintf(path, sizeof path, "%s/redis.sock", house->dir);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    begin(house);
    WAIT(&house->fixture, house->ready + house->failed == 1);
    assert_int_equal(house->ready, 1);
    end(house);
}

static void without_a_server_on_the_path_it_says_what_to_install(void **state) {
    struct house *house = *state;
    setenv("PATH", house->root, 1);
    begin(house);
    WAIT(&house->fixture, house->failed == 1);
    assert_string_equal(house->why, "no redis-server or valkey-server on the path: apt-get install redis-server");
    end(house);
}

static void valkey_is_taken_where_only_that_is_installed(void **state) {
    struct house *house = *state;
    char command[400];
    snprintf(command, sizeof command, "mkdir '%s/bin' && ln -s \"$(command -v redis-server)\" '%s/bin/valkey-server'",
             house->root, house->root);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command, "%s/bin", house->root);
    setenv("PATH", command, 1);
    begin(house);
    WAIT(&house->fixture, house->ready == 1);
    end(house);
}

static void directory_that_cannot_be_made_is_named(void **state) {
    struct house *house = *state;
    snprintf(house->dir, sizeof house->dir, "%s/no/such/place", house->root);
    begin(house);
    WAIT(&house->fixture, house->failed == 1);
    assert_non_null(strstr(house->why, house->dir));
    assert_non_null(strstr(house->why, "No such file"));
    end(house);
}

static void damaged_log_is_named_and_left_alone(void **state) {
    struct house *house = *state;
    char path[800], before[4096], after[4096];
    begin(house);
    WAIT(&house->fixture, house->ready == 1);
    struct store *store = open_store(house);
    commit_one(&house->fixture, store, "acme", "company", STORE_WRITE, 0, "x");
    commit_one(&house->fixture, store, "acme", "profile:kari", STORE_WRITE, 0, "y");
    fixture_close(&house->fixture, store);
    end(house);
    snprintf(path, sizeof path, "%s/appendonlydir/appendonly.aof.1.incr.aof", house->dir);
    int file = open(path, O_RDWR | O_CLOEXEC);
    assert_true(file >= 0);
    assert_int_equal(pwrite(file, "garbage", 7, 30), 7);
    ssize_t length = pread(file, before, sizeof before, 0);
    house->ready = 0;
    begin(house);
    WAIT(&house->fixture, house->failed == 1);
    assert_int_equal(house->ready, 0);
    assert_non_null(strstr(house->why, "appendonly.aof.1.incr.aof"));
    assert_non_null(strstr(house->why, "keep a copy"));
    assert_non_null(strstr(house->why, "redis-check-aof --fix"));
    assert_null(strchr(house->why, '\n'));
    assert_int_equal(pread(file, after, sizeof after, 0), length);
    assert_memory_equal(before, after, (size_t)length);
    close(file);
    end(house);
}

static void torn_tail_is_no_damage(void **state) {
    struct house *house = *state;
    char path[800];
    begin(house);
    WAIT(&house->fixture, house->ready == 1);
    struct store *store = open_store(house);
    commit_one(&house->fixture, store, "acme", "company", STORE_WRITE, 0, "x");
    fixture_close(&house->fixture, store);
    end(house);
    snprintf(path, sizeof path, "%s/appendonlydir/appendonly.aof.1.incr.aof", house->dir);
    int file = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(write(file, "*3\r\n$3\r\nSET\r\n$1", 16), 16);
    close(file);
    house->ready = 0;
    begin(house);
    WAIT(&house->fixture, house->ready + house->failed == 1);
    assert_int_equal(house->ready, 1);
    store = open_store(house);
    assert_non_null(strstr(read_one(&house->fixture, store, "acme", "company").text, "=x "));
    fixture_close(&house->fixture, store);
    end(house);
}

static void second_server_on_one_directory_is_refused(void **state) {
    struct house *house = *state;
    struct house other;
    memset(&other, 0, sizeof other);
    begin(house);
    WAIT(&house->fixture, house->ready == 1);
    memcpy(other.dir, house->dir, sizeof other.dir);
    struct embedded_redis_options options = {
        .dir = other.dir, .ready = on_ready, .down = on_down, .failed = on_failed, .arg = &other};
    assert_int_equal(embedded_redis_start(&house->fixture.loop, &options, &other.redis), 0);
    WAIT(&house->fixture, other.failed == 1);
    assert_non_null(strstr(other.why, "another server answers"));
    embedded_redis_stop(other.redis, on_stopped, &other);
    WAIT(&house->fixture, other.stopped);
    end(house);
}

static void it_can_be_stopped_at_any_moment(void **state) {
    struct house *house = *state;
    for (int turns = 0; turns < 10; turns++) {
        house->ready = 0;
        begin(house);
        for (int i = 0; i < turns; i++) {
            fixture_turn(&house->fixture);
        }
        end(house);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
    }
}

/* A supervisor in a process of its own that is killed: its Redis goes with it, and until it has gone the lock is held.
 */
static _Noreturn void be_a_supervisor(struct house *house, int report) {
    char line[32];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(20); /* so that its parent does not wait for ever */
    uv_loop_fork(&house->fixture.loop);
    begin(house);
    WAIT(&house->fixture, house->ready == 1);
    int length = snprintf(line, sizeof line, "%d\n", (int)embedded_redis_pid(house->redis));
    if (write(report, line, (size_t)length) != length) _exit(1);
    for (;;) {
        fixture_turn(&house->fixture);
    }
}

static void it_dies_with_its_supervisor_and_holds_the_lock_until_then(void **state) {
    struct house *house = *state;
    char path[128], line[32] = "";
    int report[2];
    snprintf(path, sizeof path, "%s/lock", house->root);
    assert_int_equal(pipe(report), 0);
    uv_signal_stop(&house->children);
    pid_t supervisor = fork();
    if (supervisor == 0) {
        int lock = open(path, O_CREAT | O_RDWR, 0600); /* inherited by the server, as it is meant to be */
        if (flock(lock, LOCK_EX | LOCK_NB) != 0) _exit(1);
        be_a_supervisor(house, report[1]);
    }
    close(report[1]);
    assert_true(read(report[0], line, sizeof line - 1) > 0);
    pid_t redis = (pid_t)atoi(line);
    int lock = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(kill(redis, SIGSTOP), 0); /* it cannot run, but holds the lock */
    assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), -1);
    kill(supervisor, SIGKILL);
    assert_int_equal(waitpid(supervisor, NULL, 0), supervisor);
    WAIT(&house->fixture, flock(lock, LOCK_EX | LOCK_NB) == 0);
    close(lock);
    close(report[0]);
}

#define embedded_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        embedded_test(it_starts_answers_and_keeps_what_it_acknowledged_over_a_kill),
        embedded_test(what_was_stored_is_there_at_the_next_start),
        embedded_test(it_has_no_tcp_port),
        embedded_test(directory_with_a_long_path_works),
        embedded_test(left_over_socket_and_odd_names_do_no_harm),
        embedded_test(without_a_server_on_the_path_it_says_what_to_install),
        embedded_test(valkey_is_taken_where_only_that_is_installed),
        embedded_test(directory_that_cannot_be_made_is_named),
        embedded_test(damaged_log_is_named_and_left_alone),
        embedded_test(torn_tail_is_no_damage),
        embedded_test(second_server_on_one_directory_is_refused),
        embedded_test(it_can_be_stopped_at_any_moment),
        embedded_test(it_dies_with_its_supervisor_and_holds_the_lock_until_then),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

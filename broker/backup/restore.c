#include "broker/backup/restore.h"
#include "broker/backup/directory.h"
#include "broker/backup/snapshot_server.h"
#include "protocol/errors.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define STEP_MS 20
#define OPEN_MAX_OF_WALK 8

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk) {
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static int remove_tree(const char *path) {
    struct stat status;
    if (lstat(path, &status) != 0) return errno == ENOENT ? 0 : LEDIG_EIO;
    return nftw(path, remove_one, OPEN_MAX_OF_WALK, FTW_DEPTH | FTW_PHYS) == 0 ? 0 : LEDIG_EIO;
}

static bool is_done(redisReply *reply) {
    bool done = reply && reply->type != REDIS_REPLY_ERROR;
    if (reply) freeReplyObject(reply);
    return done;
}

static int forget_lineage(void *arg, const char *key) {
    return is_done(redisCommand(arg, "HDEL %s lineage", key)) ? 0 : LEDIG_EIO;
}

/* From here on the server keeps a log, as the broker's does, and its first part is what was loaded. */
static int begin_log(redisContext *redis) {
    if (!is_done(redisCommand(redis, "CONFIG SET appendonly yes"))) return LEDIG_EIO;
    for (;;) {
        redisReply *reply = redisCommand(redis, "INFO persistence");
        bool answered = reply && reply->type == REDIS_REPLY_STRING;
        bool busy = answered &&
                    (strstr(reply->str, "aof_rewrite_in_progress:1") || strstr(reply->str, "aof_rewrite_scheduled:1"));
        bool good = answered && strstr(reply->str, "aof_last_bgrewrite_status:ok") &&
                    strstr(reply->str, "aof_enabled:1") && strstr(reply->str, "aof_last_write_status:ok");
        if (reply) freeReplyObject(reply);
        if (!busy) return good ? 0 : LEDIG_EIO;
        nanosleep(&(struct timespec){0, STEP_MS * 1000000}, NULL);
    }
}

/* What the broker's Redis would have, made from the backup in a directory of its own. */
static int build(const char *file, const char *fresh, struct backup_trouble *trouble) {
    char snapshot[PATH_MAX], log[PATH_MAX];
    struct snapshot_server server;
    if (directory_path(fresh, "dump.rdb", snapshot) != 0 || directory_path(fresh, "appendonlydir", log) != 0)
        return backup_trouble(trouble, LEDIG_ETOO_LARGE, "the path is too long");
    if (remove_tree(fresh) != 0 || mkdir(fresh, 0700) != 0)
        return backup_trouble(trouble, LEDIG_EIO, "cannot make %s: %s", fresh, strerror(errno));
    int error = backup_copy(file, snapshot);
    if (error) return backup_trouble(trouble, error, "cannot write in %s: %s", fresh, strerror(errno));
    error = snapshot_server_start(&server, snapshot);
    if (error) return backup_trouble(trouble, error, "Redis cannot load %s", file);
    error = survey_keys(server.redis, "ledig:{*}:head", forget_lineage, server.redis);
    if (!error) error = begin_log(server.redis);
    snapshot_server_stop(&server);
    unlink(snapshot);
    if (!error) error = directory_keep(log);
    if (!error) error = directory_keep(fresh);
    return error ? backup_trouble(trouble, error, "Redis cannot write in %s: is the disk full?", fresh) : 0;
}

static int name_aside(const char *data, char aside[static PATH_MAX]) {
    char name[48];
    struct tm moment;
    time_t now = time(NULL);
    gmtime_r(&now, &moment);
    strftime(name, sizeof name, "redis.before-%Y%m%d-%H%M%S", &moment);
    return directory_path(data, name, aside);
}

/* Both at once: no start of a broker, whenever it comes, finds neither. */
static int exchange(const char *data, const char *fresh, const char *place, char aside[static PATH_MAX],
                    struct backup_trouble *trouble) {
    if (name_aside(data, aside) != 0) return backup_trouble(trouble, LEDIG_ETOO_LARGE, "the path is too long");
    bool had = access(place, F_OK) == 0;
    int done = had ? renameat2(AT_FDCWD, fresh, AT_FDCWD, place, RENAME_EXCHANGE) : rename(fresh, place);
    if (done == 0 && had) done = rename(fresh, aside);
    if (!had) aside[0] = '\0';
    if (done == 0 && directory_keep(data) == 0) return 0;
    return backup_trouble(trouble, LEDIG_EIO, "cannot put it in place in %s: %s", data, strerror(errno));
}

/* A restore that was cut short after the exchange left the former data there: a broker has run on it. */
static int keep_former(const char *data, const char *fresh, struct backup_trouble *trouble) {
    char trace[PATH_MAX], aside[PATH_MAX];
    if (directory_path(fresh, "redis.conf", trace) != 0 || name_aside(data, aside) != 0)
        return backup_trouble(trouble, LEDIG_ETOO_LARGE, "the path is too long");
    if (access(trace, F_OK) != 0 || rename(fresh, aside) == 0) return 0;
    return backup_trouble(trouble, LEDIG_EIO, "cannot keep %s: %s", fresh, strerror(errno));
}

int restore_run(const char *data, const char *file, struct vault *vault, char aside[static PATH_MAX],
                struct survey *survey, struct backup_trouble *trouble) {
    char fresh[PATH_MAX], place[PATH_MAX];
    int lock;
    aside[0] = '\0';
    if (directory_path(data, "redis.new", fresh) != 0 || directory_path(data, "redis", place) != 0)
        return backup_trouble(trouble, LEDIG_ETOO_LARGE, "the path is too long");
    int error = directory_lock(data, &lock);
    if (error == LEDIG_ECONFLICT) return backup_trouble(trouble, error, "a broker runs on %s: stop it first", data);
    if (error) return backup_trouble(trouble, error, "cannot lock %s: %s", data, strerror(errno));
    error = backup_verify(file, vault, survey, trouble);
    if (!error) error = keep_former(data, fresh, trouble);
    if (!error) error = build(file, fresh, trouble);
    if (!error) error = exchange(data, fresh, place, aside, trouble);
    close(lock);
    return error;
}

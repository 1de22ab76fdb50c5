#include "broker/backup/backup.h"
#include "broker/backup/directory.h"
#include "broker/backup/snapshot_server.h"
#include "protocol/errors.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define STEP_MS 50
#define COPY_BYTES (256 * 1024)
#define SNAPSHOT "redis/dump.rdb" /* where Redis puts it; Redis itself never reads it again */

int backup_trouble(struct backup_trouble *trouble, int error, const char *format, ...) {
    va_list list;
    va_start(list, format);
    vsnprintf(trouble->why, sizeof trouble->why, format, list);
    va_end(list);
    trouble->error = error;
    return error;
}

/* ---- The snapshot ---- */

static bool ask(redisContext *redis, const char *command, char *text, size_t size) {
    redisReply *reply = redisCommand(redis, command);
    bool good = reply && (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS);
    snprintf(text, size, "%s", reply && reply->str ? reply->str : redis->errstr);
    if (reply) freeReplyObject(reply);
    return good;
}

/* Redis' own process makes it, of one moment, while the others go on. */
static int take_snapshot(redisContext *redis, struct backup_trouble *trouble) {
    char text[8192];
    bool begun = false;
    for (;;) {
        if (!ask(redis, "INFO persistence", text, sizeof text))
            return backup_trouble(trouble, LEDIG_EIO, "Redis does not answer: %s", text);
        bool busy = strstr(text, "rdb_bgsave_in_progress:1") || strstr(text, "aof_rewrite_in_progress:1");
        if (begun && !strstr(text, "rdb_bgsave_in_progress:1")) {
            if (strstr(text, "rdb_last_bgsave_status:ok")) return 0;
            return backup_trouble(trouble, LEDIG_EIO,
                                  "Redis could not write its snapshot: is the disk of the data "
                                  "directory full? redis/redis.log says more");
        }
        if (!begun && !busy) begun = ask(redis, "BGSAVE", text, sizeof text);
        nanosleep(&(struct timespec){0, STEP_MS * 1000000}, NULL);
    }
}

static int copy(int from, int to) {
    static char bytes[COPY_BYTES];
    ssize_t length;
    while ((length = read(from, bytes, sizeof bytes)) != 0) {
        if (length < 0 && errno == EINTR) continue;
        if (length < 0) return LEDIG_EIO;
        for (ssize_t done = 0, part; done < length; done += part) {
            part = write(to, bytes + done, (size_t)(length - done));
            if (part < 0 && errno != EINTR) return LEDIG_EIO;
            if (part < 0) part = 0;
        }
    }
    return fsync(to) == 0 ? 0 : LEDIG_EIO;
}

int backup_copy(const char *from, const char *to) {
    int in = open(from, O_RDONLY | O_CLOEXEC), out = -1;
    if (in >= 0) out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    int error = out >= 0 ? copy(in, out) : LEDIG_EIO, cause = errno;
    if (in >= 0) close(in);
    if (out >= 0 && close(out) != 0 && !error) {
        error = LEDIG_EIO;
        cause = errno;
    }
    errno = cause;
    return error;
}

/* ---- Verifying ---- */

int backup_verify(const char *file, struct vault *vault, struct survey *survey, struct backup_trouble *trouble) {
    struct snapshot_server server;
    int error = snapshot_server_start(&server, file);
    if (error == LEDIG_EDAMAGED)
        return backup_trouble(trouble, error, "%s is no backup that this Redis can read, or it is damaged", file);
    if (error) return backup_trouble(trouble, error, "cannot look into %s: %s", file, strerror(errno));
    error = survey_take(server.redis, vault, true, survey);
    snapshot_server_stop(&server);
    if (error) return backup_trouble(trouble, error, "cannot read all of %s", file);
    if (survey->unreadable == 0) return 0;
    return backup_trouble(
        trouble, LEDIG_EDAMAGED,
        "%llu of %llu records in %s cannot be opened with these keys. Without the keys that they were "
        "sealed with nobody can read them, you neither; those of people who were erased before the "
        "last rotation of the keys are gone for good",
        (unsigned long long)survey->unreadable, (unsigned long long)survey->records, file);
}

/* ---- Making ---- */

static int name_by_time(const char *to, char file[static PATH_MAX]) {
    struct tm moment;
    char name[48];
    for (;;) {
        time_t now = time(NULL);
        gmtime_r(&now, &moment);
        strftime(name, sizeof name, "ledig-%Y%m%d-%H%M%S.rdb", &moment);
        int error = directory_path(to, name, file);
        if (error || access(file, F_OK) != 0) return error;
        nanosleep(&(struct timespec){0, STEP_MS * 1000000}, NULL); /* one a second */
    }
}

static int keep(const char *part, const char *to, char file[static PATH_MAX], struct backup_trouble *trouble) {
    int error = name_by_time(to, file);
    if (!error && (rename(part, file) != 0 || directory_keep(to) != 0)) error = LEDIG_EIO;
    return error ? backup_trouble(trouble, error, "cannot keep the backup in %s: %s", to, strerror(errno)) : 0;
}

static int make(const char *data, const char *to, redisContext *redis, struct vault *vault, char file[static PATH_MAX],
                struct survey *survey, struct backup_trouble *trouble) {
    char snapshot[PATH_MAX], part[PATH_MAX];
    if (directory_path(data, SNAPSHOT, snapshot) != 0 || directory_path(to, "ledig.part", part) != 0)
        return backup_trouble(trouble, LEDIG_ETOO_LARGE, "the path is too long");
    int error = take_snapshot(redis, trouble);
    if (!error && backup_copy(snapshot, part) != 0)
        error = backup_trouble(trouble, LEDIG_EIO, "cannot write the backup to %s: %s", to, strerror(errno));
    unlink(snapshot);
    if (!error) error = backup_verify(part, vault, survey, trouble);
    if (!error) error = keep(part, to, file, trouble);
    if (error) unlink(part);
    return error;
}

int backup_check(const char *to, struct backup_trouble *trouble) {
    if (mkdir(to, 0700) != 0 && errno != EEXIST)
        return backup_trouble(trouble, LEDIG_EIO, "cannot make %s: %s", to, strerror(errno));
    if (access(to, W_OK | X_OK) != 0)
        return backup_trouble(trouble, LEDIG_EIO, "cannot write in %s: %s", to, strerror(errno));
    return 0;
}

int backup_make(const char *data, const char *to, struct vault *vault, char file[static PATH_MAX],
                struct survey *survey, struct backup_trouble *trouble) {
    char path[PATH_MAX];
    signal(SIGXFSZ, SIG_IGN); /* a file that may grow no more is an error like others */
    if (backup_check(to, trouble) != 0) return trouble->error;
    if (directory_path(data, "backup.lock", path) != 0)
        return backup_trouble(trouble, LEDIG_ETOO_LARGE, "the path is too long");
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0) return backup_trouble(trouble, LEDIG_EIO, "cannot open %s: %s", path, strerror(errno));
    redisContext *redis = NULL;
    int error = 0;
    if (flock(lock, LOCK_EX | LOCK_NB) != 0)
        error = backup_trouble(trouble, LEDIG_ECONFLICT, "another backup of %s is being made", data);
    else if ((redis = directory_redis(data)) == NULL)
        error =
            backup_trouble(trouble, LEDIG_EUNAVAILABLE,
                           "no broker with a Redis of its own runs on %s. A Redis that you run is backed up as Redis "
                           "is",
                           data);
    else
        error = make(data, to, redis, vault, file, survey, trouble);
    if (redis) redisFree(redis);
    close(lock);
    return error;
}

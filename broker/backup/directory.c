#include "broker/backup/directory.h"
#include "protocol/errors.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONNECT_S 5
#define ANSWER_S 60

int directory_become_owner(const char *data) {
    struct stat status;
    if (geteuid() != 0) return 0;
    if (stat(data, &status) != 0) return LEDIG_EIO;
    if (status.st_uid == 0) return 0;
    bool done = setgroups(0, NULL) == 0 && setgid(status.st_gid) == 0 && setuid(status.st_uid) == 0;
    return done ? 0 : LEDIG_EIO;
}

/* Through the directory: the path of a socket must be short. */
redisContext *directory_redis(const char *data) {
    char path[PATH_MAX], socket[64];
    if (directory_path(data, "redis", path) != 0) return NULL;
    int folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return NULL;
    snprintf(socket, sizeof socket, "/proc/self/fd/%d/redis.sock", folder);
    redisContext *redis = redisConnectUnixWithTimeout(socket, (struct timeval){CONNECT_S, 0});
    close(folder);
    if (redis && !redis->err) {
        redisSetTimeout(redis, (struct timeval){ANSWER_S, 0});
        return redis;
    }
    if (redis) redisFree(redis);
    return NULL;
}

int directory_lock(const char *data, int *lock) {
    char path[PATH_MAX];
    if (directory_path(data, "lock", path) != 0) return LEDIG_ETOO_LARGE;
    *lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*lock < 0) return LEDIG_EIO;
    if (flock(*lock, LOCK_EX | LOCK_NB) == 0) return 0;
    int error = errno == EWOULDBLOCK ? LEDIG_ECONFLICT : LEDIG_EIO;
    close(*lock);
    return error;
}

int directory_keep(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = fd >= 0 && fsync(fd) == 0 ? 0 : LEDIG_EIO;
    if (fd >= 0) close(fd);
    return error;
}

int directory_path(const char *data, const char *name, char path[static PATH_MAX]) {
    int length = snprintf(path, PATH_MAX, "%s/%s", data, name);
    return length < 0 || length >= PATH_MAX ? LEDIG_ETOO_LARGE : 0;
}

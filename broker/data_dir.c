#include "broker/data_dir.h"
#include "protocol/errors.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define WAIT_STEP_MS 20

static int make(const char *path, char *why, size_t size) {
    struct stat status;
    if (mkdir(path, 0700) == 0) return 0;
    if (errno != EEXIST) {
        snprintf(why, size, "cannot make the data directory %s: %s", path, strerror(errno));
        return LEDIG_EIO;
    }
    if (stat(path, &status) != 0 || !S_ISDIR(status.st_mode)) {
        snprintf(why, size, "%s is no directory: name another with --data", path);
        return LEDIG_EIO;
    }
    if (access(path, R_OK | W_OK | X_OK) != 0) {
        snprintf(why, size, "cannot write to the data directory %s: %s; give it to the user that runs ledigd", path,
                 strerror(errno));
        return LEDIG_EIO;
    }
    return 0;
}

/* Who holds the lock, by its own word; 0 = not known. */
static pid_t read_holder(int fd) {
    char text[32] = "";
    if (pread(fd, text, sizeof text - 1, 0) <= 0) return 0;
    return (pid_t)strtol(text, NULL, 10);
}

static bool lives(pid_t pid) {
    return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM);
}

static int take_lock(int fd, const char *path, char *why, size_t size) {
    const struct timespec step = {0, WAIT_STEP_MS * 1000000};
    for (int waited_ms = 0;; waited_ms += WAIT_STEP_MS) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) return 0;
        pid_t holder = read_holder(fd);
        if (lives(holder) || waited_ms >= DATA_DIR_WAIT_MS) {
            snprintf(why, size, "another ledigd (pid %ld) works on %s: stop it, or name another directory with --data",
                     (long)holder, path);
            return LEDIG_ECONFLICT;
        }
        nanosleep(&step, NULL);
    }
}

int data_dir_open(const char *path, char *why, size_t size) {
    char lock[PATH_MAX], pid[32];
    int error = make(path, why, size);
    if (error) return error;
    int length = snprintf(lock, sizeof lock, "%s/lock", path);
    if (length < 0 || (size_t)length >= sizeof lock) {
        snprintf(why, size, "the name of the data directory is too long");
        return LEDIG_EBAD_REQUEST;
    }
    int fd = open(lock, O_RDWR | O_CREAT, 0600); /* inherited on purpose */
    if (fd < 0) {
        snprintf(why, size, "cannot open %s: %s; give the directory to the user that runs ledigd", lock,
                 strerror(errno));
        return LEDIG_EIO;
    }
    error = take_lock(fd, path, why, size);
    if (error) {
        close(fd);
        return error;
    }
    length = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) == 0 && pwrite(fd, pid, (size_t)length, 0) == length) return 0;
    snprintf(why, size, "cannot write to %s: %s", lock, strerror(errno));
    return LEDIG_EIO;
}

int data_dir_publish(const char *path, const char *bytes, size_t length) {
    char draft[PATH_MAX], final[PATH_MAX];
    if (snprintf(draft, sizeof draft, "%s/ledigd.json.new", path) >= (int)sizeof draft) return LEDIG_EIO;
    if (snprintf(final, sizeof final, "%s/ledigd.json", path) >= (int)sizeof final) return LEDIG_EIO;
    int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return LEDIG_EIO;
    bool written = write(fd, bytes, length) == (ssize_t)length;
    close(fd);
    return written && rename(draft, final) == 0 ? 0 : LEDIG_EIO;
}

void data_dir_withdraw(const char *path) {
    char final[PATH_MAX];
    if (snprintf(final, sizeof final, "%s/ledigd.json", path) < (int)sizeof final) unlink(final);
}

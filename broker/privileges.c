#include "broker/privileges.h"
#include "broker/config.h"
#include "protocol/errors.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PRIVILEGED_PORTS_FILE "/proc/sys/net/ipv4/ip_unprivileged_port_start"
#define PRIVILEGED_PORTS 1024 /* below this one, where the file is not there */

static int fail(const char *what, const char *about, char *why, size_t size) {
    snprintf(why, size, "cannot %s %s: %s", what, about, strerror(errno));
    return LEDIG_EIO;
}

/* ---- Capabilities ---- */

/* The C library has no functions for it. Where there is nothing to give up nothing is asked for: whoever started us may
 * have forbidden even that. */
static int keep_capabilities(uint64_t kept) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    bool has_more = false;
    if (syscall(SYS_capget, &header, data) != 0) return LEDIG_EIO;
    for (int i = 0; i < 2; i++) {
        uint32_t part = (uint32_t)(kept >> (32 * i));
        has_more |= ((data[i].effective | data[i].permitted | data[i].inheritable) & ~part) != 0;
        data[i].effective = data[i].permitted = data[i].inheritable = part;
    }
    if (!has_more && kept == 0) return 0;
    return syscall(SYS_capset, &header, data) == 0 ? 0 : LEDIG_EIO;
}

static int first_open_port(void) {
    int port = PRIVILEGED_PORTS;
    FILE *file = fopen(PRIVILEGED_PORTS_FILE, "re");
    if (!file) return port;
    if (fscanf(file, "%d", &port) != 1) port = PRIVILEGED_PORTS;
    fclose(file);
    return port;
}

static bool needs_right(const struct endpoint *endpoint, int first_open) {
    return endpoint->port > 0 && endpoint->port < first_open;
}

/* Workers are started by exec, which an ambient capability outlives. */
static int keep_only_for_ports(const struct config *config) {
    int first_open = first_open_port();
    if (!needs_right(&config->listen, first_open) && !needs_right(&config->router_listen, first_open) &&
        !needs_right(&config->ops_listen, first_open))
        return keep_capabilities(0);
    int error = keep_capabilities(UINT64_C(1) << CAP_NET_BIND_SERVICE);
    if (error) return error;
    return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0) == 0 ? 0 : LEDIG_EIO;
}

/* ---- The user ---- */

/* Made while that is still allowed: the folder above is root's, most of the time. */
static int make_data_dir(const char *path, const struct passwd *user, char *why, size_t size) {
    if (mkdir(path, 0700) != 0) return 0; /* there is one, or what is wrong will be said by who uses it */
    if (chown(path, user->pw_uid, user->pw_gid) == 0) return 0;
    fail("give to --user the data directory", path, why, size);
    rmdir(path);
    return LEDIG_EIO;
}

static int become(const struct config *config, const struct passwd *user, char *why, size_t size) {
    int error = make_data_dir(config->data, user, why, size);
    if (error) return error;
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 || initgroups(user->pw_name, user->pw_gid) != 0 ||
        setresgid(user->pw_gid, user->pw_gid, user->pw_gid) != 0 ||
        setresuid(user->pw_uid, user->pw_uid, user->pw_uid) != 0 || keep_only_for_ports(config) != 0)
        return fail("become --user", user->pw_name, why, size);
    if (setuid(0) == 0 || setgid(0) == 0) abort(); /* never goes on half-way */
    return 0;
}

static int take_user(const struct config *config, char *why, size_t size) {
    if (!config->user[0]) return 0;
    errno = 0;
    const struct passwd *user = getpwnam(config->user);
    if (!user) {
        snprintf(why, size, "--user %s: there is no such user", config->user);
        return LEDIG_EBAD_REQUEST;
    }
    if (user->pw_uid == geteuid()) return 0;
    if (geteuid() == 0) return become(config, user, why, size);
    snprintf(why, size, "--user %s: only root can become somebody else", config->user);
    return LEDIG_EBAD_REQUEST;
}

/* ---- Both ends ---- */

int privileges_begin(const struct config *config, char *why, size_t size) {
    int error = take_user(config, why, size);
    if (error) return error;
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* a core would hold what people do at work */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail("give up", "gaining rights", why, size);
    return 0;
}

int privileges_end(void) {
    if (!LEDIG_SANITIZED && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return LEDIG_EIO;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) return LEDIG_EIO;
    /* root may keep its data in somebody's home, and comes back to Redis' socket there */
    return keep_capabilities(geteuid() == 0 ? UINT64_C(1) << CAP_DAC_READ_SEARCH : 0);
}

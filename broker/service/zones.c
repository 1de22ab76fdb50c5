#include "broker/service/zones.h"
#include "broker/log.h"
#include "broker/model/record.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#define FOLDER "/usr/share/zoneinfo"
#define KEPT_MAX 2048 /* there are some 600 names, and as many again in posix/ */

struct kept {
    UT_hash_handle hh;
    struct zone *zone;
    char name[];
};

struct zones {
    struct zone_source source;
    struct kept *kept;
};

/* ---- The file ---- */

bool zones_is_name(const char *name) {
    size_t length = strlen(name);
    if (length == 0 || length > ZONE_NAME_CHARS_MAX || name[0] == '/' || strstr(name, "..")) return false;
    if (strcmp(name, "localtime") == 0) return false; /* another on each machine */
    return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") == length;
}

static ssize_t read_all(int file, uint8_t *bytes, size_t most) {
    size_t length = 0;
    while (length < most) {
        ssize_t count = read(file, bytes + length, most - length);
        if (count < 0) return -1;
        if (count == 0) break;
        length += (size_t)count;
    }
    return (ssize_t)length;
}

static struct zone *parse_file(int file) {
    struct stat status;
    struct zone *zone = NULL;
    if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size > ZONE_BYTES_MAX) return NULL;
    uint8_t *bytes = malloc(ZONE_BYTES_MAX);
    ssize_t length = bytes ? read_all(file, bytes, ZONE_BYTES_MAX) : -1;
    if (length > 0 && zone_parse(bytes, (size_t)length, &zone) != 0) zone = NULL;
    free(bytes);
    return zone;
}

static struct zone *read_zone(const char *name) {
    char path[sizeof FOLDER + 1 + ZONE_NAME_CHARS_MAX];
    snprintf(path, sizeof path, "%s/%s", FOLDER, name);
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) return NULL;
    struct zone *zone = parse_file(file);
    close(file);
    return zone;
}

/* ---- What is kept ---- */

static const struct zone *find(void *arg, const char *name) {
    struct zones *zones = arg;
    struct kept *kept = NULL;
    HASH_FIND_STR(zones->kept, name, kept);
    if (kept) return kept->zone;
    if (!zones_is_name(name) || HASH_COUNT(zones->kept) >= KEPT_MAX) return NULL;
    struct zone *zone = read_zone(name);
    kept = zone ? malloc(sizeof *kept + strlen(name) + 1) : NULL;
    if (!kept) {
        zone_close(zone);
        return NULL;
    }
    kept->zone = zone;
    strcpy(kept->name, name);
    HASH_ADD_STR(zones->kept, name, kept);
    log_event(LOG_INFO, "zone_read", "zone=%s", name);
    return zone;
}

struct zones *zones_open(void) {
    struct zones *zones = calloc(1, sizeof *zones);
    if (zones) zones->source = (struct zone_source){find, zones};
    return zones;
}

void zones_close(struct zones *zones) {
    if (!zones) return;
    struct kept *kept, *next;
    HASH_ITER(hh, zones->kept, kept, next) {
        HASH_DEL(zones->kept, kept);
        zone_close(kept->zone);
        free(kept);
    }
    free(zones);
}

const struct zone_source *zones_source(struct zones *zones) {
    return &zones->source;
}

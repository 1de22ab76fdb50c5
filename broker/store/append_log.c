#include "broker/store/append_log.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MANIFEST "appendonly.aof.manifest" /* as Redis 7 and Valkey name it where `appendfilename` is left alone */

bool append_log_lost_manifest(const char *dir) {
    char path[PATH_MAX];
    struct stat status;
    bool has_parts = false;
    if (snprintf(path, sizeof path, "%s/appendonlydir", dir) >= (int)sizeof path) return false;
    DIR *files = opendir(path);
    if (!files) return false; /* a new data directory, or one that Redis will say more of */
    for (const struct dirent *file; (file = readdir(files));)
        if (strncmp(file->d_name, "appendonly.aof.", strlen("appendonly.aof.")) == 0 &&
            strcmp(file->d_name, MANIFEST) != 0)
            has_parts = true;
    bool has_manifest = fstatat(dirfd(files), MANIFEST, &status, 0) == 0 && status.st_size > 0;
    closedir(files);
    return has_parts && !has_manifest;
}

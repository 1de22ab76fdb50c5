#include "broker/store/redis_trouble.h"

#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TAIL_BYTES 8192
#define LINE_CHARS_MAX 200

/* The end of the log, whole lines only; "" where there is none. */
static void read_tail(const char *dir, off_t from, char tail[static TAIL_BYTES + 1]) {
    char path[PATH_MAX + 16];
    tail[0] = '\0';
    snprintf(path, sizeof path, "%s/redis.log", dir);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    off_t end = lseek(file, 0, SEEK_END);
    off_t begin = end - from > TAIL_BYTES ? end - TAIL_BYTES : from;
    ssize_t length = end > begin ? pread(file, tail, (size_t)(end - begin), begin) : 0;
    close(file);
    tail[length > 0 ? length : 0] = '\0';
}

/* Behind the server's own beginning of a line: "<pid>:M 25 Nov 2026 01:56:07.123 # ". */
static const char *message_of(const char *line) {
    static const char levels[] = ".-*#";
    const char *at = line;
    while (isdigit((unsigned char)*at)) {
        at++;
    }
    if (at == line || at[0] != ':') return line;
    for (; *at != '\0'; at++) {
        if (at[0] == ' ' && at[1] != '\0' && strchr(levels, at[1]) != NULL && at[2] == ' ') return at + 3;
    }
    return line;
}

/* The last line that is a warning (which Redis marks with #) or bears no mark at all; else the last of all. */
static void last_words(char *tail, char line[static LINE_CHARS_MAX + 1]) {
    char *rest = tail;
    line[0] = '\0';
    for (char *at = strsep(&rest, "\n"); at != NULL; at = strsep(&rest, "\n")) {
        const char *message = message_of(at);
        bool grave = message == at || message[-2] == '#';
        bool empty = message[0] == '\0' || strstr(message, "bye bye") != NULL || strstr(message, "Exiting") == message;
        if (!empty && (grave || line[0] == '\0')) snprintf(line, LINE_CHARS_MAX + 1, "%.*s", LINE_CHARS_MAX, message);
    }
}

/* The name of the damaged file, as the log has it behind these words; cut at what cannot belong to it. */
static void name_after(const char *found, char name[static LINE_CHARS_MAX + 1]) {
    size_t length = strcspn(found, ":, \n");
    while (length > 0 && found[length - 1] == '.') {
        length--;
    }
    snprintf(name, LINE_CHARS_MAX + 1, "%.*s", length < LINE_CHARS_MAX ? (int)length : LINE_CHARS_MAX, found);
}

static bool is_damaged(const char *tail, char name[static LINE_CHARS_MAX + 1]) {
    static const char *const signs[] = {"Bad file format reading the append only file ",
                                        "Unexpected end of file reading the append only file ",
                                        "Unrecoverable error reading the append only file ",
                                        "Error reading the RDB preamble of the AOF file ",
                                        "Error reading the RDB preamble of the append only file ",
                                        "The AOF file ",
                                        "Internal error in RDB reading",
                                        "Invalid AOF manifest file format",
                                        "AOF manifest"};
    name[0] = '\0';
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        const char *found = strstr(tail, signs[i]);
        if (found == NULL) continue;
        size_t length = strlen(signs[i]);
        if (signs[i][length - 1] == ' ') name_after(found + length, name);
        return true;
    }
    return false;
}

void redis_trouble_read(const char *dir, off_t from, int status, char *why, size_t size) {
    char tail[TAIL_BYTES + 1], line[LINE_CHARS_MAX + 1], name[LINE_CHARS_MAX + 1];
    read_tail(dir, from, tail);
    if (is_damaged(tail, name)) {
        snprintf(
            why, size,
            "Redis cannot read its append-only file %s%sin %s/appendonlydir: keep a copy of that directory, then run "
            "redis-check-aof --fix %s/appendonlydir/appendonly.aof.manifest",
            name, name[0] != '\0' ? " " : "", dir, dir);
        return;
    }
    if (strstr(tail, "No space left on device") != NULL) {
        snprintf(why, size,
                 "the disk of %s is full: Redis ends rather than acknowledge what it cannot write; make room", dir);
        return;
    }
    last_words(tail, line);
    if (WIFSIGNALED(status)) {
        snprintf(why, size, "Redis was ended by signal %d%s%s", WTERMSIG(status),
                 line[0] != '\0' ? "; its last words: " : "", line);
    } else {
        snprintf(why, size, "Redis ended with status %d: %s (see %s/redis.log)", WEXITSTATUS(status),
                 line[0] != '\0' ? line : "it said nothing", dir);
    }
}

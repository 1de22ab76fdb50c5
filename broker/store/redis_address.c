#include "broker/store/redis_address.h"

#include "protocol/errors.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define DEFAULT_PORT 6379
#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)
#define DESCRIPTOR_PATH_CHARS 26 /* "/proc/self/fd/2147483647/" and a NUL */

static int parse_number(const char *text, size_t length, unsigned long max, unsigned long *number) {
    unsigned long value = 0;
    if (length == 0 || length > 5) return LEDIG_EBAD_REQUEST;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') return LEDIG_EBAD_REQUEST;
        value = value * 10 + (unsigned long)(text[i] - '0');
    }
    if (value > max) return LEDIG_EBAD_REQUEST;
    *number = value;
    return 0;
}

static int parse_unix(const char *path, struct redis_address *address) {
    size_t length = strlen(path);
    if (path[0] != '/' || length >= sizeof address->path) return LEDIG_EBAD_REQUEST;
    const char *name = strrchr(path, '/') + 1;
    if (name[0] == '\0') return LEDIG_EBAD_REQUEST;
    if (length > SOCKET_PATH_MAX && strlen(name) + DESCRIPTOR_PATH_CHARS > SOCKET_PATH_MAX) return LEDIG_EBAD_REQUEST;
    memcpy(address->path, path, length + 1);
    return 0;
}

static int parse_host(const char *host, size_t length, struct redis_address *address) {
    if (length == 0 || length > REDIS_HOST_CHARS_MAX) return LEDIG_EBAD_REQUEST;
    memcpy(address->host, host, length);
    address->host[length] = '\0';
    return 0;
}

static int parse_tcp(const char *rest, struct redis_address *address) {
    size_t authority = strcspn(rest, "/");
    const char *after_host;
    unsigned long number;
    int error;
    if (memchr(rest, '@', authority) != NULL) return LEDIG_EBAD_REQUEST;
    if (rest[0] == '[') {
        const char *end = memchr(rest, ']', authority);
        if (end == NULL) return LEDIG_EBAD_REQUEST;
        error = parse_host(rest + 1, (size_t)(end - rest - 1), address);
        after_host = end + 1;
    } else {
        size_t host = strcspn(rest, ":/");
        error = parse_host(rest, host, address);
        after_host = rest + host;
    }
    if (error != 0) return error;
    size_t port_length = (size_t)(rest + authority - after_host);
    if (port_length > 0) {
        if (after_host[0] != ':') return LEDIG_EBAD_REQUEST;
        error = parse_number(after_host + 1, port_length - 1, UINT16_MAX, &number);
        if (error != 0) return error;
        address->port = (uint16_t)number;
    }
    if (rest[authority] == '/' && rest[authority + 1] != '\0') {
        const char *database = rest + authority + 1;
        error = parse_number(database, strlen(database), REDIS_DATABASE_MAX, &number);
        if (error != 0) return error;
        address->database = (uint32_t)number;
    }
    return 0;
}

int redis_address_parse(const char *url, struct redis_address *address) {
    memset(address, 0, sizeof *address);
    address->port = DEFAULT_PORT;
    if (url == NULL) return LEDIG_EBAD_REQUEST;
    if (strncmp(url, "unix:", 5) == 0) return parse_unix(strncmp(url, "unix:///", 8) == 0 ? url + 7 : url + 5, address);
    if (strncmp(url, "redis://", 8) == 0) return parse_tcp(url + 8, address);
    return LEDIG_EBAD_REQUEST;
}

int redis_address_socket(const struct redis_address *address, char name[static 108], int *directory) {
    size_t length = strlen(address->path);
    *directory = -1;
    if (length <= SOCKET_PATH_MAX) {
        memcpy(name, address->path, length + 1);
        return 0;
    }
    char path[PATH_MAX];
    memcpy(path, address->path, length + 1);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    *directory = open(path[0] == '\0' ? "/" : path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*directory < 0) return LEDIG_EIO;
    snprintf(name, SOCKET_PATH_MAX + 1, "/proc/self/fd/%d/%.80s", *directory, slash + 1);
    return 0;
}

/* Where a Redis server is found: a unix socket, or a host, a port and a database. Parsed once from the URL of the
 * configuration, which never holds a password. Owned by whoever declares it. */
#ifndef LEDIG_STORE_REDIS_ADDRESS_H
#define LEDIG_STORE_REDIS_ADDRESS_H

#include <limits.h>
#include <stdint.h>

#define REDIS_HOST_CHARS_MAX 255 /* RFC 1035 */
#define REDIS_DATABASE_MAX 65535

struct redis_address {
    char path[PATH_MAX]; /* of the unix socket; empty = TCP */
    char host[REDIS_HOST_CHARS_MAX + 1];
    uint16_t port;
    uint32_t database;
};

/* unix:/path/redis.sock, redis://host[:port][/database]; an IPv6 address stands in brackets. 0, or LEDIG_EBAD_REQUEST
 * where it is neither, where it holds a user or password, or where the name of the socket cannot be connected to. */
int redis_address_parse(const char *url, struct redis_address *address);

/* The name to connect to: a socket whose path is longer than the 107 bytes that the system takes is reached through its
 * directory, opened as *directory (-1 where that is not needed), which the caller closes after connecting. 0 or
 * LEDIG_EIO (errno says why). */
int redis_address_socket(const struct redis_address *address, char name[static 108], int *directory);

#endif

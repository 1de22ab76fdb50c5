/* How a link comes up: resolve, connect, greet. */
#include "broker/store/redis_link_state.h"

#include "protocol/errors.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEEPALIVE_S 15

static void on_greeted(void *arg, const redisReply *reply, bool written) {
    struct redis_link *link = arg;
    (void)written;
    if (reply == NULL) return;
    if (reply->type == REDIS_REPLY_ERROR) {
        char why[128]; /* what the server says of AUTH, SELECT and PING names no secret */
        snprintf(why, sizeof why, "the server refuses: %.100s", reply->str);
        redis_link_drop(link, why);
        return;
    }
    if (--link->greetings > 0) return;
    uv_timer_stop(&link->timer);
    link->state = STATE_UP;
    link->up_ms = uv_now(link->loop);
    if (link->options.up != NULL) link->options.up(link->options.arg);
}

static int greet(struct redis_link *link) {
    char database[16];
    const char *auth[3] = {"AUTH", link->user != NULL ? link->user : link->password, link->password};
    const char *select[2] = {"SELECT", database}, *ping[1] = {"PING"};
    int error = 0;
    snprintf(database, sizeof database, "%u", link->address.database);
    link->state = STATE_GREETING;
    if (link->password != NULL) {
        error = link_enqueue(link, link->user != NULL ? 3 : 2, auth, NULL, on_greeted, link);
        link->greetings++;
    }
    if (error == 0 && link->address.database != 0) {
        error = link_enqueue(link, 2, select, NULL, on_greeted, link);
        link->greetings++;
    }
    if (error == 0) {
        error = link_enqueue(link, 1, ping, NULL, on_greeted, link);
        link->greetings++;
    }
    return error;
}

static void on_connected(uv_connect_t *request, int status) {
    struct connection *connection = request->data;
    struct redis_link *link = connection->link;
    if (connection->dropped) return;
    if (status == 0) status = link_read(connection);
    if (status < 0) {
        redis_link_drop(link, uv_strerror(status));
        return;
    }
    if (greet(link) != 0) redis_link_drop(link, "out of memory");
}

static struct connection *connection_create(struct redis_link *link) {
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) return NULL;
    connection->reader = redisReaderCreate();
    if (connection->reader == NULL) {
        free(connection);
        return NULL;
    }
    connection->link = link;
    if (link->address.path[0] != '\0') {
        uv_pipe_init(link->loop, &connection->uv.pipe, 0);
    } else {
        uv_tcp_init(link->loop, &connection->uv.tcp);
    }
    connection->uv.handle.data = connection;
    connection->connecting.data = connection;
    link->connection = connection;
    link->open_parts++;
    return connection;
}

static void connect_unix(struct redis_link *link) {
    char name[108];
    int directory;
    if (redis_address_socket(&link->address, name, &directory) != 0) {
        redis_link_drop(link, strerror(errno));
        return;
    }
    struct connection *connection = connection_create(link);
    if (connection == NULL) {
        redis_link_drop(link, "out of memory");
    } else {
        uv_pipe_connect(&connection->connecting, &connection->uv.pipe, name, on_connected);
    }
    if (directory >= 0) close(directory); /* connect() has looked the name up by now */
}

static void connect_tcp(struct redis_link *link, const struct addrinfo *found) {
    unsigned count = 0, which;
    for (const struct addrinfo *at = found; at != NULL; at = at->ai_next) {
        count++;
    }
    which = count > 0 ? link->attempts % count : 0; /* the next attempt takes the next address */
    while (which-- > 0) {
        found = found->ai_next;
    }
    struct connection *connection = connection_create(link);
    if (connection == NULL) {
        redis_link_drop(link, "out of memory");
        return;
    }
    uv_tcp_nodelay(&connection->uv.tcp, 1);
    uv_tcp_keepalive(&connection->uv.tcp, 1, KEEPALIVE_S);
    int error = uv_tcp_connect(&connection->connecting, &connection->uv.tcp, found->ai_addr, on_connected);
    if (error != 0) redis_link_drop(link, uv_strerror(error));
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found) {
    struct redis_link *link = request->data;
    if (link->state == STATE_RESOLVING) {
        if (status < 0) {
            redis_link_drop(link, uv_strerror(status));
        } else {
            link->state = STATE_CONNECTING;
            connect_tcp(link, found);
        }
    }
    uv_freeaddrinfo(found);
    link_part_closed(link);
}

static void resolve(struct redis_link *link) {
    char port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
    snprintf(port, sizeof port, "%u", link->address.port);
    link->state = STATE_RESOLVING;
    link->resolving.data = link;
    link->open_parts++;
    int error = uv_getaddrinfo(link->loop, &link->resolving, on_resolved, link->address.host, port, &hints);
    if (error != 0) {
        link->open_parts--;
        redis_link_drop(link, uv_strerror(error));
    }
}

void link_connect(struct redis_link *link) {
    link->state = STATE_CONNECTING;
    link_patience(link, link->options.timeout_ms);
    if (link->address.path[0] != '\0') {
        connect_unix(link);
    } else {
        resolve(link);
    }
}

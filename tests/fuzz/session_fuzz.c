/* What clients send to a worker, in any order, while their lines break, time goes by and Redis has its bad days. The
 * whole service runs on virtual time (tests/simulation): clients 0 to 2 are of one company, 3 is of another.
 *
 * An input is lines. The first byte says what happens, the second to which client, the rest belongs to it:
 *
 *     o0, O0   connects, for JSON or msgpack      h0       a hello that is right
 *     c0       its connection breaks              m0{…}    a message, as it stands
 *     x0, w0   takes nothing; takes again         k0       a fresh token
 *     g0, e0   GET, DELETE /v1/me by HTTP         t9       2^9 ms go by
 *     r        Redis goes, or comes back          R        (as the first line) the worker is one of routers
 *
 * Judged: whatever is sent can be decoded and comes on an open line; there is one `welcome`, and nothing but `error`
 * and `bye` before it; there are no more of `ok` than there were messages; and nothing is of the other company. */
#include "broker/identity/token_key.h"
#include "broker/model/record.h"
#include "broker/service/connection.h"
#include "broker/service/session.h"
#include "protocol/message.h"
#include "tests/simulation/broker.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BEGAN_MS 1795000000000
#define CLIENTS 4
#define LINES_MAX 200
#define VIRTUAL_US_MAX 900000000
#define STEPS_MAX 200000
#define DOUBLINGS_MAX 17

struct connection {
    struct world *world;
    struct session *session; /* NULL: not connected */
    enum encoding encoding;
    bool is_closing, is_choked, wants_writable, is_welcome;
    uint64_t messages, oks;
};

struct world {
    struct dice dice;
    struct timeline timeline;
    struct trace trace;
    struct model_redis redis;
    struct network network;
    struct broker broker;
    struct connection clients[CLIENTS];
    struct arena *arena;
    char marks[2][24]; /* in the names of each company's people: no input can have them */
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static struct token_key key = {.bytes = "of a fuzz target, of no worker"};

static const struct client {
    const char *user, *company;
    enum role role;
    int64_t lives_ms; /* its token */
} clients[CLIENTS] = {{"kari", "acme", ROLE_MEMBER, 3600000},
                      {"ola", "acme", ROLE_ADMIN, 90000},
                      {"nina", "acme", ROLE_SWITCHBOARD, 3600000},
                      {"bo", "bravo", ROLE_MEMBER, 3600000}};

static size_t place_of(const struct connection *connection) {
    return (size_t)(connection - connection->world->clients);
}

/* ---- connection.h, for the service ---- */

static bool has(const uint8_t *bytes, size_t length, const char *text) {
    return length > 0 && memmem(bytes, length, text, strlen(text)) != NULL;
}

static void judge(struct connection *connection, const uint8_t *bytes, size_t length) {
    struct world *world = connection->world;
    struct message message;
    struct fault fault;
    arena_reset(world->arena);
    if (message_decode(connection->encoding, SIDE_BROKER, bytes, length, world->arena, &message, NULL, &fault) != 0)
        abort();
    trace_line(&world->trace, "client %zu hears %s", place_of(connection), message_type_name(message.type));
    bool greets = message.type == MESSAGE_welcome;
    if (greets == connection->is_welcome && message.type != MESSAGE_error && message.type != MESSAGE_bye) abort();
    connection->is_welcome |= greets;
    if (message.type == MESSAGE_ok && ++connection->oks > connection->messages) abort();
    if (has(bytes, length, world->marks[place_of(connection) != CLIENTS - 1])) abort();
}

static void on_writable(void *arg) {
    struct connection *connection = arg;
    if (!connection->session || connection->is_choked || !connection->wants_writable) return;
    connection->wants_writable = false;
    session_writable(connection->session);
}

int connection_send(struct connection *connection, uint8_t *payload, size_t length) {
    if (!connection->session || connection->is_closing) abort();
    judge(connection, payload, length);
    memset(payload - CONNECTION_HEADROOM, 0xff, CONNECTION_HEADROOM);
    return connection->is_choked ? CONNECTION_CHOKED : 0;
}

void connection_fetch_ahead(const struct connection *connection) {
    (void)connection;
}

bool connection_is_choked(const struct connection *connection) {
    return connection->is_choked;
}

void connection_want_writable(struct connection *connection) {
    connection->wants_writable = true;
    broker_deliver(&connection->world->broker, on_writable, connection);
}

void connection_pause(struct connection *connection, bool paused) {
    (void)connection;
    (void)paused; /* what was read already still comes */
}

static void on_pong(void *arg) {
    struct connection *connection = arg;
    if (connection->session && !connection->is_choked) session_heard(connection->session);
}

void connection_ping(struct connection *connection) {
    broker_deliver(&connection->world->broker, on_pong, connection);
}

static void on_gone(void *arg) {
    struct connection *connection = arg;
    struct session *session = connection->session;
    if (!session) return;
    session_closed(session, connection->is_choked);
    connection->session = NULL;
}

void connection_close(struct connection *connection, uint16_t code, const char *reason) {
    if (!connection->session || code < 1000 || (reason && strlen(reason) > 123)) abort();
    if (!connection->is_closing) broker_deliver(&connection->world->broker, on_gone, connection);
    connection->is_closing = true;
}

/* ---- What a client does ---- */

static void on_connect(void *arg) {
    struct connection *connection = arg;
    connection->session = session_open(broker_service(&connection->world->broker), connection, connection->encoding);
    if (!connection->session) abort();
}

static void connect_client(struct connection *connection, enum encoding encoding) {
    if (connection->session) return;
    *connection = (struct connection){.world = connection->world, .encoding = encoding};
    broker_deliver(&connection->world->broker, on_connect, connection);
}

struct bytes {
    struct connection *connection;
    const uint8_t *bytes;
    size_t length;
};

static void on_message(void *arg) {
    struct bytes *message = arg;
    message->connection->messages++;
    session_receive(message->connection->session, message->bytes, message->length);
}

/* The broker is not paused, so it is taken at once. A front hands on nothing of a line that it closes. */
static void send_bytes(struct connection *connection, const uint8_t *bytes, size_t length) {
    if (!connection->session || connection->is_closing || length > LEDIG_MESSAGE_BYTES_MAX) return;
    uint8_t *own = malloc(length ? length : 1); /* of its own size, so that reading beyond it is seen */
    if (!own) abort();
    if (length > 0) memcpy(own, bytes, length);
    broker_deliver(&connection->world->broker, on_message, &(struct bytes){connection, own, length});
    free(own);
}

static void send_message(struct connection *connection, const struct message *message) {
    struct buffer bytes = {0};
    if (message_encode(connection->encoding, message, &bytes) != 0) abort();
    send_bytes(connection, bytes.bytes, bytes.length);
    buffer_free(&bytes);
}

static void make_token(const struct connection *connection, char token[static LEDIG_TOKEN_CHARS_MAX + 1]) {
    const struct client *client = &clients[place_of(connection)];
    const struct world *world = connection->world;
    bool of_router = !world->broker.serves_apps;
    int64_t now_ms = model_redis_now_ms(&world->redis);
    struct token_claims claims = {.role = of_router ? ROLE_ROUTER : client->role,
                                  .issued_at_ms = now_ms - 60000,
                                  .expires_at_ms = now_ms + client->lives_ms};
    snprintf(claims.user, sizeof claims.user, "%s", client->user);
    snprintf(claims.companies, sizeof claims.companies, "%s", client->company);
    if (token_mint(&key, &claims, token) != 0) abort();
}

static void say_hello(struct connection *connection) {
    char token[LEDIG_TOKEN_CHARS_MAX + 1], device[] = "device-0";
    struct part_device part = {.id = device, .kind = "mobile"};
    struct message message = {.type = MESSAGE_hello, .hello = {.token = token}};
    make_token(connection, token);
    device[sizeof device - 2] = (char)('0' + place_of(connection));
    if (connection->world->broker.serves_apps)
        message.hello.device = &part;
    else
        message.hello.router = device;
    send_message(connection, &message);
}

static void renew_token(struct connection *connection) {
    char token[LEDIG_TOKEN_CHARS_MAX + 1];
    struct message message = {.type = MESSAGE_token, .token = {.id = 1000, .token = token}};
    make_token(connection, token);
    send_message(connection, &message);
}

static void on_answer(void *arg, int status, const char *body, size_t length) {
    struct connection *connection = arg;
    if (status != 0 && (status < 200 || status > 599)) abort();
    if (has((const uint8_t *)body, length, connection->world->marks[place_of(connection) != CLIENTS - 1])) abort();
}

static void ask_for_own(struct connection *connection, enum http_method method) {
    char token[LEDIG_TOKEN_CHARS_MAX + 1];
    make_token(connection, token);
    broker_ask(&connection->world->broker, method, "/v1/me", token, "", on_answer, connection);
}

/* ---- The world ---- */

static void on_published(void *arg, const char *channel, const struct buffer *message) {
    network_publish(&((struct world *)arg)->network, channel, message);
}

static void put(struct world *world, const char *company, const struct record *record) {
    static const struct entity_names unkeyed; /* as of a service without a vault */
    struct buffer bytes = {0};
    char name[ENTITY_NAME_BYTES_MAX];
    entity_name(&unkeyed, record->kind, record_id(record), name);
    if (record_encode(record, &bytes) != 0) abort();
    model_redis_write(&world->redis, company, name, &bytes);
    buffer_free(&bytes);
}

static void put_company(struct world *world, const char *id, const char *mark) {
    static const char *queues[] = {"sales"};
    char name[64];
    put(world, id, &(struct record){.kind = RECORD_COMPANY, .company = {.id = id, .name = id}});
    put(world, id, &(struct record){.kind = RECORD_QUEUE, .queue = {.id = "sales", .wrap_up_ms = 3000}});
    for (size_t i = 0; i < CLIENTS; i++) {
        struct consent consent = {.purpose = "presence", .granted = true, .text = "1", .at = BEGAN_MS - 60000};
        bool agrees = i != 2;
        if (strcmp(clients[i].company, id) != 0) continue;
        snprintf(name, sizeof name, "%s %s", clients[i].user, mark);
        put(world, id,
            &(struct record){.kind = RECORD_PROFILE,
                             .profile = {.id = clients[i].user,
                                         .name = name,
                                         .role = role_name(clients[i].role),
                                         .queues = {queues, 1, true, false},
                                         .consents = {&consent, agrees, true}}});
        if (agrees) put(world, id, &(struct record){.kind = RECORD_STATE, .state = {.id = clients[i].user}});
    }
}

/* FNV-1a */
static uint64_t hash_of(const uint8_t *bytes, size_t length) {
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ bytes[i]) * 1099511628211u;
    return hash;
}

static void world_open(struct world *world, uint64_t hash, bool serves_apps) {
    *world = (struct world){.dice = dice_of_seed(hash), .arena = arena_create()};
    if (!world->arena) abort();
    for (int i = 0; i < 2; i++)
        snprintf(world->marks[i], sizeof world->marks[i], "%016llx%d", (unsigned long long)hash, i);
    timeline_open(&world->timeline, &world->dice);
    trace_open(&world->trace, &world->timeline, getenv("SESSION_FUZZ_TRACE") != NULL);
    trace_take_log(&world->trace);
    model_redis_open(&world->redis, &world->timeline, BEGAN_MS);
    network_open(&world->network, &world->timeline, &world->dice, &world->redis);
    world->redis.published = on_published;
    world->redis.arg = world;
    put_company(world, "acme", world->marks[0]);
    put_company(world, "bravo", world->marks[1]);
    world->broker =
        (struct broker){.network = &world->network, .trace = &world->trace, .key = &key, .serves_apps = serves_apps};
    for (size_t i = 0; i < CLIENTS; i++)
        world->clients[i].world = world;
    broker_start(&world->broker);
}

static void world_close(struct world *world) {
    trace_take_log(NULL);
    for (size_t i = 0; i < CLIENTS; i++)
        if (world->clients[i].session) broker_deliver(&world->broker, on_gone, &world->clients[i]);
    broker_crash(&world->broker);
    while (timeline_step(&world->timeline))
        continue;
    network_close(&world->network);
    model_redis_close(&world->redis);
    trace_close(&world->trace);
    timeline_close(&world->timeline);
    arena_free(world->arena);
}

static void pass(void *arg) {
    (void)arg; /* time goes from event to event */
}

static void go_by(struct world *world, int64_t for_ms) {
    int64_t until_us = world->timeline.now_us + for_ms * 1000;
    timeline_at(&world->timeline, until_us, pass, NULL);
    for (int steps = 0; world->timeline.now_us < until_us && timeline_step(&world->timeline); steps++)
        if (steps == STEPS_MAX) abort(); /* it spins */
}

static void redis_goes_or_comes(struct world *world) {
    if (world->redis.is_away) {
        model_redis_start(&world->redis);
    } else {
        model_redis_stop(&world->redis);
        network_server_gone(&world->network);
    }
}

static void play_line(struct world *world, const uint8_t *line, size_t length) {
    if (length == 0) return;
    struct connection *client = &world->clients[length > 1 ? line[1] % CLIENTS : 0];
    switch (line[0]) {
    case 'o':
    case 'O':
        connect_client(client, line[0] == 'o' ? ENCODING_JSON : ENCODING_MSGPACK);
        break;
    case 'h':
        say_hello(client);
        break;
    case 'm':
        if (length > 2) send_bytes(client, line + 2, length - 2);
        break;
    case 'k':
        renew_token(client);
        break;
    case 'c':
        broker_deliver(&world->broker, on_gone, client);
        break;
    case 'x':
        client->is_choked = true;
        break;
    case 'w':
        client->is_choked = false;
        broker_deliver(&world->broker, on_writable, client);
        break;
    case 'g':
    case 'e':
        ask_for_own(client, line[0] == 'g' ? HTTP_GET : HTTP_DELETE);
        break;
    case 'r':
        redis_goes_or_comes(world);
        break;
    case 't':
        go_by(world, INT64_C(1) << (length > 1 ? (uint8_t)(line[1] - '0') % (DOUBLINGS_MAX + 1) : 0));
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct world *world = malloc(sizeof *world);
    if (!world) abort();
    json_object_seed(1); /* else it is random */
    world_open(world, hash_of(bytes, length), length == 0 || bytes[0] != 'R');
    go_by(world, 100);
    for (size_t lines = 0; length > 0 && lines < LINES_MAX && world->timeline.now_us < VIRTUAL_US_MAX; lines++) {
        const uint8_t *end = memchr(bytes, '\n', length);
        size_t line = end ? (size_t)(end - bytes) : length;
        play_line(world, bytes, line);
        go_by(world, 1);
        bytes += end ? line + 1 : line;
        length -= end ? line + 1 : line;
    }
    go_by(world, 1000);
    world_close(world);
    free(world);
    return 0;
}

#include "tests/simulation/network.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define WAY_US_MIN 40
#define WAY_US_MAX 900
#define FIND_OUT_US 3000000 /* a verify batch after two seconds, and what it leads to */
#define BACKOFF_FIRST_MS 25
#define BACKOFF_MAX_MS 1000
#define CHANNEL_BYTES 160
#define CHANNELS_MAX 4

struct command {
    struct command *prev, *next;
    char **words;
    size_t *lengths, count;
    redis_answer answer;
    void *arg;
    uint64_t queued_ms;
};

/* One connection. It outlives its link's interest in it, as long as something is on the way. */
struct wire {
    struct wire *prev, *next;
    struct network *network;
    struct redis_link *link; /* NULL: the worker has dropped it */
    uint64_t generation;     /* of the server that it leads to */
    int64_t last_up_us, last_down_us;
    char channels[CHANNELS_MAX][CHANNEL_BYTES];
    size_t users;
};

struct redis_link {
    struct port *port;
    struct redis_link_options options;
    struct wire *wire; /* NULL = down */
    struct command *sent, *unsent;
    uv_timer_t timer;
    uv_idle_t flush;
    unsigned attempts, parts;
    bool closed;
    void (*on_closed)(void *arg);
    void *closed_arg;
};

/* ---- The network ---- */

void network_open(struct network *network, struct timeline *timeline, struct dice *dice, struct model_redis *redis) {
    *network = (struct network){.timeline = timeline, .dice = dice, .redis = redis};
}

static void wire_leave(struct wire *wire) {
    if (--wire->users > 0) return;
    DL_DELETE(wire->network->wires, wire);
    free(wire);
}

void network_restless(struct network *network, int64_t for_us) {
    int64_t until_us = network->timeline->now_us + for_us;
    if (until_us > network->restless_until_us) network->restless_until_us = until_us;
}

int64_t network_way_us(struct network *network) {
    int64_t way_us = dice_between(network->dice, WAY_US_MIN, WAY_US_MAX);
    if (dice_chance(network->dice, network->slow_share)) {
        way_us += dice_between(network->dice, 0, network->slow_us_max);
        network_restless(network, way_us + FIND_OUT_US); /* the clock may have been read wrongly by it */
    }
    return way_us;
}

/* Nothing overtakes on one connection. */
static int64_t arrival(struct wire *wire, int64_t *last_us) {
    int64_t at_us = wire->network->timeline->now_us + network_way_us(wire->network);
    if (at_us <= *last_us) at_us = *last_us + 1;
    return *last_us = at_us;
}

/* ---- What is on the way ---- */

struct parcel {
    struct wire *wire;
    redisReply *reply; /* towards the worker; NULL: the connection was closed by the server */
    bool is_message;
    struct command *command; /* towards the server: a copy of its words */
};

static void command_free(struct command *command) {
    for (size_t i = 0; i < command->count; i++)
        free(command->words[i]);
    free(command->words);
    free(command->lengths);
    free(command);
}

static void parcel_end(struct parcel *parcel) {
    if (parcel->reply) model_reply_free(parcel->reply);
    if (parcel->command) command_free(parcel->command);
    wire_leave(parcel->wire);
    free(parcel);
}

static void on_reply(void *arg) {
    struct parcel *parcel = arg;
    struct redis_link *link = parcel->wire->link;
    if (!link) {
        parcel_end(parcel);
        return;
    }
    if (!parcel->reply) {
        redis_link_drop(link, "the server closed the connection");
    } else if (parcel->is_message) {
        if (link->options.told) link->options.told(link->options.arg, parcel->reply);
    } else {
        struct command *command = link->sent;
        if (!command) abort(); /* an answer that nobody asked for */
        DL_DELETE(link->sent, command);
        command->answer(command->arg, parcel->reply, true);
        command_free(command);
    }
    parcel_end(parcel);
}

static void arrive_at_worker(void *arg) {
    struct parcel *parcel = arg;
    struct redis_link *link = parcel->wire->link;
    if (!link || link->port->is_dead || !virtual_loop_deliver(link->port->loop, on_reply, parcel)) parcel_end(parcel);
}

static void send_down(struct wire *wire, redisReply *reply, bool is_message) {
    struct parcel *parcel = store_allocate(sizeof *parcel);
    *parcel = (struct parcel){.wire = wire, .reply = reply, .is_message = is_message};
    wire->users++;
    timeline_at(wire->network->timeline, arrival(wire, &wire->last_down_us), arrive_at_worker, parcel);
}

static void subscribe(struct wire *wire, const char *channel, bool subscribed) {
    size_t at = 0;
    while (at < CHANNELS_MAX && strcmp(wire->channels[at], channel) != 0)
        at++;
    for (size_t i = 0; at == CHANNELS_MAX && subscribed && i < CHANNELS_MAX; i++)
        if (!wire->channels[i][0]) at = i;
    if (at < CHANNELS_MAX) snprintf(wire->channels[at], CHANNEL_BYTES, "%s", subscribed ? channel : "");
}

static void arrive_at_server(void *arg) {
    struct parcel *parcel = arg;
    struct wire *wire = parcel->wire;
    const struct command *command = parcel->command;
    struct model_redis *redis = wire->network->redis;
    if (!redis->is_away && redis->generation == wire->generation) {
        const char *word = command->words[0];
        if (strcmp(word, "SUBSCRIBE") == 0) subscribe(wire, command->words[1], true);
        if (strcmp(word, "UNSUBSCRIBE") == 0) subscribe(wire, command->words[1], false);
        send_down(wire, model_redis_run(redis, command->count, (const char *const *)command->words, command->lengths),
                  false);
    }
    parcel_end(parcel);
}

void network_publish(void *arg, const char *channel, const struct buffer *message) {
    struct network *network = arg;
    struct wire *wire;
    DL_FOREACH(network->wires, wire) {
        bool listens = false;
        for (size_t i = 0; i < CHANNELS_MAX; i++)
            listens |= strcmp(wire->channels[i], channel) == 0;
        if (!listens || wire->generation != network->redis->generation) continue;
        if (dice_chance(network->dice, network->lost_share)) {
            network_restless(network, FIND_OUT_US);
            continue;
        }
        redisReply *reply = model_reply_list(3);
        model_reply_add(reply, model_reply_text("message"));
        model_reply_add(reply, model_reply_text(channel));
        model_reply_add(reply, model_reply_bytes(message->bytes, message->length));
        send_down(wire, reply, true);
    }
}

void network_server_gone(struct network *network) {
    struct wire *wire;
    DL_FOREACH(network->wires, wire) {
        memset(wire->channels, 0, sizeof wire->channels);
        if (wire->link) send_down(wire, NULL, false);
    }
}

/* ---- A link: falling and coming back ---- */

static void on_timer(uv_timer_t *timer);

static void fail(struct command *commands, bool written) {
    struct command *command, *next;
    DL_FOREACH_SAFE(commands, command, next) {
        DL_DELETE(commands, command);
        command->answer(command->arg, NULL, written);
        command_free(command);
    }
}

static void let_go(struct redis_link *link) {
    if (!link->wire) return;
    link->wire->link = NULL;
    memset(link->wire->channels, 0, sizeof link->wire->channels);
    wire_leave(link->wire);
    link->wire = NULL;
}

static void wait_for_next_attempt(struct redis_link *link) {
    uint64_t delay_ms = BACKOFF_MAX_MS;
    if (link->attempts < 6) delay_ms = (uint64_t)BACKOFF_FIRST_MS << link->attempts;
    if (delay_ms > BACKOFF_MAX_MS) delay_ms = BACKOFF_MAX_MS;
    link->attempts++;
    uv_timer_start(&link->timer, on_timer, delay_ms / 2 + dice_next(link->port->network->dice) % (delay_ms / 2 + 1), 0);
}

static void fall(struct redis_link *link, const char *why) {
    struct command *sent = link->sent, *unsent = link->unsent;
    link->sent = link->unsent = NULL;
    uv_idle_stop(&link->flush);
    let_go(link);
    wait_for_next_attempt(link);
    fail(sent, true);
    fail(unsent, false);
    link->options.down(link->options.arg, why);
}

void redis_link_drop(struct redis_link *link, const char *why) {
    if (link && link->wire && !link->closed) fall(link, why);
}

/* The greeting is not played: a connection is up with its first turn. */
static void come_up(struct redis_link *link) {
    struct network *network = link->port->network;
    if (link->port->is_dead || network->redis->is_away) {
        fall(link, "connection refused");
        return;
    }
    struct wire *wire = store_allocate(sizeof *wire);
    *wire = (struct wire){.network = network, .link = link, .generation = network->redis->generation, .users = 1};
    DL_APPEND(network->wires, wire);
    link->wire = wire;
    link->attempts = 0;
    link->options.up(link->options.arg);
}

static void watch_oldest(struct redis_link *link) {
    if (!uv_is_active((uv_handle_t *)&link->timer)) uv_timer_start(&link->timer, on_timer, link->options.timeout_ms, 0);
}

static void on_timer(uv_timer_t *timer) {
    struct redis_link *link = timer->data;
    if (!link->wire) {
        come_up(link);
        return;
    }
    const struct command *oldest = link->sent ? link->sent : link->unsent;
    if (!oldest) return;
    uint64_t age_ms = uv_now(timer->loop) - oldest->queued_ms;
    if (age_ms >= link->options.timeout_ms)
        redis_link_drop(link, "no answer in time");
    else
        uv_timer_start(&link->timer, on_timer, link->options.timeout_ms - age_ms, 0);
}

int redis_link_open(uv_loop_t *loop, const struct redis_link_options *options, struct redis_link **link) {
    struct redis_link *made = store_allocate(sizeof *made);
    made->port = loop->data;
    made->options = *options;
    made->parts = 2;
    uv_timer_init(loop, &made->timer);
    uv_idle_init(loop, &made->flush);
    made->timer.data = made->flush.data = made;
    uv_timer_start(&made->timer, on_timer, 0, 0);
    *link = made;
    return 0;
}

static void on_part_closed(uv_handle_t *handle) {
    struct redis_link *link = handle->data;
    if (--link->parts > 0) return;
    void (*closed)(void *arg) = link->on_closed;
    void *arg = link->closed_arg;
    free(link);
    if (closed) closed(arg);
}

void redis_link_close(struct redis_link *link, void (*closed)(void *arg), void *arg) {
    redis_link_drop(link, "closed");
    link->closed = true;
    link->on_closed = closed;
    link->closed_arg = arg;
    uv_close((uv_handle_t *)&link->timer, on_part_closed);
    uv_close((uv_handle_t *)&link->flush, on_part_closed);
}

void network_cut(struct port *port) {
    struct wire *wire, *next;
    port->is_dead = true;
    DL_FOREACH_SAFE(port->network->wires, wire, next) {
        if (wire->link && wire->link->port == port) redis_link_drop(wire->link, "the process has ended");
    }
}

/* ---- A link: commands ---- */

bool redis_link_is_up(const struct redis_link *link) {
    return link && link->wire;
}

static struct command *command_copy(size_t count, const char *const *words, const size_t *lengths) {
    struct command *command = store_allocate(sizeof *command);
    command->count = count;
    command->words = store_allocate(count * sizeof *command->words);
    command->lengths = store_allocate(count * sizeof *command->lengths);
    for (size_t i = 0; i < count; i++) {
        command->lengths[i] = lengths ? lengths[i] : strlen(words[i]);
        command->words[i] = store_copy(words[i], command->lengths[i]);
    }
    return command;
}

static void on_flush(uv_idle_t *idle) {
    struct redis_link *link = idle->data;
    struct command *command, *next;
    uv_idle_stop(idle);
    DL_FOREACH_SAFE(link->unsent, command, next) {
        DL_DELETE(link->unsent, command);
        DL_APPEND(link->sent, command);
        struct parcel *parcel = store_allocate(sizeof *parcel);
        parcel->wire = link->wire;
        parcel->command = command_copy(command->count, (const char *const *)command->words, command->lengths);
        link->wire->users++;
        timeline_at(link->port->network->timeline, arrival(link->wire, &link->wire->last_up_us), arrive_at_server,
                    parcel);
    }
}

int redis_link_send(struct redis_link *link, size_t count, const char *const *words, const size_t *lengths,
                    redis_answer answer, void *arg) {
    if (!redis_link_is_up(link)) return LEDIG_EUNAVAILABLE;
    struct command *command = command_copy(count, words, lengths);
    command->answer = answer;
    command->arg = arg;
    command->queued_ms = uv_now((uv_loop_t *)link->port->loop);
    DL_APPEND(link->unsent, command);
    uv_idle_start(&link->flush, on_flush);
    watch_oldest(link);
    return 0;
}

size_t redis_link_unsend(struct redis_link *link, const void *arg) {
    struct command *command, *next;
    size_t count = 0;
    if (!link) return 0;
    DL_FOREACH_SAFE(link->unsent, command, next) {
        if (command->arg != arg) continue;
        DL_DELETE(link->unsent, command);
        command_free(command);
        count++;
    }
    return count;
}

void network_close(struct network *network) {
    struct wire *wire, *next;
    DL_FOREACH_SAFE(network->wires, wire, next) {
        DL_DELETE(network->wires, wire);
        free(wire);
    }
}

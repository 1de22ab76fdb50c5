#include "bench/peers/audience.h"
#include "bench/cores.h"
#include "bench/terminal.h"
#include "protocol/errors.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS 64
#define CONNECTIONS_SPARE 16 /* that the server may have beside ours */
#define READY_LATE_NS 30000000000LL
#define STEP_MS 50

static_assert(sizeof(struct said) == AUDIENCE_PAYLOAD_BYTES_MIN, "no gaps");

/* ---- Receiving ---- */

static void settle(struct audience *audience, uint64_t deliveries) {
    audience->outstanding -= deliveries < audience->outstanding ? deliveries : audience->outstanding;
}

static bool is_ours(const struct audience *audience, const uint8_t *payload, size_t length) {
    return length == audience->payload_bytes &&
           memcmp(payload + sizeof(struct said), audience->payload + sizeof(struct said),
                  length - sizeof(struct said)) == 0;
}

static void receive(void *arg, const uint8_t *payload, size_t length) {
    struct audience *audience = arg;
    struct said said = {AUDIENCE_PUBLISHING, 0};
    if (is_ours(audience, payload, length)) memcpy(&said, payload, sizeof said);
    if (said.publishing >= AUDIENCE_PUBLISHING || audience->reading >= audience->subscribers) {
        audience->broken++;
        return;
    }
    uint32_t *seen = &audience->view[audience->reading].seen[said.publishing];
    if (said.number <= *seen || said.number > audience->asked.seen[said.publishing]) {
        audience->broken++;
        return;
    }
    uint32_t settled = said.number - *seen;
    *seen = said.number;
    audience->skipped += settled - 1;
    audience->deliveries++;
    audience->last_delivery_ns = audience->now_ns;
    settle(audience, settled);
}

static uint64_t missing(const struct audience *audience, uint32_t subscriber) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < AUDIENCE_PUBLISHING; i++)
        sum += audience->asked.seen[i] - audience->view[subscriber].seen[i];
    return sum;
}

static void lose(struct audience *audience, uint32_t number) {
    struct link *link = &audience->link[number];
    if (link->complaint[0]) memcpy(audience->complaint, link->complaint, sizeof audience->complaint);
    peer_close(link);
    if (number >= audience->subscribers) {
        audience->failed = true;
    } else {
        audience->dropped++;
        settle(audience, missing(audience, number));
    }
}

/* ---- The loop ---- */

static int watch(struct audience *audience, uint32_t number, int operation) {
    struct link *link = &audience->link[number];
    bool wants = peer_wants_write(audience->peer, link);
    if (operation == EPOLL_CTL_MOD && wants == link->wants_write) return 0;
    struct epoll_event event = {.events = EPOLLIN | (wants ? EPOLLOUT : 0U), .data.u32 = number};
    link->wants_write = wants;
    return epoll_ctl(audience->epoll, operation, link->descriptor, &event) == 0 ? 0 : LEDIG_EIO;
}

static void handle(struct audience *audience, const struct epoll_event *event) {
    const uint32_t number = event->data.u32;
    struct link *link = &audience->link[number];
    int error = 0;
    if (link->descriptor < 0) return;
    audience->reading = number;
    audience->now_ns = clock_now_ns();
    if (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        error = peer_read(audience->peer, link, audience->scratch, receive, audience, &audience->receipt);
    if (error == 0 && (link->out.length > 0 || (event->events & EPOLLOUT))) error = peer_flush(audience->peer, link);
    if (error == 0) error = watch(audience, number, EPOLL_CTL_MOD);
    if (error != 0) lose(audience, number);
}

int audience_turn(struct audience *audience, int wait_ms) {
    struct epoll_event events[EVENTS];
    for (uint32_t i = 0; i < AUDIENCE_PUBLISHING; i++) {
        const uint32_t number = audience->subscribers + i;
        struct link *link = &audience->link[number];
        if (link->descriptor < 0 || link->out.length == 0) continue;
        if (peer_flush(audience->peer, link) != 0 || watch(audience, number, EPOLL_CTL_MOD) != 0)
            lose(audience, number);
    }
    int count = epoll_wait(audience->epoll, events, EVENTS, wait_ms);
    for (int i = 0; i < count; i++)
        handle(audience, &events[i]);
    if (!audience->failed) return 0;
    return complain(LEDIG_EIO, "%s ended a connection that publishes%s%s", audience->peer->name,
                    audience->complaint[0] ? ":" : "", audience->complaint);
}

int audience_await(struct audience *audience, uint32_t patience_ms) {
    const int64_t patience_ns = patience_ms * INT64_C(1000000);
    int64_t late_ns = clock_now_ns() + patience_ns;
    for (uint64_t before = audience->outstanding; audience->outstanding > 0;) {
        if (interrupt_asked()) return complain(LEDIG_EIO, "interrupted");
        if (audience_turn(audience, STEP_MS) != 0) return LEDIG_EIO;
        if (audience->outstanding != before)
            late_ns = clock_now_ns() + patience_ns;
        else if (clock_now_ns() > late_ns)
            audience->outstanding = 0;
        before = audience->outstanding;
    }
    return 0;
}

void audience_publish(struct audience *audience) {
    const uint32_t publishing = (uint32_t)(audience->changes++ % AUDIENCE_PUBLISHING);
    const struct said said = {publishing, ++audience->asked.seen[publishing]};
    memcpy(audience->payload, &said, sizeof said);
    audience->outstanding += audience->subscribers - audience->dropped;
    audience->peer->publish(&audience->link[audience->subscribers + publishing].out, audience->payload,
                            audience->payload_bytes);
}

uint32_t audience_wrong_views(const struct audience *audience) {
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < audience->subscribers; i++)
        if (audience->link[i].descriptor < 0 || missing(audience, i) > 0) wrong++;
    return wrong;
}

uint64_t audience_lost(const struct audience *audience) {
    uint64_t lost = audience->skipped;
    for (uint32_t i = 0; i < audience->subscribers; i++)
        lost += missing(audience, i);
    return lost;
}

/* ---- Opening ---- */

static int connect_all(struct audience *audience) {
    const uint32_t all = audience->subscribers + AUDIENCE_PUBLISHING;
    for (uint32_t i = 0; i < all; i++) {
        progress_show("connecting to a peer", i, all);
        if (interrupt_asked()) return complain(LEDIG_EIO, "interrupted");
        if (peer_connect(audience->peer, &audience->link[i], audience->server.port, i < audience->subscribers) != 0 ||
            watch(audience, i, EPOLL_CTL_ADD) != 0)
            return complain(LEDIG_EIO, "%s took %u of %u connections", audience->peer->name, (unsigned)i,
                            (unsigned)all);
        if (audience_turn(audience, 0) != 0) return LEDIG_EIO;
    }
    progress_end();
    return 0;
}

static int await_all(struct audience *audience) {
    const uint32_t all = audience->subscribers + AUDIENCE_PUBLISHING;
    const int64_t late_ns = clock_now_ns() + READY_LATE_NS;
    for (uint32_t ready = 0; ready < all;) {
        if (interrupt_asked()) return complain(LEDIG_EIO, "interrupted");
        if (audience->dropped > 0 || clock_now_ns() > late_ns)
            return complain(LEDIG_EIO, "%s has answered %u of %u connections, and closed %u%s%s", audience->peer->name,
                            (unsigned)ready, (unsigned)all, (unsigned)audience->dropped,
                            audience->complaint[0] ? ":" : "", audience->complaint);
        if (audience_turn(audience, STEP_MS) != 0) return LEDIG_EIO;
        while (ready < all && audience->link[ready].ready)
            ready++;
    }
    return 0;
}

static int allocate(struct audience *audience) {
    const uint32_t all = audience->subscribers + AUDIENCE_PUBLISHING;
    audience->scratch = malloc(WEBSOCKET_SCRATCH_BYTES);
    audience->link = calloc(all, sizeof *audience->link);
    audience->view = calloc(audience->subscribers, sizeof *audience->view);
    if (!audience->scratch || !audience->link || !audience->view) return complain(LEDIG_ENO_MEMORY, "out of memory");
    for (uint32_t i = 0; i < all; i++)
        audience->link[i].descriptor = -1;
    for (size_t i = sizeof(struct said); i < audience->payload_bytes; i++)
        audience->payload[i] = (uint8_t)('a' + i % 26);
    return 0;
}

int audience_open(struct audience *audience, const struct peer *peer, const char *program, int core,
                  uint32_t subscribers, size_t payload_bytes) {
    *audience = (struct audience){.peer = peer, .subscribers = subscribers, .payload_bytes = payload_bytes};
    audience->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (audience->epoll < 0) return complain(LEDIG_EIO, "no epoll: %s", strerror(errno));
    int error = allocate(audience);
    if (error == 0)
        error =
            server_start(&audience->server, peer, program, core, subscribers + AUDIENCE_PUBLISHING + CONNECTIONS_SPARE);
    if (error == 0) error = connect_all(audience);
    return error ? error : await_all(audience);
}

void audience_close(struct audience *audience) {
    if (!audience->peer) return;
    for (uint32_t i = 0; audience->link && i < audience->subscribers + AUDIENCE_PUBLISHING; i++)
        peer_close(&audience->link[i]);
    if (audience->epoll >= 0) close(audience->epoll);
    server_stop(&audience->server);
    free(audience->scratch);
    free(audience->link);
    free(audience->view);
    *audience = (struct audience){0};
}

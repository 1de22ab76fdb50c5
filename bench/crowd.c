#include "bench/crowd.h"
#include "bench/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define EVENTS 64 /* few, so that a change that is due does not wait for a whole fan-out to be read */
#define STEP_NS 50000000
#define CONNECTS_A_TURN 16 /* then what has come is read */
#define TIMER UINT64_MAX
#define HEEDED (UINT64_MAX - 1)
#define CONNECTIONS_OF_A_SOURCE 1000 /* the kernel looks long for a port where many are in use */

/* ---- Opening ---- */

static void size_company(const struct group *group, uint32_t nth, struct assembly *company) {
    company->subscribers = (group->subscribers + group->companies - 1 - nth) / group->companies;
    company->people = group->people                             ? group->people
                      : company->subscribers < CROWD_PEOPLE_MAX ? company->subscribers
                                                                : CROWD_PEOPLE_MAX;
    uint32_t connected = company->subscribers < company->people ? company->subscribers : company->people;
    company->publishers = group->publishers < connected ? group->publishers : connected;
}

uint32_t crowd_publishers(const struct group *groups, size_t count) {
    uint32_t sum = 0;
    for (size_t g = 0; g < count; g++)
        for (uint32_t nth = 0; nth < groups[g].companies; nth++) {
            struct assembly company = {0};
            size_company(&groups[g], nth, &company);
            sum += company.publishers;
        }
    return sum;
}

/* Small companies are not torn apart; large ones go round. */
static bool is_held(const struct share *share, uint32_t companies, uint32_t c, const struct assembly *company,
                    uint32_t nth) {
    if (share->processes < 2) return true;
    if (share->first_publishes && nth < company->publishers) return share->rank == 0;
    if (share->first_has_no_others)
        return share->rank == 1 + (companies < share->processes ? nth : c) % (share->processes - 1);
    if (share->others_from > 0) return share->rank == (c < share->others_from ? 0 : 1 + c % (share->processes - 1));
    return (companies < share->processes ? nth : c) % share->processes == share->rank;
}

static int build_company(struct crowd *crowd, const struct group *group, uint32_t nth, uint32_t base,
                         struct assembly *company) {
    size_company(group, nth, company);
    company->first = base + nth;
    company->stride = group->companies;
    company->memory.run = crowd->run;
    company->memory.publishers = company->publishers;
    company->publisher = calloc(company->publishers ? company->publishers : 1, sizeof *company->publisher);
    if (!company->publisher) return LEDIG_ENO_MEMORY;
    for (uint32_t p = 0; p < company->publishers; p++)
        company->publisher[p] =
            (struct publisher){.asked = SEQUENCE_NONE, .acknowledged = SEQUENCE_NONE, .taken_back = SEQUENCE_NONE};
    return 0;
}

static int build_companies(struct crowd *crowd) {
    const struct crowd_options *options = &crowd->options;
    uint32_t c = 0, base = 0, on_board = 0;
    int error = 0;
    for (size_t g = 0; g < options->group_count; g++) {
        const struct group *group = &options->groups[g];
        for (uint32_t nth = 0; nth < group->companies && error == 0; nth++, c++) {
            error = build_company(crowd, group, nth, base, &crowd->company[c]);
            crowd->company[c].on_board = on_board;
            on_board += crowd->company[c].publishers;
        }
        base += group->subscribers;
    }
    return error;
}

static int join(struct crowd *crowd, uint32_t number, uint32_t company) {
    struct subscriber *subscriber = &crowd->subscriber[number];
    uint32_t publishers = crowd->company[company].publishers;
    *subscriber = (struct subscriber){.crowd = crowd, .number = number, .company = company, .stage = STAGE_IDLE};
    subscriber->seen = malloc((publishers ? publishers : 1) * sizeof *subscriber->seen);
    if (!subscriber->seen) return LEDIG_ENO_MEMORY;
    for (uint32_t p = 0; p < publishers; p++)
        subscriber->seen[p] = (struct seen){.sequence = SEQUENCE_NONE};
    return 0;
}

static int build_subscribers(struct crowd *crowd) {
    for (uint32_t c = 0; c < crowd->options.companies; c++) {
        struct assembly *company = &crowd->company[c];
        for (uint32_t nth = 0; nth < company->subscribers; nth++) {
            uint32_t number = company->first + nth * company->stride;
            if (!is_held(&crowd->options.share, crowd->options.companies, c, company, nth)) continue;
            crowd->held++;
            company->followers++;
            if (join(crowd, number, c) != 0) return LEDIG_ENO_MEMORY;
            struct subscriber *subscriber = &crowd->subscriber[number];
            subscriber->tally = &crowd->tally;
            subscriber->person = nth % company->people;
            if (nth < company->publishers) company->publisher[nth].subscriber = subscriber;
        }
    }
    return 0;
}

void crowd_mark_run(char run[static DIGEST_RUN_CHARS]) {
    uint32_t random = 0;
    if (getrandom(&random, sizeof random, 0) != sizeof random) random = (uint32_t)clock_now_ns();
    snprintf(run, DIGEST_RUN_CHARS, "%08x", (unsigned)random);
}

static int check_descriptors(const struct crowd *crowd) {
    long descriptors = sysconf(_SC_OPEN_MAX);
    uint64_t sockets = (uint64_t)crowd->held + crowd->options.spare_sockets;
    if (descriptors <= 0 || sockets + CROWD_DESCRIPTORS_SPARE <= (uint64_t)descriptors) return 0;
    return complain(LEDIG_ETOO_LARGE,
                    "%llu connections need more than the %ld descriptors of one process here; see --generators",
                    (unsigned long long)sockets, descriptors);
}

int crowd_open(struct crowd *crowd, const struct crowd_options *options) {
    *crowd = (struct crowd){.options = *options, .epoll = -1, .timer = -1, .at_once = CROWD_AT_ONCE};
    for (size_t g = 0; g < options->group_count; g++) {
        crowd->options.companies += options->groups[g].companies;
        crowd->options.subscribers += options->groups[g].subscribers;
    }
    options = &crowd->options;
    crowd->wanted = options->subscribers;
    if (options->share.run)
        snprintf(crowd->run, sizeof crowd->run, "%s", options->share.run);
    else
        crowd_mark_run(crowd->run);
    crowd->epoll = epoll_create1(EPOLL_CLOEXEC);
    crowd->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = TIMER};
    if (crowd->epoll < 0 || crowd->timer < 0 || epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, crowd->timer, &event) != 0)
        return complain(LEDIG_EIO, "no epoll: %s", strerror(errno));
    crowd->scratch = malloc(WEBSOCKET_SCRATCH_BYTES);
    crowd->arena = arena_create();
    crowd->company = calloc(options->companies, sizeof *crowd->company);
    crowd->subscriber = calloc((size_t)options->subscribers + options->spare_sockets + 1, sizeof *crowd->subscriber);
    if (!crowd->scratch || !crowd->arena || !crowd->company || !crowd->subscriber || build_companies(crowd) != 0 ||
        build_subscribers(crowd) != 0)
        return complain(LEDIG_ENO_MEMORY, "out of memory");
    return check_descriptors(crowd);
}

void crowd_close(struct crowd *crowd) {
    uint32_t sockets = crowd->options.subscribers + crowd->adopted;
    for (uint32_t i = 0; crowd->subscriber && i < sockets; i++) {
        websocket_free(&crowd->subscriber[i].websocket);
        free(crowd->subscriber[i].seen);
        free(crowd->subscriber[i].token);
    }
    for (uint32_t c = 0; crowd->company && c < crowd->options.companies; c++) {
        struct assembly *company = &crowd->company[c];
        for (uint32_t p = 0; company->publisher && p < company->publishers; p++)
            free(company->publisher[p].made);
        free(company->publisher);
        digest_memory_free(&company->memory);
    }
    free(crowd->company);
    free(crowd->subscriber);
    arena_free(crowd->arena);
    free(crowd->scratch);
    for (uint32_t i = 0; i < CROWD_DEAD_LINES; i++)
        if (crowd->dead[i] > 0) close(crowd->dead[i]);
    if (crowd->epoll >= 0) close(crowd->epoll);
    if (crowd->timer >= 0) close(crowd->timer);
    *crowd = (struct crowd){.epoll = -1, .timer = -1};
}

/* ---- The loop ---- */

static void lose(struct subscriber *subscriber) {
    struct crowd *crowd = subscriber->crowd;
    if (subscriber->stage == STAGE_GONE || subscriber->stage == STAGE_DROPPED) return;
    if (subscriber->stage == STAGE_LIVE)
        crowd->live--;
    else
        crowd->connecting--;
    subscriber->stage = subscriber->may_go ? STAGE_DROPPED : STAGE_GONE;
    if (subscriber->may_go)
        crowd->dropped++;
    else
        crowd->gone++;
}

static void watch(struct subscriber *subscriber, int operation) {
    bool wants = websocket_wants_write(&subscriber->websocket);
    if (operation == EPOLL_CTL_MOD && wants == subscriber->wants_write) return;
    struct epoll_event event = {.events = (subscriber->is_deaf ? 0U : EPOLLIN) | (wants ? EPOLLOUT : 0U),
                                .data.u64 = subscriber->number};
    if (epoll_ctl(subscriber->crowd->epoll, operation, subscriber->websocket.descriptor, &event) != 0)
        websocket_close(&subscriber->websocket);
    subscriber->wants_write = wants;
}

/* A peer on loopback can be reached from 127.0.0.1, .2, … */
static struct in_addr choose_source(const struct endpoint *apps, uint32_t number) {
    struct in_addr source = {0};
    uint32_t nth = number / CONNECTIONS_OF_A_SOURCE;
    if (nth > 0 && ntohl(apps->address.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET)
        source.s_addr = htonl(INADDR_LOOPBACK + nth);
    return source;
}

static void connect_one(struct crowd *crowd, struct subscriber *subscriber) {
    const struct endpoint *apps = &crowd->options.subject->apps;
    struct websocket_target target = {.address = apps->address,
                                      .host = apps->host,
                                      .path = apps->path,
                                      .source = choose_source(apps, subscriber->number),
                                      .tls = crowd->options.tls,
                                      .forgets_sessions = crowd->options.forgets_sessions};
    crowd->connecting++;
    subscriber->stage = STAGE_CONNECTING;
    if (websocket_connect(&subscriber->websocket, &target, subscriber->number * 2654435761U) == 0)
        watch(subscriber, EPOLL_CTL_ADD);
    if (subscriber->websocket.state != WEBSOCKET_CONNECTING) lose(subscriber);
}

static void connect_some(struct crowd *crowd) {
    for (int i = 0;
         i < CONNECTS_A_TURN && crowd->connecting < crowd->at_once && crowd->next_to_connect < crowd->wanted;) {
        struct subscriber *subscriber = &crowd->subscriber[crowd->next_to_connect++];
        if (subscriber->stage != STAGE_IDLE) continue;
        i++;
        connect_one(crowd, subscriber);
    }
}

static void handle(struct subscriber *subscriber, uint32_t events) {
    struct websocket *websocket = &subscriber->websocket;
    int error = 0;
    if (websocket->state == WEBSOCKET_CLOSED) return;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        error = websocket_read(websocket, subscriber->crowd->scratch, subscriber_hear, subscriber);
    if (error == 0 && (events & EPOLLOUT)) error = websocket_write(websocket);
    if (error != 0 || websocket->state == WEBSOCKET_CLOSED)
        lose(subscriber);
    else
        watch(subscriber, EPOLL_CTL_MOD);
}

void crowd_turn(struct crowd *crowd, int64_t until_ns) {
    connect_some(crowd);
    int64_t now_ns = clock_now_ns(), latest_ns = now_ns + STEP_NS; /* so that an interrupt is noticed */
    if (until_ns > latest_ns) until_ns = latest_ns;
    int wait_ms = 0;
    bool knocks = crowd->connecting < crowd->at_once && crowd->next_to_connect < crowd->wanted;
    if (until_ns > now_ns && !knocks) {
        struct itimerspec timer = {.it_value = {until_ns / 1000000000, until_ns % 1000000000}};
        timerfd_settime(crowd->timer, TFD_TIMER_ABSTIME, &timer, NULL);
        wait_ms = -1;
    }
    struct epoll_event events[EVENTS];
    int count = epoll_wait(crowd->epoll, events, EVENTS, wait_ms);
    for (int i = 0; i < count; i++) {
        if (events[i].data.u64 == TIMER) {
            uint64_t fired;
            if (read(crowd->timer, &fired, sizeof fired) < 0) continue; /* set anew meanwhile */
        } else if (events[i].data.u64 != HEEDED) {
            handle(&crowd->subscriber[events[i].data.u64], events[i].events);
        }
    }
}

int crowd_heed(struct crowd *crowd, int descriptor) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = HEEDED};
    return epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, descriptor, &event) == 0 ? 0 : LEDIG_EIO;
}

/* ---- Those who are not like the others ---- */

void crowd_set_aside(struct crowd *crowd, struct subscriber *subscriber, bool aside) {
    struct assembly *company = &crowd->company[subscriber->company];
    if (subscriber->is_aside == aside) return;
    subscriber->is_aside = aside;
    if (!aside) {
        company->followers++;
        return;
    }
    company->followers--;
    for (uint32_t p = 0; p < company->publishers; p++) {
        struct publisher *publisher = &company->publisher[p];
        if (publisher->awaited == 0 || subscriber->seen[p].sequence >= publisher->asked) continue;
        publisher->awaited--;
        crowd->undelivered--;
    }
}

void crowd_deafen(struct crowd *crowd, struct subscriber *subscriber, bool deaf) {
    struct epoll_event event = {.events = deaf ? 0 : EPOLLIN, .data.u64 = subscriber->number};
    subscriber->is_deaf = deaf; /* a connection that is cut off is reported all the same */
    epoll_ctl(crowd->epoll, EPOLL_CTL_MOD, subscriber->websocket.descriptor, &event);
}

/* What it asked for may be done or not: nobody can say how late it is. */
static void give_up_requests(struct crowd *crowd, struct subscriber *subscriber) {
    struct assembly *company = &crowd->company[subscriber->company];
    struct publisher *publisher =
        subscriber->person < company->publishers ? &company->publisher[subscriber->person] : NULL;
    crowd->changes_open -= subscriber->changes_open;
    crowd->devices_open -= subscriber->devices_open;
    if (subscriber->changes_open > 0 && publisher)
        for (int32_t sequence = publisher->acknowledged + 1; sequence <= publisher->asked; sequence++)
            publisher->made[sequence].due_ns = DUE_UNKNOWN;
    subscriber->changes_open = subscriber->devices_open = 0;
}

void crowd_break_off(struct crowd *crowd, struct subscriber *subscriber) {
    if (subscriber->stage != STAGE_LIVE) return;
    crowd_set_aside(crowd, subscriber, true);
    websocket_close(&subscriber->websocket); /* which keeps the ticket */
    subscriber->stage = STAGE_IDLE;
    crowd->live--;
    crowd->next_to_connect = crowd->wanted; /* nobody comes back yet */
    give_up_requests(crowd, subscriber);
}

void crowd_fall_silent(struct crowd *crowd, struct subscriber *subscriber) {
    if (subscriber->stage != STAGE_LIVE) return;
    int *dead = &crowd->dead[crowd->next_dead++ % CROWD_DEAD_LINES];
    if (*dead > 0) close(*dead);
    epoll_ctl(crowd->epoll, EPOLL_CTL_DEL, subscriber->websocket.descriptor, NULL);
    *dead = fcntl(subscriber->websocket.descriptor, F_DUPFD_CLOEXEC, 0); /* so that closing is not told */
    crowd_break_off(crowd, subscriber);
}

void crowd_call_back(struct crowd *crowd, struct subscriber *subscriber) {
    crowd_set_aside(crowd, subscriber, false);
    subscriber->called_ns = clock_now_ns();
    connect_one(crowd, subscriber);
}

void crowd_let_go(struct crowd *crowd, struct subscriber *subscriber) {
    crowd_break_off(crowd, subscriber);
    if (subscriber->stage == STAGE_IDLE) subscriber->stage = STAGE_LEFT;
}

void crowd_reconnect(struct crowd *crowd, uint32_t at_once) {
    for (uint32_t i = 0; i < crowd->options.subscribers; i++)
        if (crowd->subscriber[i].stage == STAGE_IDLE) crowd_set_aside(crowd, &crowd->subscriber[i], false);
    crowd->at_once = at_once;
    crowd->next_to_connect = 0;
    crowd->wanted = crowd->options.subscribers;
}

int crowd_adopt(struct crowd *crowd, int descriptor, uint32_t company, SSL_CTX *tls) {
    uint32_t number = crowd->options.subscribers + crowd->adopted;
    if (crowd->adopted == crowd->options.spare_sockets || join(crowd, number, company) != 0) {
        close(descriptor);
        return LEDIG_ENO_MEMORY;
    }
    crowd->adopted++;
    struct subscriber *subscriber = &crowd->subscriber[number];
    subscriber->tally = &crowd->echo;
    subscriber->stage = STAGE_LIVE;
    crowd->live++;
    int error = websocket_adopt(&subscriber->websocket, descriptor, tls);
    if (error == 0) watch(subscriber, EPOLL_CTL_ADD);
    return subscriber->websocket.state == WEBSOCKET_CLOSED ? LEDIG_EIO : error;
}

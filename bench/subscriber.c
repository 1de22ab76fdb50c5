#include "bench/crowd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Talking ---- */

int subscriber_say(struct subscriber *subscriber, const struct message *message) {
    struct buffer bytes = {0};
    int error = message_encode(ENCODING_MSGPACK, message, &bytes);
    if (error == 0) error = websocket_send(&subscriber->websocket, bytes.bytes, bytes.length);
    buffer_free(&bytes);
    return error;
}

struct circle {
    const char *at[CIRCLE_MAX];
    char user[CIRCLE_MAX][EMPLOYER_ID_CHARS];
};

static void draw_circle(const struct subscriber *subscriber, struct circle *circle) {
    uint32_t people = subscriber->crowd->company[subscriber->company].people;
    for (uint32_t i = 0; i < CIRCLE_MAX; i++) {
        employer_person((subscriber->person + i) % people, circle->user[i]);
        circle->at[i] = circle->user[i];
    }
}

bool subscriber_follows(const struct subscriber *subscriber, uint32_t person) {
    uint32_t people = subscriber->crowd->company[subscriber->company].people;
    if (subscriber->following == FOLLOWS_CIRCLE)
        return (person + people - subscriber->person) % people < subscriber->circle;
    return subscriber->following == FOLLOWS_ALL || person == subscriber->person;
}

static int say_hello(struct subscriber *subscriber) {
    char user[EMPLOYER_ID_CHARS], device_id[32], token[LEDIG_TOKEN_CHARS_MAX + 1];
    employer_person(subscriber->person, user);
    snprintf(device_id, sizeof device_id, "bench-%u", (unsigned)subscriber->number);
    if (!subscriber->token) {
        int error =
            employer_token(subscriber->crowd->options.employer, subscriber->company, user, subscriber->role, token);
        if (error != 0) return error;
        subscriber->token = strdup(token);
        if (!subscriber->token) return LEDIG_ENO_MEMORY;
    }
    struct part_device device = {
        .id = device_id, .kind = subscriber->kind ? subscriber->kind : "desktop", .app = "ledig-bench " LEDIG_VERSION};
    struct part_resume resume = {.epoch = subscriber->crowd->company[subscriber->company].epoch,
                                 .version = subscriber->version,
                                 .now = subscriber->now_ms,
                                 .more = subscriber->is_in_series};
    struct message hello = {.type = MESSAGE_hello,
                            .hello = {.token = subscriber->token,
                                      .device = &device,
                                      .state = subscriber->state,
                                      .resume = subscriber->version ? &resume : NULL}};
    struct circle circle;
    if (subscriber->following != FOLLOWS_ALL || subscriber->favourites > 0) draw_circle(subscriber, &circle);
    if (subscriber->following == FOLLOWS_ITSELF) hello.hello.follow = (struct texts){.present = true};
    if (subscriber->following == FOLLOWS_CIRCLE)
        hello.hello.follow = (struct texts){.at = circle.at, .count = subscriber->circle, .present = true};
    if (subscriber->favourites > 0)
        hello.hello.favourites = (struct texts){.at = circle.at, .count = subscriber->favourites, .present = true};
    return subscriber_say(subscriber, &hello);
}

int subscriber_follow(struct subscriber *subscriber, enum following following) {
    struct message follow = {.type = MESSAGE_follow,
                             .follow = {.id = FOLLOW_ID, .users = {.all = following == FOLLOWS_ALL, .present = true}}};
    subscriber->following = following;
    subscriber->refollow = REFOLLOW_ASKED;
    subscriber->crowd->follows_open++;
    return subscriber_say(subscriber, &follow);
}

int subscriber_turn(struct subscriber *subscriber, const char *state) {
    struct message device = {.type = MESSAGE_device, .device = {.id = DEVICE_ID, .state = state}};
    subscriber->state = state;
    subscriber->heeds_from_ns = strcmp(state, "background") == 0 ? INT64_MAX : clock_now_ns();
    subscriber->devices_open++;
    subscriber->crowd->devices_open++;
    return subscriber_say(subscriber, &device);
}

/* ---- Listening ---- */

static struct publisher *publisher_of(struct subscriber *subscriber) {
    struct assembly *company = &subscriber->crowd->company[subscriber->company];
    struct publisher *publisher =
        subscriber->person < company->publishers ? &company->publisher[subscriber->person] : NULL;
    return publisher && publisher->subscriber == subscriber ? publisher : NULL;
}

/* A change that failed is one that nobody needs to wait for. */
static void give_up(struct crowd *crowd, struct publisher *publisher) {
    crowd->undelivered -= publisher->awaited;
    publisher->awaited = 0;
}

static void forget(struct subscriber *subscriber) {
    subscriber->profiles = 0;
    for (uint32_t p = 0; p < subscriber->crowd->company[subscriber->company].publishers; p++)
        subscriber->seen[p] = (struct seen){.sequence = SEQUENCE_NONE};
}

static void acknowledge(struct crowd *crowd, struct publisher *publisher, int32_t sequence) {
    const struct subscriber *subscriber = publisher->subscriber;
    publisher->acknowledged = sequence;
    if (crowd->options.share.board)
        board_acknowledge(crowd->options.share.board, crowd->company[subscriber->company].on_board + subscriber->person,
                          sequence);
}

static void hear_outcome(struct subscriber *subscriber, uint32_t id, const char *error_code) {
    struct crowd *crowd = subscriber->crowd;
    struct publisher *publisher = publisher_of(subscriber);
    if (error_code) snprintf(crowd->refusal, sizeof crowd->refusal, "%s", error_code);
    if (id == FOLLOW_ID) {
        if (error_code) crowd->refused++;
        subscriber->refollow = REFOLLOW_GRANTED;
        forget(subscriber);
    } else if (id == ASK_ID && error_code) {
        crowd->company[subscriber->company].answering = false;
        crowd->answers_open--;
    } else if (publisher && id == CONSENT_ID) {
        publisher->consented = !error_code;
        crowd->consents_open--;
    } else if (id == DEVICE_ID) {
        if (error_code) crowd->refused++;
        subscriber->devices_open--;
        crowd->devices_open--;
    } else if (publisher && id >= CHANGE_ID) {
        int32_t sequence = (int32_t)(id - CHANGE_ID);
        crowd->changes_open--;
        subscriber->changes_open--;
        if (!error_code && sequence > publisher->acknowledged) acknowledge(crowd, publisher, sequence);
        if (error_code) crowd->refused++;
        if (error_code && sequence == publisher->asked) give_up(crowd, publisher);
    }
}

static void hear_answer(struct subscriber *subscriber, const struct message_answer *answer) {
    struct assembly *company = &subscriber->crowd->company[subscriber->company];
    const struct part_member *members = answer->members.at;
    for (uint32_t i = 0; i < answer->members.count; i++) {
        struct digest_row row;
        if (!digest_read_row(&company->memory, &members[i], &row)) continue;
        struct publisher *publisher = &company->publisher[row.publisher];
        publisher->truth = (struct seen){row.hash, row.sequence, row.sequence == SEQUENCE_NONE};
        publisher->known = true;
        publisher->is_false = publisher->subscriber && !publisher_may_show(publisher, &row, &members[i]);
    }
    if (answer->more || !company->answering) return;
    company->answering = false;
    subscriber->crowd->answers_open--;
}

static void become_live(struct subscriber *subscriber) {
    subscriber->stage = STAGE_LIVE;
    subscriber->crowd->connecting--;
    subscriber->crowd->live++;
    if (subscriber->websocket.resumed_session) subscriber->crowd->resumed_sessions++;
    bool lags = subscriber->state && strcmp(subscriber->state, "background") == 0;
    int64_t now_ns = clock_now_ns(), called_ns = subscriber->called_ns;
    subscriber->live_from_ns = now_ns;
    subscriber->heeds_from_ns = lags ? INT64_MAX : called_ns ? now_ns : 0;
    if (called_ns == 0) called_ns = subscriber->crowd->storm_began_ns;
    if (called_ns == 0) return;
    int64_t away_ns = now_ns - called_ns;
    histogram_record(&subscriber->crowd->return_us, (uint64_t)away_ns / 1000);
}

/* The series has come to its end. */
static void settle(struct subscriber *subscriber) {
    if (subscriber->stage == STAGE_CATCHING_UP) become_live(subscriber);
    if (subscriber->refollow != REFOLLOW_GRANTED) return;
    subscriber->refollow = REFOLLOW_DONE;
    subscriber->crowd->follows_open--;
}

static int32_t asked_of(const struct crowd *crowd, const struct assembly *company, uint32_t p) {
    const struct publisher *publisher = &company->publisher[p];
    return publisher->subscriber ? publisher->asked : board_asked(crowd->options.share.board, company->on_board + p);
}

static int64_t due_of(const struct crowd *crowd, const struct assembly *company, uint32_t p, int32_t sequence) {
    const struct publisher *publisher = &company->publisher[p];
    return publisher->subscriber ? publisher->made[sequence].due_ns
                                 : board_due_ns(crowd->options.share.board, company->on_board + p, sequence);
}

/* The change that a row leads up to. A plain row has the latest that was taken back behind it, or only the passing of a
 * return time. */
static int32_t shown_by(const struct digest_row *row, const struct publisher *publisher, const struct seen *seen) {
    if (row->sequence != SEQUENCE_NONE) return row->sequence;
    return publisher->taken_back > seen->sequence ? publisher->taken_back : seen->sequence;
}

/* The oldest change of those that are seen with this one. To take back where nothing stands shows in no row. */
static int32_t oldest_shown(const struct publisher *publisher, const struct seen *seen, int32_t sequence) {
    int32_t oldest = seen->sequence + 1;
    if (!seen->is_plain || !publisher->subscriber) return oldest;
    while (oldest < sequence && status_takes_back(&publisher->made[oldest].status))
        oldest++;
    return oldest;
}

/* How long after somebody's return time has passed this is seen. */
static void note_return(const struct subscriber *subscriber, const struct publisher *publisher, int32_t sequence,
                        int64_t now_ns) {
    if (!publisher->subscriber || sequence == SEQUENCE_NONE) return;
    const int64_t until_ms = publisher->made[sequence].status.until_ms;
    int64_t late_us = clock_wall_us() - until_ms * 1000;
    if (until_ms == 0 || late_us < 0) return;
    if (now_ns - late_us * 1000 < subscriber->heeds_from_ns) return;
    histogram_record(&subscriber->crowd->passed_us, (uint64_t)late_us);
}

/* The hot path: a frame that is known already. */
static void receive(struct subscriber *subscriber, const struct digest *digest, size_t wire_bytes) {
    struct crowd *crowd = subscriber->crowd;
    struct assembly *company = &crowd->company[subscriber->company];
    if (subscriber->stage == STAGE_CATCHING_UP || subscriber->refollow == REFOLLOW_GRANTED) {
        subscriber->profiles += digest->profiles;
        if (!digest->more) settle(subscriber);
    }
    subscriber->is_in_series = digest->more;
    if (!digest->more) {
        subscriber->version = digest->version;
        subscriber->now_ms = digest->now_ms;
    }
    if (digest->all_count == 0) return;
    int64_t now_ns = clock_now_ns();
    subscriber->tally->frames++;
    subscriber->tally->wire_bytes += wire_bytes;
    subscriber->tally->deliveries += digest->all_count;
    if (digest->all_count > 1) subscriber->tally->merged++;
    crowd->last_delivery_ns = now_ns;
    for (uint32_t i = 0; i < digest->count; i++) {
        const struct digest_row *row = &digest->rows[i];
        struct seen *seen = &subscriber->seen[row->publisher];
        struct publisher *publisher = &company->publisher[row->publisher];
        const int32_t sequence = shown_by(row, publisher, seen);
        const bool is_plain = row->sequence == SEQUENCE_NONE;
        bool counts = subscriber->tally == &crowd->tally && !subscriber->is_aside && sequence > seen->sequence &&
                      sequence <= asked_of(crowd, company, row->publisher);
        if (counts) { /* from when the oldest change that it brings should have been sent */
            int64_t due_ns = due_of(crowd, company, row->publisher, oldest_shown(publisher, seen, sequence)),
                    late_ns = now_ns - due_ns;
            if (seen->sequence != SEQUENCE_NONE && !(is_plain && seen->is_plain) &&
                due_ns >= subscriber->heeds_from_ns &&
                (crowd->storm_began_ns == 0 ||
                 subscriber->company == 0)) /* else it was away, or has only begun to follow */
                histogram_record(&crowd->latency_us, late_ns > 0 ? (uint64_t)late_ns / 1000 : 0);
            if (sequence == publisher->asked && publisher->awaited > 0) {
                publisher->awaited--;
                crowd->undelivered--;
                if (publisher->awaited == 0)
                    histogram_record(&crowd->complete_us, (uint64_t)(now_ns - publisher->made[sequence].due_ns) / 1000);
            }
        }
        if (is_plain && !seen->is_plain && sequence == seen->sequence)
            note_return(subscriber, publisher, sequence, now_ns);
        *seen = (struct seen){row->hash, sequence, is_plain};
    }
}

/* Everything that was not heard before. */
static void understand(struct subscriber *subscriber, const uint8_t *payload, size_t length, size_t wire_bytes) {
    struct crowd *crowd = subscriber->crowd;
    struct message message;
    struct fault fault = {0};
    arena_reset(crowd->arena);
    int error = message_decode(ENCODING_MSGPACK, SIDE_BROKER, payload, length, crowd->arena, &message, NULL, &fault);
    if (error == LEDIG_EUNSUPPORTED) return; /* a newer broker says more than this knows */
    if (error != 0) {
        crowd->broken++;
        return;
    }
    switch (message.type) {
    case MESSAGE_welcome:
        if (subscriber->stage == STAGE_GREETING) subscriber->stage = STAGE_CATCHING_UP;
        if (message.welcome.resumed)
            crowd->resumed++;
        else
            forget(subscriber);
        break;
    case MESSAGE_changes: {
        struct assembly *company = &crowd->company[subscriber->company];
        if (!message.changes.more) snprintf(company->epoch, sizeof company->epoch, "%s", message.changes.epoch);
        const struct digest *digest = digest_add(&company->memory, payload, length, &message.changes);
        if (digest)
            receive(subscriber, digest, wire_bytes);
        else
            crowd->out_of_memory = true;
        break;
    }
    case MESSAGE_ok:
        hear_outcome(subscriber, message.ok.id, NULL);
        break;
    case MESSAGE_error:
        hear_outcome(subscriber, message.error.id, message.error.code);
        break;
    case MESSAGE_answer:
        hear_answer(subscriber, &message.answer);
        break;
    default: /* `me`, `bye`: what it leads to is seen */
        break;
    }
}

void subscriber_hear(void *arg, const uint8_t *payload, size_t length, size_t wire_bytes) {
    struct subscriber *subscriber = arg;
    if (!payload) {
        subscriber->stage = STAGE_GREETING;
        if (say_hello(subscriber) != 0) websocket_close(&subscriber->websocket);
        return;
    }
    const struct digest *digest = digest_find(&subscriber->crowd->company[subscriber->company].memory, payload, length);
    if (digest)
        receive(subscriber, digest, wire_bytes);
    else
        understand(subscriber, payload, length, wire_bytes);
}

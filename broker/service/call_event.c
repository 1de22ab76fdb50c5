#include "broker/service/call_event.h"
#include "broker/service/json_reader.h"
#include "protocol/errors.h"

#include <string.h>

static int refuse(struct fault *fault, const char *field, const char *why) {
    *fault = (struct fault){.error = LEDIG_EBAD_REQUEST, .field = field, .why = why};
    return LEDIG_EBAD_REQUEST;
}

static const char *find(const char *const *words, size_t count, const char *word) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i], word) == 0) return words[i];
    return NULL;
}

/* ---- Whatever it was read from ---- */

static bool is_named_before(const struct call_event *event, const struct call_event_leg *leg) {
    for (size_t i = 0; i < event->leg_count; i++) {
        const struct call_event_leg *other = &event->legs[i];
        if (leg->user ? other->user && strcmp(other->user, leg->user) == 0
                      : !other->user && strcmp(other->number, leg->number) == 0)
            return true;
    }
    return false;
}

static bool has_caller(const struct call_event *event) {
    for (size_t i = 0; i < event->leg_count; i++)
        if (event->legs[i].caller) return true;
    return false;
}

static int add_leg(struct call_event *event, const char *user, const char *number, const char *state, bool caller,
                   struct fault *fault) {
    static const char *const states[] = {"ringing", "active", "held"};
    struct call_event_leg *leg = &event->legs[event->leg_count];
    *leg = (struct call_event_leg){.user = user, .caller = caller};
    if (user && number) return refuse(fault, "number", "a leg has a user or a number, not both");
    if (!user && !number) return refuse(fault, "user", "a leg needs a user or a number");
    if (number && numbering_read(number, strlen(number), leg->number) != 0)
        return refuse(fault, "number", CALL_EVENT_NO_NUMBER);
    leg->state = state ? find(states, sizeof states / sizeof *states, state) : NULL;
    if (!leg->state) return refuse(fault, "state", "must be ringing, active or held; who has left is not named");
    if (caller && has_caller(event)) return refuse(fault, "caller", "only one can have placed the call");
    if (is_named_before(event, leg)) return refuse(fault, "legs", "names somebody twice");
    event->leg_count++;
    return 0;
}

static int check(const struct call_event *event, int64_t now_ms, struct fault *fault) {
    static const char *const directions[] = {"in", "out", "internal"};
    if (event->direction && !find(directions, sizeof directions / sizeof *directions, event->direction))
        return refuse(fault, "direction", "must be in, out or internal");
    if (event->seq > JSON_NUMBER_MAX) return refuse(fault, "seq", "is too large");
    if (event->seq == 0) return refuse(fault, "seq", "is needed: it grows from 1 with each event of the call");
    if (event->at_ms > now_ms + CALL_AHEAD_MS_MAX)
        return refuse(fault, "at", "lies more than five minutes ahead: set the router's clock");
    return 0;
}

/* ---- JSON ---- */

static int read_leg(const json_t *map, struct call_event *event, struct fault *fault) {
    struct json_reader reader = {0};
    const char *user, *number, *state;
    bool caller;
    if (!json_is_object(map)) return refuse(fault, "legs", "each leg is an object");
    int error = json_reader_end(&reader,
                                json_reader_id(&reader, map, "user", &user) &&
                                    json_reader_text(&reader, map, "number", LEDIG_NUMBER_CHARS_MAX, &number) &&
                                    json_reader_text(&reader, map, "state", LEDIG_WORD_CHARS_MAX, &state) &&
                                    json_reader_flag(&reader, map, "caller", &caller),
                                fault);
    return error ? error : add_leg(event, user, number, state, caller, fault);
}

static int read_legs(const json_t *document, struct call_event *event, struct fault *fault) {
    const json_t *legs = json_object_get(document, "legs"), *state = json_object_get(document, "state");
    event->ended = json_is_string(state) && strcmp(json_string_value(state), "ended") == 0;
    if (event->ended) return legs ? refuse(fault, "legs", "an ended call has none") : 0;
    if (!legs) return read_leg(document, event, fault); /* one, written flat */
    if (state) return refuse(fault, "state", "each leg has its own; beside them only ended can stand");
    if (!json_is_array(legs)) return refuse(fault, "legs", "must be a list");
    if (json_array_size(legs) > CALL_LEGS_MAX) return refuse(fault, "legs", "has more than 20");
    for (size_t i = 0; i < json_array_size(legs); i++) {
        int error = read_leg(json_array_get(legs, i), event, fault);
        if (error) return error;
    }
    event->ended = event->leg_count == 0; /* nobody is on it */
    return 0;
}

static bool read_fields(struct json_reader *reader, const json_t *map, struct call_event *event) {
    return json_reader_text(reader, map, "peer", LEDIG_NAME_CHARS_MAX, &event->peer) &&
           json_reader_text(reader, map, "direction", LEDIG_WORD_CHARS_MAX, &event->direction) &&
           json_reader_id(reader, map, "queue", &event->queue) &&
           json_reader_id(reader, map, "router", &event->router) &&
           json_reader_number(reader, map, "at", JSON_NUMBER_MAX, &event->at_ms) &&
           json_reader_number(reader, map, "seq", JSON_NUMBER_MAX, &event->seq);
}

int call_event_read(const json_t *document, int64_t now_ms, struct call_event *event, struct fault *fault) {
    struct json_reader reader = {0};
    *event = (struct call_event){0};
    int error = read_legs(document, event, fault);
    if (!error) error = json_reader_end(&reader, read_fields(&reader, document, event), fault);
    return error ? error : check(event, now_ms, fault);
}

/* ---- A message ---- */

int call_event_take(const struct message_call *message, const char *router, int64_t now_ms, struct call_event *event,
                    struct fault *fault) {
    const struct part_leg *legs = message->legs.at;
    *event = (struct call_event){.direction = message->direction,
                                 .peer = message->peer,
                                 .queue = message->queue,
                                 .router = router,
                                 .at_ms = message->at,
                                 .seq = message->seq};
    if (message->state && strcmp(message->state, "ended") != 0)
        return refuse(fault, "state", "each leg has its own; beside them only ended can stand");
    if (message->state && message->legs.present) return refuse(fault, "legs", "an ended call has none");
    if (!message->state && !message->legs.present) return refuse(fault, "legs", "are needed, or the state ended");
    for (uint32_t i = 0; i < message->legs.count; i++) {
        int error = add_leg(event, legs[i].user, legs[i].number, legs[i].state, legs[i].caller, fault);
        if (error) return error;
    }
    event->ended = event->leg_count == 0; /* nobody is on it */
    return check(event, now_ms, fault);
}

bool call_event_complete(struct call_event *event, const struct numbering_plan *plan) {
    for (size_t i = 0; i < event->leg_count; i++) {
        struct call_event_leg *leg = &event->legs[i];
        if (!leg->user && numbering_complete(plan, leg->number, leg->number) != 0) return false;
    }
    if (event->peer && e164_parse_in(plan, event->peer, strlen(event->peer), event->peer_number) == 0)
        event->peer = event->peer_number;
    return true;
}

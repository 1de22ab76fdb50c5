#include "broker/service/call_event.h"
#include "broker/service/json_reader.h"
#include "protocol/errors.h"
#include "protocol/shape.h"

#include <string.h>

static const char *find(const char *const *words, size_t count, const char *word) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i], word) == 0) return words[i];
    return NULL;
}

/* ---- Legs ---- */

static bool is_named_before(const struct call_event *event, const struct call_event_leg *leg) {
    for (size_t i = 0; i < event->leg_count; i++) {
        const struct call_event_leg *other = &event->legs[i];
        if (leg->user ? other->user && strcmp(other->user, leg->user) == 0
                      : !other->user && strcmp(other->number, leg->number) == 0)
            return true;
    }
    return false;
}

static bool read_who(struct json_reader *reader, const json_t *map, struct call_event_leg *leg) {
    const char *number;
    if (!json_reader_id(reader, map, "user", &leg->user) ||
        !json_reader_text(reader, map, "number", LEDIG_NUMBER_CHARS_MAX, &number))
        return false;
    if (leg->user && number) return json_reader_fail(reader, "number", "a leg has a user or a number, not both");
    if (!leg->user && !number) return json_reader_fail(reader, "user", "a leg needs a user or a number");
    if (number && numbering_read(number, strlen(number), leg->number) != 0)
        return json_reader_fail(reader, "number", CALL_EVENT_NO_NUMBER);
    return true;
}

static bool read_leg(struct json_reader *reader, const json_t *map, struct call_event *event) {
    static const char *const states[] = {"ringing", "active", "held"};
    struct call_event_leg *leg = &event->legs[event->leg_count];
    const char *state;
    if (!json_is_object(map)) return json_reader_fail(reader, "legs", "each leg is an object");
    if (!read_who(reader, map, leg) || !json_reader_text(reader, map, "state", LEDIG_WORD_CHARS_MAX, &state))
        return false;
    leg->state = state ? find(states, sizeof states / sizeof *states, state) : NULL;
    if (!leg->state)
        return json_reader_fail(reader, "state", "must be ringing, active or held; who has left is not named");
    if (is_named_before(event, leg)) return json_reader_fail(reader, "legs", "names somebody twice");
    event->leg_count++;
    return true;
}

static bool read_legs(struct json_reader *reader, struct call_event *event) {
    const json_t *legs = json_object_get(event->document, "legs"), *state = json_object_get(event->document, "state");
    event->ended = json_is_string(state) && strcmp(json_string_value(state), "ended") == 0;
    if (event->ended && legs) return json_reader_fail(reader, "legs", "an ended call has none");
    if (event->ended) return true;
    if (!legs) return read_leg(reader, event->document, event); /* one, written flat */
    if (state) return json_reader_fail(reader, "state", "each leg has its own; beside them only ended can stand");
    if (!json_is_array(legs)) return json_reader_fail(reader, "legs", "must be a list");
    if (json_array_size(legs) > CALL_LEGS_MAX) return json_reader_fail(reader, "legs", "has more than 20");
    for (size_t i = 0; i < json_array_size(legs); i++)
        if (!read_leg(reader, json_array_get(legs, i), event)) return false;
    event->ended = event->leg_count == 0; /* nobody is on it */
    return true;
}

/* ---- The whole ---- */

static bool read_all(struct json_reader *reader, struct call_event *event, int64_t now_ms) {
    static const char *const directions[] = {"in", "out", "internal"};
    if (!read_legs(reader, event) ||
        !json_reader_text(reader, event->document, "peer", LEDIG_NAME_CHARS_MAX, &event->peer) ||
        !json_reader_text(reader, event->document, "direction", LEDIG_WORD_CHARS_MAX, &event->direction) ||
        !json_reader_id(reader, event->document, "queue", &event->queue) ||
        !json_reader_id(reader, event->document, "router", &event->router) ||
        !json_reader_number(reader, event->document, "at", JSON_NUMBER_MAX, &event->at_ms) ||
        !json_reader_number(reader, event->document, "seq", JSON_NUMBER_MAX, &event->seq))
        return false;
    if (event->direction && !find(directions, sizeof directions / sizeof *directions, event->direction))
        return json_reader_fail(reader, "direction", "must be in, out or internal");
    if (event->seq == 0)
        return json_reader_fail(reader, "seq", "is needed: it grows from 1 with each event of the call");
    if (event->at_ms > now_ms + CALL_AHEAD_MS_MAX)
        return json_reader_fail(reader, "at", "lies more than five minutes ahead: set the router's clock");
    return true;
}

int call_event_read(const uint8_t *body, size_t length, int64_t now_ms, struct call_event *event, const char **field,
                    const char **why) {
    struct json_reader reader = {0};
    *event = (struct call_event){0};
    *field = NULL;
    if (length > CALL_BODY_BYTES_MAX) {
        *why = "the body is larger than 16 KiB";
        return LEDIG_ETOO_LARGE;
    }
    event->document = json_loadb((const char *)body, length, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(event->document)) {
        *why = "the body is no JSON object, or has a key twice";
        call_event_free(event);
        return LEDIG_EBAD_REQUEST;
    }
    if (read_all(&reader, event, now_ms)) return 0;
    *field = reader.field;
    *why = reader.why;
    call_event_free(event);
    return LEDIG_EBAD_REQUEST;
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

void call_event_free(struct call_event *event) {
    json_decref(event->document);
    event->document = NULL;
}

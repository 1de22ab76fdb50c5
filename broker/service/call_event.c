#include "broker/service/call_event.h"
#include "protocol/errors.h"
#include "protocol/shape.h"

#include <string.h>

#define NUMBER_MAX 9007199254740991LL /* what a JavaScript number holds exactly */

struct reader {
    const char *field, *why;
};

static bool fail(struct reader *reader, const char *field, const char *why) {
    reader->field = field;
    reader->why = why;
    return false;
}

static const char *find(const char *const *words, size_t count, const char *word) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i], word) == 0) return words[i];
    return NULL;
}

/* An optional text; jansson has seen to UTF-8 and NULs. */
static bool read_text(struct reader *reader, const json_t *map, const char *field, size_t chars_max,
                      const char **text) {
    const json_t *value = json_object_get(map, field);
    *text = NULL;
    if (!value || json_is_null(value)) return true;
    if (!json_is_string(value)) return fail(reader, field, "must be a text");
    long chars = shape_characters(json_string_value(value), json_string_length(value));
    if (chars < 0 || (size_t)chars > chars_max) return fail(reader, field, "is too long");
    if (chars > 0) *text = json_string_value(value);
    return true;
}

static bool read_id(struct reader *reader, const json_t *map, const char *field, const char **id) {
    if (!read_text(reader, map, field, LEDIG_ID_CHARS_MAX, id)) return false;
    return !*id || shape_is_id(*id) || fail(reader, field, "must be 1 to 64 of a-z, 0-9, . _ -");
}

static bool read_number(struct reader *reader, const json_t *map, const char *field, int64_t *number) {
    const json_t *value = json_object_get(map, field);
    *number = 0;
    if (!value || json_is_null(value)) return true;
    if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > NUMBER_MAX)
        return fail(reader, field, "must be a whole number from 0 to 2^53 - 1");
    *number = json_integer_value(value);
    return true;
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

static bool read_who(struct reader *reader, const json_t *map, struct call_event_leg *leg) {
    const char *number;
    if (!read_id(reader, map, "user", &leg->user) || !read_text(reader, map, "number", LEDIG_NUMBER_CHARS_MAX, &number))
        return false;
    if (leg->user && number) return fail(reader, "number", "a leg has a user or a number, not both");
    if (!leg->user && !number) return fail(reader, "user", "a leg needs a user or a number");
    if (number && e164_parse(number, strlen(number), leg->number) != 0)
        return fail(reader, "number", "must be a number such as +4722334455");
    return true;
}

static bool read_leg(struct reader *reader, const json_t *map, struct call_event *event) {
    static const char *const states[] = {"ringing", "active", "held"};
    struct call_event_leg *leg = &event->legs[event->leg_count];
    const char *state;
    if (!json_is_object(map)) return fail(reader, "legs", "each leg is an object");
    if (!read_who(reader, map, leg) || !read_text(reader, map, "state", LEDIG_WORD_CHARS_MAX, &state)) return false;
    leg->state = state ? find(states, sizeof states / sizeof *states, state) : NULL;
    if (!leg->state) return fail(reader, "state", "must be ringing, active or held; who has left is not named");
    if (is_named_before(event, leg)) return fail(reader, "legs", "names somebody twice");
    event->leg_count++;
    return true;
}

static bool read_legs(struct reader *reader, struct call_event *event) {
    const json_t *legs = json_object_get(event->document, "legs"), *state = json_object_get(event->document, "state");
    event->ended = json_is_string(state) && strcmp(json_string_value(state), "ended") == 0;
    if (event->ended && legs) return fail(reader, "legs", "an ended call has none");
    if (event->ended) return true;
    if (!legs) return read_leg(reader, event->document, event); /* one, written flat */
    if (state) return fail(reader, "state", "each leg has its own; beside them only ended can stand");
    if (!json_is_array(legs)) return fail(reader, "legs", "must be a list");
    if (json_array_size(legs) > CALL_LEGS_MAX) return fail(reader, "legs", "has more than 20");
    for (size_t i = 0; i < json_array_size(legs); i++)
        if (!read_leg(reader, json_array_get(legs, i), event)) return false;
    event->ended = event->leg_count == 0; /* nobody is on it */
    return true;
}

/* ---- The whole ---- */

static bool read_all(struct reader *reader, struct call_event *event, int64_t now_ms) {
    static const char *const directions[] = {"in", "out", "internal"};
    if (!read_legs(reader, event) || !read_text(reader, event->document, "peer", LEDIG_NAME_CHARS_MAX, &event->peer) ||
        !read_text(reader, event->document, "direction", LEDIG_WORD_CHARS_MAX, &event->direction) ||
        !read_id(reader, event->document, "queue", &event->queue) ||
        !read_id(reader, event->document, "router", &event->router) ||
        !read_number(reader, event->document, "at", &event->at_ms) ||
        !read_number(reader, event->document, "seq", &event->seq))
        return false;
    if (event->direction && !find(directions, sizeof directions / sizeof *directions, event->direction))
        return fail(reader, "direction", "must be in, out or internal");
    if (event->seq == 0) return fail(reader, "seq", "is needed: it grows from 1 with each event of the call");
    if (event->at_ms > now_ms + CALL_AHEAD_MS_MAX)
        return fail(reader, "at", "lies more than five minutes ahead: set the router's clock");
    return true;
}

int call_event_read(const uint8_t *body, size_t length, int64_t now_ms, struct call_event *event, const char **field,
                    const char **why) {
    struct reader reader = {0};
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

void call_event_free(struct call_event *event) {
    json_decref(event->document);
    event->document = NULL;
}

#include "broker/service/json_reader.h"
#include "protocol/errors.h"
#include "protocol/limits.h"

#include <string.h>

json_t *json_reader_open(const uint8_t *body, size_t length, size_t bytes_max, struct fault *fault) {
    if (length > bytes_max) {
        *fault = (struct fault){.error = LEDIG_ETOO_LARGE, .why = "the body is larger than allowed here"};
        return NULL;
    }
    json_t *document = json_loadb((const char *)body, length, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(document)) return document;
    json_decref(document);
    *fault = (struct fault){.error = LEDIG_EBAD_REQUEST, .why = "the body is no JSON object, or has a key twice"};
    return NULL;
}

int json_reader_end(const struct json_reader *reader, bool good, struct fault *fault) {
    if (good) return 0;
    *fault = (struct fault){.error = LEDIG_EBAD_REQUEST, .field = reader->field, .why = reader->why};
    return LEDIG_EBAD_REQUEST;
}

bool json_reader_fail(struct json_reader *reader, const char *field, const char *why) {
    reader->field = field;
    reader->why = why;
    return false;
}

/* jansson has seen to UTF-8 and NULs. */
bool json_reader_text(struct json_reader *reader, const json_t *map, const char *field, size_t chars_max,
                      const char **text) {
    const json_t *value = json_object_get(map, field);
    *text = NULL;
    if (!value || json_is_null(value)) return true;
    if (!json_is_string(value)) return json_reader_fail(reader, field, "must be a text");
    long chars = shape_characters(json_string_value(value), json_string_length(value));
    if (chars < 0 || (size_t)chars > chars_max) return json_reader_fail(reader, field, "is too long");
    if (chars > 0) *text = json_string_value(value);
    return true;
}

bool json_reader_id(struct json_reader *reader, const json_t *map, const char *field, const char **id) {
    if (!json_reader_text(reader, map, field, LEDIG_ID_CHARS_MAX, id)) return false;
    return !*id || shape_is_id(*id) || json_reader_fail(reader, field, "must be 1 to 64 of a-z, 0-9, . _ -");
}

bool json_reader_number(struct json_reader *reader, const json_t *map, const char *field, int64_t most,
                        int64_t *number) {
    const json_t *value = json_object_get(map, field);
    *number = 0;
    if (!value || json_is_null(value)) return true;
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return json_reader_fail(reader, field, "must be a whole number, and not negative");
    if (json_integer_value(value) > most) return json_reader_fail(reader, field, "is too large");
    *number = json_integer_value(value);
    return true;
}

bool json_reader_is_call(const char *id) {
    long chars = shape_characters(id, strlen(id));
    if (chars < 1 || chars > LEDIG_NAME_CHARS_MAX) return false;
    for (; *id; id++)
        if ((unsigned char)*id < ' ' || *id == 127) return false;
    return true;
}

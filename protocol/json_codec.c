/* JSON to msgpack by way of jansson, and back. */
#include "protocol/json_codec.h"
#include "protocol/errors.h"
#include "protocol/limits.h"
#include "protocol/msgpack_codec.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static int refuse(struct fault *fault, int error, const char *why) {
    *fault = (struct fault){.error = error, .why = why};
    return error;
}

/* jansson bounds its own recursion, but far above what any message needs, and builds as it goes. Brackets inside of
 * texts do not count; whether the rest is JSON at all is for jansson to say. */
static bool is_too_deep(const uint8_t *bytes, size_t length) {
    size_t depth = 0;
    bool in_text = false;
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = bytes[i];
        if (in_text) {
            if (byte == '\\') i++;
            if (byte == '"') in_text = false;
        } else if (byte == '"') {
            in_text = true;
        } else if (byte == '{' || byte == '[') {
            if (++depth > LEDIG_DEPTH_MAX) return true;
        } else if ((byte == '}' || byte == ']') && depth > 0) {
            depth--;
        }
    }
    return false;
}

/* jansson gives no reason where it ran out of memory. */
static int explain(const json_error_t *error, struct fault *fault) {
    if (error->text[0] == 0) return refuse(fault, LEDIG_ENO_MEMORY, "out of memory");
    switch (json_error_code(error)) {
    case json_error_premature_end_of_input:
        return refuse(fault, LEDIG_EBAD_REQUEST, "the message ends too early, or claims more than it holds");
    case json_error_end_of_input_expected:
        return refuse(fault, LEDIG_EBAD_REQUEST, "bytes follow after the end of the message");
    case json_error_invalid_utf8:
        return refuse(fault, LEDIG_EBAD_REQUEST, "a text is not UTF-8");
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return refuse(fault, LEDIG_EBAD_REQUEST, "a text has a NUL in it");
    case json_error_duplicate_key:
        return refuse(fault, LEDIG_EBAD_REQUEST, "a map has the same key twice");
    case json_error_numeric_overflow:
        return refuse(fault, LEDIG_EBAD_REQUEST, "a number is out of range");
    default:
        return refuse(fault, LEDIG_EBAD_REQUEST, "the message is not JSON");
    }
}

static void pack(msgpack_packer *packer, const json_t *value);

static void pack_object(msgpack_packer *packer, const json_t *object) {
    json_t *entries = (json_t *)object; /* iterates without changing it */
    const char *key;
    json_t *value;
    msgpack_pack_map(packer, json_object_size(object));
    json_object_foreach(entries, key, value) {
        packer_text(packer, key);
        pack(packer, value);
    }
}

static void pack_array(msgpack_packer *packer, const json_t *array) {
    size_t count = json_array_size(array);
    msgpack_pack_array(packer, count);
    for (size_t i = 0; i < count; i++)
        pack(packer, json_array_get(array, i));
}

/* Recursion is bounded by is_too_deep. */
static void pack(msgpack_packer *packer, const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        pack_object(packer, value);
        break;
    case JSON_ARRAY:
        pack_array(packer, value);
        break;
    case JSON_STRING:
        msgpack_pack_str(packer, json_string_length(value));
        msgpack_pack_str_body(packer, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        msgpack_pack_int64(packer, json_integer_value(value));
        break;
    case JSON_REAL:
        msgpack_pack_double(packer, json_real_value(value));
        break;
    case JSON_TRUE:
        msgpack_pack_true(packer);
        break;
    case JSON_FALSE:
        msgpack_pack_false(packer);
        break;
    case JSON_NULL:
        msgpack_pack_nil(packer);
        break;
    }
}

int json_codec_read(const uint8_t *bytes, size_t length, struct buffer *out, struct fault *fault) {
    json_error_t error;
    if (is_too_deep(bytes, length)) return refuse(fault, LEDIG_EBAD_REQUEST, "maps and arrays are nested too deep");
    json_t *value = json_loadb((const char *)bytes, length, JSON_REJECT_DUPLICATES, &error);
    if (!value) return explain(&error, fault);

    msgpack_packer packer;
    packer_open(&packer, out);
    pack(&packer, value);
    json_decref(value);
    return out->failed ? refuse(fault, LEDIG_ENO_MEMORY, "out of memory") : 0;
}

static void write_constant(const char *text, struct buffer *out) {
    buffer_append(out, text, strlen(text));
}

/* The escapes that JSON.stringify uses, so that both sides write the same bytes. */
static void write_escape(unsigned char c, struct buffer *out) {
    static const char short_forms[0x20] = {['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    char escape[8];
    if (c >= 0x20)
        snprintf(escape, sizeof escape, "\\%c", c);
    else if (short_forms[c])
        snprintf(escape, sizeof escape, "\\%c", short_forms[c]);
    else
        snprintf(escape, sizeof escape, "\\u%04x", c);
    write_constant(escape, out);
}

void json_codec_write_text(const char *text, size_t length, struct buffer *out) {
    size_t plain = 0; /* where the bytes begin that need no escape */
    write_constant("\"", out);
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        buffer_append(out, text + plain, i - plain);
        plain = i + 1;
        write_escape(c, out);
    }
    buffer_append(out, text + plain, length - plain);
    write_constant("\"", out);
}

void json_codec_write_integer(int64_t integer, struct buffer *out) {
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRId64, integer);
    write_constant(digits, out);
}

static int write_value(struct reader *reader, struct buffer *out) {
    struct token token;
    int error = reader_next(reader, &token);
    if (error) return error;
    switch (token.kind) {
    case TOKEN_FLAG:
        write_constant(token.flag ? "true" : "false", out);
        break;
    case TOKEN_INTEGER:
        json_codec_write_integer(token.integer, out);
        break;
    case TOKEN_TEXT:
        json_codec_write_text(token.text, token.count, out);
        break;
    case TOKEN_ARRAY:
    case TOKEN_MAP: {
        bool map = token.kind == TOKEN_MAP;
        write_constant(map ? "{" : "[", out);
        for (uint32_t i = 0; !error && i < token.count; i++) {
            if (i > 0) write_constant(",", out);
            if (map) error = write_value(reader, out);
            if (map) write_constant(":", out);
            if (!error) error = write_value(reader, out);
        }
        write_constant(map ? "}" : "]", out);
        break;
    }
    case TOKEN_NIL:
    case TOKEN_OTHER: /* no shape has one */
        write_constant("null", out);
        break;
    }
    return error;
}

int json_codec_write(const uint8_t *bytes, size_t length, struct buffer *out) {
    struct reader reader = {.at = bytes, .end = bytes + length};
    int error = write_value(&reader, out);
    if (error) return error;
    return out->failed ? LEDIG_ENO_MEMORY : 0;
}

/* Reads the fields of a JSON object that a peer has sent, and notes the first that is at fault, and why. What it gives
 * points into the document. */
#ifndef LEDIG_SERVICE_JSON_READER_H
#define LEDIG_SERVICE_JSON_READER_H

#include "protocol/shape.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_NUMBER_MAX 9007199254740991LL /* 2^53 - 1: what a JavaScript number holds exactly */

struct json_reader {
    const char *field, *why; /* NULL: none */
};

/* The JSON object that a body is, to be given back with json_decref; NULL with the fault, also where it is larger than
 * `bytes_max`. */
json_t *json_reader_open(const uint8_t *body, size_t length, size_t bytes_max, struct fault *fault);

/* Notes the fault; always false. */
bool json_reader_fail(struct json_reader *reader, const char *field, const char *why);

/* A field that is absent, null or an empty text gives NULL or 0. False: at fault. */
bool json_reader_text(struct json_reader *reader, const json_t *map, const char *field, size_t chars_max,
                      const char **text);
bool json_reader_id(struct json_reader *reader, const json_t *map, const char *field, const char **id);
bool json_reader_number(struct json_reader *reader, const json_t *map, const char *field, int64_t most,
                        int64_t *number);

/* A call's id is the router's own, such as a SIP Call-ID: 1 to 120 characters, none of them a control character. */
bool json_reader_is_call(const char *id);

/* 0, or LEDIG_EBAD_REQUEST with what was noted. */
int json_reader_end(const struct json_reader *reader, bool good, struct fault *fault);

#endif

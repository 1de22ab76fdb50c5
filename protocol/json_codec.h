/* JSON as the transcription of msgpack: the same maps, arrays, texts and integers in other bytes. What a message means
 * is decided on the msgpack form alone, so the two encodings cannot drift apart. RFC 8259. Re-entrant. */
#ifndef LEDIG_PROTOCOL_JSON_CODEC_H
#define LEDIG_PROTOCOL_JSON_CODEC_H

#include "protocol/shape.h"

/* Untrusted JSON to msgpack, appended to `out`. Nesting is bounded before anything is built; a key given twice, a NUL,
 * text that is not UTF-8, an integer outside of int64 and bytes after the end are refused. 0 or fault->error. */
int json_codec_read(const uint8_t *bytes, size_t length, struct buffer *out, struct fault *fault);

/* One msgpack value that shape_encode or shape_encode_row made, to compact JSON, appended to `out`. */
int json_codec_write(const uint8_t *bytes, size_t length, struct buffer *out);

/* A text with its quotes. */
void json_codec_write_text(const char *text, size_t length, struct buffer *out);

void json_codec_write_integer(int64_t integer, struct buffer *out);

#endif

#include "broker/front/direct_head.h"
#include "broker/front/http.h"

#include <string.h>
#include <strings.h>

#define BODY_DIGITS_MAX 5 /* more bytes than DIRECT_BYTES_MAX have no more */

struct reading {
    char *at, *end;
    struct http_request *request;
    bool has_host, has_length, has_authorization, has_type;
    size_t body;
};

/* ---- The first line ---- */

static bool is_alphanumeric(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool skip(struct reading *reading, const char *text) {
    size_t length = strlen(text);
    if ((size_t)(reading->end - reading->at) < length || memcmp(reading->at, text, length) != 0) return false;
    reading->at += length;
    return true;
}

static bool take_method(struct reading *reading) {
    static const struct {
        const char *name;
        enum http_method method;
    } methods[] = {
        {"GET ", HTTP_GET}, {"POST ", HTTP_POST}, {"PUT ", HTTP_PUT}, {"PATCH ", HTTP_PATCH}, {"DELETE ", HTTP_DELETE}};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (!skip(reading, methods[i].name)) continue;
        reading->request->method = methods[i].method;
        return true;
    }
    return false;
}

/* Nothing that would have to be decoded or put away: no escapes, no empty or dotted segments. */
static bool take_path(struct reading *reading) {
    const char *begin = reading->at;
    if (reading->at == reading->end || *reading->at != '/') return false;
    for (; reading->at < reading->end; reading->at++) {
        char c = *reading->at;
        bool begins = reading->at > begin && reading->at[-1] == '/';
        if (begins && (c == '/' || c == '.')) return false;
        if (!is_alphanumeric(c) && c != '/' && c != '-' && c != '_' && c != '.' && c != '~') break;
    }
    reading->request->path = begin;
    return reading->at - begin <= HTTP_PATH_BYTES_MAX && reading->at < reading->end;
}

static bool take_query(struct reading *reading) {
    const char *begin = reading->at;
    for (; reading->at < reading->end; reading->at++) {
        char c = *reading->at;
        if (c == '%') {
            const char *digits = reading->at + 1;
            if (reading->end - digits < 2 || !is_hex(digits[0]) || !is_hex(digits[1])) return false;
            if (digits[0] == '0' && digits[1] == '0') return false;
        } else if (!is_alphanumeric(c) && c != '=' && c != '&' && c != '-' && c != '_' && c != '.' && c != '~') {
            break;
        }
    }
    reading->request->query = begin;
    return reading->at - begin < HTTP_QUERY_BYTES_MAX && reading->at < reading->end;
}

static bool take_first_line(struct reading *reading) {
    if (!take_method(reading) || !take_path(reading)) return false;
    char *path_end = reading->at;
    reading->request->query = "";
    if (skip(reading, "?") && !take_query(reading)) return false;
    char *end = reading->at;
    if (!skip(reading, " HTTP/1.1\r\n")) return false;
    *path_end = *end = '\0';
    return true;
}

/* ---- The fields ---- */

static bool take_length(struct reading *reading, const char *value) {
    size_t digits = strlen(value);
    if (reading->has_length || digits == 0 || digits > BODY_DIGITS_MAX) return false;
    for (; *value; value++) {
        if (*value < '0' || *value > '9') return false;
        reading->body = reading->body * 10 + (size_t)(*value - '0');
    }
    reading->has_length = true;
    return true;
}

static bool take_once(bool *has, const char *value, size_t bytes_max) {
    bool first = !*has;
    *has = true;
    return first && strlen(value) <= bytes_max;
}

/* False for a field that makes the request an unusual one. */
static bool take_field(struct reading *reading, const char *name, const char *value) {
    static const char *const unusual[] = {"transfer-encoding", "expect", "upgrade", "te", "trailer", "http2-settings"};
    if (strcasecmp(name, "host") == 0) return take_once(&reading->has_host, value, HTTP_PATH_BYTES_MAX);
    if (strcasecmp(name, "content-length") == 0) return take_length(reading, value);
    if (strcasecmp(name, "connection") == 0) return strcasecmp(value, "keep-alive") == 0;
    if (strcasecmp(name, "authorization") == 0) {
        reading->request->bearer = direct_head_bearer(value);
        return take_once(&reading->has_authorization, value, LEDIG_TOKEN_CHARS_MAX);
    }
    if (strcasecmp(name, "content-type") == 0) {
        reading->request->content_type = value;
        return take_once(&reading->has_type, value, HTTP_TYPE_BYTES_MAX);
    }
    for (size_t i = 0; i < sizeof unusual / sizeof *unusual; i++)
        if (strcasecmp(name, unusual[i]) == 0) return false;
    return true;
}

static bool take_name(struct reading *reading, char **name) {
    *name = reading->at;
    while (reading->at < reading->end && (is_alphanumeric(*reading->at) || *reading->at == '-' || *reading->at == '_'))
        reading->at++;
    if (reading->at == reading->end || *reading->at != ':' || reading->at == *name) return false;
    *reading->at++ = '\0';
    return true;
}

static bool take_value(struct reading *reading, char **value) {
    while (reading->at < reading->end && *reading->at == ' ')
        reading->at++;
    *value = reading->at;
    while (reading->at < reading->end && (unsigned char)*reading->at >= ' ' && *reading->at != 0x7f)
        reading->at++;
    char *end = reading->at;
    if (!skip(reading, "\r\n")) return false;
    while (end > *value && end[-1] == ' ')
        end--;
    *end = '\0';
    return true;
}

static bool take_fields(struct reading *reading) {
    char *name, *value;
    while (!skip(reading, "\r\n"))
        if (!take_name(reading, &name) || !take_value(reading, &value) || !take_field(reading, name, value))
            return false;
    return reading->has_host;
}

/* ---- All of it ---- */

static bool may_have_body(enum http_method method) {
    return method == HTTP_POST || method == HTTP_PUT || method == HTTP_PATCH;
}

bool direct_head_read(char *bytes, size_t length, struct http_request *request, size_t *used) {
    struct reading reading = {.at = bytes, .end = bytes + length, .request = request};
    *request = (struct http_request){.query = "", .bearer = "", .content_type = ""};
    if (!take_first_line(&reading) || !take_fields(&reading)) return false;
    if (reading.has_length != may_have_body(request->method)) return false;
    if (reading.body > (size_t)(reading.end - reading.at)) return false;
    request->body = (const uint8_t *)reading.at;
    request->length = reading.body;
    *used = (size_t)(reading.at - bytes) + reading.body;
    return true;
}

const char *direct_head_bearer(const char *authorization) {
    static const char scheme[] = "bearer ";
    if (strncasecmp(authorization, scheme, sizeof scheme - 1) != 0) return "";
    const char *token = authorization + sizeof scheme - 1;
    while (*token == ' ')
        token++;
    return token;
}

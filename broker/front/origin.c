#include "broker/front/origin.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#define SEPARATORS " ,"

/* ---- The list ---- */

static bool is_host_character(unsigned char c) {
    return isalnum(c) || c == '.' || c == '-' || c == '_' || c == '[' || c == ']' || c == ':';
}

static bool is_origin(const char *text, size_t length) {
    size_t at = 0;
    while (at < length && (isalnum((unsigned char)text[at]) || strchr("+.-", text[at])))
        at++;
    if (at == 0 || !isalpha((unsigned char)text[0]) || length - at <= 3 || strncmp(text + at, "://", 3) != 0)
        return false;
    for (at += 3; at < length; at++)
        if (!is_host_character((unsigned char)text[at])) return false;
    return length <= ORIGIN_CHARS_MAX;
}

bool origin_list_is_good(const char *list) {
    for (const char *at = list + strspn(list, SEPARATORS); *at; at += strspn(at, SEPARATORS)) {
        size_t length = strcspn(at, SEPARATORS);
        if (!is_origin(at, length)) return false;
        at += length;
    }
    return true;
}

/* Scheme and host are the same in capitals (RFC 3986, section 6.2.2.1). */
static bool stands_in(const char *list, const char *origin) {
    size_t wanted = strlen(origin);
    for (const char *at = list + strspn(list, SEPARATORS); *at; at += strspn(at, SEPARATORS)) {
        size_t length = strcspn(at, SEPARATORS);
        if (length == wanted && strncasecmp(at, origin, length) == 0) return true;
        at += length;
    }
    return false;
}

/* ---- The broker's own address ---- */

static const char *after(const char *text, const char *beginning) {
    size_t length = strlen(beginning);
    return strncasecmp(text, beginning, length) == 0 ? text + length : NULL;
}

/* A browser leaves out the port that the scheme means, but others may give it in Host. */
static bool is_same_place(const char *place, const char *host, const char *usual_port) {
    size_t length = strlen(place);
    if (length == 0 || strncasecmp(place, host, length) != 0) return false;
    return host[length] == '\0' || strcmp(host + length, usual_port) == 0;
}

bool origin_may_connect(const char *origin, const char *list, const char *host, bool is_tls) {
    if (list[strspn(list, SEPARATORS)]) return stands_in(list, origin);
    const char *secure = after(origin, "https://"), *plain = after(origin, "http://");
    if (secure) return is_same_place(secure, host, ":443");
    return plain && !is_tls && is_same_place(plain, host, ":80");
}

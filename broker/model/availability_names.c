/* Words for what is derived, and what a router does with it. */
#include "broker/model/availability.h"

#include <string.h>

static bool is(const char *text, const char *other) {
    return text != NULL && strcmp(text, other) == 0;
}

static bool stands_in(const char *word, const char *const *words) {
    for (; *words != NULL; words++)
        if (is(word, *words)) return true;
    return false;
}

const char *availability_name(enum availability availability) {
    static const char *const names[] = {
        [AVAILABILITY_UNKNOWN] = "unknown", [AVAILABILITY_AVAILABLE] = "available", [AVAILABILITY_BUSY] = "busy",
        [AVAILABILITY_DND] = "dnd",         [AVAILABILITY_AWAY] = "away",
    };
    return names[availability];
}

static const char *const presence_names[] = {
    [PRESENCE_NONE] = NULL,
    [PRESENCE_BACKGROUND] = "background",
    [PRESENCE_IDLE] = "idle",
    [PRESENCE_ACTIVE] = "active",
};

const char *presence_name(enum presence presence) {
    return presence_names[presence];
}

bool presence_parse(const char *word, enum presence *presence) {
    for (enum presence i = PRESENCE_BACKGROUND; i <= PRESENCE_ACTIVE; i++) {
        if (!is(word, presence_names[i])) continue;
        *presence = i;
        return true;
    }
    return false;
}

bool availability_can_set_status(const char *status) {
    static const char *const words[] = {"available", "busy", "dnd", "away", NULL};
    return stands_in(status, words);
}

bool availability_can_set_activity(const char *activity) {
    static const char *const derived[] = {"none", "ringing", "in_call", "wrap_up", "off_work", NULL};
    return shape_is_id(activity) && strlen(activity) <= LEDIG_WORD_CHARS_MAX && !stands_in(activity, derived);
}

enum route_action availability_route(const struct view *view, const struct company_record *company) {
    enum route_action otherwise = ROUTE_UNAVAILABLE;
    switch (view->availability) {
    case AVAILABILITY_UNKNOWN:
    case AVAILABILITY_AVAILABLE:
        return ROUTE_RING;
    case AVAILABILITY_BUSY:
        if (is(view->activity, "wrap_up")) return ROUTE_RING;
        otherwise = ROUTE_BUSY;
        break;
    case AVAILABILITY_AWAY:
        if (is(view->activity, "off_work"))
            return company != NULL && is(company->off_work, "ring") ? ROUTE_RING : ROUTE_UNAVAILABLE;
        break;
    case AVAILABILITY_DND:
        break;
    }
    return view->forward != NULL ? ROUTE_FORWARD : otherwise;
}

const char *route_action_name(enum route_action action) {
    static const char *const names[] = {
        [ROUTE_RING] = "ring",   [ROUTE_FORWARD] = "forward",
        [ROUTE_BUSY] = "busy",   [ROUTE_UNAVAILABLE] = "unavailable",
        [ROUTE_QUEUE] = "queue", [ROUTE_UNKNOWN] = "unknown",
    };
    return names[action];
}

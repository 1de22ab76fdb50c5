#include "broker/service/routing_forward.h"

#include "broker/model/forward_rule.h"

#include <string.h>

static enum route_action route(const struct company *company, const struct member *member) {
    return availability_route(member_view(member), company_settings(company));
}

static enum route_action without_forward(const struct company *company, const struct member *member) {
    struct view view = *member_view(member);
    view.forward = NULL;
    return availability_route(&view, company_settings(company));
}

static const struct member *find_member(const struct company *company, const char *target) {
    return *target == '+' ? company_member_by_number(company, target) : company_member(company, target);
}

static const char *find_queue(const struct company *company, const char *target) {
    if (*target == '+') return company_queue_by_number(company, target);
    return company_has_queue(company, target) ? target : NULL;
}

static bool was_passed(const struct forwarded *forwarded, const struct member *first, const struct member *member) {
    if (member == first) return true;
    for (size_t i = 0; i < forwarded->count; i++)
        if (strcmp(forwarded->via[i], member_user(member)) == 0) return true;
    return false;
}

static void give_up(const struct company *company, const struct member *first, bool loops,
                    struct forwarded *forwarded) {
    *forwarded = (struct forwarded){.action = without_forward(company, first),
                                    .reason = loops ? "forward_loop" : "forward_gone"};
}

static void leave(const struct company *company, const struct member *at, const char *number,
                  struct forwarded *forwarded) {
    if (forward_rule_allows(company_settings(company), number)) {
        forwarded->target = number;
        return;
    }
    forwarded->action = without_forward(company, at);
    forwarded->reason = "forward_not_allowed";
}

/* At the end of the way: they can take the call, if they have a number to be called at. */
static void arrive(const struct member *last, struct forwarded *forwarded) {
    const struct texts *numbers = &member_profile(last)->numbers;
    forwarded->action = numbers->count > 0 ? ROUTE_FORWARD : ROUTE_UNAVAILABLE;
    forwarded->target = numbers->count > 0 ? numbers->at[0] : NULL;
}

void routing_follow(const struct company *company, const struct member *first, struct forwarded *forwarded) {
    *forwarded = (struct forwarded){.action = route(company, first)};
    const struct member *at = first;
    while (forwarded->action == ROUTE_FORWARD) {
        const char *target = member_view(at)->forward, *queue = find_queue(company, target);
        const struct member *next = find_member(company, target);
        if (queue) {
            forwarded->action = ROUTE_QUEUE;
            forwarded->target = queue;
        } else if (next && !was_passed(forwarded, first, next) && forwarded->count < FORWARD_STEPS_MAX) {
            forwarded->via[forwarded->count++] = member_user(next);
            forwarded->action = route(company, next);
            at = next;
            if (forwarded->action == ROUTE_RING) {
                arrive(next, forwarded);
                return;
            }
            continue;
        } else if (!next && *target == '+') {
            leave(company, at, target, forwarded);
        } else {
            give_up(company, first, next != NULL, forwarded);
        }
        return;
    }
}

#include "broker/service/route_row.h"

void route_row_person(struct part_route_row *row, const char *company, const char *user, const struct view *view,
                      const struct forwarded *forwarded, uint64_t version) {
    *row = (struct part_route_row){
        .number = row->number,
        .action = route_action_name(forwarded->action),
        .target = forwarded->target,
        .user = user,
        .company = company,
        .via = {.at = forwarded->via, .count = (uint32_t)forwarded->count, .present = forwarded->count > 0},
        .availability = availability_name(view->availability),
        .activity = view->activity ? view->activity : "none",
        .until = view->until > 0 ? view->until : 0,
        .version = (int64_t)version,
        .reason = forwarded->reason};
}

void route_row_queue(struct part_route_row *row, const char *company, const char *queue, uint64_t version) {
    *row = (struct part_route_row){.number = row->number,
                                   .action = route_action_name(ROUTE_QUEUE),
                                   .target = queue,
                                   .queue = queue,
                                   .company = company,
                                   .version = (int64_t)version};
}

void route_row_nobody(struct part_route_row *row) {
    *row = (struct part_route_row){.number = row->number, .action = route_action_name(ROUTE_UNKNOWN)};
}

bool route_row_find(struct part_route_row *row, const struct company *company, const char *id, struct forwarded *room) {
    const struct member *member = company_member_by_number(company, row->number);
    const char *queue = member ? NULL : company_queue_by_number(company, row->number);
    if (member) {
        routing_follow(company, member, room);
        route_row_person(row, id, member_user(member), member_view(member), room, company_version(company));
    }
    if (queue) route_row_queue(row, id, queue, company_version(company));
    return member || queue;
}

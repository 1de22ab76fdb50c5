/* What is told of a call to one number, as part_route_row: the one place where that is put together, for those who ask
 * and those who follow. Pure. */
#ifndef LEDIG_SERVICE_ROUTE_ROW_H
#define LEDIG_SERVICE_ROUTE_ROW_H

#include "broker/service/routing_forward.h"
#include "protocol/message.h"

/* All texts of the row are lent by what it is made from. */
void route_row_person(struct part_route_row *row, const char *company, const char *user, const struct view *view,
                      const struct forwarded *forwarded, uint64_t version);
void route_row_queue(struct part_route_row *row, const char *company, const char *queue, uint64_t version);
void route_row_nobody(struct part_route_row *row);

/* From a replica: false where nobody in the company has row->number. Lent until the next apply or tick, the way of a
 * forward by `room`. */
bool route_row_find(struct part_route_row *row, const struct company *company, const char *id, struct forwarded *room);

#endif

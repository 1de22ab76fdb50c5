/* The numbers that one router follows: what it was told of each, and which of them look different now. No queue stands
 * between: a number whose row is another is marked, and told as it is when the router can take it.
 *
 * A number is looked for in the one company that the token is for, or where the index says; one that nobody has is
 * looked up again every verify_ms. It holds the companies of its numbers. */
#ifndef LEDIG_SERVICE_ROUTE_WATCH_H
#define LEDIG_SERVICE_ROUTE_WATCH_H

#include "protocol/message.h"

struct router_link;
struct service;

struct route_watch;

/* LEDIG_EBAD_REQUEST: one is no number. LEDIG_EUNAVAILABLE: out of memory. The first rows follow by themselves. */
int route_watch_open(struct router_link *link, const struct texts *numbers, struct route_watch **watch);
void route_watch_close(struct route_watch *watch); /* NULL is fine */

/* The router takes messages again; NULL is fine. */
void route_watch_writable(struct route_watch *watch);

/* Looks for numbers that nobody has: called now and then. */
void route_watch_sweep(struct route_watch *watch);

#endif

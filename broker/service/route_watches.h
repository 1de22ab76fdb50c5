/* All routers of a worker that follow numbers: looks after them at the end of the loop's turn, when a company has
 * moved. A pass that takes longer than slice_ms lets reads go first, and goes on in the next turn. Part of the service.
 */
#ifndef LEDIG_SERVICE_ROUTE_WATCHES_H
#define LEDIG_SERVICE_ROUTE_WATCHES_H

#include <stdbool.h>
#include <uv.h>

struct route_watch;
struct service;

struct route_watches {
    struct service *service;
    struct route_watch *list; /* utlist */
    uv_prepare_t prepare;     /* before the loop waits */
    uv_idle_t idle;           /* runs while a pass was cut short, so that the loop does not wait */
    bool moved;               /* something has changed that a followed number may hang on */
};

/* LEDIG_EIO. The handles are the service's to close. */
int route_watches_open(struct route_watches *watches, struct service *service);

#endif

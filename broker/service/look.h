/* A question about what a company's people and queues are, answered from the replica once that has caught up with the
 * store, so that whoever has just changed something sees it; while the store is away, from memory. Holds the company
 * until then, and ends by itself. */
#ifndef LEDIG_SERVICE_LOOK_H
#define LEDIG_SERVICE_LOOK_H

#include "broker/service/http_exchange.h"
#include "broker/service/service.h"

struct look {
    struct service *service;
    struct tenant *tenant;
    struct http_exchange *exchange;
    void (*answer)(const struct look *look);
    char id[LEDIG_ID_CHARS_MAX + 1];    /* of the person or queue; "" = of none */
    char after[LEDIG_ID_CHARS_MAX + 1]; /* of a list: ids behind this one … */
    uint32_t limit;                     /* … and so many */
};

/* `look` is copied but for what is found here: the tenant. `answer` answers its exchange, and is called where the
 * company exists; else 404. */
void look_start(const struct look *look, const char *company);

const struct company *look_company(const struct look *look);

#endif

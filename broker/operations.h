/* The operations port: is the process alive, can it serve, and what does it measure? Answered by the supervisor from
 * what the workers report, so that a worker which hangs shows. */
#ifndef LEDIG_OPERATIONS_H
#define LEDIG_OPERATIONS_H

#include "broker/service/http_exchange.h"
#include "protocol/message.h"
#include <stdbool.h>

struct operations {
    bool (*is_ready)(void *arg);
    int (*write_metrics)(void *arg, struct buffer *text); /* 0 or LEDIG_ENO_MEMORY */
    void *arg;
};

/* An http_handler; `operations` is a struct operations. */
void operations_handle(void *operations, struct http_exchange *exchange, const struct http_request *request);

#endif

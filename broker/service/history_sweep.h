/* Takes calls that are over their company's age out of people's histories, and those that queues need not count any
 * more, of all companies, whether anybody has them loaded or not. Run by the router worker, a short step at a time;
 * harmless where several do. */
#ifndef LEDIG_SERVICE_HISTORY_SWEEP_H
#define LEDIG_SERVICE_HISTORY_SWEEP_H

#include "broker/service/service.h"

void history_sweep(struct service *service);

/* Frees what was kept; the store is closed. */
void history_sweep_close(struct service *service);

#endif

/* Takes what is over age, as privacy/retention.def says, out of the logs of all companies, whether anybody has them
 * loaded or not, and tells how much that was. Run by the router worker, a short step at a time;
 * harmless where several do. */
#ifndef LEDIG_SERVICE_RETENTION_SWEEP_H
#define LEDIG_SERVICE_RETENTION_SWEEP_H

#include "broker/service/service.h"

void retention_sweep(struct service *service);

/* Frees what was kept; the store is closed. */
void retention_sweep_close(struct service *service);

#endif

/* What is left of calls: ends those of which nobody will tell any more, and takes those that ended a while ago out of
 * the store. For the companies that are loaded; run by the router worker, and harmless where several do. */
#ifndef LEDIG_SERVICE_CALL_SWEEP_H
#define LEDIG_SERVICE_CALL_SWEEP_H

#include "broker/service/service.h"

#define CALL_SWEEP_MS 2000
#define CALL_KEPT_MS                                                                                                   \
    540000 /* so long an event that is late finds that the call has ended; a replica forgets it later */

void call_sweep(struct service *service);

#endif

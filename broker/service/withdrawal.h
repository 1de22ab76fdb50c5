/* A withdrawal of consent outlives a history that lost it: where the store, after a failover or a restore, knows an
 * older consent again, the worker that knows of the withdrawal makes it once more. */
#ifndef LEDIG_SERVICE_WITHDRAWAL_H
#define LEDIG_SERVICE_WITHDRAWAL_H

#include <stdint.h>

struct tenant;

/* When the person withdrew the consent to presence, as the replica knows it; 0 = it stands, or was never given. */
int64_t withdrawal_at(const struct tenant *tenant, const char *user);

/* After the person's profile was taken from another history: withdraws anew where the consent in it is older. */
void withdrawal_keep(struct tenant *tenant, const char *user, int64_t withdrawn_at_ms);

#endif

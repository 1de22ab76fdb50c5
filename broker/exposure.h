/* Who can reach the broker, and what has to be so before anybody but this machine may: TLS, and a user that is not
 * root. It looks at what was configured and opens nothing. */
#ifndef LEDIG_EXPOSURE_H
#define LEDIG_EXPOSURE_H

#include "broker/config.h"

/* 127.0.0.0/8, ::1, and the former written as the latter. `host` is an address. */
bool exposure_is_loopback(const char *host);

/* 0, or LEDIG_EFORBIDDEN with a line for the operator in `why`, which says what to do. `is_root`: of this process. */
int exposure_check(const struct config *config, bool is_root, char *why, size_t size);

#endif

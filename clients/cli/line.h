/* Why there is no line to the broker, in words for a person at a terminal. Pure. */
#ifndef LEDIG_CLI_LINE_H
#define LEDIG_CLI_LINE_H

#include "clients/c/ledig.h"

#define LINE_REASON_BYTES 1024

/* The reason of a WAITING or STOPPED status, harmless; never "". */
void line_reason(const struct ledig_status *status, char to[static LINE_REASON_BYTES]);

/* Whether the broker is there, and it is its store that does not answer: then the line is not to blame. */
bool line_store_is_away(const struct ledig_status *status);

#endif

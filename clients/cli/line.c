#include "clients/cli/line.h"
#include "clients/cli/terminal.h"

#include <stdio.h>
#include <string.h>

bool line_store_is_away(const struct ledig_status *status) {
    return status->error == LEDIG_EUNAVAILABLE && status->reason &&
           strcmp(status->reason, ledig_error_meaning(LEDIG_EUNAVAILABLE)) == 0;
}

void line_reason(const struct ledig_status *status, char to[static LINE_REASON_BYTES]) {
    if (line_store_is_away(status)) /* its own sentence is about a request, and none was made */
        snprintf(to, LINE_REASON_BYTES, "the broker's store does not answer now");
    else if (status->reason && strcmp(status->reason, "drain") == 0)
        snprintf(to, LINE_REASON_BYTES, "the broker stops, or starts anew");
    else if (status->reason && status->reason[0])
        text_harmless(status->reason, to, LINE_REASON_BYTES);
    else if (status->error != LEDIG_EUNAVAILABLE)
        snprintf(to, LINE_REASON_BYTES, "%s", ledig_error_meaning(status->error));
    else if (status->close_code)
        snprintf(to, LINE_REASON_BYTES, "the broker closed it (%u)", status->close_code);
    else
        snprintf(to, LINE_REASON_BYTES, "the connection broke off");
}

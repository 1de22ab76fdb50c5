#include "broker/metrics/report.h"

#include <errno.h>
#include <unistd.h>

int report_write(int fd, bool ready, uint64_t descriptors, const struct metrics *metrics) {
    struct report report = {.magic = REPORT_MAGIC,
                            .bytes = (uint32_t)sizeof report,
                            .ready = ready,
                            .descriptors = descriptors,
                            .metrics = *metrics};
    ssize_t written = write(fd, &report, sizeof report);
    if (written == (ssize_t)sizeof report) return 0;
    return written < 0 && errno == EPIPE ? LEDIG_EIO : LEDIG_EUNAVAILABLE;
}

bool report_is_good(const struct report *report) {
    return report->magic == REPORT_MAGIC && report->bytes == sizeof *report && report->ready <= 1;
}

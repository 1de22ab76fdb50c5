/* ledigd: reads what the operator has set, then supervises, or is one of the supervisor's workers. */
#include "broker/config.h"
#include "broker/log.h"
#include "broker/supervisor.h"
#include "broker/worker.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum log_level level_of(const char *name) {
    if (strcmp(name, "debug") == 0) return LOG_DEBUG;
    if (strcmp(name, "warning") == 0) return LOG_WARNING;
    return strcmp(name, "error") == 0 ? LOG_ERROR : LOG_INFO;
}

/* A file or socket that took the number of a closed standard stream would be written to by whatever is logged. */
static void open_standard_streams(void) {
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO) close(fd);
}

int main(int argc, char *argv[]) {
    static struct config config; /* lives as long as the process */
    static char process[32] = "supervisor";
    char why[512];
    open_standard_streams();
    if (config_read(&config, argc, argv, why, sizeof why) != 0) {
        fprintf(stderr, "ledigd: %s\n", why);
        return 2;
    }
    if (config.help) {
        config_print_help();
        return 0;
    }
    if (config.version) {
        puts("ledigd " LEDIG_VERSION);
        return 0;
    }
    if (config.worker[0]) snprintf(process, sizeof process, "%s/%u", config.worker, config.index);
    log_open(level_of(config.log_level), process);
    return config.worker[0] ? worker_run(&config) : supervisor_run(&config);
}

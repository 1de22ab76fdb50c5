/* ledigd: reads what the operator has set, then supervises, or is one of the supervisor's workers. */
#include "broker/config.h"
#include "broker/log.h"
#include "broker/supervisor.h"
#include "broker/worker.h"

#include <stdio.h>
#include <string.h>

static enum log_level level_of(const char *name) {
    if (strcmp(name, "debug") == 0) return LOG_DEBUG;
    if (strcmp(name, "warning") == 0) return LOG_WARNING;
    return strcmp(name, "error") == 0 ? LOG_ERROR : LOG_INFO;
}

int main(int argc, char *argv[]) {
    static struct config config; /* lives as long as the process */
    static char process[32] = "supervisor";
    char why[512];
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

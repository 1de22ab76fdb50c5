#include "clients/cli/arguments.h"

#include <string.h>

static const struct command *const all[] = {&watch_command, &set_command,    &ask_command,      &consent_command,
                                            &queue_command, &calls_command,  &activity_command, &route_command,
                                            &token_command, &import_command, &backup_command,   &restore_command,
                                            &keys_command};

const struct command *command_at(size_t index) {
    return index < sizeof all / sizeof all[0] ? all[index] : NULL;
}

const struct command *command_find(const char *name) {
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(all[i]->name, name) == 0) return all[i];
    return NULL;
}

/* The time zones of this machine, read from the system's files as they are named, and kept until the end: an update of
 * the system's zones is seen by workers that start after it. The one place where zones are files. */
#ifndef LEDIG_SERVICE_ZONES_H
#define LEDIG_SERVICE_ZONES_H

#include "broker/model/zone.h"
#include <stdbool.h>

struct zones;

/* NULL when out of memory. */
struct zones *zones_open(void);
void zones_close(struct zones *zones); /* NULL is fine */

/* Lent; finds what there is by name, and gives NULL for all else, also for a file that is no zone. */
const struct zone_source *zones_source(struct zones *zones);

/* Whether the text could be the name of a zone: what may become part of a path. */
bool zones_is_name(const char *name);

#endif

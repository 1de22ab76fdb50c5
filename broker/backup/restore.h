/* Puts a backup in the place of what a stopped broker had, which is kept aside. Every company's lineage is taken out,
 * so that the broker adopts it under a new epoch, and no app keeps what the backup does not have. Blocking. */
#ifndef LEDIG_BACKUP_RESTORE_H
#define LEDIG_BACKUP_RESTORE_H

#include "broker/backup/backup.h"

/* `aside`: where the former data stands, "" = there was none. LEDIG_ECONFLICT: a broker runs on `data`; LEDIG_EDAMAGED:
 * not a backup, or not one that these keys open, and nothing was changed; LEDIG_EIO. Cut short at any moment, either
 * the one or the other is in place. */
int restore_run(const char *data, const char *file, struct vault *vault, char aside[static PATH_MAX],
                struct survey *survey, struct backup_trouble *trouble);

#endif

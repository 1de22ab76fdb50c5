/* The rotation of the master key: a new master; the broker wraps everything anew; a new backup, verified with the keys
 * that will be left; the end of the old masters. What was erased before cannot be read from any older backup then.
 *
 * All its state is which masters stand in the file and what they seal, so that it goes on where another was cut short.
 * Nothing is destroyed without that backup. Blocking. */
#ifndef LEDIG_BACKUP_ROTATION_H
#define LEDIG_BACKUP_ROTATION_H

#include "broker/backup/backup.h"

enum rotation_step {
    ROTATION_BEGUN,      /* there is a new master, or was from an earlier try */
    ROTATION_REWRAPPING, /* told again and again, with how much is left */
    ROTATION_REWRAPPED,
    ROTATION_BACKED_UP,
    ROTATION_DONE
};

struct rotation {
    const char *data, *keys; /* the data directory, and the file of the keys */
    const char *backups;     /* where the backup goes */
    uint32_t settle_ms;      /* longer than a worker can still write with the old master, see service/rewrap.h */
    void (*tell)(void *arg, enum rotation_step step, const struct survey *survey, const char *backup);
    void *arg;
};

/* LEDIG_ECONFLICT: another rotation of these keys is under way; LEDIG_EUNAVAILABLE: no broker with a Redis of its own
 * runs, or it wraps nothing anew; LEDIG_EDAMAGED: not all could be read from the backup; LEDIG_EIO. After an error the
 * old masters are still there. */
int rotation_run(const struct rotation *rotation, struct backup_trouble *trouble);

#endif

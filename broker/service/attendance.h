/* Who of a company is here, and the commits that say so: the devices of each person with a connection to this worker.
 *
 * What the store should say of a person's devices is always computed from the sessions as they stand, so a commit can
 * be made again at any time: after a lost answer, under a new lease, when another worker's write was lost. */
#ifndef LEDIG_SERVICE_ATTENDANCE_H
#define LEDIG_SERVICE_ATTENDANCE_H

#include "broker/service/update.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct attendee;
struct service;
struct session;
struct tenant;

#define ATTENDEE_DEVICES_MAX 32 /* of one person on one worker: more are a fault of the app */

struct attendee *attendance_find(const struct tenant *tenant, const char *user);

/* The session joins the person's devices. One of the same device id gives way: its facts are taken over, so that a
 * return within the grace changes nothing. LEDIG_ERATE_LIMITED where too many of the person's are connected,
 * LEDIG_ENO_MEMORY. */
int attendance_join(struct session *session, const char *user);

/* The session leaves for good. The commit follows. */
void attendance_leave(struct session *session);

/* Commits the person's devices as they stand. `done` may be NULL; it is not called where this returns an error:
 * LEDIG_EUNAVAILABLE without a lease (the commit follows with it), LEDIG_ENO_MEMORY. */
int attendance_commit(struct attendee *attendee, update_done done, void *arg);

/* Forgets everybody, without a word to the store. Nobody has a connection any more. */
void attendance_dismiss(struct tenant *tenant);

/* Every person's; after a new lease. */
void attendance_commit_all(struct service *service);

/* Those whose last commit failed. */
void attendance_retry(struct tenant *tenant);

/* The person's records may have changed: look at them before the next flush. */
void attendance_mark(struct attendee *attendee);
void attendance_mark_all(struct tenant *tenant);

/* Looks at the marked: sends `me`, and sees that the store has the devices that are here. */
void attendance_look(struct tenant *tenant);

/* Brings what a person's state says of devices to what this worker knows; for use in other updates of the state, too.
 * `state` is changed in place, and its texts then point into the sessions and `arena`. 0 where something changed that
 * must be written for its own sake, UPDATE_NOTHING, or LEDIG_ENO_MEMORY. */
int attendance_apply(const struct tenant *tenant, const char *user, struct state_record *state, struct arena *arena);

#endif

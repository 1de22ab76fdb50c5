/* What a person may see of what was done about their data and their access: log-ins, devices, passwords, consents,
 * exports, and who set their status on their behalf. Each entry is committed together with what it tells of, sealed
 * with a key of the person's own, and shown to that person, or with what is held on them to an administrator who
 * answers for them. It never holds what was said or set in words. */
#ifndef LEDIG_SERVICE_ACTIVITY_H
#define LEDIG_SERVICE_ACTIVITY_H

#include "broker/privacy/retention.h"
#include "broker/service/session.h"
#include "broker/service/update.h"

#define ACTIVITY_LIMIT_DEFAULT 50
#define ACTIVITY_LIMIT_MAX 100
#define ACTIVITY_SET_MS 60000 /* what is set again and again by the same for the same is told once in so long */

/* To be called from an update_apply with the person's profile: notes that this was done, in the same commit. Texts must
 * live as long as the arena. `once`: of entries that say the same there, the first is kept. LEDIG_ENO_MEMORY. */
int activity_note(struct update_entity *profile, const struct activity_record *activity, const char *once,
                  struct arena *arena);

/* `activity` of the wire. */
void activity_answer(struct session *session, uint32_t id, const struct message_activity *activity);

/* Opens an entry of a log. LEDIG_EDAMAGED, LEDIG_EUNSUPPORTED, LEDIG_ENO_MEMORY. */
int activity_open(const struct service *service, const char *company, const struct profile_record *profile,
                  const struct store_entry *entry, struct arena *arena, struct record *record);

#endif

/* What requests make of a person's records. Each is an update_apply whose `arg` is a struct request. */
#ifndef LEDIG_SERVICE_MEMBER_CHANGE_H
#define LEDIG_SERVICE_MEMBER_CHANGE_H

#include "broker/service/update.h"

/* The constant that says the same; NULL for what is no purpose. */
const char *consent_purpose(const char *purpose);

/* [state], or [state, profile] on behalf of another: the manual status. LEDIG_ECONSENT_REQUIRED where there is no
 * state. */
int member_change_set(void *request, struct update_entity *entities, size_t count, struct arena *arena);

/* [profile, state], or [profile, state, access] by HTTP: consent. Granting presence creates the state; withdrawing it
 * destroys it. */
int member_change_queue(void *request, struct update_entity *entities, size_t count, struct arena *arena);
int member_change_consent(void *request, struct update_entity *entities, size_t count, struct arena *arena);

#endif

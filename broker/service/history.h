/* calls and usage: a person's own history of calls, as a list or added up. Read from the store at each question, since
 * no worker keeps it; given to nobody but the person, and not without their consent as the store knows it then. */
#ifndef LEDIG_SERVICE_HISTORY_H
#define LEDIG_SERVICE_HISTORY_H

#include "broker/service/session.h"

#define HISTORY_LIMIT_DEFAULT 50
#define HISTORY_LIMIT_MAX 100 /* calls of one `calls`; a screen shows some twenty */

#define HISTORY_DAYS_DEFAULT 90
#define HISTORY_DAYS_MAX 400 /* a year, and what a slow bill takes */

void history_calls(struct session *session, uint32_t id, const struct message_calls *calls);
void history_usage(struct session *session, uint32_t id, const struct message_usage *usage);

/* What began before this is over the company's age: it is not shown, and taken out. `settings` NULL = the default. */
int64_t history_begins_at(const struct company_record *settings, int64_t now_ms);

#endif

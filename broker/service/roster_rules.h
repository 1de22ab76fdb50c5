/* What an employer may say of a person or a queue, and what that makes of the record; the same for the lines of a file
 * and for the calls of an API. A reason is a constant, and says nothing of what stood there. Pure. */
#ifndef LEDIG_SERVICE_ROSTER_RULES_H
#define LEDIG_SERVICE_ROSTER_RULES_H

#include "broker/model/record.h"
#include "broker/service/e164.h"
#include "broker/service/roster.h"

/* Each gives NULL where all is well, or the reason. `count` is how many the list has already. */
const char *roster_rules_text(const char *text, size_t length); /* for people to read */
const char *roster_rules_id(const char *id);
const char *roster_rules_number(const struct numbering_plan *plan, const char *text, size_t length, uint32_t count,
                                char number[static E164_BYTES]); /* `plan` NULL takes no national numbers */
const char *roster_rules_queue(const char *queue, uint32_t count);
const char *roster_rules_schedule(const char *schedule);

/* "sales", or "sales:2": takes the tier off. `tier` is 0 where what follows the colon is none. */
void roster_rules_split(char *queue, unsigned *tier);

/* The same of a tier that was told as a number. */
const char *roster_rules_tier(int64_t tier);

/* `stored` is NULL for a member; otherwise a constant. */
const char *roster_rules_role(const char *role, size_t length, const char **stored);

/* The bit of a column in a set of fields. */
#define ROSTER_FIELD(column) (1u << (column))

/* Brings those fields of the entry into the record as it stands (zeroed where there is none), and returns whether that
 * changes it. All else stays as it is. */
bool roster_rules_merge(const struct roster_entry *entry, unsigned fields, bool exists, struct record *record);

bool roster_rules_have(const struct texts *texts, const char *text);

/* "acme/user/kari": as the index of numbers names the owner. */
#define ROSTER_OWNER_BYTES (2 * LEDIG_ID_CHARS_MAX + sizeof "/queue/")
void roster_rules_owner(const struct entity_names *names, const char *company, bool is_queue, const char *id,
                        char owner[static ROSTER_OWNER_BYTES]);

#endif

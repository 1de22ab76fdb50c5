/* The records of the store: one struct for each in records.def, and their coding.
 *
 * Stored form: one byte format, one byte length of the key id, the key id, then the body. In format 0 the key id is
 * empty and the body is plain: one byte for the kind, then the msgpack map. Pure; re-entrant. */
#ifndef LEDIG_MODEL_RECORD_H
#define LEDIG_MODEL_RECORD_H

#include "protocol/message.h"

#define SESSIONS_MAX 64               /* devices of one person, on all workers */
#define OWN_CALLS_MAX 64              /* live calls and claims of one person */
#define CONSENTS_MAX 16               /* purposes */
#define RECORD_BYTES_MAX (256 * 1024) /* one record; a company with 1,024 shifts is far below */

#define TIER_FIRST 1 /* called first where the strategy is `priority` */
#define TIER_LAST 9
#define FORWARD_PREFIXES_MAX 64 /* of a company: a list that somebody keeps by hand */

/* In the order of records.def; stored, so never renumbered. */
enum record_kind {
    RECORD_NONE,
    RECORD_COMPANY,
    RECORD_PROFILE,
    RECORD_STATE,
    RECORD_ACCESS,
    RECORD_QUEUE,
    RECORD_CALL,
    RECORD_PAST_CALL,
    RECORD_AUDIT,
    RECORD_KIND_COUNT
};

/* struct shift, struct consent, …; struct company_record, struct profile_record, … */
#undef SHAPE_C_MAP
#define SHAPE_C_MAP(of) const struct of *
#define PART(name, meaning) struct name {
#define RECORD(name, meaning) struct name##_record {
#define FIELD(owner, name, key, kind, required, max, of, meaning) SHAPE_C_##kind(of) name;
#define END(owner)                                                                                                     \
    }                                                                                                                  \
    ;
#include "broker/model/records.def"
#undef PART
#undef RECORD
#undef FIELD
#undef END

struct record {
    enum record_kind kind;
    union {
#define PART(name, meaning)
#define RECORD(name, meaning) struct name##_record name;
#define FIELD(owner, name, key, kind, required, max, of, meaning)
#define END(owner)
#include "broker/model/records.def"
#undef PART
#undef RECORD
#undef FIELD
#undef END
    };
};

/* Decodes a stored record of format 0. What it points to lives in `arena`. LEDIG_EDAMAGED where the bytes cannot be
 * understood, LEDIG_EUNSUPPORTED where the format or kind is of a later version. */
int record_decode(const uint8_t *bytes, size_t length, struct arena *arena, struct record *record);

/* Appends the stored form, format 0. 0 or LEDIG_ENO_MEMORY. */
int record_encode(const struct record *record, struct buffer *out);

/* The same of a record's struct alone, as record_keep gives it. */
int record_encode_kept(enum record_kind kind, const void *kept, struct buffer *out);

/* Whether the person has given consent to the purpose, and not withdrawn it. */
bool profile_consents(const struct profile_record *profile, const char *purpose);

/* The id of the person, queue, call or company that the record is about. */
const char *record_id(const struct record *record);

/* Whether the employer has assigned the queue to the person. */
bool profile_has_queue(const struct profile_record *profile, const char *queue);

/* In which tier of the queue's agents: TIER_FIRST to TIER_LAST. */
unsigned profile_tier(const struct profile_record *profile, const char *queue);

/* A copy of the record's struct (struct state_record, …) with all that it points to, in one allocation that the caller
 * frees. NULL when out of memory. */
void *record_keep(const struct record *record);

/* The shape of a kind; NULL for RECORD_NONE and what lies outside of the enumeration. */
const struct shape *record_shape(enum record_kind kind);

/* The name of an entity in the store. Everything that reads or writes one goes through here, since names will become
 * keyed hashes: never take a name apart. `name` takes at most ENTITY_NAME_BYTES_MAX with its NUL. */
#define ENTITY_NAME_BYTES_MAX (LEDIG_NAME_CHARS_MAX * 4 + 16)
void entity_name(enum record_kind kind, const char *id, char name[static ENTITY_NAME_BYTES_MAX]);

/* The names of logs of calls, likewise: never take one apart, but for how it begins. A person's own history, and the
 * answered calls of a queue, which are counted and have no record. */
#define CALL_LOGS_PREFIX "calls"
#define CALL_LOG_BYTES_MAX (LEDIG_ID_CHARS_MAX + 16)
void call_log_name(const char *user, char name[static CALL_LOG_BYTES_MAX]);
void queue_log_name(const char *queue, char name[static CALL_LOG_BYTES_MAX]);
bool queue_log_is(const char *name);

/* The kind stays readable in every name, also where the id does not. RECORD_NONE for a kind of a later version. */
enum record_kind entity_kind(const char *name);

#endif

/* The records of the store: one struct for each in records.def, and their coding.
 *
 * Stored form: one byte format, one byte length of the key id, the key id, then the body. In format 0 the key id is
 * empty and the body is plain: one byte for the kind, then the msgpack map. Pure; re-entrant. */
#ifndef LEDIG_MODEL_RECORD_H
#define LEDIG_MODEL_RECORD_H

#include "protocol/message.h"

#define SESSIONS_MAX 64               /* devices of one person, on all workers */
#define OWN_CALLS_MAX 64              /* live calls and claims of one person */
#define CALL_LEGS_KEPT_MAX 21         /* as many agents as a claim takes, and who placed the call */
#define LOGINS_MAX 16                 /* devices of one person that are logged in; the one not seen longest gives way */
#define CONSENTS_MAX 16               /* purposes */
#define ZONE_NAME_CHARS_MAX 64        /* "America/Argentina/ComodRivadavia" has 32 */
#define SCHEDULES_MAX 64              /* of one company */
#define WEEK_HOURS_MAX 56             /* of one schedule: eight times of work a day */
#define SPECIAL_HOURS_MAX 400         /* of one schedule: twenty years of holidays */
#define DEPARTMENTS_MAX 256           /* of one company that have a schedule */
#define IDENTITY_KEYS_MAX 16          /* of one identity provider: those in use, and those to come */
#define IDENTITY_KEY_CHARS_MAX 2048   /* PEM of RSA with 8192 bits is below 1,500 */
#define RECORD_BYTES_MAX (256 * 1024) /* one record; 64 schedules of 50 special days are below */

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
    RECORD_ACTIVITY,
    RECORD_SECURITY,
    RECORD_KIND_COUNT
};

/* struct schedule, struct consent, …; struct company_record, struct profile_record, … */
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

/* The name of an entity in the store: its kind and a keyed hash of its id, so that the store does not learn whom it is
 * about. The two records of one person have the same hash. Everything that reads or writes an entity goes through here:
 * never take a name apart. `name` takes at most ENTITY_NAME_BYTES_MAX with its NUL. */
#define ENTITY_NAME_BYTES_MAX 48
#define ENTITY_HASH_CHARS 22 /* 128 bits in base64url */
struct entity_names {
    uint8_t key[32];
};
void entity_name(const struct entity_names *names, enum record_kind kind, const char *id,
                 char name[static ENTITY_NAME_BYTES_MAX]);

/* The hash alone: of an id, or of anything else that the store shall find again and not know, such as a number. */
void entity_hash(const struct entity_names *names, const char *id, char hash[static ENTITY_HASH_CHARS + 1]);

/* The name of an entity of whose id only the hash is known. */
void entity_name_hashed(enum record_kind kind, const char *hash, char name[static ENTITY_NAME_BYTES_MAX]);

/* The names of logs of calls, likewise: never take one apart, but for how it begins. A person's own history, and the
 * answered calls of a queue, which are counted and have no record. */
#define CALL_LOGS_PREFIX "calls"
#define CALL_LOG_BYTES_MAX 48
void call_log_name(const struct entity_names *names, const char *user, char name[static CALL_LOG_BYTES_MAX]);
void queue_log_name(const struct entity_names *names, const char *queue, char name[static CALL_LOG_BYTES_MAX]);

/* Of what was done about a person's data and access; likewise. */
#define ACTIVITY_LOGS_PREFIX "activity"
void activity_log_name(const struct entity_names *names, const char *user, char name[static CALL_LOG_BYTES_MAX]);

/* The kind stays readable in every name. RECORD_NONE for a kind of a later version. */
enum record_kind entity_kind(const char *name);

#endif

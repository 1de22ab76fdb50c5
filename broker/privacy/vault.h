/* The keys under which everything is sealed that goes to the store, and the sealing itself.
 *
 * Each record that is written has a key of its own, made for that writing alone and wrapped by the master key; the
 * wrapped key stands before what it seals and goes with it: whoever takes a record out destroys its key. The master
 * keys stand in a file (or come from a command) that the store never sees. Sealed records are bound to their company
 * and entity, so none can be put in another's place.
 *
 * Sealed form, format 1: one byte format; one byte length of the master's id, the id; nonce (24 bytes) and wrapped key
 * (48); the body: what was sealed and 16 bytes more. XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) by libsodium.
 *
 * Not thread-safe. Keys lie in locked memory that no core dump holds. */
#ifndef LEDIG_PRIVACY_VAULT_H
#define LEDIG_PRIVACY_VAULT_H

#include "broker/model/record.h"

#define VAULT_MASTERS_MAX 8       /* a rotation needs two; more are left where rotations were cut short */
#define VAULT_FILE_BYTES_MAX 8192 /* far above eight masters */
#define VAULT_MASTER_ID_CHARS 16
#define VAULT_LOOK_S 1 /* nothing is sealed with keys that were not compared with their file for longer */

struct vault;

/* Where the keys are: a file, or the output of a command (run by the shell, with nothing on its standard input). */
struct vault_source {
    const char *path;    /* also where a new one is made; NULL with a command */
    const char *command; /* NULL with a path */
};

/* One line for the operator on an error of vault_open; lent (a constant, or errno's). */
const char *vault_why(int error);

/* Reads the keys. `create`: where there is no file, makes one. LEDIG_ENOT_FOUND, LEDIG_EFORBIDDEN (others than the
 * owner may read it), LEDIG_EDAMAGED, LEDIG_EIO with errno set, LEDIG_ENO_MEMORY. The texts are copied. */
int vault_open(const struct vault_source *source, bool create, struct vault **vault);
void vault_close(struct vault *vault); /* NULL is borne */

/* Reads the keys again; those held stay where that fails, or where the names would be others. */
int vault_reload(struct vault *vault);

/* The same where the file is another than the one that was read. Sealing does it by itself, see VAULT_LOOK_S. */
int vault_refresh(struct vault *vault);

/* Changes whenever the keys do. */
unsigned vault_generation(const struct vault *vault);

/* How many masters there are, and their ids: the first seals. Lent until the next reload. */
size_t vault_masters(const struct vault *vault);
const char *vault_master_at(const struct vault *vault, size_t index);

/* Forgets all masters but the one that seals, and reads nothing any more: what will be left after a rotation. */
void vault_keep_first(struct vault *vault);

/* By which entities and numbers are named in the store. Never changes; lent. */
const struct entity_names *vault_names(const struct vault *vault);

/* The id of the master that seals now. Lent until the next reload. */
const char *vault_master(const struct vault *vault);

/* Appends the sealed form. 0 or LEDIG_ENO_MEMORY. */
int vault_seal(struct vault *vault, const char *company, const char *entity, const uint8_t *plain, size_t length,
               struct buffer *sealed);

/* Appends what was sealed. 0; 1: the same, but the master that seals now is another. LEDIG_EDAMAGED: changed, or sealed
 * for another place; LEDIG_EUNSUPPORTED: of another format, plain included; LEDIG_ENOT_FOUND: there is no such master
 * (any more). Where it does not know the master it reads the keys again: a file where it is another, the output of a
 * command at most once a second. */
int vault_unseal(struct vault *vault, const char *company, const char *entity, const uint8_t *sealed, size_t length,
                 struct buffer *plain);

/* ---- Entries of logs ----
 *
 * A log has many entries, so they are sealed by a key of the log, which stands in the record of whoever the log is
 * about: with that record's key all of them are gone, and a new master leaves them as they are. Format 2: one byte
 * format, nonce (24), the body. */

#define VAULT_LOG_KEY_CHARS 43 /* base64url of 256 bits */

void vault_log_key_make(char key[static VAULT_LOG_KEY_CHARS + 1]);

/* As above, with the log's key; LEDIG_EDAMAGED also where the key is none. */
int vault_seal_entry(const char *key, const char *company, const char *log, const char *id, const uint8_t *plain,
                     size_t length, struct buffer *sealed);
int vault_unseal_entry(const char *key, const char *company, const char *log, const char *id, const uint8_t *sealed,
                       size_t length, struct buffer *plain);

#endif

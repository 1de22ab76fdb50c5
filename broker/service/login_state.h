/* One attempt to get in, or to change how one gets in; for login.c and its neighbours. Owns the request's document. */
#ifndef LEDIG_SERVICE_LOGIN_STATE_H
#define LEDIG_SERVICE_LOGIN_STATE_H

#include "broker/identity/password.h"
#include "broker/identity/secret.h"
#include "broker/service/e164.h"
#include "broker/service/login.h"
#include "broker/service/update.h"

#include <jansson.h>

struct login {
    struct service *service;
    struct http_exchange *exchange;
    json_t *document; /* the texts below point into it */
    update_apply apply;
    void (*committed)(struct login *login);

    uint64_t person; /* whom limits.h counts this try to; 0: it guesses at nothing */
    char company[LEDIG_ID_CHARS_MAX + 1], user[LEDIG_ID_CHARS_MAX + 1];
    char number[E164_BYTES]; /* instead of a user; "" = none */
    const char *password, *invitation;
    const char *known;                               /* the password that is compared, and … */
    void (*compared)(void *login, const char *hash); /* … who is told; `hash` NULL: it is another */
    const char *device, *kind, *os, *app;
    bool all;
    bool is_for_another; /* who may know whether the person exists */

    char stored[PASSWORD_HASH_BYTES], fresh[PASSWORD_HASH_BYTES];      /* hashes: as it stands, and as it shall be */
    char login[LOGIN_ID_CHARS + 1];                                    /* of the device that this is about */
    char given[SECRET_CHARS + 1];                                      /* the refresh token that came */
    char secret[SECRET_CHARS + 1], secret_hash[SECRET_HASH_CHARS + 1]; /* the one that goes */
    enum role role;                                                    /* as the profile says */
    bool is_reused; /* by the apply: the refresh token had been used before */
    bool refused;   /* by the apply: nothing is told but that */
    int64_t now_ms;
};

/* NULL after an answer. The body must be a JSON object of at most LOGIN_BODY_BYTES_MAX. */
struct login *login_open(struct service *service, struct http_exchange *exchange, const struct http_request *request);
void login_close(struct login *login);

void login_refuse(struct login *login, int error, const char *field, const char *why);
void login_refuse_all(struct login *login); /* 401, without a hint */

/* Takes the person, the company and the log-in from the claims of the request, whose role was asked (caller.h). False
 * after an answer: the token comes from no log-in. */
bool login_take_token(struct login *login, const struct http_request *request);

/* Reads of the body; false: noted in the reader. */
struct json_reader;
bool login_read_person(struct login *login, struct json_reader *reader);
bool login_read_device(struct login *login, struct json_reader *reader);
bool login_read_password(struct login *login, struct json_reader *reader, const char *field, const char **password);

/* Compares a password with the one that the person has, beside the loop. On an error it answers. */
void login_compare(struct login *login, const char *password, void (*compared)(void *login, const char *hash));

/* Counts a try at a password. False after an answer, which is the same whether or not there is such a person. `what`
 * keeps apart those who are to try apart: who is logged in is not held up by whoever guesses at their log-in. */
bool login_may_try(struct login *login, const char *what);
void login_tried_well(struct login *login);

/* A new log-in id and refresh token. */
void login_make(struct login *login);

/* Commits [profile, access] by `apply`, then calls `committed`; on an error it answers. */
void login_commit(struct login *login, update_apply apply, void (*committed)(struct login *login));

/* To be called from such an `apply`: notes in the person's own log what is done. `device`: which, or NULL. */
int login_note(const struct login *login, struct update_entity *profile, const char *what, const char *device,
               struct arena *arena);

/* A wrong password, where it was answered already: counts it, and tells the person of the fifth in a row, the tenth,
 * the twentieth, … */
void login_count_refused(const struct login *login);

/* The devices of an access record, to be changed: a copy in `arena` with room for one more. NULL: out of memory. */
struct device_known *login_devices(const struct access_record *access, struct arena *arena);

/* Adds the device, or takes its earlier log-in's place, or that of the one seen least lately. */
int login_add_device(const struct login *login, struct access_record *access, struct arena *arena);

/* 200 with the pair of tokens. */
void login_answer_tokens(struct login *login);

#endif

/* The errors of Ledig: one list for the code, the wire and the documents.
 *
 * A function that can fail returns 0 or one of the negative LEDIG_E… values below. Those with a wire name can be
 * answered to a peer in an `error` message; the others are for the log of the one who meets them. */
#ifndef LEDIG_PROTOCOL_ERRORS_H
#define LEDIG_PROTOCOL_ERRORS_H

/* X(constant, value, name on the wire, what it means) */
#define LEDIG_ERRORS(X)                                                                                                \
    X(LEDIG_EBAD_REQUEST, -1, "bad_request", "the message is malformed, or a field has a value that it cannot have")   \
    X(LEDIG_ETOO_LARGE, -2, "too_large", "the message or a list in it is larger than the limit")                       \
    X(LEDIG_EUNAUTHORIZED, -3, "unauthorized", "the token is missing, wrong, expired or revoked")                      \
    X(LEDIG_ECONSENT_REQUIRED, -4, "consent_required", "the person has not consented to this purpose")                 \
    X(LEDIG_EFORBIDDEN, -5, "forbidden", "the role does not allow it, or it belongs to another company")               \
    X(LEDIG_ENOT_FOUND, -6, "not_found", "no such user, queue or call in this company")                                \
    X(LEDIG_ECONFLICT, -7, "conflict", "the state does not allow it now")                                              \
    X(LEDIG_ERATE_LIMITED, -8, "rate_limited", "too much at once; try again after retry_ms")                           \
    X(LEDIG_EUNAVAILABLE, -9, "unavailable",                                                                           \
      "the store did not answer in time; the outcome is unknown: look at your own row before you try again")           \
    X(LEDIG_EUNSUPPORTED, -10, "unsupported", "this version does not do that yet")                                     \
    X(LEDIG_ENO_MEMORY, -11, "", "out of memory")                                                                      \
    X(LEDIG_EIO, -12, "", "a system call or the network failed")                                                       \
    X(LEDIG_EMOVED_ON, -13, "", "a commit named a revision that is no longer the current one")                         \
    X(LEDIG_ELINEAGE, -14, "", "the store's history has changed; the company must be adopted first")                   \
    X(LEDIG_ETOO_EARLY, -15, "", "a commit's not_before has not come yet")                                             \
    X(LEDIG_ELEASE_ENDED, -16, "", "the lease has ended and cannot be renewed")                                        \
    X(LEDIG_EDAMAGED, -17, "", "stored bytes cannot be understood")

enum ledig_error {
#define X(constant, value, wire, meaning) constant = (value),
    LEDIG_ERRORS(X)
#undef X
};

/* The name on the wire ("bad_request", …); "unavailable" for an error that has none. Never NULL. */
const char *ledig_error_name(int error);

/* The value for a wire name, or LEDIG_EBAD_REQUEST where the name is unknown. */
int ledig_error_from_name(const char *name);

/* One sentence for people, without a full stop. Never NULL. */
const char *ledig_error_meaning(int error);

#endif

/* What a role may do: the one table (permissions.def) that every handler asks. It knows roles and requests, never
 * companies or persons: whether a company is one of the token's is token_covers. Pure. */
#ifndef LEDIG_IDENTITY_PERMISSIONS_H
#define LEDIG_IDENTITY_PERMISSIONS_H

#include "broker/identity/token.h"
#include "protocol/message.h"

enum permission {
    PERMISSION_none, /* of what is in no table: nobody's */
#define OF_APP(message, member, switchboard, lead, admin, router, operator_, meaning) PERMISSION_app_##message,
#define OF_ROUTER(message, member, switchboard, lead, admin, router, operator_, meaning) PERMISSION_router_##message,
#define OF_PERSON(name, method, path, member, switchboard, lead, admin, router, operator_, meaning) PERMISSION_##name,
#define OF_COMPANY(name, method, path, member, switchboard, lead, admin, router, operator_, meaning) PERMISSION_##name,
#include "broker/identity/permissions.def"
#undef OF_APP
#undef OF_ROUTER
#undef OF_PERSON
#undef OF_COMPANY
    PERMISSION_COUNT
};

enum reach { REACH_NO, REACH_OWN, REACH_ALL, REACH_ANYBODY }; /* see permissions.def */

enum reach permission_reach(enum permission permission, enum role role);
bool permission_allows(enum permission permission, enum role role);

/* Of a message of an app, or of a router; PERMISSION_none where there is no such request. */
enum permission permission_of_app(enum message_type type);
enum permission permission_of_router(enum message_type type);

#endif

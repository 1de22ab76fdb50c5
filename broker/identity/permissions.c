#include "broker/identity/permissions.h"

#define ROLES(member, switchboard, lead, admin, router, operator_)                                                     \
    {REACH_##member, REACH_##switchboard, REACH_##lead, REACH_##admin, REACH_##router, REACH_##operator_},

/* In the order of the two enumerations. */
static const uint8_t reaches[PERMISSION_COUNT][ROLE_COUNT] = {ROLES(NO, NO, NO, NO, NO, NO)
#define OF_APP(message, member, switchboard, lead, admin, router, operator_, meaning)                                  \
    ROLES(member, switchboard, lead, admin, router, operator_)
#define OF_ROUTER(message, member, switchboard, lead, admin, router, operator_, meaning)                               \
    ROLES(member, switchboard, lead, admin, router, operator_)
#define OF_PERSON(name, method, path, member, switchboard, lead, admin, router, operator_, meaning)                    \
    ROLES(member, switchboard, lead, admin, router, operator_)
#define OF_COMPANY(name, method, path, member, switchboard, lead, admin, router, operator_, meaning)                   \
    ROLES(member, switchboard, lead, admin, router, operator_)
#include "broker/identity/permissions.def"
#undef OF_APP
#undef OF_ROUTER
#undef OF_PERSON
#undef OF_COMPANY
};

enum reach permission_reach(enum permission permission, enum role role) {
    return (enum reach)reaches[permission][role];
}

bool permission_allows(enum permission permission, enum role role) {
    return permission_reach(permission, role) != REACH_NO;
}

enum permission permission_of_app(enum message_type type) {
    switch ((int)type) {
#define OF_APP(message, member, switchboard, lead, admin, router, operator_, meaning)                                  \
    case MESSAGE_##message:                                                                                            \
        return PERMISSION_app_##message;
#define OF_ROUTER(message, member, switchboard, lead, admin, router, operator_, meaning)
#define OF_PERSON(name, method, path, member, switchboard, lead, admin, router, operator_, meaning)
#define OF_COMPANY(name, method, path, member, switchboard, lead, admin, router, operator_, meaning)
#include "broker/identity/permissions.def"
#undef OF_APP
#undef OF_ROUTER
    }
    return PERMISSION_none;
}

enum permission permission_of_router(enum message_type type) {
    switch ((int)type) {
#define OF_APP(message, member, switchboard, lead, admin, router, operator_, meaning)
#define OF_ROUTER(message, member, switchboard, lead, admin, router, operator_, meaning)                               \
    case MESSAGE_##message:                                                                                            \
        return PERMISSION_router_##message;
#include "broker/identity/permissions.def"
    }
    return PERMISSION_none;
}

/* The people of a company in the order of their ids, told one after the other. Made in slices, so that a company of
 * 50,000 does not hold up a router's question. Who comes or goes meanwhile may be told or not; all others are told
 * once. It holds the company, and ends by itself, also when the service closes. */
#ifndef LEDIG_SERVICE_ROLL_H
#define LEDIG_SERVICE_ROLL_H

#include "broker/model/company.h"

struct service;

struct roll_reader {
    bool (*tell)(void *arg, const struct member *member); /* lent for the call; false: enough */
    /* The last call: 0, LEDIG_EUNAVAILABLE, LEDIG_ENO_MEMORY */
    void (*done)(void *arg, int error);
    void *arg;
};

/* Those behind `after` ("" = all) of a company that is loaded. Calls back at once only where there is no memory. */
void roll_start(struct service *service, const char *company, const char *after, const struct roll_reader *reader);

#endif

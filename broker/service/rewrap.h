/* Writes again, under the master key that seals now, every record whose key another master wraps, of all companies,
 * whether anybody has them loaded or not. Run by the router worker, one commit at a time, as soon as there is more than
 * one master; harmless where several do it.
 *
 * It knows nothing but which masters there are and how the store stands, so it can be cut short at any moment and begun
 * anew. Each writing compares the revision: a record that was changed or taken out meanwhile is left alone, and a key
 * that was destroyed never comes back. Logs are sealed with keys that stand in records, and stay as they are. */
#ifndef LEDIG_SERVICE_REWRAP_H
#define LEDIG_SERVICE_REWRAP_H

#include "broker/service/service.h"

#define REWRAP_CLEAN_PASSES                                                                                            \
    2 /* in a row, apart by rewrap_settle_ms: then nobody can write with an old master any more */

struct rewrap_report {
    bool running;
    bool done;                     /* with the masters that there are: the old ones seal nothing any more */
    uint64_t passes, clean_passes; /* since the keys changed; whole ones */
    uint64_t records;              /* found by this pass, or the last one … */
    uint64_t old, unreadable;      /* … of these, sealed by an old master; by one that is not known, or damaged */
    uint64_t rewritten, failed;    /* since the keys changed; reads and writes that failed, which are made again */
};

void rewrap_sweep(struct service *service);

/* Frees what was kept; the store is closed. */
void rewrap_close(struct service *service);

/* Begins anew, whatever was found before. LEDIG_ENO_MEMORY; LEDIG_EUNSUPPORTED where nothing is sealed. */
int rewrap_begin(struct service *service);

void rewrap_tell(const struct service *service, struct rewrap_report *report);

/* Longer than any worker seals with keys that are not the newest, and a commit of it is under way. */
uint32_t rewrap_settle_ms(const struct service *service);

#endif

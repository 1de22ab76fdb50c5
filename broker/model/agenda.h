/* When who is due: a heap of times. An item stands in it at most once and is moved when its time changes.
 *
 * The agenda does not own the items, and never calls anybody: the owner asks for the first that is due. Pure. */
#ifndef LEDIG_MODEL_AGENDA_H
#define LEDIG_MODEL_AGENDA_H

#include <stddef.h>
#include <stdint.h>

struct agenda_item { /* embedded in what is due; zeroed = not due */
    int64_t due_ms;
    uint32_t position; /* in the heap, from 1; 0 = stands not in it */
    uint32_t kind;     /* the owner's: what it is embedded in */
};

struct agenda {
    struct agenda_item **items;
    size_t count, capacity;
};

void agenda_close(struct agenda *agenda); /* zeroed = empty, ready for use */

/* Room for so many items, so that setting them cannot fail. 0 or LEDIG_ENO_MEMORY. */
int agenda_reserve(struct agenda *agenda, size_t items);

/* INT64_MAX = never: takes it out. */
void agenda_set(struct agenda *agenda, struct agenda_item *item, int64_t due_ms);

/* The item that is due first; NULL = none. */
struct agenda_item *agenda_first(const struct agenda *agenda);

#endif

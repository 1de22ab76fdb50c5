/* The entries of a replica in the order of their last change. A cursor is a place in this order and nothing else.
 *
 * Places only grow. An entry that changes moves to the end and leaves a hole behind; holes are closed now and then, in
 * amortised constant time. To find the first entry behind a cursor costs a binary search; to walk on, nothing.
 * The list does not own the entries. Pure. */
#ifndef LEDIG_MODEL_CHANGE_LIST_H
#define LEDIG_MODEL_CHANGE_LIST_H

#include <stddef.h>
#include <stdint.h>

struct change_list_entry { /* embedded in what is listed; zeroed = not listed */
    uint64_t place;        /* 0 = not listed; places begin at 1 */
};

struct change_list_slot {
    uint64_t place;
    struct change_list_entry *entry; /* NULL = a hole */
};

struct change_list {
    struct change_list_slot *slots; /* ascending places */
    size_t length, capacity, listed;
    uint64_t last; /* the newest place; the cursor of one who has seen everything */
};

void change_list_close(struct change_list *list); /* zeroed = empty, ready for use */

/* Room for so many entries, so that moving them cannot fail. 0 or LEDIG_ENO_MEMORY. */
int change_list_reserve(struct change_list *list, size_t entries);

/* To the end, under a new place. LEDIG_ENO_MEMORY leaves it where it was. */
int change_list_move(struct change_list *list, struct change_list_entry *entry);
void change_list_remove(struct change_list *list, struct change_list_entry *entry);

/* Where to walk on from a cursor: the index of the first slot whose place is greater; the next one is the index plus
 * one, up to `length`. Slots may be holes. Good until the next move or removal. */
size_t change_list_index_after(const struct change_list *list, uint64_t cursor);

#endif

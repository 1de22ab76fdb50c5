#include "broker/model/change_list.h"

#include "protocol/errors.h"
#include <stdlib.h>

#define SLOTS_MIN 16

void change_list_close(struct change_list *list) {
    free(list->slots);
    *list = (struct change_list){0};
}

size_t change_list_index_after(const struct change_list *list, uint64_t cursor) {
    size_t low = 0, high = list->length;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (list->slots[middle].place > cursor)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void close_holes(struct change_list *list) {
    size_t kept = 0;
    for (size_t i = 0; i < list->length; i++)
        if (list->slots[i].entry != NULL) list->slots[kept++] = list->slots[i];
    list->length = kept;
}

static int grow(struct change_list *list, size_t capacity) {
    struct change_list_slot *slots = realloc(list->slots, capacity * sizeof *slots);
    if (slots == NULL) return LEDIG_ENO_MEMORY;
    list->slots = slots;
    list->capacity = capacity;
    return 0;
}

/* Twice the entries, and so as many moves between two closings as there are entries. */
int change_list_reserve(struct change_list *list, size_t entries) {
    size_t needed = 2 * entries + SLOTS_MIN, by_a_quarter = list->capacity + list->capacity / 4;
    if (needed <= list->capacity) return 0;
    return grow(list, needed > by_a_quarter ? needed : by_a_quarter);
}

static int make_room(struct change_list *list) {
    if (list->length < list->capacity) return 0;
    if (list->listed >= list->capacity / 2 && change_list_reserve(list, list->listed + 1) == 0) return 0;
    close_holes(list);
    return list->length < list->capacity ? 0 : LEDIG_ENO_MEMORY;
}

static void leave_hole(struct change_list *list, const struct change_list_entry *entry) {
    list->slots[change_list_index_after(list, entry->place - 1)].entry = NULL;
    list->listed--;
}

int change_list_move(struct change_list *list, struct change_list_entry *entry) {
    int error = make_room(list);
    if (error != 0) return error;
    if (entry->place != 0) leave_hole(list, entry);
    entry->place = ++list->last;
    list->slots[list->length++] = (struct change_list_slot){.place = entry->place, .entry = entry};
    list->listed++;
    return 0;
}

void change_list_remove(struct change_list *list, struct change_list_entry *entry) {
    if (entry->place == 0) return;
    leave_hole(list, entry);
    entry->place = 0;
}

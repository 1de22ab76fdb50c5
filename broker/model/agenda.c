#include "broker/model/agenda.h"

#include "protocol/errors.h"
#include <assert.h>
#include <stdlib.h>

#define ITEMS_MIN 16

void agenda_close(struct agenda *agenda) {
    free(agenda->items);
    *agenda = (struct agenda){0};
}

int agenda_reserve(struct agenda *agenda, size_t items) {
    if (items <= agenda->capacity) return 0;
    size_t capacity = agenda->capacity < ITEMS_MIN ? ITEMS_MIN : agenda->capacity;
    while (capacity < items)
        capacity *= 2;
    struct agenda_item **at = realloc(agenda->items, capacity * sizeof *at);
    if (at == NULL) return LEDIG_ENO_MEMORY;
    agenda->items = at;
    agenda->capacity = capacity;
    return 0;
}

static void put(struct agenda *agenda, size_t position, struct agenda_item *item) {
    agenda->items[position - 1] = item;
    item->position = (uint32_t)position;
}

static void rise(struct agenda *agenda, struct agenda_item *item) {
    size_t at = item->position;
    for (; at > 1 && agenda->items[at / 2 - 1]->due_ms > item->due_ms; at /= 2)
        put(agenda, at, agenda->items[at / 2 - 1]);
    put(agenda, at, item);
}

static void sink(struct agenda *agenda, struct agenda_item *item) {
    size_t at = item->position;
    for (;;) {
        size_t child = 2 * at;
        if (child > agenda->count) break;
        if (child < agenda->count && agenda->items[child]->due_ms < agenda->items[child - 1]->due_ms) child++;
        if (agenda->items[child - 1]->due_ms >= item->due_ms) break;
        put(agenda, at, agenda->items[child - 1]);
        at = child;
    }
    put(agenda, at, item);
}

static void take_out(struct agenda *agenda, struct agenda_item *item) {
    struct agenda_item *last = agenda->items[--agenda->count];
    if (last != item) {
        put(agenda, item->position, last);
        rise(agenda, last);
        sink(agenda, last);
    }
    item->position = 0;
}

void agenda_set(struct agenda *agenda, struct agenda_item *item, int64_t due_ms) {
    item->due_ms = due_ms;
    if (due_ms == INT64_MAX) {
        if (item->position != 0) take_out(agenda, item);
        return;
    }
    if (item->position == 0) {
        assert(agenda->count < agenda->capacity);
        put(agenda, ++agenda->count, item);
    }
    rise(agenda, item);
    sink(agenda, item);
}

struct agenda_item *agenda_first(const struct agenda *agenda) {
    return agenda->count > 0 ? agenda->items[0] : NULL;
}

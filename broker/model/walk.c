/* What cursors see: the change list from a place on, through a filter, as much as one frame takes. */
#include "broker/model/company_state.h"

uint64_t company_last_place(const struct company *company) {
    return company->list.last;
}

static enum frame_list list_of(const struct entry *entry) {
    switch (entry->kind) {
    case ENTRY_PROFILE:
        return FRAME_PROFILES;
    case ENTRY_REMOVED:
        return FRAME_REMOVED;
    case ENTRY_MEMBER:
        return FRAME_MEMBERS;
    case ENTRY_QUEUE:
        break;
    }
    return FRAME_QUEUES;
}

/* Without memory for a row the whole frame is worth nothing; its end will say so. */
static void spoil(struct frame *frame, enum frame_list list) {
    frame->lists[list].rows.failed = true;
}

/* False where the frame is full: the cursor then stands before the entry. */
static bool add(struct company *company, struct entry *entry, uint64_t *cursor, struct frame *frame) {
    const struct row *row = entry_row(company, entry, frame->encoding);
    if (row == NULL || !frame_fits(frame, row->length)) {
        if (row == NULL) spoil(frame, list_of(entry));
        *cursor = entry->listed.place - 1;
        return false;
    }
    frame_add(frame, list_of(entry), row->bytes, row->length);
    return true;
}

bool company_walk(struct company *company, const struct filter *filter, uint64_t *cursor, struct frame *frame) {
    const struct change_list *list = &company->list;
    size_t first = change_list_index_after(list, *cursor);
    if (filter_names_fewer(filter, list->length - first)) {
        size_t count = filter_pick(company, filter, *cursor);
        for (size_t i = 0; i < count; i++)
            if (!add(company, company->picked[i], cursor, frame)) return true;
    } else {
        for (size_t i = first; i < list->length; i++) {
            struct entry *entry = (struct entry *)list->slots[i].entry;
            if (entry != NULL && filter_passes(filter, entry) && !add(company, entry, cursor, frame)) return true;
        }
    }
    *cursor = list->last;
    return false;
}

static bool add_rows(struct company *company, struct entry *const *entries, size_t count, struct frame *frame) {
    size_t length = count; /* separators */
    for (size_t i = 0; i < count; i++) {
        const struct row *row = entry_row(company, entries[i], frame->encoding);
        if (row == NULL)
            spoil(frame, list_of(entries[i]));
        else
            length += row->length;
    }
    if (!frame_fits(frame, length)) return false;
    for (size_t i = 0; i < count; i++) {
        const struct row *row = entry_row(company, entries[i], frame->encoding);
        if (row != NULL) frame_add(frame, list_of(entries[i]), row->bytes, row->length);
    }
    return true;
}

bool company_add_member(struct company *company, const struct member *member, struct frame *frame) {
    struct member *own = member_find(company, member->user); /* the rows are filled in on demand */
    struct entry *entries[] = {&own->profile_entry, &own->state_entry};
    return add_rows(company, entries, 2, frame);
}

bool company_add_queue(struct company *company, const char *id, struct frame *frame) {
    struct queue *queue = queue_find(company, id);
    if (queue == NULL || queue->record == NULL) return true; /* nothing to add */
    struct entry *entries[] = {&queue->entry};
    return add_rows(company, entries, 1, frame);
}

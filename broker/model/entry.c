/* An entry's place in the change list, and its row. */
#include "broker/model/company_state.h"

#include <assert.h>
#include <stdlib.h>

int company_reserve(struct company *company, size_t entries, size_t items) {
    int error = change_list_reserve(&company->list, company->entries_count + entries);
    if (error == 0) error = agenda_reserve(&company->agenda, company->items_count + items);
    if (error != 0) return error;
    company->entries_count += entries;
    company->items_count += items;
    return 0;
}

void company_reserve_less(struct company *company, size_t entries, size_t items) {
    company->entries_count -= entries;
    company->items_count -= items;
}

void entry_note(struct company *company, struct entry *entry, uint64_t revision, int64_t clock_at) {
    entry->revision = revision;
    entry->clock_at = clock_at;
    if (revision > company->row_revision) company->row_revision = revision;
    if (clock_at > company->row_clock_at) company->row_clock_at = clock_at;
}

void entry_forget_rows(struct entry *entry) {
    for (int i = 0; i < ENCODING_COUNT; i++) {
        free(entry->rows[i]);
        entry->rows[i] = NULL;
    }
}

void entry_move(struct company *company, struct entry *entry, uint64_t revision, int64_t clock_at) {
    int error = change_list_move(&company->list, &entry->listed);
    assert(error == 0); /* its room was reserved when it came into being */
    (void)error;
    entry_forget_rows(entry);
    entry_note(company, entry, revision, clock_at);
}

void entry_unlist(struct company *company, struct entry *entry) {
    change_list_remove(&company->list, &entry->listed);
    entry_forget_rows(entry);
}

/* ---- Rows ---- */

static const struct member *member_of(const struct entry *entry) {
    size_t offset =
        entry->kind == ENTRY_MEMBER ? offsetof(struct member, state_entry) : offsetof(struct member, profile_entry);
    return (const void *)((const char *)entry - offset);
}

static const struct queue *queue_of(const struct entry *entry) {
    return (const void *)((const char *)entry - offsetof(struct queue, entry));
}

const char *entry_id(const struct entry *entry) {
    return entry->kind == ENTRY_QUEUE ? queue_of(entry)->id : member_of(entry)->user;
}

static int encode_profile(const struct member *member, enum encoding encoding, struct buffer *out) {
    struct part_profile row = {
        .user = member->user,
        .name = member->profile->name,
        .department = member->profile->department,
        .numbers = member->profile->numbers,
        .queues = member->profile->queues,
    };
    return message_encode_row(encoding, &part_profile_shape, &row, out);
}

static int encode_member(const struct member *member, enum encoding encoding, struct buffer *out) {
    const struct view *view = &member->view;
    struct part_member row = {
        .user = member->user,
        .availability = availability_name(view->availability),
        .activity = view->activity,
        .since = view->since,
        .until = view->until,
        .note = view->note,
        .presence = presence_name(view->presence),
        .last_active = view->last_active,
    };
    return message_encode_row(encoding, &part_member_shape, &row, out);
}

static int encode_queue(const struct queue *queue, enum encoding encoding, struct buffer *out) {
    const struct queue_figures *figures = &queue->shown;
    struct part_queue_row row = {
        .queue = queue->id,
        .free = figures->seats[SEAT_FREE],
        .busy = figures->seats[SEAT_BUSY],
        .wrap_up = figures->seats[SEAT_WRAP_UP],
        .waiting = figures->waiting,
        .oldest_at = figures->oldest_at,
    };
    return message_encode_row(encoding, &part_queue_row_shape, &row, out);
}

static int encode(const struct entry *entry, enum encoding encoding, struct buffer *out) {
    switch (entry->kind) {
    case ENTRY_PROFILE:
        return encode_profile(member_of(entry), encoding, out);
    case ENTRY_REMOVED:
        return frame_encode_id(encoding, member_of(entry)->user, out);
    case ENTRY_MEMBER:
        return encode_member(member_of(entry), encoding, out);
    case ENTRY_QUEUE:
        return encode_queue(queue_of(entry), encoding, out);
    }
    return LEDIG_ENO_MEMORY;
}

const struct row *entry_row(struct company *company, struct entry *entry, enum encoding encoding) {
    if (entry->rows[encoding] != NULL) return entry->rows[encoding];
    struct buffer *out = &company->row;
    buffer_clear(out);
    struct row *row = NULL;
    if (encode(entry, encoding, out) == 0) row = malloc(sizeof *row + out->length);
    if (row == NULL) return NULL;
    row->length = out->length;
    memcpy(row->bytes, out->bytes, out->length);
    entry->rows[encoding] = row;
    return row;
}

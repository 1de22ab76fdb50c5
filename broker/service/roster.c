#include "broker/service/roster.h"
#include "broker/service/provisioning.h"
#include "broker/service/roster_rules.h"
#include "protocol/errors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

static const char *const column_names[ROSTER_COLUMN_COUNT] = {"user", "name",   "numbers", "department",
                                                              "role", "queues", "schedule"};

struct roster_key {
    UT_hash_handle hh;
    uint32_t line;
    char text[]; /* in the arena, as the key is */
};

/* ---- Faults ---- */

void roster_complain(struct roster *roster, uint32_t line, const char *field, const char *reason) {
    if (roster->fault_count++ >= ROSTER_FAULTS_MAX) return;
    struct roster_fault *fault = &roster->faults[roster->fault_count - 1];
    fault->line = line;
    snprintf(fault->field, sizeof fault->field, "%s", field);
    fault->reason = reason;
}

static void complain(struct roster *roster, enum roster_column column, const char *reason) {
    roster_complain(roster, roster->csv.record_line, column_names[column], reason);
}

unsigned roster_fields(const struct roster *roster) {
    unsigned fields = 0;
    for (unsigned c = 0; c < ROSTER_COLUMN_COUNT; c++)
        if (roster->columns[c] >= 0) fields |= ROSTER_FIELD(c);
    return fields;
}

static bool roster_has(const struct roster *roster, enum roster_column column) {
    return roster->columns[column] >= 0;
}

/* ---- Opening and closing ---- */

struct roster *roster_open(const char *company, const uint8_t *bytes, size_t length) {
    struct roster *roster = calloc(1, sizeof *roster);
    if (!roster) return NULL;
    roster->company = company;
    roster->arena = arena_create();
    if (!roster->arena) {
        free(roster);
        return NULL;
    }
    csv_open(&roster->csv, bytes, length);
    return roster;
}

void roster_close(struct roster *roster) {
    if (!roster) return;
    HASH_CLEAR(hh, roster->users);
    HASH_CLEAR(hh, roster->queues);
    HASH_CLEAR(hh, roster->named);
    HASH_CLEAR(hh, roster->taken);
    free(roster->entries);
    free(roster->numbers);
    arena_free(roster->arena);
    free(roster);
}

/* ---- The header ---- */

/* What stands between blanks at either end of a field. */
struct span {
    const char *at;
    size_t length;
};

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

static struct span field_at(const struct roster *roster, size_t index) {
    struct span span = {roster->csv.fields[index], roster->csv.lengths[index]};
    while (span.length > 0 && is_blank(*span.at)) {
        span.at++;
        span.length--;
    }
    while (span.length > 0 && is_blank(span.at[span.length - 1]))
        span.length--;
    return span;
}

static struct span column(const struct roster *roster, enum roster_column which) {
    return roster_has(roster, which) ? field_at(roster, (size_t)roster->columns[which]) : (struct span){"", 0};
}

static bool span_is(struct span span, const char *text) {
    return span.length == strlen(text) && memcmp(span.at, text, span.length) == 0;
}

/* An unknown column is named if it looks like the name of one; in a file without a header it may be a person's. */
static void complain_column(struct roster *roster, size_t index, const char *reason) {
    struct span name = field_at(roster, index);
    char field[ROSTER_FIELD_CHARS_MAX + 1];
    size_t word = 0;
    while (word < name.length && ((name.at[word] >= 'a' && name.at[word] <= 'z') || name.at[word] == '_'))
        word++;
    if (word > 0 && word == name.length && word < sizeof field)
        snprintf(field, sizeof field, "%.*s", (int)word, name.at);
    else
        snprintf(field, sizeof field, "column %zu", index + 1);
    roster_complain(roster, roster->csv.record_line, field, reason);
}

static void take_header(struct roster *roster) {
    for (int c = 0; c < ROSTER_COLUMN_COUNT; c++)
        roster->columns[c] = -1;
    roster->column_count = roster->csv.count;
    for (size_t i = 0; i < roster->csv.count; i++) {
        int c = 0;
        while (c < ROSTER_COLUMN_COUNT && !span_is(field_at(roster, i), column_names[c]))
            c++;
        if (c == ROSTER_COLUMN_COUNT)
            complain_column(roster, i, "an unknown column");
        else if (roster->columns[c] >= 0)
            complain_column(roster, i, "this column is there twice");
        else
            roster->columns[c] = (int)i;
    }
    if (!roster_has(roster, ROSTER_USER)) complain(roster, ROSTER_USER, "the header does not name this column");
    if (!roster_has(roster, ROSTER_NAME)) complain(roster, ROSTER_NAME, "the header does not name this column");
    roster->has_header = true;
}

/* ---- A line ---- */

static int note_key(struct roster *roster, struct roster_key **keys, const char *text, size_t length,
                    struct roster_key **before) {
    HASH_FIND(hh, *keys, text, length, *before);
    if (*before) return 0;
    struct roster_key *key = arena_take(roster->arena, sizeof *key + length + 1);
    if (!key) return LEDIG_ENO_MEMORY;
    memcpy(key->text, text, length);
    key->line = roster->csv.record_line;
    HASH_ADD_KEYPTR(hh, *keys, key->text, length, key);
    return 0;
}

/* A text for people to read. `text` is NULL where the field is empty, or wrong (then that has been told). */
static int take_text(struct roster *roster, enum roster_column which, const char **text) {
    struct span span = column(roster, which);
    *text = NULL;
    if (span.length == 0) return 0;
    const char *reason = roster_rules_text(span.at, span.length);
    if (reason) {
        complain(roster, which, reason);
        return 0;
    }
    *text = arena_text(roster->arena, span.at, span.length);
    return *text ? 0 : LEDIG_ENO_MEMORY;
}

static int take_id(struct roster *roster, struct roster_entry *entry) {
    struct span span = column(roster, ROSTER_USER);
    char *id = arena_text(roster->arena, span.at, span.length);
    if (!id) return LEDIG_ENO_MEMORY;
    const char *reason = roster_rules_id(id);
    if (reason) {
        complain(roster, ROSTER_USER, reason);
        return 0;
    }
    struct roster_key *before;
    int error = note_key(roster, entry->is_queue ? &roster->queues : &roster->users, id, span.length, &before);
    if (before) complain(roster, ROSTER_USER, "stands on an earlier line too");
    entry->id = id;
    return error;
}

static void take_role(struct roster *roster, struct roster_entry *entry) {
    struct span span = column(roster, ROSTER_ROLE);
    entry->is_queue = span_is(span, "queue");
    if (entry->is_queue) return;
    if (roster_rules_role(span.at, span.length, &entry->role))
        complain(roster, ROSTER_ROLE, "none of member, switchboard, lead, admin, queue");
}

/* The next word of a list that blanks separate; false at its end. */
static bool next_word(struct span *rest, struct span *word) {
    while (rest->length > 0 && is_blank(*rest->at)) {
        rest->at++;
        rest->length--;
    }
    *word = *rest;
    word->length = 0;
    while (word->length < rest->length && !is_blank(word->at[word->length]))
        word->length++;
    rest->at += word->length;
    rest->length -= word->length;
    return word->length > 0;
}

const char *roster_owner(struct roster *roster, const struct roster_entry *entry) {
    char owner[ROSTER_OWNER_BYTES];
    roster_rules_owner(roster->names, roster->company, entry->is_queue, entry->id, owner);
    return arena_text(roster->arena, owner, strlen(owner));
}

static int own_number(struct roster *roster, const struct roster_entry *entry, const char *number) {
    if (roster->number_count == roster->number_capacity) {
        size_t capacity = roster->number_capacity ? roster->number_capacity * 2 : 64;
        struct roster_number *numbers = realloc(roster->numbers, capacity * sizeof *numbers);
        if (!numbers) return LEDIG_ENO_MEMORY;
        roster->numbers = numbers;
        roster->number_capacity = capacity;
    }
    const char *owner = roster_owner(roster, entry);
    if (!owner) return LEDIG_ENO_MEMORY;
    roster->numbers[roster->number_count++] =
        (struct roster_number){.number = number, .owner = owner, .line = entry->line};
    return 0;
}

static int take_numbers(struct roster *roster, struct roster_entry *entry) {
    struct span rest = column(roster, ROSTER_NUMBERS), word;
    const char **at = arena_take(roster->arena, LEDIG_NUMBERS_COUNT_MAX * sizeof *at);
    if (!at) return LEDIG_ENO_MEMORY;
    uint32_t count = 0;
    while (next_word(&rest, &word)) {
        char number[E164_BYTES];
        struct roster_key *before;
        const char *reason = roster_rules_number(roster->plan, word.at, word.length, count, number);
        if (reason) {
            complain(roster, ROSTER_NUMBERS, reason);
            return 0;
        }
        int error = note_key(roster, &roster->taken, number, strlen(number), &before);
        if (error) return error;
        if (before) {
            complain(roster, ROSTER_NUMBERS, "a number stands in the file twice");
            return 0;
        }
        at[count] = arena_text(roster->arena, number, strlen(number));
        if (!at[count]) return LEDIG_ENO_MEMORY;
        error = entry->id ? own_number(roster, entry, at[count]) : 0;
        if (error) return error;
        count++;
    }
    entry->numbers = (struct texts){.at = at, .count = count};
    return 0;
}

static int take_queues(struct roster *roster, struct roster_entry *entry) {
    struct span rest = column(roster, ROSTER_QUEUES), word;
    if (rest.length == 0) return 0;
    if (entry->is_queue) {
        complain(roster, ROSTER_QUEUES, "a queue is in no queue");
        return 0;
    }
    const char **at = arena_take(roster->arena, LEDIG_QUEUES_COUNT_MAX * sizeof *at);
    struct queue_tier *tiers = NULL; /* most people have none */
    if (!at) return LEDIG_ENO_MEMORY;
    uint32_t count = 0, tier_count = 0;
    while (next_word(&rest, &word)) {
        unsigned tier;
        char *queue = arena_text(roster->arena, word.at, word.length);
        if (!queue) return LEDIG_ENO_MEMORY;
        roster_rules_split(queue, &tier);
        if (roster_rules_have(&(struct texts){.at = at, .count = count}, queue)) continue;
        const char *reason = roster_rules_queue(queue, count);
        if (!reason) reason = roster_rules_tier(tier);
        if (reason) {
            complain(roster, ROSTER_QUEUES, reason);
            return 0;
        }
        struct roster_key *before;
        int error = note_key(roster, &roster->named, queue, strlen(queue), &before);
        if (error) return error;
        if (HASH_COUNT(roster->named) > ROSTER_QUEUES_MAX) {
            complain(roster, ROSTER_QUEUES, "more than 10000 queues in the file");
            return LEDIG_ETOO_LARGE;
        }
        at[count++] = queue;
        if (tier == TIER_FIRST) continue;
        if (!tiers) tiers = arena_take(roster->arena, LEDIG_QUEUES_COUNT_MAX * sizeof *tiers);
        if (!tiers) return LEDIG_ENO_MEMORY;
        tiers[tier_count++] = (struct queue_tier){.queue = queue, .tier = tier};
    }
    entry->queues = (struct texts){.at = at, .count = count};
    entry->tiers = (struct list){.at = tiers, .count = tier_count};
    return 0;
}

static int take_schedule(struct roster *roster, struct roster_entry *entry) {
    struct span span = column(roster, ROSTER_SCHEDULE);
    if (span.length == 0) return 0;
    if (entry->is_queue) {
        complain(roster, ROSTER_SCHEDULE, "a queue has no schedule");
        return 0;
    }
    const char *schedule = arena_text(roster->arena, span.at, span.length);
    if (!schedule) return LEDIG_ENO_MEMORY;
    const char *reason = roster_rules_schedule(schedule);
    if (reason)
        complain(roster, ROSTER_SCHEDULE, reason);
    else
        entry->schedule = schedule;
    return 0;
}

static int add_entry(struct roster *roster, const struct roster_entry *entry) {
    if (roster->count == roster->capacity) {
        size_t capacity = roster->capacity ? roster->capacity * 2 : 64;
        struct roster_entry *entries = realloc(roster->entries, capacity * sizeof *entries);
        if (!entries) return LEDIG_ENO_MEMORY;
        roster->entries = entries;
        roster->capacity = capacity;
    }
    roster->entries[roster->count++] = *entry;
    return 0;
}

static int take_line(struct roster *roster) {
    struct roster_entry entry = {.line = roster->csv.record_line};
    if (roster->csv.count != roster->column_count) {
        roster_complain(roster, entry.line, "", "another number of columns than in the header");
        return 0;
    }
    size_t faults = roster->fault_count;
    take_role(roster, &entry);
    int error = take_id(roster, &entry);
    if (!error) error = take_text(roster, ROSTER_NAME, &entry.name);
    if (!error) error = take_text(roster, ROSTER_DEPARTMENT, &entry.department);
    if (!error) error = take_numbers(roster, &entry);
    if (!error) error = take_queues(roster, &entry);
    if (!error) error = take_schedule(roster, &entry);
    if (error) return error;
    if (column(roster, ROSTER_NAME).length == 0) complain(roster, ROSTER_NAME, "is missing");
    return roster->fault_count == faults ? add_entry(roster, &entry) : 0;
}

/* Queues that people name and no line defines come into being, too. */
static int add_named_queues(struct roster *roster) {
    struct roster_key *named, *next, *defined;
    HASH_ITER(hh, roster->named, named, next) {
        HASH_FIND_STR(roster->queues, named->text, defined);
        if (defined) continue;
        struct roster_entry queue = {.id = named->text, .line = named->line, .is_queue = true};
        int error = add_entry(roster, &queue);
        if (error) return error;
    }
    return 0;
}

int roster_read(struct roster *roster, size_t lines) {
    while (lines-- > 0) {
        int result = csv_next(&roster->csv);
        if (result == 0) {
            if (!roster->has_header) roster_complain(roster, 1, "", "the file is empty");
            return add_named_queues(roster);
        }
        if (++roster->lines > IMPORT_LINES_MAX) return LEDIG_ETOO_LARGE;
        int error = 0;
        if (result < 0)
            roster_complain(roster, roster->csv.record_line, "", roster->csv.why);
        else if (!roster->has_header)
            take_header(roster);
        else
            error = take_line(roster);
        if (error) return error;
        if (!roster->has_header || (roster->fault_count > 0 && roster->lines == 1))
            return 0; /* all else would follow */
    }
    return 1;
}

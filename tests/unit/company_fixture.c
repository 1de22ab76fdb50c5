#include "tests/unit/company_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first
#include <cmocka.h>

static const struct entity_names unkeyed;

int open_bench(void **state) {
    struct bench *bench = calloc(1, sizeof *bench);
    *state = bench;
    bench->leases = leases_create();
    bench->company = company_open("acme", bench->leases, &unkeyed);
    bench->arena = arena_create();
    bench->all = filter_create(bench->company, &(struct texts){.all = true}, NULL, "kari");
    bench->now = NOW;
    company_reached(bench->company, "e1", 100);
    return 0;
}

int close_bench(void **state) {
    struct bench *bench = *state;
    company_close(bench->company);
    filter_release(bench->all);
    leases_free(bench->leases);
    arena_free(bench->arena);
    buffer_free(&bench->bytes);
    frame_free(&bench->frame);
    free(bench);
    return 0;
}

int write_record(struct bench *bench, const struct record *record, uint64_t revision, bool contiguous, bool compare) {
    char name[ENTITY_NAME_BYTES_MAX];
    entity_name(&unkeyed, record->kind, record_id(record), name);
    buffer_clear(&bench->bytes);
    assert_int_equal(record_encode(record, &bench->bytes), 0);
    struct company_write write = {name, revision, bench->bytes.bytes, bench->bytes.length};
    return company_apply(bench->company, &write, contiguous, compare, bench->now);
}

/* The next commit of a gapless sequence. */
void commit(struct bench *bench, const struct record *record) {
    uint64_t version = company_version(bench->company) + 1;
    assert_int_equal(write_record(bench, record, version, true, false), 0);
    company_reached(bench->company, "e1", version);
}

const char *named(const char *entity) {
    static char name[ENTITY_NAME_BYTES_MAX];
    const char *id = strchr(entity, ':');
    if (entity_kind(entity) == RECORD_NONE) return entity; /* of a later version */
    entity_name(&unkeyed, entity_kind(entity), id != NULL ? id + 1 : "", name);
    return name;
}

void commit_tombstone(struct bench *bench, const char *entity) {
    uint64_t version = company_version(bench->company) + 1;
    struct company_write write = {named(entity), version, NULL, 0};
    assert_int_equal(company_apply(bench->company, &write, true, false, bench->now), 0);
    company_reached(bench->company, "e1", version);
}

struct record profile(const char *user) {
    return (struct record){.kind = RECORD_PROFILE, .profile = {.id = user, .name = user}};
}

struct record free_state(const char *user) {
    return (struct record){.kind = RECORD_STATE, .state = {.id = user}};
}

struct record busy_state(const char *user, int64_t until) {
    return (struct record){.kind = RECORD_STATE,
                           .state = {.id = user, .status = "busy", .until = until, .set_at = NOW - 1}};
}

void commit_person(struct bench *bench, const char *user) {
    struct record record = profile(user);
    commit(bench, &record);
    record = free_state(user);
    commit(bench, &record);
}

const struct message_changes *decode_frame(struct bench *bench, enum encoding encoding, bool more) {
    static struct message message;
    struct fault fault;
    buffer_clear(&bench->bytes);
    assert_int_equal(frame_end_changes(&bench->frame, more, "e1", 1, 1, &bench->bytes), 0);
    assert_true(bench->bytes.length <= LEDIG_MESSAGE_BYTES_MAX);
    assert_int_equal(message_decode(encoding, SIDE_BROKER, bench->bytes.bytes, bench->bytes.length, bench->arena,
                                    &message, NULL, &fault),
                     0);
    assert_int_equal(message.type, MESSAGE_changes);
    return &message.changes;
}

const struct message_changes *walk_with(struct bench *bench, const struct filter *filter, uint64_t *cursor) {
    frame_begin(&bench->frame, ENCODING_MSGPACK);
    bool more = company_walk(bench->company, filter, cursor, &bench->frame);
    return decode_frame(bench, ENCODING_MSGPACK, more);
}

/* What came since the last time, for one who follows all. */
const struct message_changes *news(struct bench *bench) {
    return walk_with(bench, bench->all, &bench->cursor);
}

const struct part_member *member_row(const struct message_changes *changes, const char *user) {
    const struct part_member *rows = changes->members.at;
    for (uint32_t i = 0; i < changes->members.count; i++)
        if (strcmp(rows[i].user, user) == 0) return &rows[i];
    return NULL;
}

const struct part_queue_row *queue_row(const struct message_changes *changes, const char *queue) {
    const struct part_queue_row *rows = changes->queues.at;
    for (uint32_t i = 0; i < changes->queues.count; i++)
        if (strcmp(rows[i].queue, queue) == 0) return &rows[i];
    return NULL;
}

void expect_counts(const struct message_changes *changes, uint32_t members, uint32_t profiles, uint32_t queues,
                   uint32_t removed) {
    assert_int_equal(changes->members.count, members);
    assert_int_equal(changes->profiles.count, profiles);
    assert_int_equal(changes->queues.count, queues);
    assert_int_equal(changes->removed.count, removed);
}

void read_leases(struct bench *bench, const char *id, int64_t ended_at_ms) {
    leases_reading_begin(bench->leases, bench->now);
    assert_int_equal(leases_reading_put(bench->leases, id, ended_at_ms), 0);
    leases_reading_end(bench->leases);
    company_tick(bench->company, bench->now, true);
}

struct filter *follow_queue(struct bench *bench, const char *queue) {
    return filter_create(bench->company, &(struct texts){.present = true}, &(struct texts){.at = &queue, .count = 1},
                         "nobody");
}

void expect_queue(const struct message_changes *changes, uint32_t idle, uint32_t busy, uint32_t wrap_up,
                  uint32_t waiting, int64_t oldest_at) {
    const struct part_queue_row *row = queue_row(changes, "support");
    assert_non_null(row);
    assert_int_equal(row->free, idle);
    assert_int_equal(row->busy, busy);
    assert_int_equal(row->wrap_up, wrap_up);
    assert_int_equal(row->waiting, waiting);
    assert_int_equal(row->oldest_at, oldest_at);
}

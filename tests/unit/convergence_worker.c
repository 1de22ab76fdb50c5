/* A worker: a replica kept up to date by doorbells, repairs and comparisons. */
#include "tests/unit/convergence_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the headers above first
#include <cmocka.h>

static const struct entity_names unkeyed;

int64_t worker_now(const struct worker *worker) {
    return worker->store->clock_ms + worker->skew_ms;
}

static void take_head(struct worker *worker) {
    const struct head *head = &worker->store->now.head;
    company_set_history(worker->company, head->pruned, head->earlier, head->earlier_count);
    company_reached(worker->company, head->epoch, head->version);
    worker->lineage = worker->store->lineage;
}

static int by_revision(const void *a, const void *b) {
    uint64_t x = ((const struct stored *)a)->revision, y = ((const struct stored *)b)->revision;
    return (x > y) - (x < y);
}

static void apply(struct worker *worker, const struct stored *record, bool contiguous, bool compare) {
    struct company_write write = {record->name, record->revision, record->bytes, record->length};
    assert_int_equal(company_apply(worker->company, &write, contiguous, compare, worker_now(worker)), 0);
}

void worker_compare(struct worker *worker) {
    test_store_adopt_if_needed(worker->store);
    struct stored records[ENTITIES_MAX];
    size_t count = worker->store->now.count;
    memcpy(records, worker->store->now.records, count * sizeof records[0]);
    qsort(records, count, sizeof records[0], by_revision);
    company_compare_begin(worker->company);
    for (size_t i = 0; i < count; i++) {
        if (company_revision(worker->company, records[i].name) == records[i].revision)
            company_seen(worker->company, records[i].name);
        else
            apply(worker, &records[i], false, true);
    }
    assert_int_equal(company_compare_end(worker->company, worker->store->now.head.version, worker_now(worker)), 0);
    take_head(worker);
}

/* What changed behind our version; all, where that is not known: another history, or entities taken out since. */
void worker_repair(struct worker *worker) {
    test_store_adopt_if_needed(worker->store);
    const struct head *head = &worker->store->now.head;
    uint64_t version = company_version(worker->company);
    if (strcmp(head->epoch, company_epoch(worker->company)) != 0 || version < head->pruned) {
        worker_compare(worker);
        return;
    }
    struct stored records[ENTITIES_MAX];
    size_t count = worker->store->now.count;
    memcpy(records, worker->store->now.records, count * sizeof records[0]);
    qsort(records, count, sizeof records[0], by_revision);
    for (size_t i = 0; i < count; i++)
        if (records[i].revision > version) apply(worker, &records[i], false, false);
    take_head(worker);
}

void worker_read_inbox(struct worker *worker) {
    while (worker->inbox.count > 0) {
        struct doorbell bell = worker->inbox.bells[worker->inbox.first];
        worker->inbox.first = (worker->inbox.first + 1) % INBOX_MAX;
        worker->inbox.count--;
        uint64_t version = company_version(worker->company);
        if (bell.lineage != worker->lineage || bell.lineage != worker->store->lineage || bell.version <= version)
            continue; /* that connection is gone, or it is known */
        if (bell.version != version + 1) {
            worker_repair(worker);
            continue;
        }
        for (size_t i = 0; i < bell.count; i++)
            apply(worker, &bell.records[i], true, false);
        company_reached(worker->company, company_epoch(worker->company), bell.version);
    }
}

static void read_leases(struct worker *worker) {
    const struct test_store *store = worker->store;
    leases_reading_begin(worker->leases, store->clock_ms);
    for (size_t i = 0; i < store->lease_count; i++)
        assert_int_equal(leases_reading_put(worker->leases, store->leases[i].id, store->leases[i].ended_at_ms), 0);
    bool changed = leases_reading_end(worker->leases);
    company_tick(worker->company, worker_now(worker), changed);
}

void worker_verify(struct worker *worker, bool repair_at_once) {
    const struct head *head = &worker->store->now.head;
    read_leases(worker);
    bool behind = worker->lineage != worker->store->lineage || head->version != company_version(worker->company) ||
                  strcmp(head->epoch, company_epoch(worker->company)) != 0;
    if (behind && repair_at_once) worker_repair(worker);
}

struct worker *worker_open(struct world *world, size_t index) {
    struct worker *worker = calloc(1, sizeof *worker);
    assert_non_null(worker);
    worker->store = &world->store;
    worker->leases = leases_create();
    worker->company = company_open("acme", worker->leases, &unkeyed);
    worker->skew_ms = (int64_t)random_below(&world->random, 401) - 200;
    world->store.inboxes[index] = &worker->inbox;
    world->workers[index] = worker;
    if (random_chance(&world->random, .5)) read_leases(worker);
    worker_compare(worker);
    read_leases(worker);
    return worker;
}

void worker_close(struct world *world, size_t index) {
    struct worker *worker = world->workers[index];
    world->store.inboxes[index] = NULL;
    company_close(worker->company);
    leases_free(worker->leases);
    free(worker);
}

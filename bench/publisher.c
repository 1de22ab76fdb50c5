#include "bench/publisher.h"
#include "bench/crowd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONSENT_TEXT "bench-1"

int publisher_consent(struct publisher *publisher) {
    struct message consent = {
        .type = MESSAGE_consent,
        .consent = {.id = CONSENT_ID, .purpose = "presence", .granted = true, .text = CONSENT_TEXT}};
    return subscriber_say(publisher->subscriber, &consent);
}

static int remember(struct publisher *publisher, size_t sequence, const struct status *status, int64_t due_ns) {
    if (sequence >= publisher->made_capacity) {
        size_t capacity = publisher->made_capacity ? publisher->made_capacity * 2 : 16;
        struct change_made *grown = realloc(publisher->made, capacity * sizeof *grown);
        if (!grown) return LEDIG_ENO_MEMORY;
        publisher->made = grown;
        publisher->made_capacity = capacity;
    }
    publisher->made[sequence] = (struct change_made){due_ns, *status};
    return 0;
}

bool status_takes_back(const struct status *status) {
    return strcmp(status->status, "available") == 0 && status->until_ms == 0;
}

int publisher_set(struct publisher *publisher, const struct status *status, int64_t due_ns) {
    struct crowd *crowd = publisher->subscriber->crowd;
    struct assembly *company = &crowd->company[publisher->subscriber->company];
    size_t sequence = (size_t)(publisher->asked + 1);
    if (remember(publisher, sequence, status, due_ns) != 0) return LEDIG_ENO_MEMORY;
    if (crowd->options.share.board)
        board_ask(crowd->options.share.board, company->on_board + publisher->subscriber->person, (int32_t)sequence,
                  due_ns);
    publisher->asked = (int32_t)sequence;
    if (status_takes_back(status)) publisher->taken_back = (int32_t)sequence;
    crowd->changes++;
    crowd->changes_open++;
    publisher->subscriber->changes_open++;
    char note[DIGEST_RUN_CHARS + 16];
    snprintf(note, sizeof note, "%s.%u", crowd->run, (unsigned)sequence);
    struct message set = {.type = MESSAGE_set,
                          .set = {.id = CHANGE_ID + (uint32_t)sequence,
                                  .status = status->status,
                                  .activity = status->activity,
                                  .note = note,
                                  .until = status->until_ms}};
    return subscriber_say(publisher->subscriber, &set);
}

int publisher_change(struct publisher *publisher, int64_t due_ns) {
    static const char *const statuses[] = {"busy", "away", "dnd"};
    struct crowd *crowd = publisher->subscriber->crowd;
    const struct assembly *company = &crowd->company[publisher->subscriber->company];
    const struct status status = {.status = statuses[(publisher->asked + 1) % 3]};
    crowd->undelivered += company->followers - publisher->awaited;
    publisher->awaited = company->followers;
    return publisher_set(publisher, &status, due_ns);
}

/* ---- What others may see ---- */

static bool same_text(const char *one, const char *other) {
    return one && other ? strcmp(one, other) == 0 : one == other;
}

/* Whether a change leaves nothing to be seen by now. */
static bool is_over(const struct status *status) {
    return status_takes_back(status) || (status->until_ms != 0 && status->until_ms <= clock_wall_ms());
}

bool publisher_may_show(const struct publisher *publisher, const struct digest_row *row,
                        const struct part_member *member) {
    int32_t oldest = publisher->acknowledged;
    if (oldest == SEQUENCE_NONE) return true;
    if (row->sequence != SEQUENCE_NONE) {
        if (row->sequence < oldest || row->sequence > publisher->asked) return false;
        const struct status *status = &publisher->made[row->sequence].status;
        return same_text(member->availability, status->status) && same_text(member->activity, status->activity) &&
               member->until == status->until_ms;
    }
    if (!same_text(member->availability, "available") || member->activity) return false;
    for (int32_t sequence = oldest; sequence <= publisher->asked; sequence++)
        if (is_over(&publisher->made[sequence].status)) return true;
    return false;
}

/* From a place that a client had heard of back to a cursor. */
#include "broker/model/company_state.h"

static bool epoch_is_good(const struct company *company, const struct place *place) {
    if (strcmp(place->epoch, company->epoch) == 0) return true;
    if (place->more) /* what came after the place may be of a history that is lost */
        return false;
    for (size_t i = 0; i < company->earlier_count; i++)
        if (strcmp(place->epoch, company->earlier[i].epoch) == 0 && place->version <= company->earlier[i].version)
            return true;
    return false;
}

static bool place_is_good(const struct company *company, const struct place *place, int64_t now_ms) {
    if (company->epoch[0] == '\0' || place->epoch == NULL || !epoch_is_good(company, place)) return false;
    uint64_t oldest = company->pruned > company->unnamed ? company->pruned : company->unnamed;
    if (company->settings_entity != NULL && company->settings_entity->revision > oldest)
        oldest = company->settings_entity->revision;
    return place->version >= oldest && place->version <= company->version && place->now_ms > now_ms - PLACE_MS_MAX;
}

static bool may_differ(const struct entry *entry, const struct place *place) {
    uint64_t revision = entry->revision;
    if (entry->kind == ENTRY_MEMBER) {
        const struct member *member = (const void *)((const char *)entry - offsetof(struct member, state_entry));
        if (member->shown_since > revision) revision = member->shown_since;
    }
    return revision > place->version || entry->clock_at > place->now_ms - PLACE_SLACK_MS;
}

static uint64_t search(const struct company *company, const struct place *place) {
    const struct change_list *list = &company->list;
    for (size_t i = 0; i < list->length; i++) {
        const struct entry *entry = (const struct entry *)list->slots[i].entry;
        if (entry != NULL && entry->kind != ENTRY_QUEUE && may_differ(entry, place)) return list->slots[i].place - 1;
    }
    return list->last;
}

/* Before the first entry that may look different from what was seen at the place. Queues are left to the caller. */
static uint64_t find_cursor(struct company *company, const struct place *place) {
    const uint64_t last = company->list.last, revision = company->row_revision;
    const int64_t clock_at = company->row_clock_at;
    if (revision <= place->version && clock_at <= place->now_ms - PLACE_SLACK_MS) return last;
    bool same = company->resumed.version == place->version && company->resumed.now_ms == place->now_ms &&
                company->resumed.last == last && company->resumed.row_revision == revision &&
                company->resumed.row_clock_at == clock_at;
    if (same) return company->resumed.cursor;
    company->resumed.cursor = search(company, place);
    company->resumed.version = place->version;
    company->resumed.now_ms = place->now_ms;
    company->resumed.last = last;
    company->resumed.row_revision = revision;
    company->resumed.row_clock_at = clock_at;
    return company->resumed.cursor;
}

bool company_resume(struct company *company, const struct filter *filter, const struct place *place, int64_t now_ms,
                    uint64_t *cursor) {
    if (!place_is_good(company, place, now_ms)) return false;
    *cursor = find_cursor(company, place);
    for (struct queue *queue = company->queues; queue != NULL; queue = queue->hh.next)
        if (queue->entry.listed.place != 0 && queue->entry.listed.place <= *cursor &&
            filter_passes(filter, &queue->entry))
            entry_move(company, &queue->entry, queue->entry.revision, 0);
    return true;
}

/* One person: profile and state, each with a row of its own. The member row is shown only beside a profile. */
#include "broker/model/company_state.h"

#include <stdlib.h>

struct member *member_find(const struct company *company, const char *user) {
    struct member *member;
    HASH_FIND_STR(company->members, user, member);
    return member;
}

/* A tombstone does not say whose it is, so both entities of a person are there from the beginning, with revision 0; one
 * that came before the person was known finds its person now. */
static struct entity *adopt(struct company *company, enum record_kind kind, struct member *member) {
    struct entity *entity = entity_of(company, kind, member->user);
    if (entity == NULL) {
        char name[ENTITY_NAME_BYTES_MAX];
        entity_name(company->names, kind, member->user, name);
        entity = entity_create(company, name);
    }
    if (entity != NULL) entity->member = member;
    return entity;
}

static struct member *member_create(struct company *company, const char *user) {
    size_t length = strlen(user);
    struct member *member = calloc(1, sizeof *member + length + 1);
    if (member == NULL) return NULL;
    memcpy(member->user, user, length + 1);
    member->profile_entry = (struct entry){.kind = ENTRY_REMOVED};
    member->state_entry = (struct entry){.kind = ENTRY_MEMBER};
    member->due.kind = DUE_MEMBER;
    availability_derive(NULL, NULL, 0, company->leases, &member->view);
    return member;
}

struct member *member_for(struct company *company, const char *user) {
    struct member *member = member_find(company, user);
    if (member != NULL) return member;
    if (company_reserve(company, 2, 1) != 0) return NULL;
    member = member_create(company, user);
    if (member != NULL) HASH_ADD_KEYPTR(hh, company->members, member->user, strlen(user), member);
    if (member == NULL || member->hh.tbl == NULL) {
        company_reserve_less(company, 2, 1);
        free(member);
        return NULL;
    }
    topic_meets_member(company, member);
    member->profile_entity = adopt(company, RECORD_PROFILE, member);
    member->state_entity = adopt(company, RECORD_STATE, member);
    if (member->profile_entity != NULL && member->state_entity != NULL) return member;
    member_free(company, member);
    return NULL;
}

static void entity_leave(struct company *company, struct entity *entity) {
    if (entity == NULL) return;
    entity->member = NULL;
    if (!entity->is_there) entity_free(company, entity);
}

/* Entities that are not there go with the member. */
void member_free(struct company *company, struct member *member) {
    if (member->profile != NULL) {
        numbers_give(company, &member->profile->numbers, member, NULL);
        card_give_back(company, member);
    }
    agenda_set(&company->agenda, &member->due, NEVER);
    entry_unlist(company, &member->profile_entry);
    entry_unlist(company, &member->state_entry);
    topic_loses(member->state_entry.topic);
    entity_leave(company, member->profile_entity);
    entity_leave(company, member->state_entity);
    HASH_DEL(company->members, member);
    company_reserve_less(company, 2, 1);
    duties_replace(member, NULL, NULL);
    free(member->profile);
    free(member->state);
    free(member);
}

/* ---- The view ---- */

/* But for last_active, which is never by itself a reason to tell anybody. */
static bool same_row(const struct view *a, const struct view *b) {
    return a->availability == b->availability && a->since == b->since && a->until == b->until &&
           a->presence == b->presence && shape_same_text(a->activity, b->activity) && shape_same_text(a->note, b->note);
}

static void set_due(struct company *company, struct member *member, int64_t now_ms) {
    int64_t due = NEVER;
    if (member->profile != NULL && member->state != NULL)
        due = member->view.valid_until;
    else if (member->profile == NULL && member->state == NULL)
        due = now_ms + PLACE_MS_MAX;
    agenda_set(&company->agenda, &member->due, due);
}

static void derive(struct company *company, struct member *member, int64_t now_ms) {
    availability_derive(member->state, work_hours(company, member, now_ms), now_ms, company->leases, &member->view);
    set_due(company, member, now_ms);
}

/* By the clock alone no row ever becomes again what it was before, since facts only end and `since` tells when: one
 * that looks the same as at the last look was never seen otherwise in between. */
void member_look(struct company *company, struct member *member, int64_t now_ms) {
    if (member->profile == NULL || member->state == NULL) return;
    struct view before = member->view;
    struct view view;
    availability_derive(member->state, work_hours(company, member, now_ms), now_ms, company->leases, &view);
    queues_count(company, member, false);
    member->view = view;
    queues_count(company, member, true);
    set_due(company, member, now_ms);
    if (!same_row(&before, &view))
        entry_move(company, &member->state_entry, member->state_entry.revision, view.valid_from);
}

/* ---- The state ---- */

static bool same_calls(const struct list *a, const struct list *b) {
    const struct own_call *x = a->at, *y = b->at;
    if (a->count != b->count) return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (x[i].since != y[i].since || x[i].ends_at != y[i].ends_at || !shape_same_text(x[i].state, y[i].state) ||
            !shape_same_text(x[i].router, y[i].router))
            return false;
    return true;
}

static bool same_sessions(const struct list *a, const struct list *b) {
    const struct own_session *x = a->at, *y = b->at;
    if (a->count != b->count) return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (x[i].state_at != y[i].state_at || !shape_same_text(x[i].state, y[i].state) ||
            !shape_same_text(x[i].before, y[i].before) || !shape_same_text(x[i].incarnation, y[i].incarnation))
            return false;
    return true;
}

/* Whether two states look the same at any time and with any leases, not only now. */
static bool same_facts(const struct state_record *a, const struct state_record *b) {
    return a->until == b->until && a->set_at == b->set_at && a->last_call_ended_at == b->last_call_ended_at &&
           a->wrap_up_until == b->wrap_up_until && shape_same_text(a->status, b->status) &&
           shape_same_text(a->activity, b->activity) && shape_same_text(a->note, b->note) &&
           same_calls(&a->calls, &b->calls) && same_sessions(&a->sessions, &b->sessions);
}

/* The row stays where it is. On a replica that heard of the change later, the facts before may have come to look
 * otherwise by the clock, unless they are the same facts. */
static void stay(struct company *company, struct member *member, const struct state_record *before, uint64_t revision) {
    struct entry *entry = &member->state_entry;
    entry_forget_rows(entry); /* last_active */
    if (!same_facts(before, member->state)) entry_note(company, entry, revision, member->view.valid_from);
}

int member_set_state(struct company *company, struct member *member, struct state_record *state, uint64_t revision,
                     bool contiguous, int64_t now_ms) {
    struct duty *duties;
    int error = duties_make(company, member, state, &duties);
    if (error != 0) {
        free(state);
        return error;
    }
    struct state_record *before = member->state;
    struct view seen = member->view; /* what it points to stands until `before` goes */
    queues_count(company, member, false);
    duties_replace(member, duties, state);
    member->state = state;
    derive(company, member, now_ms);
    queues_count(company, member, true);
    if (member->profile == NULL)
        entry_note(company, &member->state_entry, revision, member->view.valid_from);
    else if (contiguous && before != NULL && state != NULL && same_row(&seen, &member->view))
        stay(company, member, before, revision);
    else
        entry_move(company, &member->state_entry, revision, member->view.valid_from);
    free(before);
    return 0;
}

/* ---- The profile ---- */

static bool same_texts(const struct texts *a, const struct texts *b) {
    if (a->count != b->count) return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (strcmp(a->at[i], b->at[i]) != 0) return false;
    return true;
}

static bool same_profile_row(const struct profile_record *a, const struct profile_record *b) {
    return shape_same_text(a->name, b->name) && shape_same_text(a->department, b->department) &&
           same_texts(&a->numbers, &b->numbers) && same_texts(&a->queues, &b->queues);
}

static void leave(struct company *company, struct member *member, uint64_t revision) {
    member->profile_entry.kind = ENTRY_REMOVED;
    entry_move(company, &member->profile_entry, revision, 0);
    entry_unlist(company, &member->state_entry);
}

static void arrive(struct company *company, struct member *member, uint64_t revision, int64_t now_ms) {
    member->shown_since = revision;
    member->profile_entry.kind = ENTRY_PROFILE;
    entry_move(company, &member->profile_entry, revision, 0);
    if (member->state_entity->revision == 0) /* never had one */
        return;
    derive(company, member, now_ms);
    entry_move(company, &member->state_entry, member->state_entity->revision, member->view.valid_from);
}

static uint64_t newest(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

/* The profile names the hours, and so is part of what the member row is made of. Where a profile in between was not
 * heard of, others may have seen a row by its hours. */
static void take_hours(struct company *company, struct member *member, const struct work_hours *before,
                       uint64_t revision, bool contiguous, int64_t now_ms) {
    if (contiguous && before == member->work) return;
    member->shown_since = revision;
    if (member->state == NULL || (before == NULL && company->work == NULL)) return;
    derive(company, member, now_ms);
    entry_move(company, &member->state_entry, newest(revision, member->state_entry.revision), member->view.valid_from);
}

int member_set_profile(struct company *company, struct member *member, struct profile_record *profile,
                       uint64_t revision, bool contiguous, int64_t now_ms) {
    struct profile_record *before = member->profile;
    const struct work_hours *work = member->work;
    if (profile != NULL && before == NULL && card_reserve(company) != 0) {
        free(profile);
        return LEDIG_ENO_MEMORY;
    }
    queues_count(company, member, false);
    if (before != NULL) numbers_give(company, &before->numbers, member, NULL);
    member->profile = profile;
    work_find(company, member);
    int error = profile != NULL ? numbers_take(company, &profile->numbers, member, NULL) : 0;
    card_set(company, member, before);
    if (profile == NULL)
        leave(company, member, revision);
    else if (before == NULL)
        arrive(company, member, revision, now_ms);
    else if (!contiguous || !same_profile_row(before, profile))
        entry_move(company, &member->profile_entry, revision, 0);
    if (profile != NULL && before != NULL) take_hours(company, member, work, revision, contiguous, now_ms);
    queues_count(company, member, true);
    set_due(company, member, now_ms);
    free(before);
    return error;
}

/* Its time has come: the view changes, or who left long ago is forgotten. */
void member_due(struct company *company, struct member *member, int64_t now_ms) {
    if (member->profile != NULL) {
        member_look(company, member, now_ms);
        return;
    }
    struct entity *access = entity_of(company, RECORD_ACCESS, member->user);
    if (access != NULL && !access->is_there) entity_free(company, access);
    member_free(company, member);
}

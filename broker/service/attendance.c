#include "broker/service/attendance.h"
#include "broker/service/me.h"
#include "broker/service/tenant_state.h"

#include <stdlib.h>
#include <string.h>

#define LAST_ACTIVE_STEP_MS 300000 /* rounded so: when exactly is nobody's business */

struct attendee *attendance_find(const struct tenant *tenant, const char *user) {
    struct attendee *attendee = NULL;
    HASH_FIND_STR(tenant->attendees, user, attendee);
    return attendee;
}

/* ---- What the store should say ---- */

static const struct session *find_by_id(const struct attendee *attendee, const char *id) {
    for (const struct session *s = attendee ? attendee->sessions : NULL; s; s = s->next_device)
        if (strcmp(s->device->session, id) == 0) return s;
    return NULL;
}

static const struct session *find_by_device(const struct attendee *attendee, const char *device) {
    for (const struct session *s = attendee ? attendee->sessions : NULL; s; s = s->next_device)
        if (strcmp(s->device->id, device) == 0) return s;
    return NULL;
}

/* Writes the facts of a session over what the record had of it. Returns whether they differ. */
static bool describe(const struct session *session, struct own_session *part) {
    const char *state = presence_name((enum presence)session->state);
    const char *before = presence_name((enum presence)session->state_before);
    const char *incarnation = session->service->incarnation.id;
    bool differs = !shape_same_text(part->session, session->device->session) ||
                   !shape_same_text(part->device, session->device->id) ||
                   !shape_same_text(part->kind, session->device->kind) ||
                   !shape_same_text(part->incarnation, incarnation) || !shape_same_text(part->state, state) ||
                   part->state_at != session->state_at_ms || !shape_same_text(part->before, before);
    part->session = session->device->session;
    part->device = session->device->id;
    part->kind = session->device->kind;
    part->incarnation = incarnation;
    part->state = state;
    part->state_at = session->state_at_ms;
    part->before = before;
    return differs;
}

/* Of two sessions of one device, which are never both alive, the one that was heard of later stands; on every worker by
 * the same facts, or they would drop each other for ever. */
static int64_t heard_at(const struct session *session) {
    return session->state_at_ms > session->joined_at_ms ? session->state_at_ms : session->joined_at_ms;
}

static bool is_younger(const struct own_session *part, const struct session *session) {
    if (strcmp(part->device, session->device->id) != 0 || strcmp(part->session, session->device->session) == 0)
        return false;
    int64_t own_at = heard_at(session);
    return part->state_at > own_at || (part->state_at == own_at && strcmp(part->session, session->device->session) > 0);
}

static bool is_replaced(const struct session *session, const struct state_record *state) {
    const struct own_session *parts = state->sessions.at;
    for (uint32_t i = 0; i < state->sessions.count; i++)
        if (is_younger(&parts[i], session)) return true;
    return false;
}

enum verdict { KEEP, TIDY, DROP };

/* What shall become of a session in the record that is none of ours. */
static enum verdict judge(const struct tenant *tenant, const struct attendee *attendee,
                          const struct own_session *part) {
    const struct service *service = tenant->service;
    if (strcmp(part->incarnation, service->incarnation.id) == 0) return DROP; /* ours, and gone */
    const struct session *same_device = find_by_device(attendee, part->device);
    if (same_device && !is_younger(part, same_device)) return DROP; /* the device has come here since */
    int64_t ended_ms = leases_ended_at(service->leases, part->incarnation);
    return ended_ms && ended_ms + leases_grace_ms(service->leases) <= service_now_ms(service) ? TIDY : KEEP;
}

int attendance_apply(const struct tenant *tenant, const char *user, struct state_record *state, struct arena *arena) {
    const struct attendee *attendee = attendance_find(tenant, user);
    size_t room = state->sessions.count + ATTENDEE_DEVICES_MAX, count = 0;
    struct own_session *parts = arena_take(arena, room * sizeof *parts);
    if (!parts) return LEDIG_ENO_MEMORY;
    const struct own_session *old = state->sessions.at;
    const struct state_record before = *state;
    bool changed = false, active = false;
    for (uint32_t i = 0; i < state->sessions.count; i++) {
        const struct session *own = find_by_id(attendee, old[i].session);
        enum verdict verdict = own ? KEEP : judge(tenant, attendee, &old[i]);
        if (verdict == DROP) changed = true;
        if (verdict != KEEP) continue;
        parts[count] = old[i];
        if (own && describe(own, &parts[count])) changed = true;
        count++;
    }
    size_t listed = count;
    for (const struct session *s = attendee ? attendee->sessions : NULL; s; s = s->next_device) {
        bool found = false;
        for (size_t i = 0; i < listed && !found; i++)
            found = strcmp(parts[i].session, s->device->session) == 0;
        if (!found && !is_replaced(s, &before)) describe(s, &parts[count++]);
        active = active || (s->state == PRESENCE_ACTIVE && s->connection);
    }
    changed = changed || count > listed;
    if (count > SESSIONS_MAX) count = SESSIONS_MAX;
    state->sessions.at = parts;
    state->sessions.count = (uint32_t)count;
    if (active) {
        int64_t now_ms = service_now_ms(tenant->service);
        state->last_active = now_ms - now_ms % LAST_ACTIVE_STEP_MS;
    }
    return changed ? 0 : UPDATE_NOTHING;
}

/* ---- Committing it ---- */

struct attendance_update {
    struct service *service;
    update_done done;
    void *arg;
    char company[LEDIG_ID_CHARS_MAX + 1];
    char user[LEDIG_ID_CHARS_MAX + 1];
};

static int apply(void *arg, struct update_entity *entities, size_t count, struct arena *arena) {
    (void)count;
    const struct attendance_update *update = arg;
    const struct tenant *tenant = tenant_find(update->service, update->company);
    if (!entities[0].current || !tenant) return UPDATE_NOTHING; /* no consent: nothing is kept */
    int result = attendance_apply(tenant, update->user, &entities[0].next.state, arena);
    if (!result) entities[0].action = STORE_WRITE;
    return result;
}

static void on_committed(void *arg, int error, uint64_t version) {
    struct attendance_update *update = arg;
    struct tenant *tenant = tenant_find(update->service, update->company);
    struct attendee *attendee = tenant ? attendance_find(tenant, update->user) : NULL;
    if (attendee) { /* else the service is closing */
        attendee->updates--;
        if (error) attendee->unsaved = true;
        if (attendee->again || !attendee->sessions) attendance_mark(attendee);
        attendee->again = false;
    }
    if (update->done) update->done(update->arg, error, version);
    free(update);
}

static int commit(struct attendee *attendee, update_done done, void *arg) {
    struct tenant *tenant = attendee->tenant;
    struct service *service = tenant->service;
    struct attendance_update *update = calloc(1, sizeof *update);
    if (!update) return LEDIG_ENO_MEMORY;
    update->service = service;
    update->done = done;
    update->arg = arg;
    snprintf(update->company, sizeof update->company, "%s", tenant->id);
    snprintf(update->user, sizeof update->user, "%s", attendee->user);
    struct update_target state = {RECORD_STATE, update->user};
    int error = update_start(service, tenant->id, &state, 1, apply, on_committed, update);
    if (error)
        free(update);
    else
        attendee->updates++;
    return error;
}

int attendance_commit(struct attendee *attendee, update_done done, void *arg) {
    /* without a lease there is nothing that the sessions could hang on; incarnation.c calls again */
    bool has_lease = attendee->tenant->service->incarnation.id[0];
    int error = has_lease ? commit(attendee, done, arg) : LEDIG_EUNAVAILABLE;
    attendee->unsaved = error != 0;
    return error;
}

void attendance_commit_all(struct service *service) {
    struct tenant *tenant, *next_tenant;
    struct attendee *attendee, *next_attendee;
    HASH_ITER(hh, service->tenants, tenant, next_tenant)
    HASH_ITER(hh, tenant->attendees, attendee, next_attendee) attendance_commit(attendee, NULL, NULL);
}

void attendance_retry(struct tenant *tenant) {
    struct attendee *attendee, *next;
    HASH_ITER(hh, tenant->attendees, attendee, next)
    if (attendee->unsaved && attendee->updates == 0) attendance_commit(attendee, NULL, NULL);
}

/* ---- Coming and going ---- */

static struct attendee *find_or_add(struct tenant *tenant, const char *user) {
    struct attendee *attendee = attendance_find(tenant, user);
    if (attendee) return attendee;
    attendee = calloc(1, sizeof *attendee + strlen(user) + 1);
    if (!attendee) return NULL;
    attendee->tenant = tenant;
    strcpy(attendee->user, user);
    HASH_ADD_STR(tenant->attendees, user, attendee);
    return attendee;
}

static void unlink_session(struct session *session) {
    struct session **at = &session->attendee->sessions;
    while (*at != session)
        at = &(*at)->next_device;
    *at = session->next_device;
    session->attendee->tenant->sessions_count--;
    session->attendee = NULL;
    session->service->metrics->sessions--;
}

/* The newcomer goes on as the session that the device had before. */
static void take_over(struct session *session, struct session *former) {
    memcpy(session->device->session, former->device->session, sizeof session->device->session);
    uint8_t state = session->state;
    session->state = former->state;
    session->state_before = former->state_before;
    session->state_at_ms = former->state_at_ms;
    session_set_state(session, (enum presence)state);
    unlink_session(former);
    if (former->connection)
        session_end(former, LEDIG_ECONFLICT, "the device has connected anew", DROP_replaced);
    else
        session_free(former);
}

/* Takes the device that has been gone the longest from the list: one that calls again and again under new ids, as a
 * script does, locks nobody out. False where all are connected. */
static bool make_room(struct attendee *attendee) {
    struct session *oldest = NULL;
    for (struct session *s = attendee->sessions; s; s = s->next_device)
        if (!s->connection && (!oldest || s->deadline_ms < oldest->deadline_ms)) oldest = s;
    if (!oldest) return false;
    unlink_session(oldest); /* the commit of the newcomer tells the store */
    session_free(oldest);
    return true;
}

int attendance_join(struct session *session, const char *user) {
    const struct tenant *tenant = session->tenant;
    if (!attendance_find(tenant, user) &&
        !limits_has_room(session->service->options.limits, LIMIT_company_sessions, tenant->sessions_count))
        return LEDIG_ERATE_LIMITED;
    struct attendee *attendee = find_or_add(session->tenant, user);
    if (!attendee) return LEDIG_ENO_MEMORY;
    struct session *former = NULL;
    size_t devices = 0;
    for (struct session *s = attendee->sessions; s; s = s->next_device, devices++)
        if (strcmp(s->device->id, session->device->id) == 0) former = s;
    if (!former && devices == ATTENDEE_DEVICES_MAX && !make_room(attendee)) return LEDIG_ERATE_LIMITED;
    if (former) take_over(session, former);
    session->attendee = attendee;
    session->next_device = attendee->sessions;
    attendee->sessions = session;
    session->service->metrics->sessions++;
    session->tenant->sessions_count++;
    attendance_mark(attendee); /* the look sees whether the store has to be told */
    return 0;
}

void attendance_leave(struct session *session) {
    struct attendee *attendee = session->attendee;
    unlink_session(session);
    attendance_commit(attendee, NULL, NULL); /* when it was the last one, the attendee goes with the answer */
}

void attendance_dismiss(struct tenant *tenant) {
    struct attendee *attendee, *next;
    tenant->due = NULL;
    HASH_ITER(hh, tenant->attendees, attendee, next) {
        while (attendee->sessions) {
            struct session *session = attendee->sessions;
            unlink_session(session);
            session_free(session);
        }
        HASH_DEL(tenant->attendees, attendee);
        free(attendee);
    }
}

/* ---- Looking at what others have written ---- */

void attendance_mark(struct attendee *attendee) {
    if (attendee->due) return;
    attendee->due = true;
    attendee->due_next = attendee->tenant->due;
    attendee->tenant->due = attendee;
    fanout_mark(&attendee->tenant->service->fanout, attendee->tenant);
}

void attendance_mark_all(struct tenant *tenant) {
    struct attendee *attendee, *next;
    HASH_ITER(hh, tenant->attendees, attendee, next) attendance_mark(attendee);
}

static bool is_listed(const struct session *session, const struct state_record *state) {
    const struct own_session *parts = state->sessions.at;
    for (uint32_t i = 0; i < state->sessions.count; i++) {
        struct own_session part = parts[i];
        if (strcmp(part.session, session->device->session) == 0) return !describe(session, &part);
    }
    return false;
}

/* Their devices have logged out, or been logged out. */
static void end_refused(struct attendee *attendee) {
    const struct company *company = attendee->tenant->company;
    bool any = false;
    for (struct session *s = attendee->sessions, *next; s; s = next) {
        next = s->next_device;
        if (company_admits(company, attendee->user, s->device->login, s->device->issued_at_ms)) continue;
        any = true;
        unlink_session(s);
        if (s->connection)
            session_end(s, LEDIG_EUNAUTHORIZED, "the device was logged out", DROP_unauthorized);
        else
            session_free(s);
    }
    if (any) attendance_commit(attendee, NULL, NULL); /* at once: nobody is coming back to it */
}

static void look_at_sessions(struct attendee *attendee, const struct state_record *state) {
    bool missing = false;
    for (struct session *s = attendee->sessions, *next; s; s = next) {
        next = s->next_device;
        if (state && is_replaced(s, state)) { /* through another worker */
            unlink_session(s);
            if (s->connection)
                session_end(s, LEDIG_ECONFLICT, "the device has connected elsewhere", DROP_replaced);
            else
                session_free(s);
            continue;
        }
        if (state && !is_listed(s, state)) {
            missing = true;
            s->state_at_ms = heard_at(s); /* so that the others see who came last */
        }
        if (s->stage == SESSION_LIVE) me_send(s);
    }
    if (!missing) return;
    if (attendee->updates == 0)
        attendance_commit(attendee, NULL, NULL);
    else
        attendee->again = true; /* what is under way may have been computed before */
}

/* The person is no longer with the company; or the company is gone as a whole, which is an accident of the store: then
 * they shall try again. */
static void send_away(struct attendee *attendee) {
    bool company_stands = tenant_exists(attendee->tenant);
    for (struct session *s = attendee->sessions, *next; s; s = next) {
        next = s->next_device;
        unlink_session(s);
        if (!s->connection)
            session_free(s);
        else if (company_stands)
            session_end(s, LEDIG_EFORBIDDEN, "you are no longer in this company", DROP_forbidden);
        else
            session_end(s, LEDIG_EUNAVAILABLE, "the company is not in the store", DROP_unavailable);
    }
}

static void look(struct attendee *attendee) {
    struct tenant *tenant = attendee->tenant;
    const struct member *member = company_member(tenant->company, attendee->user);
    if (!member && tenant->ready)
        send_away(attendee);
    else if (tenant->ready)
        end_refused(attendee);
    if (attendee->sessions) {
        look_at_sessions(attendee, member ? member_state(member) : NULL);
        return;
    }
    if (attendee->updates > 0 || attendee->unsaved) return;
    HASH_DEL(tenant->attendees, attendee);
    free(attendee);
}

void attendance_look(struct tenant *tenant) {
    while (tenant->due) {
        struct attendee *attendee = tenant->due;
        tenant->due = attendee->due_next;
        attendee->due = false;
        look(attendee);
    }
}

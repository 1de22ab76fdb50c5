#include "broker/service/incarnation.h"
#include "broker/log.h"
#include "broker/service/attendance.h"
#include "broker/service/service.h"

#include <stdio.h>

static void on_taken(void *arg, int error, const char *id) {
    struct service *service = arg;
    service->incarnation.asking = false;
    if (error || service->closing) return; /* the timer tries again */
    snprintf(service->incarnation.id, sizeof service->incarnation.id, "%s", id);
    log_event(LOG_INFO, "lease_taken", "lease=%s", id);
    attendance_commit_all(service);
}

static void on_renewed(void *arg, int error) {
    struct service *service = arg;
    service->incarnation.asking = false;
    if (error != LEDIG_ELEASE_ENDED || service->closing) return;
    log_event(LOG_WARNING, "lease_lost", "lease=%s", service->incarnation.id);
    service->incarnation.id[0] = 0;
    incarnation_refresh(service);
}

void incarnation_refresh(struct service *service) {
    struct incarnation *incarnation = &service->incarnation;
    if (incarnation->asking || service->closing) return;
    incarnation->asking = true;
    if (incarnation->id[0]) {
        store_lease_renew(service->store, incarnation->id, on_renewed, service);
        return;
    }
    char suffix[32];
    uint64_t random = 0;
    uv_random(NULL, NULL, &random, sizeof random, 0, NULL);
    snprintf(suffix, sizeof suffix, "%s-%016llx", service->options.serves_apps ? "app" : "asked",
             (unsigned long long)random);
    store_lease_take(service->store, suffix, on_taken, service);
}

static void on_timer(uv_timer_t *timer) {
    struct service *service = timer->data;
    if (store_is_connected(service->store)) incarnation_refresh(service);
}

int incarnation_open(struct service *service) {
    uv_timer_t *timer = &service->incarnation.timer;
    if (uv_timer_init(service->loop, timer) != 0) return LEDIG_EIO;
    timer->data = service;
    uint64_t renew_ms = service->options.lease_ms * 3 / 10; /* two renewals may be lost */
    return uv_timer_start(timer, on_timer, renew_ms, renew_ms) == 0 ? 0 : LEDIG_EIO;
}

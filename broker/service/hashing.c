#include "broker/service/hashing.h"

#include <stdlib.h>
#include <string.h>

struct job {
    uv_work_t work;
    struct service *service;
    hashing_done done;
    void *arg;
    bool compares, good;
    char password[PASSWORD_BYTES_MAX + 1];
    char hash[PASSWORD_HASH_BYTES]; /* "" = of nobody */
};

/* In a thread of its own: touches nothing but the job. */
static void on_work(uv_work_t *work) {
    struct job *job = work->data;
    if (job->compares)
        job->good = password_matches(job->password, job->hash[0] ? job->hash : NULL);
    else
        job->good = password_hash(job->password, job->hash) == 0;
}

static void on_worked(uv_work_t *work, int status) {
    struct job *job = work->data;
    struct service *service = job->service;
    (void)status; /* never cancelled */
    job->done(job->arg, job->good ? job->hash : NULL);
    explicit_bzero(job, sizeof *job);
    free(job);
    service_job_ended(service);
}

static int begin(struct service *service, const char *password, const char *hash, bool compares, hashing_done done,
                 void *arg) {
    if (service->jobs >= HASHING_PENDING_MAX) return LEDIG_ERATE_LIMITED;
    struct job *job = calloc(1, sizeof *job);
    if (!job) return LEDIG_ENO_MEMORY;
    job->work.data = job;
    job->service = service;
    job->done = done;
    job->arg = arg;
    job->compares = compares;
    snprintf(job->password, sizeof job->password, "%s", password);
    snprintf(job->hash, sizeof job->hash, "%s", hash ? hash : "");
    if (uv_queue_work(service->loop, &job->work, on_work, on_worked) != 0) {
        explicit_bzero(job, sizeof *job);
        free(job);
        return LEDIG_ENO_MEMORY;
    }
    service->jobs++;
    return 0;
}

int hashing_compare(struct service *service, const char *password, const char *hash, hashing_done done, void *arg) {
    return begin(service, password, hash, true, done, arg);
}

int hashing_make(struct service *service, const char *password, hashing_done done, void *arg) {
    return begin(service, password, NULL, false, done, arg);
}

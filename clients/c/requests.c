#include "clients/c/requests.h"

#include <stdlib.h>

uint32_t requests_next_id(struct requests *requests) {
    do
        requests->last_id++;
    while (requests->last_id == 0 || requests_find(requests, requests->last_id));
    return requests->last_id;
}

int requests_add(struct requests *requests, const struct message *message, uint32_t id, struct request **out) {
    if (requests->count >= LEDIG_REQUESTS_MAX) return LEDIG_ERATE_LIMITED;
    struct request *request = calloc(1, sizeof *request);
    if (!request) return LEDIG_ENO_MEMORY;
    int error = message_encode(ENCODING_MSGPACK, message, &request->bytes);
    if (!error && request->bytes.length > LEDIG_MESSAGE_BYTES_MAX) error = LEDIG_ETOO_LARGE;
    if (error) {
        buffer_free(&request->bytes);
        free(request);
        return error;
    }
    request->id = id;
    if (requests->last)
        requests->last->next = request;
    else
        requests->first = request;
    requests->last = request;
    requests->count++;
    *out = request;
    return 0;
}

struct request *requests_find(const struct requests *requests, uint32_t id) {
    struct request *request = requests->first;
    while (request && request->id != id)
        request = request->next;
    return request;
}

static void take_out(struct requests *requests, struct request *request) {
    struct request **at = &requests->first, *before = NULL;
    while (*at != request) {
        before = *at;
        at = &before->next;
    }
    *at = request->next;
    if (requests->last == request) requests->last = before;
    requests->count--;
}

void requests_complete(struct requests *requests, struct request *request, const struct ledig_result *result) {
    take_out(requests, request);
    ledig_done done = request->done;
    void *arg = request->arg;
    buffer_free(&request->bytes);
    free(request);
    if (done) done(arg, result);
}

void requests_fail(struct requests *requests, bool sent_only, const struct ledig_result *result) {
    /* a callback may add requests, which come last and are not sent: look anew each time, at no more than there are */
    for (uint32_t left = requests->count; left > 0; left--) {
        struct request *request = requests->first;
        while (request && sent_only && !request->sent)
            request = request->next;
        if (!request) return;
        requests_complete(requests, request, result);
    }
}

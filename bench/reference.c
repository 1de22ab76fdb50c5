#include "bench/reference.h"
#include "bench/terminal.h"

#include <stdlib.h>

#define ROUND_LATE_NS 10000000000LL
#define POLL_NS 1000000

int reference_open(struct reference *reference, struct scenario *scenario) {
    const uint32_t subscribers = scenario->plan.subscribers;
    reference->scenario = scenario;
    if (sender_start(&reference->sender, subscribers, scenario->cores.server) != 0)
        return complain(LEDIG_EIO, "the send loop did not start");
    int error = scenario_gather(scenario, subscribers);
    if (error != 0) return error;
    for (uint32_t i = 0; i < subscribers && error == 0; i++) {
        int descriptor;
        error = limit_connect(&reference->sender.address, &descriptor);
        if (error == 0) error = crowd_adopt(&scenario->crowd, descriptor, 0);
    }
    if (error == 0) error = sender_ready(&reference->sender);
    return error ? complain(error, "the send loop's sockets could not be connected") : 0;
}

void reference_close(struct reference *reference) {
    sender_stop(&reference->sender);
    buffer_free(&reference->frame);
}

int reference_copy_frame(struct reference *reference, size_t bytes) {
    const struct digest_memory *memory = &reference->scenario->crowd.company[0].memory;
    const struct digest *nearest = NULL;
    size_t distance = SIZE_MAX;
    for (uint32_t age = 1; age <= DIGEST_MEMORY; age++) {
        const struct digest *digest = &memory->frames[(memory->next + DIGEST_MEMORY - age) % DIGEST_MEMORY];
        if (digest->count == 0 || digest->count != digest->all_count) continue;
        if (bytes == 0 && (digest->count != 1 || digest->rows[0].sequence == SEQUENCE_NONE)) continue;
        size_t length = digest->bytes.length;
        size_t off = bytes == 0 ? 0 : length > bytes ? length - bytes : bytes - length;
        if (off >= distance) continue;
        distance = off;
        nearest = digest;
    }
    if (!nearest) return LEDIG_ENOT_FOUND;
    buffer_clear(&reference->frame);
    return websocket_server_frame(nearest->bytes.bytes, nearest->bytes.length, &reference->frame);
}

/* Until the loop has said how it went, and all that it sent is here. */
static int run(struct reference *reference, int64_t duration_ns, int64_t poll_ns, struct limit_result *result) {
    struct crowd *crowd = &reference->scenario->crowd;
    uint64_t before = crowd->echo.frames;
    int error = sender_begin(&reference->sender, reference->frame.bytes, reference->frame.length, duration_ns),
        over = 0;
    while (error == 0 && over == 0) {
        crowd_turn(crowd, clock_now_ns() + poll_ns);
        over = sender_poll(&reference->sender, result);
        if (interrupt_asked()) return complain(LEDIG_EIO, "interrupted");
    }
    if (error != 0 || over < 0) return complain(LEDIG_EIO, "the send loop broke off");
    int64_t late_ns = clock_now_ns() + ROUND_LATE_NS;
    while (crowd->echo.frames - before < result->sends) { /* nothing may be left over for the next round */
        if (interrupt_asked()) return complain(LEDIG_EIO, "interrupted");
        if (clock_now_ns() > late_ns) return complain(LEDIG_EIO, "frames of the send loop were lost");
        crowd_turn(crowd, INT64_MAX);
    }
    return 0;
}

int reference_round(struct reference *reference, int64_t duration_ns, struct round *round) {
    struct limit_result result;
    int error = run(reference, duration_ns, POLL_NS, &result);
    if (error != 0) return error;
    double sends = (double)result.sends;
    *round = (struct round){sends * 1e9 / (double)result.elapsed_ns, sends * 1e9 / (double)result.cpu_ns,
                            (double)result.cpu_ns / (double)result.elapsed_ns};
    return 0;
}

int64_t reference_pass_ns(struct reference *reference) {
    struct crowd *crowd = &reference->scenario->crowd;
    struct limit_result result;
    int64_t began_ns = clock_now_ns();
    int error = run(reference, 1, POLL_NS, &result);
    return error ? error : crowd->last_delivery_ns - began_ns;
}

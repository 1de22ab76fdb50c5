#include "bench/reference.h"
#include "bench/terminal.h"
#include "bench/tls.h"

#include <stdlib.h>
#include <unistd.h>

#define ROUND_LATE_NS 10000000000LL
#define POLL_NS 1000000

/* Whether one process has descriptors for the subscribers and as many receivers. */
static bool fits(uint32_t subscribers) {
    long descriptors = sysconf(_SC_OPEN_MAX);
    return descriptors <= 0 || 2L * subscribers + CROWD_DESCRIPTORS_SPARE <= descriptors;
}

/* A context for the loop with the broker's own identity, so that both sides prove the same. */
static int open_tls(struct reference *reference) {
    const struct subject *subject = &reference->scenario->subject;
    char cert[SUBJECT_PATH_CHARS], key[SUBJECT_PATH_CHARS];
    if (!subject->apps.tls) return 0;
    if (!subject->started) return complain(LEDIG_EIO, "over TLS a loop stands beside a broker that is started here");
    subject_identity(subject, cert, key);
    reference->tls = tls_server(cert, key);
    return reference->tls ? 0 : LEDIG_EIO;
}

static int await_sender(struct reference *reference) {
    struct crowd *crowd = &reference->scenario->crowd;
    int ready;
    while ((ready = sender_ready(&reference->sender)) == 0) {
        if (interrupt_asked()) return complain(LEDIG_EIO, "interrupted");
        crowd_turn(crowd, clock_now_ns() + POLL_NS);
    }
    return ready == 1 ? 0 : complain(LEDIG_EIO, "the send loop's sockets could not be connected");
}

int reference_open(struct reference *reference, struct scenario *scenario) {
    const uint32_t subscribers = scenario->plan.subscribers;
    const bool apart = !fits(subscribers);
    const struct sockaddr_in *address = &reference->sender.address;
    reference->scenario = scenario;
    int error = open_tls(reference);
    if (error != 0) return error;
    if (sender_start(&reference->sender, subscribers, scenario->cores.server, reference->tls) != 0)
        return complain(LEDIG_EIO, "the send loop did not start");
    if (apart)
        error = receiver_start(&reference->receiver, address, subscribers, scenario->cores.generator, scenario->tls);
    if (error == 0) error = scenario_gather(scenario, apart ? 0 : subscribers);
    if (error != 0) return error;
    if (!apart && receiver_connect(&scenario->crowd, address, subscribers, scenario->tls) != 0)
        return complain(LEDIG_EIO, "the send loop's sockets could not be connected");
    return await_sender(reference);
}

void reference_close(struct reference *reference) {
    receiver_stop(&reference->receiver);
    sender_stop(&reference->sender);
    SSL_CTX_free(reference->tls);
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

/* Frames of the loop that have come, and when the last one did. 0 or an error after a complaint. */
static int look(struct reference *reference, uint64_t *frames, int64_t *last_ns) {
    const struct crowd *crowd = &reference->scenario->crowd;
    *frames = crowd->echo.frames;
    *last_ns = crowd->last_delivery_ns;
    if (!reference->receiver.pid || receiver_look(&reference->receiver, frames, last_ns) == 0) return 0;
    return complain(LEDIG_EIO, "the receivers have ended");
}

/* Until the loop has said how it went, and all that it sent is here. */
static int run(struct reference *reference, int64_t duration_ns, struct limit_result *result, int64_t *last_ns) {
    struct crowd *crowd = &reference->scenario->crowd;
    uint64_t before, now;
    int error = look(reference, &before, last_ns), over = 0;
    if (error != 0) return error;
    error = sender_begin(&reference->sender, reference->frame.bytes, reference->frame.length, duration_ns);
    while (error == 0 && over == 0) {
        crowd_turn(crowd, clock_now_ns() + POLL_NS);
        over = sender_poll(&reference->sender, result);
        if (interrupt_asked()) return complain(LEDIG_EIO, "interrupted");
    }
    if (error != 0 || over < 0) return complain(LEDIG_EIO, "the send loop broke off");
    int64_t late_ns = clock_now_ns() + ROUND_LATE_NS;
    while ((error = look(reference, &now, last_ns)) == 0 && now - before < result->sends) {
        if (interrupt_asked()) return complain(LEDIG_EIO, "interrupted");
        if (clock_now_ns() > late_ns) return complain(LEDIG_EIO, "frames of the send loop were lost");
        crowd_turn(crowd, clock_now_ns() + POLL_NS); /* nothing may be left over for the next round */
    }
    return error;
}

int reference_round(struct reference *reference, int64_t duration_ns, struct round *round) {
    struct limit_result result;
    int64_t last_ns;
    int error = run(reference, duration_ns, &result, &last_ns);
    if (error != 0) return error;
    double sends = (double)result.sends;
    *round = (struct round){sends * 1e9 / (double)result.elapsed_ns, sends * 1e9 / (double)result.cpu_ns,
                            (double)result.cpu_ns / (double)result.elapsed_ns};
    return 0;
}

int64_t reference_pass_ns(struct reference *reference) {
    struct limit_result result;
    int64_t began_ns = clock_now_ns(), last_ns;
    int error = run(reference, 1, &result, &last_ns);
    return error ? error : last_ns - began_ns;
}

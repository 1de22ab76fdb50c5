#include "broker/service/route_frames.h"
#include "broker/service/json_reader.h"
#include "broker/service/service.h"
#include "broker/service/session.h"

void route_frames_begin(struct route_frames *frames, struct session *session, uint32_t id, int64_t stale_ms) {
    *frames = (struct route_frames){.session = session, .id = id, .stale_ms = stale_ms};
    if (stale_ms > JSON_NUMBER_MAX) frames->stale_ms = JSON_NUMBER_MAX; /* never confirmed */
    frame_begin(&frames->frame, (enum encoding)session->encoding);
}

bool route_frames_add(struct route_frames *frames, const struct part_route_row *row) {
    buffer_clear(&frames->row);
    if (message_encode_row(frames->frame.encoding, &part_route_row_shape, row, &frames->row) != 0) {
        session_end(frames->session, LEDIG_EUNAVAILABLE, "out of memory", DROP_unavailable);
        return true;
    }
    if (!frame_fits(&frames->frame, frames->row.length)) return false;
    frame_add(&frames->frame, FRAME_ROUTES, frames->row.bytes, frames->row.length);
    return true;
}

void route_frames_send(struct route_frames *frames, bool more) {
    static const uint8_t headroom[CONNECTION_HEADROOM];
    struct buffer *scratch = &frames->session->service->scratch;
    buffer_clear(scratch);
    buffer_append(scratch, headroom, sizeof headroom);
    if (frame_end_routes(&frames->frame, frames->id, more, frames->stale_ms, scratch) == 0)
        session_send_frame(frames->session, scratch);
    else
        session_end(frames->session, LEDIG_EUNAVAILABLE, "out of memory", DROP_unavailable);
    frame_begin(&frames->frame, frames->frame.encoding);
}

void route_frames_end(struct route_frames *frames) {
    frame_free(&frames->frame);
    buffer_free(&frames->row);
}

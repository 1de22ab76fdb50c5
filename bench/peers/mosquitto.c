/* Mosquitto over plain TCP, by MQTT 3.1.1 with QoS 0. */
#include "bench/peers/mqtt.h"
#include "bench/peers/peer.h"
#include "protocol/errors.h"

#include <unistd.h>

static void configure(FILE *file, unsigned port, uint32_t connections) {
    (void)connections; /* as many as it may have descriptors */
    fprintf(file,
            "listener %u 127.0.0.1\nallow_anonymous true\npersistence false\nmax_inflight_messages 0\n"
            "max_queued_messages 0\nmax_queued_bytes 0\nset_tcp_nodelay true\nsys_interval 0\n"
            "connection_messages false\nlog_dest stderr\nlog_type error\n",
            port);
    if (geteuid() == 0) fputs("user root\n", file); /* else it cannot read this file any more */
}

static void greet(struct buffer *out, bool subscribes) {
    mqtt_connect(out);
    if (subscribes) mqtt_subscribe(out, PEER_SUBJECT);
    mqtt_ping(out); /* its answer says that all of this is done */
}

static void publish(struct buffer *out, const uint8_t *payload, size_t length) {
    mqtt_publish(out, PEER_SUBJECT, payload, length);
}

static ssize_t take(struct link *link, const uint8_t *bytes, size_t length, peer_message message, void *arg,
                    uint32_t *messages) {
    size_t used = 0;
    struct mqtt_packet packet;
    int found;
    while ((found = mqtt_next(bytes + used, length - used, &packet)) == 1) {
        used += packet.bytes;
        if (packet.refused) {
            snprintf(link->complaint, sizeof link->complaint, "refused");
            return LEDIG_EUNAUTHORIZED;
        }
        if (packet.type == MQTT_PINGRESP) link->ready = true;
        if (packet.type != MQTT_PUBLISH) continue;
        message(arg, packet.payload, packet.length);
        (*messages)++;
    }
    return found < 0 ? found : (ssize_t)used;
}

const struct peer peer_mosquitto = {.name = "Mosquitto",
                                    .key = "mosquitto",
                                    .program = "mosquitto",
                                    .version_flag = "-h",
                                    .transport = "TCP",
                                    .configure = configure,
                                    .greet = greet,
                                    .publish = publish,
                                    .take = take};

#include "bench/peers/mqtt.h"
#include "protocol/errors.h"

#include <string.h>

#define TYPE_CONNECT 0x10
#define TYPE_PUBLISH 0x30
#define TYPE_SUBSCRIBE 0x82
#define TYPE_PINGREQ 0xc0
#define LENGTH_BYTES_MAX 4 /* of a packet's length, seven bits in each */

static void put_head(struct buffer *out, uint8_t type, size_t length) {
    uint8_t head[1 + LENGTH_BYTES_MAX] = {type};
    size_t count = 1;
    do {
        head[count] = (uint8_t)(length & 0x7f);
        length >>= 7;
        if (length > 0) head[count] |= 0x80;
        count++;
    } while (length > 0 && count < sizeof head);
    buffer_append(out, head, count);
}

static void put_text(struct buffer *out, const char *text) {
    size_t length = strlen(text);
    const uint8_t size[2] = {(uint8_t)(length >> 8), (uint8_t)length};
    buffer_append(out, size, sizeof size);
    buffer_append(out, text, length);
}

void mqtt_connect(struct buffer *out) {
    static const uint8_t rest[] = {4, 2, 0, 0, 0, 0}; /* 3.1.1; clean session; no keep-alive; no name */
    put_head(out, TYPE_CONNECT, 2 + 4 + sizeof rest);
    put_text(out, "MQTT");
    buffer_append(out, rest, sizeof rest);
}

void mqtt_subscribe(struct buffer *out, const char *filter) {
    static const uint8_t packet_id[] = {0, 1}, qos = 0;
    put_head(out, TYPE_SUBSCRIBE, sizeof packet_id + 2 + strlen(filter) + 1);
    buffer_append(out, packet_id, sizeof packet_id);
    put_text(out, filter);
    buffer_append(out, &qos, 1);
}

void mqtt_publish(struct buffer *out, const char *topic, const uint8_t *payload, size_t length) {
    put_head(out, TYPE_PUBLISH, 2 + strlen(topic) + length);
    put_text(out, topic);
    buffer_append(out, payload, length);
}

void mqtt_ping(struct buffer *out) {
    put_head(out, TYPE_PINGREQ, 0);
}

static int read_body(uint8_t flags, const uint8_t *body, size_t length, struct mqtt_packet *packet) {
    switch (packet->type) {
    case MQTT_CONNACK:
        packet->refused = length != 2 || body[1] != 0;
        return 1;
    case MQTT_SUBACK:
        packet->refused = length != 3 || body[2] > 2;
        return 1;
    case MQTT_PINGRESP:
        return 1;
    case MQTT_PUBLISH: {
        if (length < 2 || (flags & 0x06) != 0) return LEDIG_EBAD_REQUEST; /* nothing but QoS 0 was asked for */
        size_t topic = (size_t)body[0] << 8 | body[1];
        if (length - 2 < topic) return LEDIG_EBAD_REQUEST;
        packet->payload = body + 2 + topic;
        packet->length = length - 2 - topic;
        return 1;
    }
    default:
        return LEDIG_EBAD_REQUEST;
    }
}

int mqtt_next(const uint8_t *bytes, size_t length, struct mqtt_packet *packet) {
    size_t body = 0, head = 1;
    for (;; head++) {
        if (head > LENGTH_BYTES_MAX) return LEDIG_EBAD_REQUEST;
        if (length <= head) return 0;
        body |= (size_t)(bytes[head] & 0x7f) << (7 * (head - 1));
        if (!(bytes[head] & 0x80)) break;
    }
    head++;
    if (body > MQTT_PACKET_BYTES_MAX) return LEDIG_EBAD_REQUEST;
    if (length - head < body) return 0;
    *packet = (struct mqtt_packet){.type = (enum mqtt_type)(bytes[0] >> 4), .bytes = head + body};
    return read_body(bytes[0] & 0x0f, bytes + head, body, packet);
}

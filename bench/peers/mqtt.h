/* As much of MQTT 3.1.1 (OASIS standard, 2014) as a load generator needs: packets of QoS 0 as bytes. It does no I/O and
 * owns nothing. */
#ifndef LEDIG_BENCH_MQTT_H
#define LEDIG_BENCH_MQTT_H

#include "protocol/shape.h"

#define MQTT_PACKET_BYTES_MAX (1024 * 1024) /* that is taken from a server */

enum mqtt_type { MQTT_CONNACK = 2, MQTT_PUBLISH = 3, MQTT_SUBACK = 9, MQTT_PINGRESP = 13 };

/* Each appends one packet; `out->failed` says whether memory ran out. */
void mqtt_connect(struct buffer *out);                       /* clean session, no keep-alive, a name by the server */
void mqtt_subscribe(struct buffer *out, const char *filter); /* packet 1 */
void mqtt_publish(struct buffer *out, const char *topic, const uint8_t *payload, size_t length);
void mqtt_ping(struct buffer *out);

struct mqtt_packet {
    enum mqtt_type type;
    bool refused;           /* CONNACK, SUBACK: with an error */
    const uint8_t *payload; /* PUBLISH: the message; lent */
    size_t length;
    size_t bytes; /* of the whole packet */
};

/* The packet at the front: 1, 0 where more bytes are needed, or LEDIG_EBAD_REQUEST. */
int mqtt_next(const uint8_t *bytes, size_t length, struct mqtt_packet *packet);

#endif

/* What the bench takes from other products' servers, whichever way the kernel cuts it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bench/peers/mqtt.h"
#include "bench/peers/peer.h"
#include "protocol/errors.h"
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAYLOAD "forty bytes or so, in which a \r\n MSG stands"
#define MESSAGES 3

struct client {
    const struct peer *peer;
    struct link link;
    int server; /* the other end */
    uint8_t *scratch;
    uint32_t right, wrong;
    struct peer_receipt receipt;
};

static void count(void *arg, const uint8_t *payload, size_t length) {
    struct client *client = arg;
    bool right = length == strlen(PAYLOAD) && memcmp(payload, PAYLOAD, length) == 0;
    *(right ? &client->right : &client->wrong) += 1;
}

static void begin(struct client *client, const struct peer *peer) {
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    *client = (struct client){.peer = peer, .link = {.descriptor = pair[0]}, .server = pair[1]};
    client->scratch = malloc(WEBSOCKET_SCRATCH_BYTES);
    assert_non_null(client->scratch);
    if (peer->speaks_websocket) assert_int_equal(websocket_adopt(&client->link.websocket, pair[0], NULL), 0);
}

static int hear(struct client *client, const uint8_t *bytes, size_t length) {
    if (length > 0) assert_int_equal(write(client->server, bytes, length), length);
    return peer_read(client->peer, &client->link, client->scratch, count, client, &client->receipt);
}

static void end(struct client *client) {
    peer_close(&client->link);
    peer_close(&client->link);
    close(client->server);
    free(client->scratch);
}

/* What a server says: the answer to the first words, then messages. */
static void say_nats(struct buffer *out, int messages) {
    static const char words[] = "INFO {\"server_id\":\"X\"}\r\nPONG\r\n";
    char head[64];
    buffer_append(out, words, strlen(words));
    snprintf(head, sizeof head, "MSG %s 1 %zu\r\n", PEER_SUBJECT, strlen(PAYLOAD));
    for (int i = 0; i < messages; i++) {
        buffer_append(out, head, strlen(head));
        buffer_append(out, PAYLOAD "\r\n", strlen(PAYLOAD) + 2);
    }
}

static void say_mqtt(struct buffer *out, int messages) {
    static const uint8_t words[] = {0x20, 2, 0, 0, 0x90, 3, 0, 1, 0, 0xd0, 0};
    buffer_append(out, words, sizeof words);
    for (int i = 0; i < messages; i++)
        mqtt_publish(out, PEER_SUBJECT, (const uint8_t *)PAYLOAD, strlen(PAYLOAD));
}

static void assert_all(const struct client *client) {
    assert_true(client->link.ready);
    assert_int_equal(client->right, MESSAGES);
    assert_int_equal(client->wrong, 0);
    assert_int_equal(client->link.in.length, 0);
}

static void messages_cut_anywhere_arrive_whole(void **state) {
    (void)state;
    struct buffer nats = {0}, framed = {0}, mqtt = {0};
    say_nats(&nats, MESSAGES);
    websocket_server_frame(nats.bytes, nats.length, &framed);
    say_mqtt(&mqtt, MESSAGES);
    const struct {
        const struct peer *peer;
        const struct buffer *bytes;
    } rows[] = {{&peer_nats, &framed}, {&peer_mosquitto, &mqtt}};
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
        for (size_t cut = 0; cut <= rows[r].bytes->length; cut++) {
            struct client client;
            begin(&client, rows[r].peer);
            assert_int_equal(hear(&client, rows[r].bytes->bytes, cut), 0);
            assert_int_equal(hear(&client, rows[r].bytes->bytes + cut, rows[r].bytes->length - cut), 0);
            assert_all(&client);
            end(&client);
        }
    buffer_free(&nats);
    buffer_free(&framed);
    buffer_free(&mqtt);
}

static void a_nats_message_may_begin_in_one_frame_and_end_in_the_next(void **state) {
    (void)state;
    struct buffer nats = {0};
    say_nats(&nats, MESSAGES);
    for (size_t cut = 0; cut <= nats.length; cut++) {
        struct client client;
        struct buffer framed = {0};
        begin(&client, &peer_nats);
        websocket_server_frame(nats.bytes, cut, &framed);
        websocket_server_frame(nats.bytes + cut, nats.length - cut, &framed);
        assert_int_equal(hear(&client, framed.bytes, framed.length), 0);
        assert_all(&client);
        end(&client);
        buffer_free(&framed);
    }
    buffer_free(&nats);
}

static void frames_that_carry_several_messages_are_told_apart(void **state) {
    (void)state;
    struct client client;
    struct buffer nats = {0}, framed = {0}, mqtt = {0};
    say_nats(&nats, 1);
    websocket_server_frame(nats.bytes, nats.length, &framed);
    buffer_clear(&nats);
    say_nats(&nats, 2);
    websocket_server_frame(nats.bytes, nats.length, &framed);
    begin(&client, &peer_nats);
    assert_int_equal(hear(&client, framed.bytes, framed.length), 0);
    assert_int_equal(client.receipt.frames, 2);
    assert_int_equal(client.receipt.merged, 1);
    end(&client);

    say_mqtt(&mqtt, MESSAGES);
    begin(&client, &peer_mosquitto);
    assert_int_equal(hear(&client, mqtt.bytes, mqtt.length), 0);
    assert_int_equal(client.receipt.frames, MESSAGES); /* Mosquitto writes each by itself */
    assert_int_equal(client.receipt.merged, 0);
    end(&client);
    buffer_free(&nats);
    buffer_free(&framed);
    buffer_free(&mqtt);
}

static int hear_nats(struct client *client, const char *text) {
    struct buffer framed = {0};
    begin(client, &peer_nats);
    websocket_server_frame((const uint8_t *)text, strlen(text), &framed);
    int error = hear(client, framed.bytes, framed.length);
    buffer_free(&framed);
    return error;
}

static void what_a_server_objects_to_is_kept(void **state) {
    (void)state;
    static const uint8_t refusal[] = {0x20, 2, 0, 5};
    struct client client;
    assert_int_equal(hear_nats(&client, "-ERR 'Slow Consumer'\r\n"), 0);
    assert_string_equal(client.link.complaint, " 'Slow Consumer'");
    end(&client);
    begin(&client, &peer_mosquitto);
    assert_int_equal(hear(&client, refusal, sizeof refusal), LEDIG_EUNAUTHORIZED);
    assert_string_equal(client.link.complaint, "refused");
    end(&client);
}

static void a_ping_is_answered(void **state) {
    (void)state;
    struct client client;
    uint8_t answer[64];
    assert_int_equal(hear_nats(&client, "PING\r\n"), 0);
    assert_int_equal(client.link.out.length, strlen("PONG\r\n"));
    assert_int_equal(peer_flush(&peer_nats, &client.link), 0);
    assert_int_equal(read(client.server, answer, sizeof answer), 2 + 4 + strlen("PONG\r\n")); /* header, mask */
    end(&client);
}

static void nonsense_ends_the_connection(void **state) {
    (void)state;
    static const char *const lines[] = {"HELLO\r\n", "MSG bench 1 x\r\n", "MSG bench 1 \r\n", "MSG 9999999999\r\n",
                                        "\r\n"};
    static const uint8_t packets[][6] = {{0x30, 0xff, 0xff, 0xff, 0xff, 0x01}, /* a length of five bytes */
                                         {0x30, 0xff, 0xff, 0xff, 0x7f, 0},    /* of 256 MB */
                                         {0x30, 4, 0, 9, 'x', 'y'},            /* a topic longer than the packet */
                                         {0x32, 4, 0, 1, 'x', 'y'},            /* QoS 1 */
                                         {0x30, 1, 0, 0, 0, 0},
                                         {0xf0, 4, 0, 0, 0, 0}};
    struct client client;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        assert_int_equal(hear_nats(&client, lines[i]), LEDIG_EBAD_REQUEST);
        end(&client);
    }
    for (size_t i = 0; i < sizeof packets / sizeof *packets; i++) {
        begin(&client, &peer_mosquitto);
        assert_int_equal(hear(&client, packets[i], sizeof packets[i]), LEDIG_EBAD_REQUEST);
        assert_int_equal(client.right + client.wrong, 0);
        end(&client);
    }
}

static void what_the_kernel_does_not_take_waits(void **state) {
    (void)state;
    struct client client;
    uint8_t bytes[4096];
    uint64_t published = 0, got = 0;
    begin(&client, &peer_mosquitto);
    while (!peer_wants_write(&peer_mosquitto, &client.link)) {
        peer_mosquitto.publish(&client.link.out, (const uint8_t *)PAYLOAD, strlen(PAYLOAD));
        published += 2 + 2 + strlen(PEER_SUBJECT) + strlen(PAYLOAD);
        assert_int_equal(peer_flush(&peer_mosquitto, &client.link), 0);
    }
    while (got < published) {
        ssize_t length = read(client.server, bytes, sizeof bytes);
        assert_true(length > 0);
        got += (uint64_t)length;
        assert_int_equal(peer_flush(&peer_mosquitto, &client.link), 0);
    }
    assert_int_equal(got, published);
    assert_false(peer_wants_write(&peer_mosquitto, &client.link));
    end(&client);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_cut_anywhere_arrive_whole),
        cmocka_unit_test(a_nats_message_may_begin_in_one_frame_and_end_in_the_next),
        cmocka_unit_test(frames_that_carry_several_messages_are_told_apart),
        cmocka_unit_test(what_a_server_objects_to_is_kept),
        cmocka_unit_test(a_ping_is_answered),
        cmocka_unit_test(nonsense_ends_the_connection),
        cmocka_unit_test(what_the_kernel_does_not_take_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

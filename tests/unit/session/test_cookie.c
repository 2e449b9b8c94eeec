// SPDX-License-Identifier: MIT
#include "unit.h"

struct side {
    struct unit_devices d;
    struct wend_random random;
    struct wend_cookie_checker checker;
    struct wend_datagram in;
};

static const uint8_t seed[32] = {1};

static void begin(struct side *s, struct wend_bytes message)
{
    unit_devices_init(&s->d);
    wend_random_init(&s->random, seed);
    wend_cookie_checker_init(&s->checker, &s->random, 0);
    s->in = (struct wend_datagram){
        .transport = WEND_TRANSPORT_UDP,
        .remote = wend_address_ipv4(0xcb007109, 4500),
        .bytes = message,
    };
}

static void test_mac1(void **state)
{
    (void)state;
    struct side s;
    begin(&s, UNIT_BYTES(vector_wireguard_initiation));
    const struct wend_identity *self = &s.d.responder;
    assert_int_equal(wend_cookie_check(&s.checker, self, &s.in, 0), WEND_COOKIE_MAC1);
    assert_int_equal(wend_cookie_check(&s.checker, &s.d.initiator, &s.in, 0), WEND_COOKIE_NONE);
    s.in.bytes = UNIT_BYTES(vector_wireguard_response);
    assert_int_equal(wend_cookie_check(&s.checker, &s.d.initiator, &s.in, 0), WEND_COOKIE_MAC1);
    s.in.bytes = UNIT_BYTES(vector_peer_initiation);
    assert_int_equal(wend_cookie_check(&s.checker, self, &s.in, 0), WEND_COOKIE_MAC1);
    s.in.bytes = UNIT_BYTES(vector_server_response);
    assert_int_equal(wend_cookie_check(&s.checker, &s.d.initiator, &s.in, 0), WEND_COOKIE_MAC1);

    uint8_t message[148];
    s.in.bytes = UNIT_BYTES(message);
    for (size_t at = 0; at < 148 - 16; at++) {
        memcpy(message, vector_wireguard_initiation, sizeof message);
        message[at] ^= 0x10;
        assert_int_equal(wend_cookie_check(&s.checker, self, &s.in, 0), WEND_COOKIE_NONE);
    }
    for (size_t len = 0; len < 148; len++) {
        s.in.bytes = (struct wend_bytes){vector_wireguard_initiation, len};
        assert_int_equal(wend_cookie_check(&s.checker, self, &s.in, 0), WEND_COOKIE_NONE);
    }
    s.in.bytes = UNIT_BYTES(vector_wireguard_message);
    assert_int_equal(wend_cookie_check(&s.checker, self, &s.in, 0), WEND_COOKIE_NONE);
}

// The reply of the reference opens to the cookie that the reference made mac2 with.
static void test_known_reply(void **state)
{
    (void)state;
    struct side s;
    begin(&s, UNIT_BYTES(vector_wireguard_initiation));
    struct wend_cookie_jar jar = {0};
    const struct wend_bytes reply = UNIT_BYTES(vector_cookie_reply);
    assert_int_equal(wend_cookie_consume(&jar, &s.d.to_responder, reply, 0), WEND_DROP_NO_SESSION);
    wend_cookie_sent(&jar, s.in.bytes);
    assert_null(wend_cookie_current(&jar, 0));
    assert_int_equal(wend_cookie_consume(&jar, &s.d.to_initiator, reply, WEND_S(7)),
                     WEND_DROP_DECRYPT_FAILED);
    assert_int_equal(wend_cookie_consume(&jar, &s.d.to_responder, reply, WEND_S(7)),
                     WEND_DROP_NONE);
    assert_memory_equal(wend_cookie_current(&jar, WEND_S(7)), vector_cookie, 16);
    assert_int_equal(wend_cookie_consume(&jar, &s.d.to_responder, reply, WEND_S(7)),
                     WEND_DROP_NO_SESSION); // a second answer to one message
    assert_non_null(wend_cookie_current(&jar, WEND_S(121)));
    assert_null(wend_cookie_current(&jar, WEND_S(122)));

    wend_cookie_sent(&jar, UNIT_BYTES(vector_peer_initiation)); // another mac1
    assert_int_equal(wend_cookie_consume(&jar, &s.d.to_responder, reply, 0),
                     WEND_DROP_DECRYPT_FAILED);
    for (size_t len = 0; len < reply.len; len++)
        assert_int_equal(
            wend_cookie_consume(&jar, &s.d.to_responder, (struct wend_bytes){reply.at, len}, 0),
            WEND_DROP_MALFORMED);
}

// Makes the vector's initiation anew, with mac2 under the cookie of `jar`.
static void remake(const struct wend_cookie_jar *jar, const struct unit_devices *d,
                   uint8_t message[static 148], wend_instant now)
{
    memcpy(message, vector_wireguard_initiation, 148);
    const struct wend_message_slots slots = {.mac1 = message + 116, .mac2 = message + 132};
    wend_mac_write(message, &slots, d->to_responder.mac1_key, wend_cookie_current(jar, now));
    assert_memory_equal(message, vector_wireguard_initiation, 132);
}

static void test_round_trip_and_rotation(void **state)
{
    (void)state;
    struct side s;
    begin(&s, UNIT_BYTES(vector_wireguard_initiation));
    const struct wend_identity *self = &s.d.responder;
    struct wend_cookie_jar jar = {0};
    uint8_t reply[WEND_MESSAGE_COOKIE_LEN], again[WEND_MESSAGE_COOKIE_LEN], message[148];
    wend_cookie_sent(&jar, s.in.bytes);
    wend_cookie_reply(&s.checker, self, &s.in, WEND_S(1), reply);
    wend_cookie_reply(&s.checker, self, &s.in, WEND_S(1), again);
    assert_memory_not_equal(reply, again, sizeof reply); // the nonce is fresh
    assert_int_equal(wend_get_u32le(reply), WEND_MESSAGE_COOKIE);
    assert_int_equal(wend_get_u32le(reply + 4), 0x01020304);
    assert_int_equal(wend_cookie_consume(&jar, &s.d.to_responder, UNIT_BYTES(reply), WEND_S(1)), 0);

    remake(&jar, &s.d, message, WEND_S(2));
    s.in.bytes = UNIT_BYTES(message);
    assert_int_equal(wend_cookie_check(&s.checker, self, &s.in, WEND_S(2)), WEND_COOKIE_MAC2);
    message[147] ^= 1;
    assert_int_equal(wend_cookie_check(&s.checker, self, &s.in, WEND_S(2)), WEND_COOKIE_MAC1);
    message[147] ^= 1;

    s.in.remote.port++; // bound to the very source
    assert_int_equal(wend_cookie_check(&s.checker, self, &s.in, WEND_S(2)), WEND_COOKIE_MAC1);
    s.in.remote.port--;
    s.in.remote.ip[3]++;
    assert_int_equal(wend_cookie_check(&s.checker, self, &s.in, WEND_S(2)), WEND_COOKIE_MAC1);
    s.in.remote.ip[3]--;

    const wend_instant last = WEND_S(120) - 1; // the secret was drawn at 0
    assert_int_equal(wend_cookie_check(&s.checker, self, &s.in, last), WEND_COOKIE_MAC2);
    assert_int_equal(wend_cookie_check(&s.checker, self, &s.in, WEND_S(120)), WEND_COOKIE_MAC1);
    assert_int_equal(wend_cookie_check(&s.checker, self, &s.in, WEND_S(121)), WEND_COOKIE_MAC1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mac1),
        cmocka_unit_test(test_known_reply),
        cmocka_unit_test(test_round_trip_and_rotation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

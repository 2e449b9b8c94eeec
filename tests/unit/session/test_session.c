// SPDX-License-Identifier: MIT
// One handshake after the other: starting, repeating, answering, refusing.
#include "ends.h"

static void test_a_handshake(void **state)
{
    (void)state;
    struct ends w;
    ends_init(&w, WEND_SESSION_PEER);
    assert_true(wend_session_is_idle(&w.a.session));
    assert_int_equal(wend_session_deadline(&w.a.session), WEND_NEVER);
    assert_int_equal(end_start(&w.a, 0), 0);
    assert_true(wend_session_is_starting(&w.a.session));
    assert_int_equal(wend_session_starting_index(&w.a.session), 1001);
    assert_int_equal(ends_deliver(&w.a, &w.b, 0), 1);
    assert_int_equal(w.b.asked.attributes_len, 4);
    assert_int_equal(w.b.keys, 1);
    assert_false(w.b.last_keys.initiator);
    assert_int_equal(w.b.sending, 0); // nothing is sent before the first message
    assert_int_equal(wend_session_sending(&w.b.session, 0), 0);

    assert_int_equal(ends_deliver(&w.b, &w.a, WEND_MS(30)), 1);
    assert_int_equal(w.a.answer.attributes_len, 2);
    assert_memory_equal(w.a.answer.attributes, "\t\t", 2);
    assert_int_equal(w.a.keys, 1);
    assert_int_equal(w.a.keepalive, 1);
    assert_int_equal(w.a.sending, 1001);
    assert_int_equal(w.a.last_keys.created, WEND_MS(30));
    assert_int_equal(w.a.last_keys.remote_index, w.b.last_keys.local_index);
    assert_memory_equal(w.a.last_keys.send_key, w.b.last_keys.receive_key, 32);
    assert_memory_equal(w.a.last_keys.control_receive_key, w.b.last_keys.control_send_key, 32);
    assert_memory_equal(w.a.last_keys.handshake_hash, w.b.last_keys.handshake_hash, 32);
    assert_false(wend_session_is_starting(&w.a.session));

    ends_send(&w.a, &w.b, WEND_MS(60));
    assert_int_equal(w.b.confirmed, 1);
    assert_int_equal(w.b.sending, 2001);
    ends_send(&w.b, &w.a, WEND_MS(90));
    ends_send(&w.a, &w.b, WEND_MS(90));
    assert_int_equal(w.b.confirmed, 1); // once
    assert_int_equal(w.a.expired + w.b.expired, 0);
}

static void test_retries_are_the_same_bytes(void **state)
{
    (void)state;
    const wend_duration times[] = {WEND_MS(250),  WEND_MS(750),   WEND_MS(1750), WEND_MS(3750),
                                   WEND_MS(7750), WEND_MS(11750), WEND_MS(15750)};
    struct ends w;
    uint8_t first[2048], again[2048];
    ends_init(&w, WEND_SESSION_PEER);
    assert_int_equal(end_start(&w.a, 0), 0);
    const size_t len = end_take(&w.a, first);
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        assert_int_equal(wend_session_deadline(&w.a.session), times[i]);
        end_expire(&w.a, times[i] - 1);
        assert_int_equal(end_take(&w.a, again), 0);
        end_expire(&w.a, times[i]);
        assert_int_equal(end_take(&w.a, again), len);
        assert_memory_equal(first, again, len);
        assert_int_equal(end_take(&w.a, again), 0);
    }

    // The responder answers each from its cache, with one pair of keys.
    const struct wend_bytes in = {first, len};
    uint8_t answer[2048];
    size_t answer_len = 0;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(end_receive(&w.b, in, WEND_S(16)), WEND_DROP_NONE);
        answer_len = end_take(&w.b, again);
        assert_true(answer_len > 0);
        if (i == 0)
            memcpy(answer, again, answer_len);
        assert_memory_equal(answer, again, answer_len);
        assert_int_equal(w.b.keys, 1);
    }
    // And the initiator takes one answer.
    assert_int_equal(end_receive(&w.a, (struct wend_bytes){answer, answer_len}, WEND_S(17)), 0);
    assert_int_equal(end_receive(&w.a, (struct wend_bytes){answer, answer_len}, WEND_S(17)),
                     WEND_DROP_NO_SESSION);
    assert_int_equal(w.a.keys, 1);
}

static void test_giving_up(void **state)
{
    (void)state;
    struct ends w;
    uint8_t bytes[2048];
    ends_init(&w, WEND_SESSION_PEER);
    assert_int_equal(end_start(&w.a, 0), 0);
    assert_int_equal(end_start(&w.a, WEND_S(20)), -EALREADY); // still wanted
    assert_int_equal(w.a.last_index, 1001);
    for (wend_instant now = 0; now < WEND_S(110); now = wend_session_deadline(&w.a.session)) {
        end_expire(&w.a, now);
        while (end_take(&w.a, bytes) > 0)
            ;
    }
    assert_int_equal(w.a.gave_up, 0);
    assert_int_equal(wend_session_deadline(&w.a.session), WEND_S(110));
    end_expire(&w.a, WEND_S(110));
    assert_int_equal(w.a.gave_up, 1);
    assert_int_equal(end_take(&w.a, bytes), 0);
    assert_true(wend_session_is_idle(&w.a.session));
    assert_int_equal(wend_session_deadline(&w.a.session), WEND_NEVER);
    assert_int_equal(end_start(&w.a, WEND_S(111)), 0);
}

static void test_wireguard_retries_are_new_messages(void **state)
{
    (void)state;
    struct ends w;
    uint8_t bytes[2][2048];
    ends_init(&w, WEND_SESSION_WIREGUARD);
    assert_int_equal(end_start(&w.a, 0), 0);
    assert_int_equal(end_take(&w.a, bytes[0]), 148);
    for (int i = 1; i <= 5; i++) {
        const wend_instant at = wend_session_deadline(&w.a.session);
        assert_true(at >= WEND_S(5) * i && at <= (WEND_S(5) + WEND_MS(334)) * i);
        end_expire(&w.a, at);
        assert_int_equal(end_take(&w.a, bytes[i % 2]), 148);
        assert_memory_not_equal(bytes[0] + 8, bytes[1] + 8, 32);
        assert_memory_equal(bytes[0], bytes[1], 8); // the index stays
    }
    // A responder takes the last; the labels rose, so the one before is stale.
    assert_int_equal(end_receive(&w.b, (struct wend_bytes){bytes[1], 148}, WEND_S(30)), 0);
    assert_int_equal(end_receive(&w.b, (struct wend_bytes){bytes[0], 148}, WEND_S(31)),
                     WEND_DROP_STALE_TIMESTAMP);
    assert_int_equal(ends_deliver(&w.b, &w.a, WEND_S(31)), 1);
    assert_int_equal(w.a.sending, 1001);
}

static void test_labels_never_go_back(void **state)
{
    (void)state;
    struct wend_label_clock c = {.last_ns = 500};
    assert_int_equal(wend_label_clock_next(&c, 400), 501);
    assert_int_equal(wend_label_clock_next(&c, 501), 502);
    assert_int_equal(wend_label_clock_next(&c, 900), 900);
    assert_int_equal(c.last_ns, 900);

    struct ends w; // a device whose clock is set back still gets through
    ends_init(&w, WEND_SESSION_PEER);
    ends_connect(&w.a, &w.b, 0);
    const struct wend_session_start start = {.local_index = 3000, .unix_ns = UNIX_NS / 2};
    assert_int_equal(wend_session_start(&w.a.session, &start, WEND_S(1)), 0);
    assert_int_equal(ends_deliver(&w.a, &w.b, WEND_S(1)), 1);
    assert_int_equal(w.b.keys, 2);
}

static void test_old_and_too_many_initiations(void **state)
{
    (void)state;
    struct ends w;
    uint8_t old[2048], fresh[2048];
    ends_init(&w, WEND_SESSION_PEER);
    end_start(&w.a, 0);
    const size_t old_len = end_take(&w.a, old);
    wend_session_stop(&w.a.session);
    end_start(&w.a, 1);
    const size_t len = end_take(&w.a, fresh);

    assert_int_equal(end_receive(&w.b, (struct wend_bytes){fresh, len}, WEND_S(1)), 0);
    assert_int_equal(end_receive(&w.b, (struct wend_bytes){old, old_len}, WEND_S(1)),
                     WEND_DROP_RATE_LIMITED);
    const wend_instant later = WEND_S(1) + WEND_MS(20);
    assert_int_equal(end_receive(&w.b, (struct wend_bytes){old, old_len}, later),
                     WEND_DROP_STALE_TIMESTAMP);
    assert_int_equal(w.b.keys, 1);

    // An owner that kept the greatest label refuses even at first sight.
    const struct wend_label floor = wend_label_of(UNIX_NS + 1);
    const struct wend_label below = wend_label_of(UNIX_NS);
    end_meet(&w.b, &w.a);
    wend_session_set_floor(&w.b.session, &floor);
    wend_session_set_floor(&w.b.session, &below);
    assert_int_equal(end_receive(&w.b, (struct wend_bytes){fresh, len}, later),
                     WEND_DROP_STALE_TIMESTAMP);
}

static void test_refusing_changes_nothing(void **state)
{
    (void)state;
    struct ends w;
    uint8_t bytes[2048];
    ends_init(&w, WEND_SESSION_PEER);
    end_start(&w.a, 0);
    const size_t len = end_take(&w.a, bytes);
    w.b.refuse = true;
    struct wend_session before = w.b.session;
    assert_int_equal(end_receive(&w.b, (struct wend_bytes){bytes, len}, 5), WEND_DROP_NOT_ALLOWED);
    assert_memory_equal(&before, &w.b.session, sizeof before);
    w.b.refuse = false;
    assert_int_equal(end_receive(&w.b, (struct wend_bytes){bytes, len}, 6), WEND_DROP_NONE);
    assert_int_equal(w.b.keys, 1);
}

static void test_forged_answers_change_nothing(void **state)
{
    (void)state;
    struct ends w;
    uint8_t answer[2048] = {0};
    ends_init(&w, WEND_SESSION_PEER);
    end_start(&w.a, 0);
    ends_deliver(&w.a, &w.b, 0);
    const size_t len = end_take(&w.b, answer);
    const struct wend_session before = w.a.session;
    for (size_t at = 0; at < len - 32; at++) {
        if (at >= 4 && at < 8)
            continue; // the sender's index, which mac1 alone covers
        answer[at] ^= 0x40;
        assert_int_not_equal(end_receive(&w.a, (struct wend_bytes){answer, len}, 1), 0);
        answer[at] ^= 0x40;
        assert_int_not_equal(end_receive(&w.a, (struct wend_bytes){answer, at}, 1), 0);
    }
    assert_memory_equal(&before, &w.a.session, sizeof before);
    assert_int_equal(end_receive(&w.a, (struct wend_bytes){answer, len}, 1), WEND_DROP_NONE);
}

static void test_cookie_leads_to_mac2(void **state)
{
    (void)state;
    struct ends w;
    struct wend_cookie_checker checker;
    uint8_t bytes[2048], reply[WEND_MESSAGE_COOKIE_LEN];
    ends_init(&w, WEND_SESSION_PEER);
    wend_cookie_checker_init(&checker, &w.b.random, 0);
    end_start(&w.a, 0);
    struct wend_datagram in = {.remote = wend_address_ipv4(1, 1), .bytes = {bytes, 0}};
    in.bytes.len = end_take(&w.a, bytes);
    assert_int_equal(wend_cookie_check(&checker, &w.b.identity, &in, 0), WEND_COOKIE_MAC1);
    wend_cookie_reply(&checker, &w.b.identity, &in, 0, reply);
    reply[4] ^= 1;
    assert_int_equal(end_receive(&w.a, UNIT_BYTES(reply), 1), WEND_DROP_NO_SESSION);
    reply[4] ^= 1;
    reply[40] ^= 1;
    assert_int_equal(end_receive(&w.a, UNIT_BYTES(reply), 1), WEND_DROP_DECRYPT_FAILED);
    reply[40] ^= 1;
    assert_int_equal(end_receive(&w.a, UNIT_BYTES(reply), 1), WEND_DROP_NONE);

    in.bytes.len = end_take(&w.a, bytes); // at once
    assert_int_equal(wend_cookie_check(&checker, &w.b.identity, &in, 1), WEND_COOKIE_MAC2);
    wend_cookie_reply(&checker, &w.b.identity, &in, 1, reply);
    assert_int_equal(end_receive(&w.a, UNIT_BYTES(reply), 2), WEND_DROP_NONE);
    assert_int_equal(end_take(&w.a, bytes), 0); // a second cookie waits for the retry
    end_expire(&w.a, WEND_MS(250));
    in.bytes.len = end_take(&w.a, bytes);
    assert_int_equal(wend_cookie_check(&checker, &w.b.identity, &in, 1), WEND_COOKIE_MAC2);

    // Without mac2 or with, it is the same initiation to the responder.
    assert_int_equal(end_receive(&w.b, in.bytes, 3), WEND_DROP_NONE);
    memset(bytes + in.bytes.len - 16, 0, 16);
    assert_int_equal(end_receive(&w.b, in.bytes, 4), WEND_DROP_NONE);
    assert_int_equal(w.b.keys, 1);
}

static void test_a_small_responder(void **state)
{
    (void)state;
    struct ends w;
    uint8_t small[112];
    ends_init(&w, WEND_SESSION_SERVER);
    const struct wend_remote remote = w.b.session.remote;
    const struct wend_session_buffers buffers = {.response = small, .response_max = sizeof small};
    wend_session_init(&w.b.session, &w.b.config, &buffers, &remote);
    w.b.config.labels = NULL;
    ends_connect(&w.a, &w.b, 0);
    assert_int_equal(w.a.keepalive, 0); // its first request confirms
    ends_send(&w.b, &w.a, 1);

    const uint8_t long_attributes[21] = {0};
    struct wend_session_accept accept = {.local_index = 77,
                                         .attributes = UNIT_BYTES(long_attributes)};
    assert_int_equal(wend_session_accept(&w.b.session, &w.b.asked, &accept, 2), -ENOBUFS);
    end_drain(&w.b);
    assert_int_equal(w.b.expired, 0);
    wend_session_close(&w.b.session);
    for (size_t i = 0; i < sizeof small; i++)
        assert_int_equal(small[i], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_handshake),
        cmocka_unit_test(test_retries_are_the_same_bytes),
        cmocka_unit_test(test_giving_up),
        cmocka_unit_test(test_wireguard_retries_are_new_messages),
        cmocka_unit_test(test_labels_never_go_back),
        cmocka_unit_test(test_old_and_too_many_initiations),
        cmocka_unit_test(test_refusing_changes_nothing),
        cmocka_unit_test(test_forged_answers_change_nothing),
        cmocka_unit_test(test_cookie_leads_to_mac2),
        cmocka_unit_test(test_a_small_responder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

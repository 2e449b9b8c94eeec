// SPDX-License-Identifier: MIT
// Pairs of keys over time: rekeying, ending, taking turns, and both sides starting at once.
#include "ends.h"

static void test_rekey_by_the_initiator(void **state)
{
    (void)state;
    struct ends w;
    ends_init(&w, WEND_SESSION_PEER);
    ends_connect(&w.a, &w.b, 0);
    ends_send(&w.a, &w.b, WEND_S(120) - 1);
    ends_send(&w.b, &w.a, WEND_S(120)); // the responder does not, however old
    assert_int_equal(w.a.rekey + w.b.rekey, 0);
    ends_send(&w.a, &w.b, WEND_S(120));
    assert_int_equal(w.a.rekey, 1);
    ends_send(&w.a, &w.b, WEND_S(120) + 1);
    assert_int_equal(w.a.rekey, 1); // not asked for with each packet
    ends_send(&w.a, &w.b, WEND_S(121));
    assert_int_equal(w.a.rekey, 2);

    assert_int_equal(end_start(&w.a, WEND_S(121)), 0);
    ends_send(&w.a, &w.b, WEND_S(123)); // goes on meanwhile, under the old pair
    assert_int_equal(w.a.rekey, 2);
    assert_int_equal(w.a.sending, 1001);
    ends_deliver(&w.a, &w.b, WEND_S(123));
    ends_send(&w.b, &w.a, WEND_S(123));
    assert_int_equal(w.b.sending, 2001);
    ends_deliver(&w.b, &w.a, WEND_S(123));
    assert_int_equal(w.a.sending, 1002);
    ends_send(&w.a, &w.b, WEND_S(123));
    assert_int_equal(w.b.sending, 2002);
    assert_int_equal(w.a.expired + w.b.expired, 0); // the old pair still receives

    assert_int_equal(wend_session_deadline(&w.a.session), WEND_S(138)); // silence first
    end_expire(&w.a, WEND_S(180));
    end_expire(&w.b, WEND_S(180));
    assert_int_equal(w.a.expired, 1);
    assert_int_equal(w.b.expired, 1);
    assert_int_equal(w.a.sending, 1002);
    assert_int_equal(w.b.sending, 2002);
}

static void test_late_rekey_on_receiving(void **state)
{
    (void)state;
    struct ends w;
    ends_init(&w, WEND_SESSION_PEER);
    ends_connect(&w.a, &w.b, 0);
    ends_send(&w.b, &w.a, WEND_S(165) - 1);
    assert_int_equal(w.a.rekey, 0);
    ends_send(&w.b, &w.a, WEND_S(165));
    assert_int_equal(w.a.rekey, 1);
    assert_int_equal(w.b.rekey, 0);
}

static void test_pairs_end(void **state)
{
    (void)state;
    struct ends w;
    ends_init(&w, WEND_SESSION_PEER);
    ends_connect(&w.a, &w.b, 0);
    assert_int_equal(wend_session_sending(&w.a.session, WEND_S(175) - 1), 1001);
    assert_int_equal(wend_session_sending(&w.a.session, WEND_S(175)), 0);
    end_expire(&w.a, WEND_S(175));
    assert_int_equal(wend_session_sending(&w.a.session, WEND_S(175)), 0);
    assert_int_equal(w.a.expired, 0); // what flies still opens
    end_expire(&w.b, WEND_S(174));
    assert_int_equal(wend_session_deadline(&w.b.session), WEND_S(175)); // the owner asks then
    end_expire(&w.b, WEND_S(180) - 1);
    assert_int_equal(w.b.expired, 0);
    assert_int_equal(wend_session_deadline(&w.b.session), WEND_S(180));
    end_expire(&w.b, WEND_S(180));
    assert_int_equal(w.b.expired, 1);
    assert_true(wend_session_is_idle(&w.b.session));
    assert_int_equal(wend_session_deadline(&w.b.session), WEND_NEVER);
}

static void test_unconfirmed_pairs_are_replaced(void **state)
{
    (void)state;
    struct ends w;
    uint8_t bytes[2048], answer[2048];
    ends_init(&w, WEND_SESSION_PEER);
    end_start(&w.a, 0);
    ends_deliver(&w.a, &w.b, 0);
    const size_t len = end_take(&w.b, answer); // lost
    wend_session_stop(&w.a.session);           // the initiator begins anew
    end_start(&w.a, WEND_S(1));
    const size_t second = end_take(&w.a, bytes);
    assert_int_equal(end_receive(&w.b, (struct wend_bytes){bytes, second}, WEND_S(1)), 0);
    assert_int_equal(w.b.keys, 2);
    assert_int_equal(w.b.expired, 1);
    assert_int_equal(end_receive(&w.a, (struct wend_bytes){answer, len}, WEND_S(1)),
                     WEND_DROP_NO_SESSION);
    ends_deliver(&w.b, &w.a, WEND_S(1));
    ends_send(&w.a, &w.b, WEND_S(1));
    assert_int_equal(w.b.sending, 2002);

    // The pair of the cached answer ends: a late copy of its initiation is not answered any more.
    end_expire(&w.b, WEND_S(181));
    assert_int_equal(end_receive(&w.b, (struct wend_bytes){bytes, second}, WEND_S(182)),
                     WEND_DROP_STALE_TIMESTAMP);
}

static void test_keepalive(void **state)
{
    (void)state;
    struct ends w;
    ends_init(&w, WEND_SESSION_PEER);
    ends_connect(&w.a, &w.b, 0);
    end_clear(&w.a);
    wend_session_received(&w.b.session, true, WEND_S(2)); // more data: still 10 s after the first
    assert_int_equal(wend_session_deadline(&w.b.session), WEND_S(10));
    end_expire(&w.b, WEND_S(10));
    assert_int_equal(w.b.keepalive, 1);
    wend_session_sent(&w.b.session, false, WEND_S(10));
    end_expire(&w.b, WEND_S(30));
    assert_int_equal(w.b.keepalive, 1);

    wend_session_received(&w.b.session, true, WEND_S(40));
    wend_session_sent(&w.b.session, true, WEND_S(45)); // answered in time
    wend_session_received(&w.b.session, false, WEND_S(46));
    end_expire(&w.b, WEND_S(51));
    assert_int_equal(w.b.keepalive, 1);
    wend_session_received(&w.b.session, false, WEND_S(60)); // a keepalive is not answered by one
    end_expire(&w.b, WEND_S(80));
    assert_int_equal(w.b.keepalive, 1);
}

static void test_silence(void **state)
{
    (void)state;
    struct ends w;
    ends_init(&w, WEND_SESSION_PEER);
    ends_connect(&w.a, &w.b, 0);
    wend_session_received(&w.a.session, false, WEND_S(1));
    wend_session_sent(&w.a.session, true, WEND_S(2));
    wend_session_sent(&w.a.session, true, WEND_S(9));
    assert_int_equal(wend_session_deadline(&w.a.session), WEND_S(17));
    end_expire(&w.a, WEND_S(17));
    assert_int_equal(w.a.rekey, 1);
    wend_session_sent(&w.a.session, true, WEND_S(20));
    wend_session_received(&w.a.session, false, WEND_S(30));
    end_expire(&w.a, WEND_S(40));
    assert_int_equal(w.a.rekey, 1);
}

static void test_server_sessions_live_a_day(void **state)
{
    (void)state;
    const wend_duration hour = WEND_S(3600);
    struct ends w;
    ends_init(&w, WEND_SESSION_SERVER);
    ends_connect(&w.a, &w.b, 0);
    assert_int_equal(wend_session_deadline(&w.a.session), 24 * hour);
    assert_int_equal(wend_session_deadline(&w.b.session), 24 * hour);
    ends_send(&w.a, &w.b, 12 * hour - 1);
    assert_int_equal(w.a.rekey, 0);
    ends_send(&w.a, &w.b, 12 * hour);
    assert_int_equal(w.a.rekey, 1);
    end_expire(&w.b, 24 * hour);
    assert_int_equal(w.b.expired, 1);
}

static void test_hints(void **state)
{
    (void)state;
    struct ends w;
    ends_init(&w, WEND_SESSION_SERVER);
    ends_connect(&w.a, &w.b, 0);
    wend_session_hinted(&w.a.session, 4711, WEND_S(1));
    wend_session_hinted(&w.a.session, 2001, WEND_S(1));
    wend_session_hinted(&w.a.session, 2001, WEND_S(2) - 1);
    end_drain(&w.a);
    assert_int_equal(w.a.rekey, 1);
    wend_session_hinted(&w.a.session, 2001, WEND_S(2));
    end_drain(&w.a);
    assert_int_equal(w.a.rekey, 2);
    assert_int_equal(w.a.sending, 1001); // the pair itself stays
    end_start(&w.a, WEND_S(2));
    wend_session_hinted(&w.a.session, 2001, WEND_S(10));
    end_drain(&w.a);
    assert_int_equal(w.a.rekey, 2);
}

// Both begin at once, and everything is delivered and said in one of many orders (each way keeps
// its own). Whatever is sent opens, and in the end both sides send with the same pair.
static void crossing(unsigned order)
{
    struct ends w;
    ends_init(&w, WEND_SESSION_PEER);
    assert_int_equal(end_start(&w.a, 0), 0);
    if (order & 1)
        assert_int_equal(end_start(&w.b, 0), 0);
    struct end *const sides[2] = {&w.a, &w.b};
    wend_instant now = 0;
    for (unsigned step = 0; step < 12; step++) {
        struct end *from = sides[order >> (step + 1) & 1], *to = sides[~order >> (step + 1) & 1];
        uint8_t bytes[2048];
        now += WEND_MS(1);
        if (step == 3 && !w.b.sending)
            end_start(&w.b, now);
        const size_t len = end_take(from, bytes);
        if (len > 0)
            end_receive(to, (struct wend_bytes){bytes, len}, now);
        else if (from->sending)
            ends_send(from, to, now);
    }
    for (int i = 0; i < 6; i++) {
        now = wend_instant_min(wend_session_deadline(&w.a.session), now + WEND_MS(400));
        end_expire(&w.a, now);
        end_expire(&w.b, now);
        ends_run(&w, now);
    }
    const struct wend_session_pair *a = &w.a.session.current, *b = &w.b.session.current;
    assert_int_not_equal(a->local_index, 0);
    assert_int_equal(a->local_index, b->remote_index);
    assert_int_equal(b->local_index, a->remote_index);
    assert_int_not_equal(a->initiator, b->initiator);
    assert_int_equal(w.a.sending, a->local_index);
    assert_int_equal(w.b.sending, b->local_index);
    assert_false(wend_session_is_starting(&w.a.session) || wend_session_is_starting(&w.b.session));
}

static void test_both_start_at_once(void **state)
{
    (void)state;
    for (unsigned order = 0; order < 1u << 13; order++)
        crossing(order);
}

// The higher device does not begin while the lower one's handshake is about to be confirmed, but
// does so when that never happens.
static void test_yielding_has_an_end(void **state)
{
    (void)state;
    struct ends w;
    uint8_t lost[2048];
    ends_init(&w, WEND_SESSION_PEER);
    end_start(&w.a, 0);
    ends_deliver(&w.a, &w.b, 0);
    assert_true(end_take(&w.b, lost) > 0);
    assert_int_equal(end_start(&w.b, WEND_MS(400)), -EALREADY);
    assert_int_equal(wend_session_deadline(&w.b.session), WEND_S(1));
    end_expire(&w.b, WEND_S(1));
    assert_int_equal(w.b.rekey, 1);
    assert_int_equal(end_start(&w.b, WEND_S(1)), 0);
    assert_int_equal(w.b.expired, 1);
    ends_deliver(&w.b, &w.a, WEND_S(1));
    ends_deliver(&w.a, &w.b, WEND_S(1));
    ends_send(&w.b, &w.a, WEND_S(1));
    assert_int_equal(w.a.sending, w.b.session.current.remote_index);
    assert_false(wend_session_is_starting(&w.a.session)); // its own was stopped

    ends_init(&w, WEND_SESSION_PEER); // the lower one does not wait
    end_start(&w.b, 0);
    ends_deliver(&w.b, &w.a, 0);
    assert_int_equal(end_start(&w.a, 1), 0);
}

// A device that lost everything begins anew shortly after the other had begun: no crossing.
static void test_restarted_device(void **state)
{
    (void)state;
    for (int lower = 0; lower < 2; lower++) {
        struct ends w;
        ends_init(&w, WEND_SESSION_PEER);
        struct end *stays = lower ? &w.a : &w.b, *restarts = lower ? &w.b : &w.a;
        ends_connect(stays, restarts, 0);
        end_meet(restarts, stays);
        restarts->sending = 0;
        ends_connect(restarts, stays, WEND_S(3));
        ends_send(stays, restarts, WEND_S(3));
        assert_true(restarts->session.current.initiator);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rekey_by_the_initiator),
        cmocka_unit_test(test_late_rekey_on_receiving),
        cmocka_unit_test(test_pairs_end),
        cmocka_unit_test(test_unconfirmed_pairs_are_replaced),
        cmocka_unit_test(test_keepalive),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_server_sessions_live_a_day),
        cmocka_unit_test(test_hints),
        cmocka_unit_test(test_both_start_at_once),
        cmocka_unit_test(test_yielding_has_an_end),
        cmocka_unit_test(test_restarted_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

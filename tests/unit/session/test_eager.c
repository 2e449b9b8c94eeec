// SPDX-License-Identifier: MIT
// Sending under an answered pair before its first message came: when, how long, and what ends it.
#include "ends.h"

static void answer_eagerly(struct ends *w, wend_instant now)
{
    w->b.eager = true;
    assert_int_equal(end_start(&w->a, now), 0);
    assert_int_equal(ends_deliver(&w->a, &w->b, now), 1);
}

static void test_sends_at_once(void **state)
{
    (void)state;
    struct ends w;
    ends_init(&w, WEND_SESSION_PEER);
    answer_eagerly(&w, 0);
    assert_int_equal(w.b.keys, 1);
    assert_int_equal(w.b.sending, 2001);
    assert_int_equal(wend_session_sending(&w.b.session, 0), 2001);
    assert_int_equal(ends_deliver(&w.b, &w.a, WEND_MS(30)), 1);
    ends_send(&w.a, &w.b, WEND_MS(60));
    assert_int_equal(w.b.confirmed, 1);
    ends_send(&w.b, &w.a, WEND_S(100)); // as any pair
    end_expire(&w.b, WEND_S(174));
    assert_int_equal(wend_session_sending(&w.b.session, WEND_S(174)), 2001);
    end_expire(&w.b, WEND_S(175));
    assert_int_equal(wend_session_sending(&w.b.session, WEND_S(175)), 0);
}

// What lives is sent with, as long as it lives.
static void test_not_instead_of_a_pair_that_lives(void **state)
{
    (void)state;
    struct ends w;
    ends_init(&w, WEND_SESSION_PEER);
    ends_connect(&w.a, &w.b, 0);
    assert_int_equal(w.b.sending, 2001);
    answer_eagerly(&w, WEND_S(120));
    assert_int_equal(w.b.sending, 2001);
    assert_int_equal(wend_session_sending(&w.b.session, WEND_S(120)), 2001);
    assert_int_equal(wend_session_sending(&w.b.session, WEND_S(121)), 2001);
}

static void test_belief_ends(void **state)
{
    (void)state;
    struct ends w;
    ends_init(&w, WEND_SESSION_PEER);
    answer_eagerly(&w, WEND_S(5));
    const wend_instant end = WEND_S(5) + WEND_SESSION_BELIEF;
    assert_int_equal(wend_session_deadline(&w.b.session), end);
    end_expire(&w.b, end - 1);
    assert_int_equal(wend_session_sending(&w.b.session, end - 1), 2001);
    assert_int_equal(wend_session_sending(&w.b.session, end), 0); // also without the timer
    end_expire(&w.b, end);
    assert_int_equal(wend_session_deadline(&w.b.session), WEND_S(185));
    assert_int_equal(w.b.expired, 0); // it goes on to receive
    wend_session_confirmed(&w.b.session, 2001, end + 1);
    end_drain(&w.b);
    assert_int_equal(wend_session_sending(&w.b.session, end + 1), 2001);
}

// A repetition is answered, but does not make the belief last longer: anybody could repeat it.
static void test_repetitions_prolong_nothing(void **state)
{
    (void)state;
    uint8_t bytes[2048];
    struct ends w;
    ends_init(&w, WEND_SESSION_PEER);
    w.b.eager = true;
    assert_int_equal(end_start(&w.a, 0), 0);
    const size_t len = end_take(&w.a, bytes);
    for (wend_instant now = 0; now < WEND_S(10); now += WEND_MS(500)) {
        assert_int_equal(end_receive(&w.b, (struct wend_bytes){bytes, len}, now), WEND_DROP_NONE);
        end_expire(&w.b, now);
        assert_int_equal(wend_session_sending(&w.b.session, now),
                         now < WEND_SESSION_BELIEF ? 2001 : 0);
    }
    assert_int_equal(w.b.keys, 1);
}

// The lower side answers while its own handshake goes on: the other one may have yielded by then
// and know nothing of the pair. The higher side yields, and may.
static void test_crossing(void **state)
{
    (void)state;
    uint8_t from_a[2048], from_b[2048];
    struct ends w;
    ends_init(&w, WEND_SESSION_PEER);
    w.a.eager = w.b.eager = true;
    assert_int_equal(end_start(&w.a, 0), 0);
    assert_int_equal(end_start(&w.b, 0), 0);
    const size_t a_len = end_take(&w.a, from_a), b_len = end_take(&w.b, from_b);
    assert_false(wend_session_yields(&w.a.session));
    assert_true(wend_session_yields(&w.b.session));
    assert_int_equal(end_receive(&w.a, (struct wend_bytes){from_b, b_len}, 0), WEND_DROP_NONE);
    assert_int_equal(wend_session_sending(&w.a.session, 0), 0);
    assert_true(wend_session_is_starting(&w.a.session));
    assert_int_equal(end_receive(&w.b, (struct wend_bytes){from_a, a_len}, 0), WEND_DROP_NONE);
    assert_int_not_equal(wend_session_sending(&w.b.session, 0), 0);
    assert_false(wend_session_is_starting(&w.b.session));
}

// The other side was started anew: nothing of before is sent with, whatever becomes of it.
static void test_outdated(void **state)
{
    (void)state;
    struct ends w;
    ends_init(&w, WEND_SESSION_PEER);
    ends_connect(&w.a, &w.b, 0);
    answer_eagerly(&w, WEND_S(1));
    wend_session_outdate(&w.b.session);
    end_drain(&w.b);
    assert_int_equal(wend_session_sending(&w.b.session, WEND_S(1)), 0);
    assert_int_equal(w.b.expired, 0);
    wend_session_confirmed(&w.b.session, 2002, WEND_S(1));
    end_drain(&w.b);
    assert_int_equal(wend_session_sending(&w.b.session, WEND_S(1)), 0);
    assert_int_equal(ends_deliver(&w.b, &w.a, WEND_S(2)), 1);
    answer_eagerly(&w, WEND_S(3));
    assert_int_equal(wend_session_sending(&w.b.session, WEND_S(3)), 2003);
}

static void test_hint(void **state)
{
    (void)state;
    struct ends w;
    ends_init(&w, WEND_SESSION_PEER);
    answer_eagerly(&w, 0);
    end_clear(&w.b);
    wend_session_hinted(&w.b.session, 1001, WEND_MS(40));
    end_drain(&w.b);
    assert_int_equal(w.b.rekey, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sends_at_once),
        cmocka_unit_test(test_not_instead_of_a_pair_that_lives),
        cmocka_unit_test(test_belief_ends),
        cmocka_unit_test(test_repetitions_prolong_nothing),
        cmocka_unit_test(test_crossing),
        cmocka_unit_test(test_outdated),
        cmocka_unit_test(test_hint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

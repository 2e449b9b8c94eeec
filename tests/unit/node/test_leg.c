// SPDX-License-Identifier: MIT
// The session with a server: handshake, requests, keepalive, loss, recovery.
#include <errno.h>

#include "ride.h"

#define RTT (2 * RIDE_DELAY)

static const struct wend_bytes nothing;

static uint32_t ask(struct ride *r, uint16_t type, wend_duration patience)
{
    uint32_t id = 0;
    assert_int_equal(wend_leg_request(&r->leg, type, nothing, patience, &id), 0);
    assert_int_not_equal(id, 0);
    return id;
}

static void connects_in_one_round_trip(void **state)
{
    (void)state;
    struct ride *r = ride_open();
    ride_begin(r, NULL);
    assert_false(wend_leg_is_up(&r->leg));
    assert_true(ride_until(r, &r->connected, WEND_S(1)));
    assert_int_equal(r->w.now - WORLD_START, RTT);
    assert_int_equal(r->restarted, 1); // of the first one we know nothing
    assert_int_equal(r->initiations, 1);
    assert_int_equal(wend_leg_rtt(&r->leg), RTT);
    assert_true(wend_leg_is_up(&r->leg));
    assert_true(ride_is_by(r, WEND_TRANSPORT_UDP));
    assert_int_equal(wend_leg_observed(&r->leg).family, 0);
    ride_close(r);
}

static void refuses_what_cannot_be(void **state)
{
    (void)state;
    struct ride *r = ride_open();
    struct wend_leg_config c = ride_config(r);
    c.address_count = 0;
    assert_int_equal(wend_leg_init(&r->leg, &c, &r->random), -EINVAL);
    c = ride_config(r);
    memset(c.server_key, 0, sizeof c.server_key);
    assert_int_equal(wend_leg_init(&r->leg, &c, &r->random), -EINVAL);
    ride_begin(r, NULL);
    uint8_t big[WEND_LEG_BODY_MAX + 1] = {0};
    assert_int_equal(wend_leg_request(&r->leg, WEND_CONTROL_FETCH, WEND_BYTES(big), 1, NULL),
                     -EMSGSIZE);
    const struct wend_leg_event request = {.kind = WEND_LEG_REQUEST, .id = 1, .type = 8};
    assert_int_equal(wend_leg_respond(&r->leg, &request, 0, WEND_BYTES(big)), -EMSGSIZE);
    for (size_t i = 0; i < WEND_LEG_REQUESTS_MAX; i++)
        ask(r, WEND_CONTROL_FETCH, WEND_S(1));
    assert_int_equal(wend_leg_request(&r->leg, WEND_CONTROL_FETCH, nothing, 1, NULL), -ENOBUFS);
    for (size_t i = 0; i < WEND_LEG_ANSWERS_MAX; i++)
        assert_int_equal(wend_leg_respond(&r->leg, &request, 0, nothing), 0);
    assert_int_equal(wend_leg_respond(&r->leg, &request, 0, nothing), -ENOBUFS);
    ride_close(r);
}

static void repeats_a_lost_initiation(void **state)
{
    (void)state;
    struct ride *r = ride_open();
    ride_begin(r, NULL);
    r->tcp = RIDE_TCP_HANGS;
    r->lose_up = 2;
    ride_turn(r);
    const struct ride_datagram first = r->last_up;
    assert_true(ride_until(r, &r->connected, WEND_S(2)));
    assert_int_equal(r->w.now - WORLD_START, WEND_MS(750) + RTT);
    assert_memory_equal(first.bytes, r->last_up.bytes, 100); // the very same message
    assert_int_equal(wend_leg_rtt(&r->leg), 0);              // nobody knows which one was answered
    assert_int_equal(world_counts(&r->w).handshakes, 1);
    ride_close(r);
}

// The answer to the first copy comes just after the request was sent once more, in a new session.
static void what_was_sent_anew_measures_nothing(void **state)
{
    (void)state;
    struct ride *r = ride_open();
    ride_begin(r, NULL);
    assert_true(ride_until(r, &r->connected, WEND_S(1)));
    ask(r, WEND_CONTROL_KEEPALIVE, WEND_S(5));
    const unsigned before = r->responses;
    ride_wait(r, RTT - WEND_MS(1));
    wend_leg_requests_again(&r->leg, r->w.now);
    ride_wait(r, RTT);
    assert_int_equal(r->responses, before + 1);
    assert_int_equal(wend_leg_rtt_least(&r->leg), RTT);
    ride_close(r);
}

static void a_lost_answer_is_given_again(void **state)
{
    (void)state;
    struct ride *r = ride_open();
    ride_begin(r, NULL);
    r->lose_down = 1;
    assert_true(ride_until(r, &r->connected, WEND_S(2)));
    assert_int_equal(r->w.now - WORLD_START, WEND_MS(250) + RTT);
    assert_int_equal(world_counts(&r->w).handshakes, 1);
    assert_int_equal(world_counts(&r->w).handshake_repeats, 1);
    ride_close(r);
}

static void says_what_the_server_refuses(void **state)
{
    (void)state;
    struct ride *r = ride_open();
    ride_begin(r, NULL);
    const uint32_t id = ask(r, WEND_CONTROL_FETCH, WEND_S(5)); // before there is a session
    assert_true(ride_until(r, &r->responses, WEND_S(1)));
    assert_int_equal(r->w.now - WORLD_START, 2 * RTT);
    assert_int_equal(r->response_id, id);
    assert_int_equal(r->response_type, WEND_CONTROL_FETCH);
    assert_int_equal(r->response_error, WEND_ERROR_NOT_REGISTERED);
    assert_string_equal(r->response_text, wend_error_name(WEND_ERROR_NOT_REGISTERED));
    ask(r, 0x0300, WEND_S(5));
    r->responses = 0;
    assert_true(ride_until(r, &r->responses, WEND_S(1)));
    assert_int_equal(r->response_error, WEND_ERROR_UNKNOWN_MESSAGE);
    ride_close(r);
}

static void repeats_a_request_with_rising_pauses(void **state)
{
    (void)state;
    struct ride *r = ride_open();
    ride_begin(r, NULL);
    assert_true(ride_until(r, &r->connected, WEND_S(1)));
    const wend_instant start = r->w.now;
    const unsigned sent = r->sent;
    r->lose_up = 2;
    ask(r, WEND_CONTROL_FETCH, WEND_S(5));
    assert_true(ride_until(r, &r->responses, WEND_S(3)));
    assert_int_equal(r->w.now - start, WEND_MS(750) + RTT);
    assert_int_equal(r->sent - sent, 3);
    assert_int_equal(r->connected, 1);
    ride_close(r);
}

static void gives_a_request_up_in_time(void **state)
{
    (void)state;
    struct ride *r = ride_open();
    ride_begin(r, NULL);
    r->udp_up_dead = true;
    r->tcp = RIDE_TCP_REFUSED;
    ask(r, WEND_CONTROL_FETCH, WEND_S(3));
    assert_true(ride_until(r, &r->timed_out, WEND_S(10)));
    assert_int_equal(r->w.now - WORLD_START, WEND_S(3));
    r->udp_up_dead = false;
    ride_wait(r, WEND_S(10));
    assert_int_equal(r->responses, 0);
    assert_int_equal(r->timed_out, 1);
    ride_close(r);
}

static void a_restarted_server_is_noticed_by_its_hint(void **state)
{
    (void)state;
    struct ride *r = ride_open();
    ride_begin(r, NULL);
    assert_true(ride_until(r, &r->connected, WEND_S(1)));
    ride_wait(r, WEND_S(5));
    ride_restart_server(r);
    r->connected = r->restarted = 0;
    const wend_instant start = r->w.now;
    ask(r, WEND_CONTROL_FETCH, WEND_S(5));
    assert_true(ride_until(r, &r->connected, WEND_S(2)));
    assert_int_equal(r->w.now - start, 2 * RTT);
    assert_int_equal(r->restarted, 1);
    r->responses = 0;
    assert_true(ride_until(r, &r->responses, WEND_S(1))); // the request goes on
    ride_close(r);
}

static void a_restarted_server_is_noticed_without_hints(void **state)
{
    (void)state;
    struct ride *r = ride_open();
    ride_begin(r, NULL);
    assert_true(ride_until(r, &r->connected, WEND_S(1)));
    ride_wait(r, WEND_S(5));
    ride_restart_server(r);
    r->hints_dead = true;
    r->connected = 0;
    // The keepalive after 25 s, three tries of it, then a handshake.
    assert_true(ride_until(r, &r->connected, WEND_S(24)));
    ride_close(r);
}

static void a_forged_hint_does_little(void **state)
{
    (void)state;
    struct ride *r = ride_open();
    ride_begin(r, NULL);
    assert_true(ride_until(r, &r->connected, WEND_S(1)));
    ride_wait(r, WEND_S(2));
    uint8_t hint[8] = {7, WEND_HINT_UNKNOWN_SESSION};
    struct wend_datagram d = {.transport = WEND_TRANSPORT_UDP,
                              .remote = wend_address_ipv4(0x01020304, 3478),
                              .bytes = WEND_BYTES(hint)};
    wend_put_u32le(hint + 4, r->leg.box.remote_index);
    assert_false(wend_leg_owns(&r->leg, &d)); // from elsewhere
    assert_int_equal(wend_leg_receive(&r->leg, &d, r->w.now), -ENOENT);
    d.remote = RIDE_SERVER;
    assert_true(wend_leg_owns(&r->leg, &d));
    wend_put_u32le(hint + 4, r->leg.box.remote_index ^ 1);
    assert_int_equal(wend_leg_receive(&r->leg, &d, r->w.now), -ENOENT);
    wend_put_u32le(hint + 4, r->leg.box.remote_index);
    const unsigned before = r->initiations;
    for (int i = 0; i < 50; i++) { // a flood over one second
        wend_put_u32le(hint + 4, r->leg.box.remote_index);
        assert_true(wend_leg_receive(&r->leg, &d, r->w.now) <= 0);
        assert_true(wend_leg_is_up(&r->leg));
        ride_wait(r, WEND_MS(20));
    }
    assert_in_range(r->initiations - before, 1, 2);
    assert_int_equal(r->restarted, 1); // its channels are there still
    ride_close(r);
}

static void keeps_alive_and_rekeys(void **state)
{
    (void)state;
    struct ride *r = ride_open();
    ride_begin(r, NULL);
    assert_true(ride_until(r, &r->connected, WEND_S(1)));
    ride_wait(r, WEND_S(60));
    assert_int_equal(r->responses, 2); // at 25 and 50 s
    assert_int_equal(r->response_type, WEND_CONTROL_KEEPALIVE);
    const uint32_t old = r->leg.box.local_index;
    ride_wait(r, WEND_S(12 * 3600));
    assert_int_equal(r->connected, 2);
    assert_int_equal(r->restarted, 1);
    assert_int_not_equal(r->leg.box.local_index, old);
    assert_int_equal(r->leg.previous.local_index, old); // still opens what is under way
    ride_wait(r, WEND_S(13 * 3600));
    assert_int_equal(r->connected, 3);
    assert_int_equal(r->lost + r->timed_out, 0);
    ride_close(r);
}

static void an_errand_says_nothing_by_itself(void **state)
{
    (void)state;
    struct ride *r = ride_open();
    struct wend_leg_config c = ride_config(r);
    c.keepalive = false;
    ride_begin(r, &c);
    assert_true(ride_until(r, &r->connected, WEND_S(1)));
    const unsigned sent = r->sent;
    ride_wait(r, WEND_S(3600));
    assert_int_equal(r->sent, sent);
    ride_close(r);
}

static void is_lost_after_ninety_seconds_and_goes_on(void **state)
{
    (void)state;
    struct ride *r = ride_open();
    ride_begin(r, NULL);
    assert_true(ride_until(r, &r->connected, WEND_S(1)));
    r->udp_up_dead = true;
    r->tcp = RIDE_TCP_REFUSED;
    // Found out by the keepalive at 25 s and its two repetitions.
    assert_true(ride_until(r, &r->lost, WEND_S(25 + 2 + 91)));
    assert_true(r->w.now - WORLD_START >= WEND_S(25 + 90));
    ride_wait(r, WEND_S(1000));
    assert_in_range(r->lost, 5, 12); // pauses of 1 to 30 s between
    r->udp_up_dead = false;
    r->connected = 0;
    assert_true(ride_until(r, &r->connected, WEND_S(31)));
    assert_true(wend_leg_is_up(&r->leg));
    ride_close(r);
}

static void a_server_with_another_key_is_never_believed(void **state)
{
    (void)state;
    struct ride *r = ride_open();
    struct wend_leg_config c = ride_config(r);
    c.server_key[0] ^= 1;
    ride_begin(r, &c);
    ask(r, WEND_CONTROL_FETCH, WEND_S(20));
    assert_true(ride_until(r, &r->lost, WEND_S(91)));
    assert_int_equal(r->w.now - WORLD_START, WEND_S(90));
    assert_int_equal(r->connected, 0);
    assert_int_equal(r->responses, 0);
    assert_int_equal(r->timed_out, 1);
    assert_false(wend_leg_is_up(&r->leg));
    assert_true(r->opened > 0); // streams were tried as well
    ride_close(r);
}

static void noise_and_replays_change_nothing(void **state)
{
    (void)state;
    struct ride *r = ride_open();
    ride_begin(r, NULL);
    assert_true(ride_until(r, &r->connected, WEND_S(1)));
    ask(r, WEND_CONTROL_FETCH, WEND_S(5));
    ride_wait(r, RIDE_DELAY); // the answer is on the wire
    assert_int_equal(r->wire_count, 1);
    struct ride_datagram answer = r->wire[0];
    ride_wait(r, WEND_S(1));
    assert_int_equal(r->responses, 1);
    answer.d.bytes.at = answer.bytes;
    assert_int_equal(wend_leg_receive(&r->leg, &answer.d, r->w.now), -ESTALE);
    answer.bytes[20] ^= 1;
    assert_int_equal(wend_leg_receive(&r->leg, &answer.d, r->w.now), -EBADMSG);
    for (size_t len = 1; len < 200; len++) {
        uint8_t noise[200];
        wend_random_bytes(&r->random, noise, len);
        if (len > 8) {
            const uint8_t types[] = {2, 3, 4, 6, 7};
            memset(noise, 0, 4);
            noise[0] = types[len % 5];
            wend_put_u32le(noise + (noise[0] == 6 ? 8 : 4), r->leg.box.local_index);
        }
        const struct wend_datagram d = {
            .transport = WEND_TRANSPORT_UDP, .remote = RIDE_SERVER, .bytes = {noise, len}};
        (void)wend_leg_owns(&r->leg, &d);
        assert_true(wend_leg_receive(&r->leg, &d, r->w.now) < 0);
    }
    ride_wait(r, WEND_S(60));
    assert_int_equal(r->connected, 1);
    assert_true(wend_leg_is_up(&r->leg));
    ride_close(r);
}

static void closing_leaves_no_secret(void **state)
{
    (void)state;
    struct ride *r = ride_open();
    ride_begin(r, NULL);
    assert_true(ride_until(r, &r->connected, WEND_S(1)));
    wend_leg_close(&r->leg);
    const uint8_t *bytes = (const uint8_t *)&r->leg;
    for (size_t i = 0; i < sizeof r->leg; i++)
        assert_int_equal(bytes[i], 0);
    ride_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connects_in_one_round_trip),
        cmocka_unit_test(refuses_what_cannot_be),
        cmocka_unit_test(repeats_a_lost_initiation),
        cmocka_unit_test(what_was_sent_anew_measures_nothing),
        cmocka_unit_test(a_lost_answer_is_given_again),
        cmocka_unit_test(says_what_the_server_refuses),
        cmocka_unit_test(repeats_a_request_with_rising_pauses),
        cmocka_unit_test(gives_a_request_up_in_time),
        cmocka_unit_test(a_restarted_server_is_noticed_by_its_hint),
        cmocka_unit_test(a_restarted_server_is_noticed_without_hints),
        cmocka_unit_test(a_forged_hint_does_little),
        cmocka_unit_test(keeps_alive_and_rekeys),
        cmocka_unit_test(an_errand_says_nothing_by_itself),
        cmocka_unit_test(is_lost_after_ninety_seconds_and_goes_on),
        cmocka_unit_test(a_server_with_another_key_is_never_believed),
        cmocka_unit_test(noise_and_replays_change_nothing),
        cmocka_unit_test(closing_leaves_no_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

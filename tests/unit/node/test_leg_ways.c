// SPDX-License-Identifier: MIT
// The ways to a server: UDP first, streams beside it, back to UDP, and moves of our own address.
#include <errno.h>

#include "node/join.h"
#include "ride.h"

#define RTT (2 * RIDE_DELAY)

static const struct wend_bytes nothing;

static struct ride *start(bool udp)
{
    struct ride *r = ride_open();
    r->udp_up_dead = r->udp_down_dead = !udp;
    ride_begin(r, NULL);
    assert_true(ride_until(r, &r->connected, WEND_S(2)));
    assert_true(ride_is_by(r, udp ? WEND_TRANSPORT_UDP : WEND_TRANSPORT_TCP));
    return r;
}

// --- becoming a member, so that Resume and Keepalive mean something ---

static void join_hears(struct ride *r, const struct wend_leg_event *e)
{
    wend_join_event(r->context, &r->leg, e, r->w.unix_seconds);
}

static void put_chain(struct wend_writer *w, const struct ride *r, const struct wend_join *join)
{
    const struct wend_chain chain = wend_join_chain(join);
    wend_attribute_put(w, WEND_ATTRIBUTE_NETWORK, WEND_BYTES(r->n.key));
    wend_attribute_put(w, WEND_ATTRIBUTE_MEMBERSHIP, chain.membership);
    wend_attribute_put(w, WEND_ATTRIBUTE_DELEGATION, chain.delegation);
    wend_attribute_put(w, WEND_ATTRIBUTE_RECEIPT, chain.receipt);
    wend_attribute_put_u64(w, WEND_ATTRIBUTE_EPOCH, 77);
}

static void become_member(struct ride *r)
{
    const struct wend_invite invite = ride_invite(r);
    struct wend_join join;
    assert_int_equal(
        wend_join_init(&join, &invite, "laptop", r->identity.public_key, r->w.unix_seconds), 0);
    assert_int_equal(wend_join_start(&join, &r->leg, r->w.unix_seconds), 0);
    r->hear = join_hears;
    r->context = &join;
    ride_wait(r, WEND_S(2));
    r->hear = NULL;
    r->context = NULL;
    assert_int_equal(join.state, WEND_JOIN_DONE);
    uint8_t memory[WEND_LEG_BODY_MAX];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    put_chain(&w, r, &join);
    assert_int_equal(wend_leg_request(&r->leg, WEND_CONTROL_CONFIGURATION,
                                      (struct wend_bytes){memory, w.len}, WEND_S(5), NULL),
                     0);
    r->responses = 0;
    assert_true(ride_until(r, &r->responses, WEND_S(2)));
    assert_int_equal(r->response_error, 0);
    assert_int_equal(world_counts(&r->w).online, 1);
    wend_join_close(&join);
}

// A request is answered within `most`.
static void works(struct ride *r, wend_duration most)
{
    r->responses = 0;
    assert_int_equal(wend_leg_request(&r->leg, WEND_CONTROL_KEEPALIVE, nothing, WEND_S(20), NULL),
                     0);
    assert_true(ride_until(r, &r->responses, most));
}

// --- streams ---

static void a_stream_comes_after_300_ms(void **state)
{
    (void)state;
    struct ride *r = ride_open();
    r->udp_up_dead = true;
    ride_begin(r, NULL);
    assert_true(ride_until(r, &r->opened, WEND_S(1)));
    assert_int_equal(r->w.now - WORLD_START, WEND_MS(300));
    assert_true(ride_until(r, &r->connected, WEND_S(1)));
    assert_int_equal(r->w.now - WORLD_START, WEND_MS(300) + 2 * RTT);
    assert_true(ride_is_by(r, WEND_TRANSPORT_TCP));
    assert_int_equal(r->opened, 1);
    ride_close(r);
}

static void no_stream_where_udp_answers(void **state)
{
    (void)state;
    struct ride *r = start(true);
    ride_wait(r, WEND_S(100));
    assert_int_equal(r->opened, 0);
    ride_close(r);
}

static void udp_that_answers_late_wins_over_a_stream_that_hangs(void **state)
{
    (void)state;
    struct ride *r = ride_open();
    r->lose_up = 2;
    r->tcp = RIDE_TCP_HANGS;
    ride_begin(r, NULL);
    assert_true(ride_until(r, &r->connected, WEND_S(2)));
    assert_int_equal(r->opened, 1);
    ride_wait(r, WEND_MS(1));
    assert_int_equal(r->closed, 1);
    assert_true(ride_is_by(r, WEND_TRANSPORT_UDP));
    ride_close(r);
}

static void a_refused_stream_is_tried_again(void **state)
{
    (void)state;
    struct ride *r = ride_open();
    r->udp_up_dead = true;
    r->tcp = RIDE_TCP_REFUSED;
    ride_begin(r, NULL);
    ride_wait(r, WEND_S(5));
    assert_in_range(r->opened, 4, 6); // about one a second
    r->tcp = RIDE_TCP_OPENS;
    assert_true(ride_until(r, &r->connected, WEND_S(6)));
    ride_close(r);
}

static void a_hanging_stream_gives_way_to_the_next_address(void **state)
{
    (void)state;
    struct ride *r = ride_open();
    struct wend_leg_config c = ride_config(r);
    c.address_count = 2;
    c.addresses[0] = wend_address_ipv4(0xc6336499, 3478);
    c.addresses[1] = RIDE_SERVER;
    r->udp_up_dead = true;
    r->tcp = RIDE_TCP_HANGS;
    ride_begin(r, &c);
    assert_true(ride_until(r, &r->opened, WEND_S(1)));
    assert_true(wend_address_equal(&r->opened_to, &c.addresses[0]));
    r->tcp = RIDE_TCP_OPENS;
    assert_true(ride_until(r, &r->connected, WEND_S(10)));
    assert_true(wend_address_equal(&r->opened_to, &c.addresses[1]));
    assert_int_equal(r->opened, 2);
    ride_close(r);
}

static void goes_back_to_udp(void **state)
{
    (void)state;
    struct ride *r = start(false);
    become_member(r);
    r->udp_up_dead = r->udp_down_dead = false;
    assert_true(ride_until(r, &r->closed, WEND_S(31)));
    assert_true(ride_is_by(r, WEND_TRANSPORT_UDP));
    assert_int_equal(r->connected, 1); // the session came along
    const struct wend_address seen = wend_leg_observed(&r->leg);
    assert_true(wend_address_equal(&seen, &r->here));
    works(r, WEND_S(1));
    ride_wait(r, WEND_S(100));
    assert_int_equal(world_counts(&r->w).online, 1);
    assert_int_equal(r->connected, 1);
    ride_close(r);
}

static void stays_on_its_stream_where_udp_carries_stun_alone(void **state)
{
    (void)state;
    struct ride *r = start(false);
    become_member(r);
    r->udp_up_dead = r->udp_down_dead = false;
    r->stun_only = true;
    ride_wait(r, WEND_S(200));
    assert_true(ride_is_by(r, WEND_TRANSPORT_TCP));
    assert_int_equal(r->connected, 1);
    assert_int_equal(r->closed, 0);
    works(r, WEND_S(1));
    assert_int_equal(world_counts(&r->w).online, 1);
    ride_close(r);
}

static void udp_that_answers_one_way_does_not_cost_the_stream(void **state)
{
    (void)state;
    struct ride *r = start(false);
    become_member(r);
    r->udp_up_dead = r->udp_down_dead = false;
    // The Binding passes; the answer to the Resume that follows does not.
    const wend_instant end = r->w.now + WEND_S(60);
    while (r->w.now < end && r->leg.search.resume_id == 0)
        ride_wait(r, WEND_MS(1));
    assert_int_not_equal(r->leg.search.resume_to.family, 0);
    r->udp_down_dead = true;
    ride_wait(r, WEND_S(20));
    assert_true(ride_is_by(r, WEND_TRANSPORT_TCP));
    assert_int_equal(r->connected, 1);
    works(r, WEND_S(1));
    ride_close(r);
}

static void a_stream_that_breaks_is_replaced(void **state)
{
    (void)state;
    struct ride *r = start(false);
    const uint32_t stream = r->stream;
    r->connected = 0;
    r->stream = 0;
    wend_relay_stream_closed(r->w.relay, stream, r->w.now);
    wend_leg_stream_closed(&r->leg, stream, r->w.now);
    assert_false(wend_leg_is_up(&r->leg));
    assert_true(ride_until(r, &r->connected, WEND_S(2)));
    assert_int_not_equal(r->stream, stream);
    assert_int_equal(r->restarted, 1); // the server is the same
    ride_close(r);
}

static void a_stream_that_dies_silently_is_replaced(void **state)
{
    (void)state;
    struct ride *r = start(false);
    become_member(r);
    r->tcp_dead = true;
    r->connected = 0;
    const wend_instant from = r->w.now;
    while (r->closed == 0 && r->w.now < from + WEND_S(100))
        ride_wait(r, WEND_MS(100));
    r->tcp_dead = false;
    assert_true(ride_until(r, &r->connected, WEND_S(5)));
    assert_true(r->w.now - from < WEND_S(60 + 12));
    ride_close(r);
}

// --- moves ---

static void a_new_address_needs_a_resume_only(void **state)
{
    (void)state;
    struct ride *r = start(true);
    become_member(r);
    const uint64_t handshakes = world_counts(&r->w).handshakes;
    r->moved = 0;
    r->here = wend_address_ipv4(0xcb007155, 52000);
    wend_leg_moved(&r->leg, r->w.now);
    const wend_instant from = r->w.now;
    assert_true(ride_until(r, &r->moved, WEND_S(1)));
    assert_int_equal(r->w.now - from, RTT);
    const struct wend_address seen = wend_leg_observed(&r->leg);
    assert_true(wend_address_equal(&seen, &r->here));
    ride_wait(r, WEND_S(5));
    assert_int_equal(world_counts(&r->w).handshakes, handshakes);
    assert_int_equal(r->connected, 1);
    ride_close(r);
}

static void a_move_that_nobody_told_is_seen_by_the_server(void **state)
{
    (void)state;
    struct ride *r = start(true);
    become_member(r);
    r->moved = 0;
    r->here = wend_address_ipv4(0xcb007155, 52000); // a NAT forgot its mapping
    assert_true(ride_until(r, &r->moved, WEND_S(26)));
    ride_wait(r, WEND_S(100));
    assert_int_equal(world_counts(&r->w).online, 1);
    assert_int_equal(r->connected, 1);
    ride_close(r);
}

static void a_move_to_where_udp_is_dead_leads_to_a_stream(void **state)
{
    (void)state;
    struct ride *r = start(true);
    become_member(r);
    r->connected = 0;
    r->udp_up_dead = r->udp_down_dead = true;
    wend_leg_moved(&r->leg, r->w.now);
    assert_true(ride_until(r, &r->connected, WEND_S(1)));
    assert_true(ride_is_by(r, WEND_TRANSPORT_TCP));
    ride_close(r);
}

static void a_move_with_a_dead_stream_is_quick(void **state)
{
    (void)state;
    struct ride *r = start(false);
    become_member(r);
    r->connected = 0;
    const uint32_t old = r->stream;
    r->stream = 0; // its address is gone, but no kernel says so
    wend_leg_moved(&r->leg, r->w.now);
    assert_true(ride_until(r, &r->connected, WEND_S(2)));
    assert_int_not_equal(r->stream, old);
    assert_true(ride_is_by(r, WEND_TRANSPORT_TCP));
    ride_close(r);
}

static void a_move_to_a_place_with_udp_leaves_the_stream_at_once(void **state)
{
    (void)state;
    struct ride *r = start(false);
    become_member(r);
    r->udp_up_dead = r->udp_down_dead = false;
    r->here = wend_address_ipv4(0xcb007155, 52000);
    wend_leg_moved(&r->leg, r->w.now);
    assert_true(ride_until(r, &r->closed, WEND_S(1)));
    assert_true(ride_is_by(r, WEND_TRANSPORT_UDP));
    assert_int_equal(r->connected, 1);
    ride_close(r);
}

static void a_move_while_connecting_tries_at_once(void **state)
{
    (void)state;
    struct ride *r = ride_open();
    r->udp_up_dead = true;
    r->tcp = RIDE_TCP_HANGS;
    ride_begin(r, NULL);
    ride_wait(r, WEND_S(20));
    r->udp_up_dead = false;
    const wend_instant from = r->w.now;
    wend_leg_moved(&r->leg, from);
    assert_true(ride_until(r, &r->connected, WEND_S(1)));
    assert_int_equal(r->w.now - from, RTT);
    assert_int_equal(wend_leg_rtt(&r->leg), 0);
    ride_close(r);
}

static void new_addresses_of_the_server_are_used(void **state)
{
    (void)state;
    struct ride *r = ride_open();
    struct wend_leg_config c = ride_config(r);
    c.addresses[0] = wend_address_ipv4(0xc6336499, 3478);
    r->tcp = RIDE_TCP_REFUSED;
    r->udp_down_dead = true; // nobody is there
    ride_begin(r, &c);
    ride_wait(r, WEND_S(3));
    const struct wend_address right = RIDE_SERVER;
    wend_leg_set_addresses(&r->leg, &right, 1);
    r->udp_down_dead = false;
    assert_true(ride_until(r, &r->connected, WEND_S(5)));
    wend_leg_set_addresses(&r->leg, &right, 0); // DNS fails: nothing is forgotten
    assert_int_equal(r->leg.search.address_count, 1);
    ride_close(r);
}

// --- what the server says by itself ---

static void a_notify_is_answered_once_heard(void **state)
{
    (void)state;
    struct ride *r = start(true);
    become_member(r);
    uint8_t memory[32];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    wend_attribute_put_position(&w, (struct wend_position){0});
    assert_int_equal(wend_leg_request(&r->leg, WEND_CONTROL_SUBSCRIBE,
                                      (struct wend_bytes){memory, w.len}, WEND_S(5), NULL),
                     0);
    ride_wait(r, WEND_S(1));
    struct client other;
    client_init(&other, &r->w, 5);
    client_up(&other, &r->n, "phone");
    r->deaf = true;
    assert_true(ride_until(r, &r->requests, WEND_S(2)));
    assert_int_equal(r->request.type, WEND_CONTROL_NOTIFY);
    ride_wait(r, WEND_MS(600));
    assert_in_range(r->requests, 2, 4); // it repeats what was not answered
    r->deaf = false;
    ride_wait(r, WEND_MS(600));
    const unsigned answered = r->requests;
    ride_wait(r, WEND_S(5));
    assert_int_equal(r->requests, answered);
    ride_close(r);
}

static void a_silent_peer_is_no_reason_to_doubt_the_server(void **state)
{
    (void)state;
    struct ride *r = start(true);
    become_member(r);
    struct client other;
    client_init(&other, &r->w, 5);
    client_up(&other, &r->n, "phone"); // and never answers
    uint8_t memory[256], datagram[140] = {5};
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    wend_attribute_put(&w, WEND_ATTRIBUTE_PEER, WEND_BYTES(other.identity.public_key));
    wend_attribute_put(&w, WEND_ATTRIBUTE_DATAGRAM, WEND_BYTES(datagram));
    const wend_duration rtt = wend_leg_rtt(&r->leg);
    assert_int_equal(wend_leg_request(&r->leg, WEND_CONTROL_PEER_SERVICE,
                                      (struct wend_bytes){memory, w.len}, WEND_S(15), NULL),
                     0);
    ride_wait(r, WEND_S(20));
    assert_int_equal(r->connected, 1);
    assert_int_equal(wend_leg_rtt(&r->leg), rtt);
    ride_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_comes_after_300_ms),
        cmocka_unit_test(no_stream_where_udp_answers),
        cmocka_unit_test(udp_that_answers_late_wins_over_a_stream_that_hangs),
        cmocka_unit_test(a_refused_stream_is_tried_again),
        cmocka_unit_test(a_hanging_stream_gives_way_to_the_next_address),
        cmocka_unit_test(goes_back_to_udp),
        cmocka_unit_test(stays_on_its_stream_where_udp_carries_stun_alone),
        cmocka_unit_test(udp_that_answers_one_way_does_not_cost_the_stream),
        cmocka_unit_test(a_stream_that_breaks_is_replaced),
        cmocka_unit_test(a_stream_that_dies_silently_is_replaced),
        cmocka_unit_test(a_new_address_needs_a_resume_only),
        cmocka_unit_test(a_move_that_nobody_told_is_seen_by_the_server),
        cmocka_unit_test(a_move_to_where_udp_is_dead_leads_to_a_stream),
        cmocka_unit_test(a_move_with_a_dead_stream_is_quick),
        cmocka_unit_test(a_move_to_a_place_with_udp_leaves_the_stream_at_once),
        cmocka_unit_test(a_move_while_connecting_tries_at_once),
        cmocka_unit_test(new_addresses_of_the_server_are_used),
        cmocka_unit_test(a_notify_is_answered_once_heard),
        cmocka_unit_test(a_silent_peer_is_no_reason_to_doubt_the_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

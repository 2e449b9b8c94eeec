// SPDX-License-Identifier: MIT
// What a leg says when there is nothing to say; and a server that lies, delays, repeats itself or
// keeps its answers to itself.
#include "node/join.h"
#include "relay/relay_state.h"
#include "ride.h"

#define RTT (2 * RIDE_DELAY)

static const struct wend_bytes nothing;

// --- a member that follows what its server says, as a node does ---

static void follow(struct ride *r, const struct wend_leg_event *e)
{
    struct wend_leg_upkeep u = r->leg.upkeep;
    struct wend_attributes a;

    if (r->context != NULL)
        wend_join_event(r->context, &r->leg, e, r->w.unix_seconds);
    if (e->kind != WEND_LEG_RESPONSE || e->error != 0 ||
        wend_attributes_parse(e->attributes, &a) != 0 || a.network_serial.at == NULL)
        return;
    (void)wend_attribute_position(a.position, &u.position);
    u.network_serial = wend_attribute_u64(a.network_serial);
    u.revocation_serial = wend_attribute_u64(a.revocation_serial);
    wend_leg_set_upkeep(&r->leg, &u);
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

static struct ride *member(bool udp)
{
    struct ride *r = ride_open();
    r->udp_up_dead = r->udp_down_dead = !udp;
    r->hear = follow;
    ride_begin(r, NULL);
    assert_true(ride_until(r, &r->connected, WEND_S(2)));
    const struct wend_invite invite = ride_invite(r);
    struct wend_join join;
    assert_int_equal(
        wend_join_init(&join, &invite, "laptop", r->identity.public_key, r->w.unix_seconds), 0);
    assert_int_equal(wend_join_start(&join, &r->leg, r->w.unix_seconds), 0);
    r->context = &join;
    ride_wait(r, WEND_S(2));
    r->context = NULL;
    assert_int_equal(join.state, WEND_JOIN_DONE);
    uint8_t memory[WEND_LEG_BODY_MAX];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    put_chain(&w, r, &join);
    wend_join_close(&join);
    assert_int_equal(wend_leg_request(&r->leg, WEND_CONTROL_CONFIGURATION,
                                      (struct wend_bytes){memory, w.len}, WEND_S(5), NULL),
                     0);
    ride_wait(r, WEND_S(1));
    assert_int_equal(world_counts(&r->w).online, 1);
    return r;
}

static void count(struct ride *r, wend_duration interval, wend_duration duration)
{
    ride_wait(r, WEND_S(1800)); // the server knows the interval by now
    const unsigned sent = r->sent, answered = r->responses;
    ride_wait(r, duration);
    const unsigned most = (unsigned)(duration / interval);
    assert_in_range(r->sent - sent, most - 1, most + 1);
    assert_in_range(r->responses - answered, most / 10, most / 10 + 1);
    assert_int_equal(world_counts(&r->w).online, 1);
    assert_int_equal(r->connected, 1);
}

static void one_for_each_lifetime(void **state)
{
    static const struct {
        bool udp, open;
        wend_duration lifetime, interval;
    } rows[] = {
        {true, false, 0, WEND_S(25)},
        {true, true, 0, WEND_S(110)},
        {true, false, WEND_S(60), WEND_S(60)},
        {true, false, WEND_S(170), WEND_S(170)},
        {true, true, WEND_S(60), WEND_S(110)},     // there is no mapping
        {true, false, WEND_S(1), WEND_S(5)},       // never more often
        {true, false, WEND_S(7200), WEND_S(1200)}, // never more seldom
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ride *r = member(rows[i].udp);
        struct wend_leg_upkeep u = r->leg.upkeep;
        u.mapping_lifetime = rows[i].lifetime;
        u.is_open = rows[i].open;
        wend_leg_set_upkeep(&r->leg, &u);
        count(r, rows[i].interval, 20 * rows[i].interval);
        ride_close(r);
    }
}

// On a stream hardly anything, and Bindings over UDP that get rarer.
static void a_stream_is_quiet(void **state)
{
    (void)state;
    struct ride *r = member(false);
    ride_wait(r, WEND_S(3600));
    const unsigned sent = r->sent;
    ride_wait(r, WEND_S(9000));
    assert_in_range(r->sent - sent, 9000 / 900 + 9000 / 480 - 2, 9000 / 900 + 9000 / 480 + 2);
    assert_int_equal(world_counts(&r->w).online, 1);
    assert_int_equal(r->connected, 1);
    ride_close(r);
}

// A shorter lifetime counts at once, a longer one from the next Keepalive on.
static void the_lifetime_may_change(void **state)
{
    (void)state;
    struct ride *r = member(true);
    struct wend_leg_upkeep u = r->leg.upkeep;
    u.mapping_lifetime = WEND_S(200);
    wend_leg_set_upkeep(&r->leg, &u);
    ride_wait(r, WEND_S(30)); // told
    ride_wait(r, WEND_S(100));
    const unsigned sent = r->sent;
    u.mapping_lifetime = WEND_S(20);
    wend_leg_set_upkeep(&r->leg, &u);
    ride_wait(r, WEND_MS(1));
    assert_int_equal(r->sent, sent + 1);
    ride_wait(r, WEND_S(60));
    assert_int_equal(r->sent, sent + 4);
    ride_close(r);
}

// Nothing tells while it is idle that the server is gone, but that every tenth is not answered.
static void a_dead_server_is_noticed_in_idle_too(void **state)
{
    (void)state;
    struct ride *r = member(true);
    ride_wait(r, WEND_S(100));
    r->udp_up_dead = true;
    r->tcp = RIDE_TCP_REFUSED;
    const wend_instant from = r->w.now;
    while (!wend_session_is_starting(&r->leg.session) && r->w.now - from < WEND_S(1000))
        ride_wait(r, WEND_S(1));
    assert_true(r->w.now - from <= WEND_S(10 * 25 + 12));
    r->udp_up_dead = false;
    r->connected = 0;
    assert_true(ride_until(r, &r->connected, WEND_S(5)));
    ride_close(r);
}

// A Notify was lost for good: the next Keepalive is answered, though it asks for news only.
static void news_come_with_the_next_keepalive(void **state)
{
    (void)state;
    struct ride *r = member(true);
    ride_wait(r, WEND_S(100));
    struct client other;
    client_init(&other, &r->w, 5);
    client_up(&other, &r->n, "phone");
    r->responses = 0;
    assert_true(ride_until(r, &r->responses, WEND_S(26)));
    assert_int_equal(r->response_type, WEND_CONTROL_KEEPALIVE);
    ride_close(r);
}

// --- a stream that loses its address ---

static void a_stream_is_replaced_at_once(void **state)
{
    (void)state;
    struct ride *r = member(false);
    const uint64_t handshakes = world_counts(&r->w).handshakes;
    const uint32_t old = r->stream;
    r->tcp_dead = true;
    const wend_instant from = r->w.now;
    wend_leg_uprooted(&r->leg, from);
    assert_false(wend_leg_is_up(&r->leg));
    ride_turn(r);
    r->tcp_dead = false;
    r->responses = 0;
    assert_true(ride_until(r, &r->responses, WEND_S(1)));
    assert_int_equal(r->response_type, WEND_CONTROL_RESUME);
    assert_int_equal(r->w.now - from, RTT + RTT); // the stream, the Resume
    assert_int_not_equal(r->stream, old);
    assert_int_equal(world_counts(&r->w).handshakes, handshakes);
    ride_wait(r, WEND_S(3000));
    assert_int_equal(r->connected, 1);
    assert_int_equal(world_counts(&r->w).online, 1);
    ride_close(r);
}

static void a_stream_gives_way_to_udp_where_it_works_now(void **state)
{
    (void)state;
    struct ride *r = member(false);
    r->udp_up_dead = r->udp_down_dead = false;
    r->tcp = RIDE_TCP_HANGS;
    const wend_instant from = r->w.now;
    wend_leg_uprooted(&r->leg, from);
    r->responses = 0;
    assert_true(ride_until(r, &r->responses, WEND_S(1)));
    assert_int_equal(r->w.now - from, RTT + RTT); // the Binding, the Resume
    assert_true(ride_is_by(r, WEND_TRANSPORT_UDP));
    ride_wait(r, WEND_S(100));
    assert_int_equal(r->connected, 1);
    ride_close(r);
}

// Bindings pass, nothing else: the new stream carries on.
static void a_stream_is_replaced_where_udp_carries_stun_alone(void **state)
{
    (void)state;
    struct ride *r = member(false);
    r->udp_up_dead = r->udp_down_dead = false;
    r->stun_only = true;
    wend_leg_uprooted(&r->leg, r->w.now);
    ride_wait(r, WEND_S(2));
    assert_true(ride_is_by(r, WEND_TRANSPORT_TCP));
    assert_int_equal(r->connected, 1);
    ride_wait(r, WEND_S(2000));
    assert_int_equal(world_counts(&r->w).online, 1);
    ride_close(r);
}

// Neither opens: a handshake by every way, until one does.
static void a_stream_that_is_not_replaced_leads_to_a_handshake(void **state)
{
    (void)state;
    struct ride *r = member(false);
    r->tcp = RIDE_TCP_HANGS;
    wend_leg_uprooted(&r->leg, r->w.now);
    ride_wait(r, WEND_S(5));
    assert_true(wend_session_is_starting(&r->leg.session));
    r->tcp = RIDE_TCP_OPENS;
    r->connected = 0;
    assert_true(ride_until(r, &r->connected, WEND_S(10)));
    ride_close(r);
}

// --- a server that is no friend ---

static struct wend_relay_client *us(struct ride *r)
{
    const uint32_t ref = wend_relay_client_find(r->w.relay, r->identity.public_key);
    assert_int_not_equal(ref, 0);
    return wend_relay_client_at(r->w.relay, ref);
}

// The server says this under its own seal.
static void server_says(struct ride *r, uint16_t type, uint32_t id, struct wend_bytes attributes)
{
    uint8_t memory[WEND_DATAGRAM_MAX];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    struct wend_relay_client *c = us(r);

    wend_control_write(&w, type, id, attributes);
    wend_relay_seal(r->w.relay, &c->sessions[c->current], &c->source,
                    (struct wend_bytes){memory, w.len});
    world_drain(&r->w);
    ride_wait(r, RIDE_DELAY + WEND_MS(1));
}

// Asks, keeps the true answer back, and has `attributes` answered instead, so many times.
static void lied_to(struct ride *r, uint16_t type, struct wend_bytes attributes, int times)
{
    uint32_t id = 0;
    assert_int_equal(wend_leg_request(&r->leg, type, nothing, WEND_S(3), &id), 0);
    ride_turn(r);
    r->wire_count = 0;
    for (int i = 0; i < times; i++)
        server_says(r, type | WEND_CONTROL_RESPONSE, id, attributes);
}

static void false_answers_change_little(void **state)
{
    (void)state;
    struct ride *r = member(true);
    static const uint16_t types[] = {WEND_CONTROL_KEEPALIVE, WEND_CONTROL_RESUME,
                                     WEND_CONTROL_CONFIGURATION};
    uint8_t memory[256];
    for (size_t t = 0; t < 3; t++) {
        struct wend_writer w = wend_writer_of(memory, sizeof memory);
        const struct wend_address wrong = wend_address_ipv4(0x08080808, (uint16_t)(53 + t));
        wend_attribute_put_address(&w, &wrong);
        wend_attribute_put_u32(&w, WEND_ATTRIBUTE_LIFETIME, 0);
        r->moved = r->responses = 0;
        lied_to(r, types[t], (struct wend_bytes){memory, w.len}, 20);
        assert_int_equal(r->responses, 1); // repeated ones are for nobody
        assert_int_equal(r->moved, 1);
        lied_to(r, types[t], (struct wend_bytes){(const uint8_t *)"\x00\x09\x00\x08\x09", 5}, 1);
        assert_int_equal(r->response_error, WEND_ERROR_MALFORMED);
        assert_true(wend_leg_is_up(&r->leg));
    }
    // Answers to what was never asked, of another type, and requests that make no sense.
    r->responses = 0;
    for (uint32_t id = 0; id < 50; id++)
        server_says(r, WEND_CONTROL_RESUME | WEND_CONTROL_RESPONSE, r->leg.last_id + 1 + id,
                    nothing);
    assert_int_equal(r->responses, 0);
    ride_wait(r, WEND_S(60)); // the truth comes with the next Keepalive
    const struct wend_address seen = wend_leg_observed(&r->leg);
    assert_true(wend_address_equal(&seen, &r->here));
    assert_int_equal(r->connected, 1);
    ride_close(r);
}

// The wrong id, or the right id and the wrong type.
static void answers_must_fit(void **state)
{
    (void)state;
    struct ride *r = member(true);
    uint32_t id = 0;
    assert_int_equal(wend_leg_request(&r->leg, WEND_CONTROL_FETCH, nothing, WEND_S(3), &id), 0);
    ride_turn(r);
    r->wire_count = 0;
    r->responses = 0;
    server_says(r, WEND_CONTROL_RESUME | WEND_CONTROL_RESPONSE, id, nothing);
    server_says(r, WEND_CONTROL_FETCH | WEND_CONTROL_RESPONSE, id ^ 1, nothing);
    assert_int_equal(r->responses, 0);
    server_says(r, WEND_CONTROL_FETCH | WEND_CONTROL_RESPONSE, id, nothing);
    assert_int_equal(r->responses, 1);
    ride_close(r);
}

// It answers handshakes and nothing else: no storm, and no end of patience.
static void a_server_that_withholds_every_answer(void **state)
{
    (void)state;
    struct ride *r = member(true);
    r->sealed_dead = true;
    r->tcp = RIDE_TCP_REFUSED;
    wend_leg_moved(&r->leg, r->w.now);
    const unsigned sent = r->sent;
    ride_wait(r, WEND_S(600));
    assert_true(r->sent - sent < 600);
    r->sealed_dead = false;
    r->responses = 0;
    assert_int_equal(wend_leg_request(&r->leg, WEND_CONTROL_FETCH, nothing, WEND_S(30), NULL), 0);
    assert_true(ride_until(r, &r->responses, WEND_S(6)));
    ride_close(r);
}

// Answers that come after their request was given up, or after the next move.
static void late_answers_are_for_nobody(void **state)
{
    (void)state;
    struct ride *r = member(true);
    wend_leg_moved(&r->leg, r->w.now);
    const uint32_t first = r->leg.search.resume_id;
    ride_turn(r);
    r->wire_count = 0;
    wend_leg_moved(&r->leg, r->w.now);
    const uint32_t second = r->leg.search.resume_id;
    ride_turn(r);
    r->responses = 0;
    server_says(r, WEND_CONTROL_RESUME | WEND_CONTROL_RESPONSE, first, nothing);
    assert_int_equal(r->leg.search.resume_id, second);
    assert_int_equal(r->responses, 0);
    ride_wait(r, WEND_S(1));
    assert_int_equal(r->leg.search.resume_id, 0);
    assert_int_equal(r->connected, 1);
    ride_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_for_each_lifetime),
        cmocka_unit_test(a_stream_is_quiet),
        cmocka_unit_test(the_lifetime_may_change),
        cmocka_unit_test(a_dead_server_is_noticed_in_idle_too),
        cmocka_unit_test(news_come_with_the_next_keepalive),
        cmocka_unit_test(a_stream_is_replaced_at_once),
        cmocka_unit_test(a_stream_gives_way_to_udp_where_it_works_now),
        cmocka_unit_test(a_stream_is_replaced_where_udp_carries_stun_alone),
        cmocka_unit_test(a_stream_that_is_not_replaced_leads_to_a_handshake),
        cmocka_unit_test(false_answers_change_little),
        cmocka_unit_test(answers_must_fit),
        cmocka_unit_test(a_server_that_withholds_every_answer),
        cmocka_unit_test(late_answers_are_for_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

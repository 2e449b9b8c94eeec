// SPDX-License-Identifier: MIT
// Two scans: samples, offers, when both begin and where they aim. And a peer that joins late.
#include "traverse/volley.h"

#include "../base/unit.h"

#define T0  WEND_S(100)
#define RTT WEND_MS(50)

static struct wend_volley volley;
static struct wend_volley_limits limits;
static struct wend_plan plan;
static struct wend_nat_model own, peer;

static struct wend_nat_model model_of(uint32_t number)
{
    return (struct wend_nat_model){
        .serial = number,
        .mapping = WEND_NAT_ADDRESS_AND_PORT_DEPENDENT,
        .filtering = WEND_NAT_ADDRESS_AND_PORT_DEPENDENT,
        .allocation = WEND_NAT_SEQUENTIAL,
        .udp = WEND_NAT_YES,
        .paired = WEND_NAT_YES,
        .delta = 2,
        .public = wend_address_ipv4(0xcb007100 + number, (uint16_t)(40000 + number)),
    };
}

static int begin(void **state)
{
    (void)state;
    memset(&volley, 0, sizeof volley);
    wend_volley_limits_init(&limits, T0);
    own = model_of(1);
    peer = model_of(2);
    return 0;
}

static void start(bool calling)
{
    const struct wend_plan_input in = {
        .own = &own, .peer = &peer, .own_first = true, .calling = calling, .call = 1};

    wend_plan_make(&plan, &in);
    const struct wend_volley_setup setup = {.plan = &plan,
                                            .own = &own,
                                            .peer = &peer,
                                            .attested = peer.public,
                                            .rtt = RTT,
                                            .ttl = 2,
                                            .key = {1, 2, 3}};
    assert_int_equal(wend_volley_start(&volley, &setup, &limits, T0), 0);
}

static enum wend_drop tell(enum wend_volley_kind kind, uint16_t port, wend_duration age,
                           wend_instant now)
{
    uint8_t bytes[WEND_VOLLEY_MESSAGE_MAX];
    struct wend_volley_message m = {.kind = kind,
                                    .serial = plan.serial,
                                    .address = peer.public,
                                    .last_port = port,
                                    .microseconds = (uint32_t)(age / WEND_US(1))};
    struct wend_writer w = wend_writer_of(bytes, sizeof bytes);

    m.address.port = port;
    wend_volley_message_write(&w, &m);
    assert_false(w.failed);
    return wend_volley_receive(&volley, (struct wend_bytes){bytes, w.len}, now);
}

// How many of a kind; the first one in `ret`.
static uint32_t drain(enum wend_volley_datagram_kind kind, struct wend_volley_datagram *ret)
{
    struct wend_volley_datagram d = {0};
    uint32_t count = 0;

    while (wend_volley_next_datagram(&volley, &d)) {
        if (d.kind == kind && count++ == 0)
            *ret = d;
    }
    return count;
}

static uint32_t offers(uint16_t *ret_port, wend_instant now)
{
    uint8_t bytes[WEND_VOLLEY_MESSAGE_MAX];
    struct wend_volley_message m;
    uint32_t count = 0;
    size_t len;

    while ((len = wend_volley_next_message(&volley, bytes, now)) > 0) {
        assert_int_equal(wend_volley_message_read((struct wend_bytes){bytes, len}, &m), 0);
        if (m.kind == WEND_VOLLEY_OFFER && ++count > 0)
            *ret_port = m.address.port;
    }
    return count;
}

static struct wend_address mapped_to(uint16_t port)
{
    struct wend_address a = own.public;

    a.port = port;
    return a;
}

// The caller: one sample at once, another server's before the begin; both are offered.
static void samples_twice(void **state)
{
    struct wend_volley_datagram d = {0};
    struct wend_address mapped = mapped_to(3000);
    uint16_t port = 0;

    (void)state;
    start(true);
    assert_int_equal(plan.stages[0].method, WEND_METHOD_SCAN);
    assert_int_equal(wend_volley_socket_ready(&volley, 1, 50001, T0), 0);
    assert_int_equal(drain(WEND_VOLLEY_BRACKET, &d), 1);
    assert_int_equal(d.server, 0);
    assert_true(wend_volley_deadline(&volley) <= T0 + WEND_MS(20));
    wend_volley_expire(&volley, T0 + WEND_MS(20));
    assert_int_equal(drain(WEND_VOLLEY_BRACKET, &d), 1);
    assert_int_equal(d.server, 1);
    assert_int_equal(wend_volley_sampled(&volley, 0, 1, &mapped, T0 + WEND_MS(25)), 0);
    assert_int_equal(offers(&port, T0 + WEND_MS(25)), 1);
    assert_int_equal(port, 3000);
    mapped.port = 3010;
    assert_int_equal(wend_volley_sampled(&volley, 1, 1, &mapped, T0 + WEND_MS(45)), 0);
    assert_int_equal(offers(&port, T0 + WEND_MS(45)), 1);
    assert_int_equal(port, 3010);
}

// Begun with GO, aimed behind the newest offer by half of what others took between both and later.
static void aims_behind_the_newest_offer(void **state)
{
    struct wend_volley_datagram d = {0};
    struct wend_address mapped = mapped_to(3000);

    (void)state;
    start(true);
    assert_int_equal(wend_volley_socket_ready(&volley, 1, 50001, T0), 0);
    assert_int_equal(wend_volley_sampled(&volley, 0, 1, &mapped, T0 + WEND_MS(25)), 0);
    assert_int_equal(tell(WEND_VOLLEY_OFFER, 7000, 0, T0 + WEND_MS(25)), WEND_DROP_NONE);
    assert_int_equal(tell(WEND_VOLLEY_GO, 1, 0, T0 + WEND_MS(75)), WEND_DROP_NONE);
    assert_true(drain(WEND_VOLLEY_PROBE, &d) >= 1);
    assert_int_equal(d.remote.port, 7002); // the next one after the only offer
    wend_volley_close(&volley);
    (void)begin(NULL);
    start(true);
    assert_int_equal(wend_volley_socket_ready(&volley, 1, 50001, T0), 0);
    assert_int_equal(wend_volley_sampled(&volley, 0, 1, &mapped, T0 + WEND_MS(25)), 0);
    // Sampled at 0 and 40 ms, 16 mappings of others between; begun at 90 ms: as many more at
    // least, of which (16 - 3) / 2 are thought of.
    assert_int_equal(tell(WEND_VOLLEY_OFFER, 7000, 0, T0 + WEND_MS(25)), WEND_DROP_NONE);
    assert_int_equal(tell(WEND_VOLLEY_OFFER, 7034, 0, T0 + WEND_MS(65)), WEND_DROP_NONE);
    assert_int_equal(tell(WEND_VOLLEY_OFFER, 7000, WEND_MS(50), T0 + WEND_MS(70)), WEND_DROP_NONE);
    assert_int_equal(tell(WEND_VOLLEY_GO, 1, 0, T0 + WEND_MS(90)), WEND_DROP_NONE);
    (void)drain(WEND_VOLLEY_PROBE, &d);
    assert_int_equal(d.remote.port, 7034 + 2 * (1 + (16 - 3) / 2));
    // Too late: both are under way.
    assert_int_equal(tell(WEND_VOLLEY_OFFER, 9000, 0, T0 + WEND_MS(91)), WEND_DROP_NONE);
    wend_volley_expire(&volley, T0 + WEND_MS(92));
    (void)drain(WEND_VOLLEY_PROBE, &d);
    assert_true(d.remote.port > 7034 && d.remote.port < 7300);
}

// Where GO comes before its time the second sample is left out: it would count our own steps.
static void samples_nothing_while_it_scans(void **state)
{
    struct wend_volley_datagram d = {0};
    struct wend_address mapped = mapped_to(3000);

    (void)state;
    start(true);
    assert_int_equal(wend_volley_socket_ready(&volley, 1, 50001, T0), 0);
    assert_int_equal(wend_volley_sampled(&volley, 0, 1, &mapped, T0 + WEND_MS(1)), 0);
    assert_int_equal(drain(WEND_VOLLEY_BRACKET, &d), 1);
    assert_int_equal(tell(WEND_VOLLEY_OFFER, 7000, 0, T0 + WEND_MS(2)), WEND_DROP_NONE);
    assert_int_equal(tell(WEND_VOLLEY_GO, 1, 0, T0 + WEND_MS(3)), WEND_DROP_NONE);
    assert_true(drain(WEND_VOLLEY_PROBE, &d) >= 1);
    for (wend_instant at = T0 + WEND_MS(4); at < T0 + WEND_MS(80); at += WEND_MS(1)) {
        wend_volley_expire(&volley, at);
        assert_int_equal(drain(WEND_VOLLEY_BRACKET, &d), 0);
    }
}

// An offer that no sequence of the model's leads to says nothing about the rate.
static void offers_out_of_sequence_are_no_rate(void **state)
{
    struct wend_volley_datagram d = {0};
    struct wend_address mapped = mapped_to(3000);

    (void)state;
    start(true);
    assert_int_equal(wend_volley_socket_ready(&volley, 1, 50001, T0), 0);
    assert_int_equal(wend_volley_sampled(&volley, 0, 1, &mapped, T0 + WEND_MS(25)), 0);
    assert_int_equal(tell(WEND_VOLLEY_OFFER, 7000, 0, T0 + WEND_MS(25)), WEND_DROP_NONE);
    assert_int_equal(tell(WEND_VOLLEY_OFFER, 40001, 0, T0 + WEND_MS(65)), WEND_DROP_NONE);
    assert_int_equal(tell(WEND_VOLLEY_GO, 1, 0, T0 + WEND_MS(90)), WEND_DROP_NONE);
    (void)drain(WEND_VOLLEY_PROBE, &d);
    assert_int_equal(d.remote.port, 40003);
}

// The message that tells the peer was lost, and goes again: patience begins anew, but only until
// the peer was heard.
static void awaits_a_peer_that_joins_late(void **state)
{
    (void)state;
    start(false);
    wend_volley_expire(&volley, T0 + WEND_MS(599));
    assert_int_equal(volley.state, WEND_VOLLEY_RUNNING);
    assert_int_equal(volley.round, 0); // nor does it move on
    wend_volley_await(&volley, T0 + WEND_MS(599));
    wend_volley_expire(&volley, T0 + WEND_MS(1198));
    assert_int_equal(volley.state, WEND_VOLLEY_RUNNING);
    assert_int_equal(volley.round, 0);
    assert_int_equal(tell(WEND_VOLLEY_STILL, 1, 0, T0 + WEND_MS(1198)), WEND_DROP_NONE);
    wend_volley_await(&volley, T0 + WEND_MS(1600));
    wend_volley_expire(&volley, T0 + WEND_MS(1698));
    assert_int_equal(volley.state, WEND_VOLLEY_STATE_OVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(samples_twice, begin),
        cmocka_unit_test_setup(aims_behind_the_newest_offer, begin),
        cmocka_unit_test_setup(samples_nothing_while_it_scans, begin),
        cmocka_unit_test_setup(offers_out_of_sequence_are_no_rate, begin),
        cmocka_unit_test_setup(awaits_a_peer_that_joins_late, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

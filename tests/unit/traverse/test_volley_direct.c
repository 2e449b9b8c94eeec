// SPDX-License-Identifier: MIT
// Where one side has one port for everybody: who takes what for an answer, who says how much.
#include "traverse/volley.h"

#include "../base/unit.h"

#define T0  WEND_S(100)
#define RTT WEND_MS(50)

static struct wend_volley volley;
static struct wend_volley_limits limits;
static struct wend_plan plan;
static struct wend_nat_model own, peer;

static struct wend_nat_model model_of(uint32_t number, enum wend_nat_dependence mapping,
                                      enum wend_nat_dependence filtering)
{
    return (struct wend_nat_model){
        .serial = number,
        .mapping = mapping,
        .filtering = filtering,
        .allocation = WEND_NAT_RANDOM,
        .udp = WEND_NAT_YES,
        .paired = WEND_NAT_YES,
        .low = {1024, 1024, 1024},
        .high = {65535, 65535, 65535},
        .public = wend_address_ipv4(0xcb007100 + number, (uint16_t)(40000 + number)),
    };
}

static int begin(void **state)
{
    (void)state;
    memset(&volley, 0, sizeof volley);
    wend_volley_limits_init(&limits, T0);
    own = model_of(1, WEND_NAT_ENDPOINT_INDEPENDENT, WEND_NAT_ENDPOINT_INDEPENDENT);
    peer = model_of(2, WEND_NAT_ADDRESS_AND_PORT_DEPENDENT, WEND_NAT_ADDRESS_AND_PORT_DEPENDENT);
    return 0;
}

static void start(bool calling, bool parked)
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
                                            .key = {1, 2, 3},
                                            .parked = parked};
    assert_int_equal(wend_volley_start(&volley, &setup, &limits, T0), 0);
}

static void swap_sides(void)
{
    const struct wend_nat_model was = own;

    own = peer;
    peer = was;
}

// How many of a kind; the last one in `ret`.
static uint32_t drain(enum wend_volley_datagram_kind kind, struct wend_volley_datagram *ret)
{
    struct wend_volley_datagram d = {0};
    uint32_t count = 0;

    while (wend_volley_next_datagram(&volley, &d)) {
        if (d.kind != kind)
            continue;
        *ret = d;
        count++;
    }
    return count;
}

static bool is_won(struct wend_address *ret)
{
    struct wend_volley_event e;

    while (wend_volley_next_event(&volley, &e))
        if (e.kind == WEND_VOLLEY_WON) {
            *ret = e.remote;
            return true;
        }
    return false;
}

static enum wend_drop tell_still(wend_instant now)
{
    uint8_t bytes[WEND_VOLLEY_MESSAGE_MAX];
    const struct wend_volley_message m = {.kind = WEND_VOLLEY_STILL, .serial = plan.serial};
    struct wend_writer w = wend_writer_of(bytes, sizeof bytes);

    wend_volley_message_write(&w, &m);
    assert_false(w.failed);
    return wend_volley_receive(&volley, (struct wend_bytes){bytes, w.len}, now);
}

static struct wend_volley_hit hit_of(enum wend_volley_datagram_kind kind, uint64_t echo)
{
    struct wend_volley_hit h = {.kind = kind, .remote = peer.public, .token = 77, .echo = echo};

    h.remote.port = 5555; // a mapping of its own for us
    return h;
}

static void takes_what_names_the_plan(void **state)
{
    struct wend_volley_datagram d = {0};
    struct wend_address to = {0};

    (void)state;
    start(false, false);
    assert_int_equal(plan.stages[0].method, WEND_METHOD_DIRECT);
    assert_int_equal(drain(WEND_VOLLEY_PROBE, &d), 0); // the other one speaks
    struct wend_volley_hit h = hit_of(WEND_VOLLEY_PROBE, (uint64_t)plan.serial + 1);
    assert_int_equal(wend_volley_hit(&volley, &h, T0), WEND_DROP_NONE);
    assert_int_equal(drain(WEND_VOLLEY_ANSWER, &d), 1);
    assert_false(is_won(&to)); // of another call, or forged
    h.echo = plan.serial;
    h.remote.port = 5556;
    assert_int_equal(wend_volley_hit(&volley, &h, T0 + WEND_MS(1)), WEND_DROP_NONE);
    assert_int_equal(drain(WEND_VOLLEY_ANSWER, &d), 1);
    assert_int_equal(d.echo, 77);
    assert_true(wend_address_equal(&d.remote, &h.remote));
    assert_true(is_won(&to));
    assert_true(wend_address_equal(&to, &h.remote));
    // Its answer may be lost: the second knock is answered too, and takes nothing else.
    h.remote.port = 5557;
    assert_int_equal(wend_volley_hit(&volley, &h, T0 + WEND_MS(2)), WEND_DROP_NONE);
    assert_int_equal(drain(WEND_VOLLEY_ANSWER, &d), 1);
    assert_false(is_won(&to));
}

static void a_port_for_each_destination_takes_nothing_unasked(void **state)
{
    struct wend_volley_datagram d = {0};
    struct wend_address to;

    (void)state;
    swap_sides();
    start(true, false);
    const struct wend_volley_hit h = hit_of(WEND_VOLLEY_PROBE, plan.serial);
    assert_int_equal(wend_volley_hit(&volley, &h, T0), WEND_DROP_NONE);
    assert_int_equal(drain(WEND_VOLLEY_ANSWER, &d), 1);
    assert_false(is_won(&to));
}

static void knocks_twice_until_the_caller_is_heard(void **state)
{
    struct wend_volley_datagram d = {0};

    (void)state;
    swap_sides();
    start(false, false);
    assert_int_equal(drain(WEND_VOLLEY_PROBE, &d), 1);
    assert_int_equal(d.echo, plan.serial);
    wend_volley_expire(&volley, T0 + WEND_MS(1));
    assert_int_equal(drain(WEND_VOLLEY_PROBE, &d), 1); // should the first one be lost
    for (wend_instant at = T0; at < T0 + WEND_MS(400); at += WEND_MS(10)) {
        wend_volley_expire(&volley, at);
        assert_int_equal(drain(WEND_VOLLEY_PROBE, &d), 0);
    }
    assert_int_equal(volley.stage, 0); // nor does it move on alone
    assert_int_equal(tell_still(T0 + WEND_MS(400)), WEND_DROP_NONE);
    assert_int_equal(drain(WEND_VOLLEY_PROBE, &d), 0); // its answer may be on the way
    wend_volley_expire(&volley, T0 + WEND_MS(420));
    assert_int_equal(drain(WEND_VOLLEY_PROBE, &d), 1);
}

static void confirms_nothing_that_is_taken(void **state)
{
    struct wend_volley_datagram probe = {0}, d = {0};
    struct wend_address to;

    (void)state;
    swap_sides();
    start(true, false);
    assert_int_equal(drain(WEND_VOLLEY_PROBE, &probe), 1);
    struct wend_volley_hit h = hit_of(WEND_VOLLEY_ANSWER, probe.token);
    h.remote = peer.public;
    assert_int_equal(wend_volley_hit(&volley, &h, T0 + RTT), WEND_DROP_NONE);
    assert_true(is_won(&to));
    assert_true(wend_address_equal(&to, &peer.public));
    assert_int_equal(drain(WEND_VOLLEY_CONFIRM, &d), 0);
}

// An opener that passes the filter is as good as the offer that tells of it.
static void an_opener_is_an_offer(void **state)
{
    struct wend_volley_datagram d = {0};

    (void)state;
    own = model_of(1, WEND_NAT_ADDRESS_AND_PORT_DEPENDENT, WEND_NAT_ENDPOINT_INDEPENDENT);
    peer = model_of(2, WEND_NAT_ENDPOINT_INDEPENDENT, WEND_NAT_ADDRESS_DEPENDENT);
    start(true, false);
    assert_int_equal(plan.stages[0].method, WEND_METHOD_REVERSAL);
    struct wend_volley_hit h = hit_of(WEND_VOLLEY_OPENER, plan.serial);
    h.remote = peer.public;
    assert_int_equal(wend_volley_hit(&volley, &h, T0), WEND_DROP_NONE);
    assert_int_equal(drain(WEND_VOLLEY_PROBE, &d), 1); // and no ANSWER besides
    assert_true(wend_address_equal(&d.remote, &peer.public));
}

// What comes from where it opened to has proven the way; anything else is asked for an answer.
static void a_fresh_socket_takes_the_probe(void **state)
{
    struct wend_volley_datagram d = {0};
    struct wend_address to = {0};

    (void)state;
    own = model_of(1, WEND_NAT_ADDRESS_AND_PORT_DEPENDENT, WEND_NAT_ADDRESS_AND_PORT_DEPENDENT);
    own.allocation = WEND_NAT_PRESERVING;
    peer = model_of(2, WEND_NAT_ENDPOINT_INDEPENDENT, WEND_NAT_ADDRESS_AND_PORT_DEPENDENT);
    start(true, false);
    assert_int_equal(plan.stages[0].method, WEND_METHOD_GUESS);
    assert_int_equal(wend_volley_socket_ready(&volley, 1, 50001, T0), 0);
    assert_int_equal(drain(WEND_VOLLEY_OPENER, &d), 1);
    struct wend_volley_hit h = {.kind = WEND_VOLLEY_PROBE,
                                .socket = 1,
                                .remote = peer.public,
                                .token = 77,
                                .echo = plan.serial + 1};
    (void)wend_volley_hit(&volley, &h, T0 + RTT); // of another plan
    assert_false(is_won(&to));
    h.echo = plan.serial;
    h.remote.port++;
    (void)wend_volley_hit(&volley, &h, T0 + RTT); // of another port
    assert_false(is_won(&to));
    h.remote.port--;
    (void)wend_volley_hit(&volley, &h, T0 + 2 * RTT);
    assert_true(is_won(&to));
    assert_true(wend_address_equal(&to, &peer.public));
    assert_true(drain(WEND_VOLLEY_ANSWER, &d) >= 1);
    assert_int_equal(d.echo, 77);
}

// The prober of such a socket has nothing to confirm.
static void a_fresh_sockets_answer_is_not_confirmed(void **state)
{
    struct wend_volley_datagram d = {0};
    struct wend_address to = {0};
    uint8_t bytes[WEND_VOLLEY_MESSAGE_MAX];

    (void)state;
    own = model_of(1, WEND_NAT_ENDPOINT_INDEPENDENT, WEND_NAT_ADDRESS_AND_PORT_DEPENDENT);
    peer.allocation = WEND_NAT_PRESERVING;
    start(true, false);
    struct wend_volley_message offer = {
        .kind = WEND_VOLLEY_OFFER, .serial = plan.serial, .address = peer.public};
    offer.address.port = offer.last_port = 50001;
    struct wend_writer w = wend_writer_of(bytes, sizeof bytes);
    wend_volley_message_write(&w, &offer);
    (void)wend_volley_receive(&volley, (struct wend_bytes){bytes, w.len}, T0 + RTT / 2);
    assert_int_equal(drain(WEND_VOLLEY_PROBE, &d), 1);
    struct wend_volley_hit h = hit_of(WEND_VOLLEY_ANSWER, d.token);
    h.remote.port = 50001;
    (void)wend_volley_hit(&volley, &h, T0 + 2 * RTT);
    assert_true(is_won(&to));
    assert_int_equal(drain(WEND_VOLLEY_CONFIRM, &d), 0);
}

static void a_parked_one_waits_for_the_peer(void **state)
{
    struct wend_volley_datagram d = {0};

    (void)state;
    swap_sides();
    start(false, true);
    assert_int_equal(drain(WEND_VOLLEY_PROBE, &d), 0);
    wend_volley_expire(&volley, T0 + WEND_MS(100));
    assert_true(wend_volley_deadline(&volley) > T0 + WEND_MS(100));
    assert_int_equal(drain(WEND_VOLLEY_PROBE, &d), 0);
    assert_int_equal(tell_still(T0 + WEND_MS(100)), WEND_DROP_NONE);
    assert_int_equal(drain(WEND_VOLLEY_PROBE, &d), 1);
}

// Two mapped ones: the called side speaks, and from another port than the one that is mapped.
static void of_two_open_sides_the_called_one_speaks(void **state)
{
    struct wend_volley_datagram d = {0};

    (void)state;
    own = model_of(1, WEND_NAT_ADDRESS_AND_PORT_DEPENDENT, WEND_NAT_ADDRESS_AND_PORT_DEPENDENT);
    peer = model_of(2, WEND_NAT_ADDRESS_AND_PORT_DEPENDENT, WEND_NAT_ADDRESS_AND_PORT_DEPENDENT);
    own.mapped = wend_address_ipv4(0xcb007101, 7001);
    peer.mapped = wend_address_ipv4(0xcb007102, 7002);
    start(false, false);
    assert_int_equal(drain(WEND_VOLLEY_PROBE, &d), 1);
    assert_true(wend_address_equal(&d.remote, &peer.mapped));
    wend_volley_close(&volley);
    start(true, false);
    assert_int_equal(drain(WEND_VOLLEY_PROBE, &d), 0);
}

// A wide fan has a time by which it goes without all of its sockets: not while it is parked.
static void a_parked_fan_has_nothing_due(void **state)
{
    (void)state;
    own = model_of(1, WEND_NAT_ADDRESS_AND_PORT_DEPENDENT, WEND_NAT_ADDRESS_AND_PORT_DEPENDENT);
    peer = model_of(2, WEND_NAT_ENDPOINT_INDEPENDENT, WEND_NAT_ADDRESS_AND_PORT_DEPENDENT);
    start(false, true);
    assert_int_equal(plan.stages[0].parts[plan.own].role, WEND_ROLE_FAN);
    for (wend_instant at = T0; at < T0 + WEND_MS(300); at += WEND_MS(10)) {
        wend_volley_expire(&volley, at);
        assert_true(wend_volley_deadline(&volley) > at);
    }
}

// Linux gives the place of a mapping to a packet that comes before it: the called side, which has
// the models first, opens its own NAT and sends nothing that gets further.
static void nothing_comes_early_to_linux(void **state)
{
    struct wend_volley_datagram d = {0};
    struct wend_address to = {0};

    (void)state;
    own = model_of(1, WEND_NAT_ENDPOINT_INDEPENDENT, WEND_NAT_ADDRESS_AND_PORT_DEPENDENT);
    peer = model_of(2, WEND_NAT_ENDPOINT_INDEPENDENT, WEND_NAT_ADDRESS_AND_PORT_DEPENDENT);
    own.allocation = peer.allocation = WEND_NAT_PRESERVING;
    start(false, false);
    assert_int_equal(plan.stages[0].method, WEND_METHOD_SIMULTANEOUS);
    assert_true(wend_volley_next_datagram(&volley, &d));
    assert_int_equal(d.kind, WEND_VOLLEY_OPENER);
    assert_int_equal(d.ttl, 2);
    for (wend_instant at = T0; at < T0 + WEND_MS(300); at += WEND_MS(10)) {
        wend_volley_expire(&volley, at);
        assert_false(wend_volley_next_datagram(&volley, &d));
    }
    const struct wend_volley_hit h = hit_of(WEND_VOLLEY_PROBE, plan.serial);
    assert_int_equal(wend_volley_hit(&volley, &h, T0 + WEND_MS(300)), WEND_DROP_NONE);
    assert_true(is_won(&to));
    wend_volley_close(&volley);
    start(true, false); // the caller knows that the way in is open
    assert_int_equal(drain(WEND_VOLLEY_PROBE, &d), 1);
    assert_int_equal(d.ttl, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(takes_what_names_the_plan, begin),
        cmocka_unit_test_setup(a_port_for_each_destination_takes_nothing_unasked, begin),
        cmocka_unit_test_setup(knocks_twice_until_the_caller_is_heard, begin),
        cmocka_unit_test_setup(confirms_nothing_that_is_taken, begin),
        cmocka_unit_test_setup(an_opener_is_an_offer, begin),
        cmocka_unit_test_setup(a_fresh_socket_takes_the_probe, begin),
        cmocka_unit_test_setup(a_fresh_sockets_answer_is_not_confirmed, begin),
        cmocka_unit_test_setup(a_parked_one_waits_for_the_peer, begin),
        cmocka_unit_test_setup(a_parked_fan_has_nothing_due, begin),
        cmocka_unit_test_setup(nothing_comes_early_to_linux, begin),
        cmocka_unit_test_setup(of_two_open_sides_the_called_one_speaks, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

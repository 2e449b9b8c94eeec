// SPDX-License-Identifier: MIT
// One volley at a time, and what a hostile or broken peer may try with it.
#include "traverse/volley.h"

#include <errno.h>

#include "../base/unit.h"

#define T0  WEND_S(100)
#define RTT WEND_MS(50)

static struct wend_volley volley;
static struct wend_volley_limits limits;
static struct wend_plan plan;
static struct wend_nat_model own, peer;

static struct wend_nat_model model_of(uint32_t number, enum wend_nat_dependence mapping,
                                      enum wend_nat_allocation allocation)
{
    return (struct wend_nat_model){
        .serial = number,
        .mapping = mapping,
        .filtering = WEND_NAT_ADDRESS_AND_PORT_DEPENDENT,
        .allocation = allocation,
        .udp = WEND_NAT_YES,
        .paired = WEND_NAT_YES,
        .delta = 1,
        .low = {1024, 1024, 1024},
        .high = {65535, 65535, 65535},
        .public = wend_address_ipv4(0xcb007100 + number, (uint16_t)(40000 + number)),
    };
}

static struct wend_volley_setup setup_of(bool calling)
{
    const struct wend_plan_input in = {
        .own = &own, .peer = &peer, .own_first = true, .calling = calling, .call = 1};

    wend_plan_make(&plan, &in);
    return (struct wend_volley_setup){.plan = &plan,
                                      .own = &own,
                                      .peer = &peer,
                                      .attested = peer.public,
                                      .rtt = RTT,
                                      .ttl = 4,
                                      .key = {1, 2, 3}};
}

static int begin(void **state)
{
    (void)state;
    memset(&volley, 0, sizeof volley);
    wend_volley_limits_init(&limits, T0);
    own = model_of(1, WEND_NAT_ENDPOINT_INDEPENDENT, WEND_NAT_RANDOM);
    peer = model_of(2, WEND_NAT_ENDPOINT_INDEPENDENT, WEND_NAT_RANDOM);
    return 0;
}

static void start(bool calling)
{
    const struct wend_volley_setup setup = setup_of(calling);

    assert_int_equal(wend_volley_start(&volley, &setup, &limits, T0), 0);
}

static size_t say(enum wend_volley_kind kind, uint8_t *ret)
{
    struct wend_volley_message m = {.kind = kind, .serial = plan.serial, .code = 1, .port = 5000};
    struct wend_writer w = wend_writer_of(ret, WEND_VOLLEY_MESSAGE_MAX);

    m.address = peer.public;
    m.last_port = peer.public.port;
    wend_volley_message_write(&w, &m);
    assert_false(w.failed);
    return w.len;
}

static enum wend_drop tell(enum wend_volley_kind kind, wend_instant now)
{
    uint8_t bytes[WEND_VOLLEY_MESSAGE_MAX];
    const size_t len = say(kind, bytes);

    return wend_volley_receive(&volley, (struct wend_bytes){bytes, len}, now);
}

static uint32_t drain(void)
{
    struct wend_volley_datagram d;
    uint32_t count = 0;

    while (wend_volley_next_datagram(&volley, &d)) {
        assert_true(wend_address_same_ip(&d.remote, &peer.public));
        count++;
    }
    return count;
}

static bool next_message(enum wend_volley_kind kind, struct wend_volley_message *ret)
{
    uint8_t bytes[WEND_VOLLEY_MESSAGE_MAX];
    size_t len;

    while ((len = wend_volley_next_message(&volley, bytes, T0)) > 0) {
        assert_int_equal(wend_volley_message_read((struct wend_bytes){bytes, len}, ret), 0);
        if (ret->kind == kind)
            return true;
    }
    return false;
}

static bool next_event(enum wend_volley_event_kind kind, struct wend_volley_event *ret)
{
    while (wend_volley_next_event(&volley, ret))
        if (ret->kind == kind)
            return true;
    return false;
}

static void only_to_the_attested_address(void **state)
{
    struct wend_volley_setup setup = setup_of(true);

    (void)state;
    setup.attested = (struct wend_address){0};
    assert_int_equal(wend_volley_start(&volley, &setup, &limits, T0), -EPERM);
    setup.attested = wend_address_ipv4(0xcb0071ff, 40002);
    assert_int_equal(wend_volley_start(&volley, &setup, &limits, T0), -EPERM);
    assert_int_equal(volley.state, WEND_VOLLEY_IDLE);
    assert_int_equal(limits.running, 0);
    setup.attested = peer.public;
    setup.attested.port = 9; // the session may have another port than the main socket
    assert_int_equal(wend_volley_start(&volley, &setup, &limits, T0), 0);
    wend_volley_close(&volley);
    assert_int_equal(limits.running, 0);
}

// The called side says GO and begins half a round trip later; the caller begins on receipt.
static void both_begin_at_the_same_instant(void **state)
{
    struct wend_volley_message m;

    (void)state;
    start(false);
    assert_int_equal(drain(), 0);
    assert_true(next_message(WEND_VOLLEY_GO, &m));
    wend_volley_expire(&volley, T0 + RTT / 2 - 1);
    assert_int_equal(drain(), 0);
    wend_volley_expire(&volley, T0 + RTT / 2);
    assert_int_equal(drain(), 1);
    wend_volley_close(&volley);
    start(true);
    assert_int_equal(tell(WEND_VOLLEY_GO, T0 + WEND_MS(7)), WEND_DROP_NONE);
    assert_int_equal(drain(), 1);
}

static void silence_ends_it(void **state)
{
    struct wend_volley_event e;

    (void)state;
    start(true);
    assert_int_equal(tell(WEND_VOLLEY_STILL, T0), WEND_DROP_NONE);
    wend_volley_expire(&volley, T0 + WEND_MS(499));
    assert_int_equal(volley.state, WEND_VOLLEY_RUNNING);
    wend_volley_expire(&volley, T0 + WEND_MS(500));
    assert_int_equal(volley.state, WEND_VOLLEY_STATE_OVER);
    assert_true(next_event(WEND_VOLLEY_OVER, &e));
    assert_string_equal(e.reason, "the peer no longer confirms over the relay");
    assert_int_equal(drain(), 0);
    assert_int_equal(limits.running, 0);
    assert_true(wend_volley_deadline(&volley) == WEND_NEVER);
}

static void a_refusal_stops_both(void **state)
{
    struct wend_volley_message m;
    struct wend_volley_event e;

    (void)state;
    start(false);
    wend_volley_refuse(&volley, "not on this network", T0);
    assert_true(next_message(WEND_VOLLEY_STOP, &m));
    assert_int_equal(m.code, WEND_VOLLEY_REFUSED);
    assert_string_equal(m.text, "not on this network");
    assert_int_equal(drain(), 0);
    begin(NULL);
    start(true);
    assert_int_equal(tell(WEND_VOLLEY_STOP, T0), WEND_DROP_NONE);
    assert_true(next_event(WEND_VOLLEY_OVER, &e));
    assert_string_equal(e.reason, "the peer refused: no reason given");
    assert_false(next_message(WEND_VOLLEY_STOP, &m)); // no answer to a stop
    assert_int_equal(tell(WEND_VOLLEY_GO, T0), WEND_DROP_EXPIRED);
    assert_int_equal(drain(), 0);
}

static void the_called_side_may_ask_for_a_port(void **state)
{
    struct wend_volley_message m;
    struct wend_volley_event e;

    (void)state;
    start(false);
    wend_volley_ask_port(&volley, 5000);
    assert_true(next_message(WEND_VOLLEY_AIM, &m));
    assert_int_equal(m.port, 5000);
    assert_int_equal(tell(WEND_VOLLEY_AIM, T0), WEND_DROP_NOT_ALLOWED); // not by the caller
    begin(NULL);
    own = model_of(1, WEND_NAT_ADDRESS_AND_PORT_DEPENDENT, WEND_NAT_PRESERVING);
    start(true);
    assert_int_equal(tell(WEND_VOLLEY_AIM, T0), WEND_DROP_NONE);
    assert_true(next_event(WEND_VOLLEY_OPEN_SOCKETS, &e));
    assert_int_equal(e.count, 1);
    assert_int_equal(e.port, 5000);
}

// Answers that echo what we never sent, from where nobody may be, to sockets that do not exist.
static void forged_hits_win_nothing(void **state)
{
    struct wend_volley_hit hit = {.kind = WEND_VOLLEY_ANSWER, .remote = peer.public, .echo = 77};
    struct wend_volley_datagram d;

    (void)state;
    start(true);
    assert_int_equal(tell(WEND_VOLLEY_GO, T0), WEND_DROP_NONE);
    assert_true(wend_volley_next_datagram(&volley, &d));
    assert_int_equal(wend_volley_hit(&volley, &hit, T0), WEND_DROP_BAD_MAC);
    hit.kind = WEND_VOLLEY_CONFIRM;
    assert_int_equal(wend_volley_hit(&volley, &hit, T0), WEND_DROP_BAD_MAC);
    hit.echo = d.token ^ (uint64_t)1 << 33; // another port than the one we sent to
    assert_int_equal(wend_volley_hit(&volley, &hit, T0), WEND_DROP_BAD_MAC);
    hit.echo = d.token;
    hit.socket = 9;
    assert_int_equal(wend_volley_hit(&volley, &hit, T0), WEND_DROP_MALFORMED);
    hit.socket = 0;
    hit.remote = wend_address_ipv4(0xcb0071fe, 40002);
    assert_int_equal(wend_volley_hit(&volley, &hit, T0), WEND_DROP_WRONG_SOURCE);
    assert_int_equal(tell(WEND_VOLLEY_HIT, T0), WEND_DROP_BAD_MAC); // its token is 0
    assert_int_equal(volley.state, WEND_VOLLEY_RUNNING);
    hit.remote = peer.public;
    hit.kind = WEND_VOLLEY_BRACKET;
    assert_int_equal(wend_volley_hit(&volley, &hit, T0), WEND_DROP_UNKNOWN_TYPE);
    hit.kind = WEND_VOLLEY_ANSWER;
    assert_int_equal(wend_volley_hit(&volley, &hit, T0), WEND_DROP_NONE);
    assert_int_equal(volley.state, WEND_VOLLEY_STATE_WON);
}

// An answer from a new port: the destination that worked is kept.
static void the_source_of_an_answer_is_not_followed(void **state)
{
    struct wend_volley_datagram d, confirm;
    struct wend_volley_event e;

    (void)state;
    start(true);
    assert_int_equal(tell(WEND_VOLLEY_GO, T0), WEND_DROP_NONE);
    assert_true(wend_volley_next_datagram(&volley, &d));
    struct wend_volley_hit hit = {
        .kind = WEND_VOLLEY_ANSWER, .remote = peer.public, .echo = d.token, .token = 5};
    hit.remote.port = 61000;
    assert_int_equal(wend_volley_hit(&volley, &hit, T0), WEND_DROP_NONE);
    assert_true(next_event(WEND_VOLLEY_WON, &e));
    assert_int_equal(e.remote.port, peer.public.port);
    assert_true(wend_volley_next_datagram(&volley, &confirm));
    assert_int_equal(confirm.kind, WEND_VOLLEY_CONFIRM);
    assert_int_equal(confirm.remote.port, peer.public.port);
    assert_int_equal(confirm.echo, 5);
    wend_volley_expire(&volley, T0 + WEND_S(1));
    assert_true(next_event(WEND_VOLLEY_CLOSE_SOCKETS, &e));
    assert_int_equal(limits.running, 0);
}

static void floods_are_counted(void **state)
{
    uint32_t taken = 0;

    (void)state;
    start(true);
    for (int i = 0; i < 10000; i++)
        taken += tell(WEND_VOLLEY_GO, T0 + WEND_US(50) * i) == WEND_DROP_NONE;
    assert_int_equal(taken, 64);
    assert_int_equal(volley.drops.count[WEND_DROP_RATE_LIMITED], 10000 - 64);
    begin(NULL);
    start(true);
    for (uint16_t i = 1; i < 1000; i++) {
        struct wend_volley_hit hit = {.kind = WEND_VOLLEY_PROBE, .remote = peer.public, .token = i};
        hit.remote.port = i;
        wend_volley_hit(&volley, &hit, T0);
    }
    assert_true(drain() <= WEND_VOLLEY_ANSWERS);
    assert_int_equal(volley.drops.count[WEND_DROP_QUEUE_FULL], 999 - WEND_VOLLEY_HEARD);
}

static void late_and_foreign_messages_do_nothing(void **state)
{
    uint8_t bytes[WEND_VOLLEY_MESSAGE_MAX];

    (void)state;
    start(true);
    const size_t len = say(WEND_VOLLEY_GO, bytes);
    bytes[7] ^= 1; // another plan
    assert_int_equal(wend_volley_receive(&volley, (struct wend_bytes){bytes, len}, T0),
                     WEND_DROP_NO_SESSION);
    bytes[7] ^= 1;
    bytes[1] = 200; // a stage that the plan has not
    assert_int_equal(wend_volley_receive(&volley, (struct wend_bytes){bytes, len}, T0),
                     WEND_DROP_EXPIRED);
    assert_int_equal(wend_volley_receive(&volley, (struct wend_bytes){bytes, 5}, T0),
                     WEND_DROP_MALFORMED);
    peer.public.ip[3] ^= 1; // an offer that names another address than the attested one
    assert_int_equal(tell(WEND_VOLLEY_OFFER, T0), WEND_DROP_NOT_ALLOWED);
    peer.public.ip[3] ^= 1;
    assert_int_equal(drain(), 0);
}

static void a_changed_address_ends_it(void **state)
{
    const struct wend_address elsewhere = wend_address_ipv4(0xcb0071aa, 5000);
    struct wend_volley_message m;

    (void)state;
    own = model_of(1, WEND_NAT_ADDRESS_AND_PORT_DEPENDENT, WEND_NAT_SEQUENTIAL);
    start(false);
    assert_int_equal(wend_volley_sampled(&volley, 0, 1, &elsewhere, T0), -ESTALE);
    assert_int_equal(wend_volley_socket_ready(&volley, 2, 5000, T0), -ENOENT);
    assert_int_equal(wend_volley_socket_ready(&volley, 1, 5000, T0), 0);
    assert_int_equal(wend_volley_sampled(&volley, 0, 1, &elsewhere, T0), 0);
    assert_int_equal(volley.state, WEND_VOLLEY_STATE_OVER);
    assert_true(next_message(WEND_VOLLEY_STOP, &m));
    assert_int_equal(m.code, WEND_VOLLEY_CHANGED);
}

static void all_volleys_together_are_bounded(void **state)
{
    static struct wend_volley many[WEND_VOLLEYS_MAX + 1];
    int running = 0, busy = 0;

    (void)state;
    memset(many, 0, sizeof many);
    own = model_of(1, WEND_NAT_ADDRESS_AND_PORT_DEPENDENT, WEND_NAT_RANDOM);
    const struct wend_volley_setup setup = setup_of(true);
    for (int i = 0; i < WEND_VOLLEYS_MAX + 1; i++) {
        const int result = wend_volley_start(&many[i], &setup, &limits, T0);
        busy += result == -EBUSY;
        running += result == 0 && many[i].state == WEND_VOLLEY_RUNNING;
    }
    assert_int_equal(running, 2); // 668 sockets each, 1,400 in all; the others are OVER
    assert_int_equal(busy, 0);
    assert_true(limits.sockets <= WEND_VOLLEY_SOCKETS_MAX);
    for (int i = 0; i < WEND_VOLLEYS_MAX + 1; i++)
        wend_volley_close(&many[i]);
    assert_int_equal(limits.running + limits.sockets, 0);
    own = model_of(1, WEND_NAT_ENDPOINT_INDEPENDENT, WEND_NAT_RANDOM);
    const struct wend_volley_setup small = setup_of(true);
    for (int i = 0; i < WEND_VOLLEYS_MAX; i++)
        assert_int_equal(wend_volley_start(&many[i], &small, &limits, T0), 0);
    assert_int_equal(wend_volley_start(&many[WEND_VOLLEYS_MAX], &small, &limits, T0), -EBUSY);
    for (int i = 0; i < WEND_VOLLEYS_MAX; i++)
        wend_volley_close(&many[i]);
}

// --- any verbs in any order ---

static uint64_t dice;

static uint32_t roll(uint32_t n)
{
    return (uint32_t)(unit_random(&dice) % n);
}

static struct wend_nat_model any_model(uint32_t number)
{
    static const enum wend_nat_allocation kinds[] = {WEND_NAT_PRESERVING, WEND_NAT_SECOND_PRIORITY,
                                                     WEND_NAT_SEQUENTIAL, WEND_NAT_BLOCK,
                                                     WEND_NAT_RANDOM};
    struct wend_nat_model m = model_of(number, (enum wend_nat_dependence)roll(5), kinds[roll(5)]);

    m.filtering = (enum wend_nat_dependence)roll(5);
    return m;
}

static void any_message(wend_instant now)
{
    struct wend_volley_message m = {
        .kind = (enum wend_volley_kind)(1 + roll(5)), // STOP apart
        .stage = (uint8_t)roll(4),
        .round = (uint8_t)roll(3),
        .serial = plan.serial,
        .microseconds = roll(2) ? roll(100000) : UINT32_MAX,
        .address = peer.public,
        .last_port = (uint16_t)(1 + roll(65535)),
        .port = (uint16_t)(1 + roll(65535)),
        .token = unit_random(&dice),
    };
    uint8_t bytes[WEND_VOLLEY_MESSAGE_MAX];
    struct wend_writer w = wend_writer_of(bytes, sizeof bytes);

    m.address.port = (uint16_t)(1 + roll(65535));
    wend_volley_message_write(&w, &m);
    wend_volley_receive(&volley, (struct wend_bytes){bytes, w.len}, now);
}

static void any_verb(wend_instant now)
{
    struct wend_volley_hit hit = {.kind = (enum wend_volley_datagram_kind)(1 + roll(5)),
                                  .socket = (uint16_t)roll(800),
                                  .remote = peer.public,
                                  .token = unit_random(&dice),
                                  .echo = unit_random(&dice)};
    struct wend_address mapped = own.public;
    uint8_t bytes[WEND_VOLLEY_MESSAGE_MAX];
    struct wend_volley_event event;

    mapped.port = hit.remote.port = (uint16_t)roll(65536);
    switch (roll(7)) {
    case 0: any_message(now); return;
    case 1: wend_volley_hit(&volley, &hit, now); return;
    case 2: wend_volley_sampled(&volley, (uint8_t)roll(3), hit.socket % 4, &mapped, now); return;
    case 3: wend_volley_socket_ready(&volley, hit.socket, mapped.port, now); return;
    case 4: wend_volley_next_event(&volley, &event); return;
    case 5: wend_volley_next_message(&volley, bytes, now); return;
    default: wend_volley_expire(&volley, now); return;
    }
}

static void invariants_hold_whatever_happens(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        wend_instant now = T0;
        uint32_t sent = 0;
        dice = seed;
        begin(NULL);
        own = any_model(1);
        peer = any_model(2);
        start(roll(2));
        for (int i = 0; i < 3000 && volley.state == WEND_VOLLEY_RUNNING; i++) {
            now += roll(3) == 0 ? (wend_duration)roll(20000000) : 0;
            any_verb(now);
            wend_volley_check(&volley);
            struct wend_volley_datagram d;
            while (wend_volley_next_datagram(&volley, &d)) {
                sent += d.kind != WEND_VOLLEY_BRACKET;
                assert_true(d.kind == WEND_VOLLEY_BRACKET ||
                            wend_address_same_ip(&d.remote, &peer.public));
            }
            assert_true(wend_volley_deadline(&volley) != WEND_NEVER ||
                        volley.state != WEND_VOLLEY_RUNNING);
        }
        assert_true(sent <= plan.datagrams_max + WEND_VOLLEY_ANSWERS);
        wend_volley_close(&volley);
        assert_int_equal(limits.running + limits.sockets, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(only_to_the_attested_address, begin),
        cmocka_unit_test_setup(both_begin_at_the_same_instant, begin),
        cmocka_unit_test_setup(silence_ends_it, begin),
        cmocka_unit_test_setup(a_refusal_stops_both, begin),
        cmocka_unit_test_setup(the_called_side_may_ask_for_a_port, begin),
        cmocka_unit_test_setup(forged_hits_win_nothing, begin),
        cmocka_unit_test_setup(the_source_of_an_answer_is_not_followed, begin),
        cmocka_unit_test_setup(floods_are_counted, begin),
        cmocka_unit_test_setup(late_and_foreign_messages_do_nothing, begin),
        cmocka_unit_test_setup(a_changed_address_ends_it, begin),
        cmocka_unit_test_setup(all_volleys_together_are_bounded, begin),
        cmocka_unit_test_setup(invariants_hold_whatever_happens, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

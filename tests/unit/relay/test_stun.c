// SPDX-License-Identifier: MIT
// Binding requests: what is answered, how long, from where, how often. docs/protocol.md
// section 4.4.
#include "world.h"

#include "wire/stun.h"

#define PRIMARY   wend_address_ipv4(0xc6336401, 3478)
#define ALTERNATE wend_address_ipv4(0xc6336402, 3479)

static void open_with_alternate(struct world *w)
{
    const struct wend_relay_config config = {.primary = {PRIMARY}, .alternate = {ALTERNATE}};
    world_open(w, &config);
}

struct request {
    struct wend_stun_writer w;
    uint8_t bytes[512];
};

static void begin(struct request *q)
{
    const struct wend_stun_header header = {.method = WEND_STUN_METHOD_BINDING,
                                            .class = WEND_STUN_REQUEST,
                                            .transaction = "abcdefghijkl"};
    wend_stun_begin(&q->w, q->bytes, sizeof q->bytes, &header);
}

static struct wend_datagram from_client(const struct request *q)
{
    return (struct wend_datagram){.transport = WEND_TRANSPORT_UDP,
                                  .local = PRIMARY,
                                  .remote = wend_address_ipv4(0x0a010203, 5555),
                                  .bytes = {q->bytes, wend_stun_finish(&q->w)}};
}

static bool ask(struct world *w, const struct wend_datagram *d, struct kept *ret,
                struct wend_stun *ret_stun)
{
    if (world_deliver(w, d) != WEND_DROP_NONE || !world_take(w, d, ret))
        return false;
    assert_int_equal(wend_stun_read(ret->d.bytes, ret_stun), 0);
    assert_memory_equal(ret_stun->transaction, "abcdefghijkl", 12);
    return true;
}

static void a_bare_request_gets_its_address_alone(void **state)
{
    struct world w;
    struct request q;
    struct kept k;
    struct wend_stun m;
    (void)state;
    open_with_alternate(&w);
    begin(&q);
    const struct wend_datagram d = from_client(&q);
    assert_int_equal(d.bytes.len, 20);
    assert_true(ask(&w, &d, &k, &m));
    assert_int_equal(m.class, WEND_STUN_SUCCESS);
    assert_int_equal(k.d.bytes.len, 32);
    assert_true(wend_address_equal(&m.xor_mapped, &d.remote));
    assert_true(wend_address_equal(&k.d.local, &d.local));
    world_close(&w);
}

static void a_padded_request_is_told_the_other_address(void **state)
{
    struct world w;
    struct request q;
    struct kept k;
    struct wend_stun m;
    const struct wend_address primary = PRIMARY, alternate = ALTERNATE;
    (void)state;
    open_with_alternate(&w);
    begin(&q);
    wend_stun_put_padding(&q.w, 64);
    struct wend_datagram d = from_client(&q);
    assert_true(ask(&w, &d, &k, &m));
    assert_true(k.d.bytes.len <= d.bytes.len);
    assert_true(wend_address_equal(&m.response_origin, &primary));
    assert_true(wend_address_equal(&m.other, &alternate));
    d.local = alternate; // the other one names the first
    assert_true(ask(&w, &d, &k, &m));
    assert_true(wend_address_equal(&m.other, &primary));
    assert_true(wend_address_equal(&k.d.local, &alternate));
    begin(&q);
    wend_stun_put_padding(&q.w, 16); // too short for all of it
    d = from_client(&q);
    assert_true(ask(&w, &d, &k, &m));
    assert_int_equal(m.other.family, WEND_FAMILY_NONE);
    world_close(&w);
}

static void an_answer_comes_from_elsewhere_when_asked(void **state)
{
    struct world w;
    struct request q;
    struct kept k;
    struct wend_stun m;
    const struct wend_address alternate = ALTERNATE;
    (void)state;
    open_with_alternate(&w);
    begin(&q);
    wend_stun_put_change_request(&q.w, true, true);
    struct wend_datagram d = from_client(&q);
    assert_true(ask(&w, &d, &k, &m));
    assert_int_equal(m.class, WEND_STUN_SUCCESS);
    assert_true(wend_address_equal(&k.d.local, &alternate));
    begin(&q);
    wend_stun_put_change_request(&q.w, false, true); // there is no such socket
    d = from_client(&q);
    assert_true(ask(&w, &d, &k, &m));
    assert_int_equal(m.class, WEND_STUN_ERROR);
    assert_int_equal(m.error_code, 420);
    world_close(&w);
}

static void what_could_be_abused_is_refused(void **state)
{
    struct world w;
    struct request q;
    struct kept k;
    struct wend_stun m;
    struct wend_datagram d;
    (void)state;
    open_with_alternate(&w);
    begin(&q);
    wend_stun_put_response_port(&q.w, 53);
    d = from_client(&q);
    assert_true(ask(&w, &d, &k, &m));
    assert_int_equal(m.error_code, 420);
    assert_true(wend_address_equal(&k.d.remote, &d.remote));
    const uint8_t value[4] = {0};
    begin(&q);
    wend_stun_put(&q.w, 0x7777, WEND_BYTES(value));
    d = from_client(&q);
    assert_true(ask(&w, &d, &k, &m));
    assert_int_equal(m.error_code, 420);
    q.bytes[0] = 1; // a response nobody asked for
    assert_int_equal(world_deliver(&w, &d), WEND_DROP_UNKNOWN_TYPE);
    q.bytes[0] = 0;
    q.bytes[1] = 3; // another method
    assert_int_equal(world_deliver(&w, &d), WEND_DROP_UNKNOWN_TYPE);
    assert_int_equal(w.kept_count, 0);
    world_close(&w);
}

static void a_network_has_its_rate(void **state)
{
    struct world w;
    struct request q;
    unsigned answered = 0;
    (void)state;
    open_with_alternate(&w);
    begin(&q);
    struct wend_datagram d = from_client(&q);
    for (uint32_t i = 0; i < 200; i++) {
        d.remote = wend_address_ipv4(0x0a010200 + i, 1000);
        answered += world_deliver(&w, &d) == WEND_DROP_NONE;
    }
    assert_int_equal(answered, 100);
    assert_int_equal(world_counts(&w).drops.count[WEND_DROP_RATE_LIMITED], 100);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bare_request_gets_its_address_alone),
        cmocka_unit_test(a_padded_request_is_told_the_other_address),
        cmocka_unit_test(an_answer_comes_from_elsewhere_when_asked),
        cmocka_unit_test(what_could_be_abused_is_refused),
        cmocka_unit_test(a_network_has_its_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

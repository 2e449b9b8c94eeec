// SPDX-License-Identifier: MIT
// Binding requests: what is answered, how long, from where, how often. docs/protocol.md
// section 4.4.
#include "world.h"

#include "wire/stun.h"

#define PRIMARY   wend_address_ipv4(0xc6336401, 3478)
#define SECOND    wend_address_ipv4(0xc6336402, 0)
#define ALTERNATE wend_address_ipv4(0xc6336402, 3479)

static void open_with_alternate(struct world *w)
{
    const struct wend_relay_config config = {
        .primary = {PRIMARY},
        .discovery = {{.port_count = 2, .ports = {3478, 3479}, .second = SECOND}},
    };
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

// The answer goes to `port` of the asking address.
static bool ask_for(struct world *w, const struct wend_datagram *d, uint16_t port, struct kept *ret,
                    struct wend_stun *ret_stun)
{
    struct wend_datagram there = *d;
    there.remote.port = port;
    if (world_deliver(w, d) != WEND_DROP_NONE || !world_take(w, &there, ret))
        return false;
    assert_int_equal(wend_stun_read(ret->d.bytes, ret_stun), 0);
    assert_memory_equal(ret_stun->transaction, "abcdefghijkl", 12);
    return true;
}

static bool ask(struct world *w, const struct wend_datagram *d, struct kept *ret,
                struct wend_stun *ret_stun)
{
    return ask_for(w, d, d->remote.port, ret, ret_stun);
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
    wend_stun_put_padding(&q.w, 16); // too short for both
    d = from_client(&q);
    assert_true(ask(&w, &d, &k, &m));
    assert_int_equal(m.other.family, WEND_FAMILY_NONE);
    world_close(&w);
}

// RFC 5780 table 1, whole: to each socket, with each pair of flags.
static void an_answer_comes_from_where_the_table_says(void **state)
{
    struct world w;
    struct kept k;
    struct wend_stun m;
    (void)state;
    open_with_alternate(&w);
    for (unsigned row = 0; row < 16; row++) {
        const bool second = row & 1, late = row & 2, ip = row & 4, port = row & 8;
        const struct wend_address here = wend_address_ipv4(0xc6336401 + second, late ? 3479 : 3478);
        const struct wend_address other =
            wend_address_ipv4(0xc6336402 - second, late ? 3478 : 3479);
        struct wend_address origin = ip ? other : here;
        origin.port = port ? other.port : here.port;
        struct request q;
        begin(&q);
        wend_stun_put_change_request(&q.w, ip, port);
        wend_stun_put_padding(&q.w, 40);
        struct wend_datagram d = from_client(&q);
        d.local = here;
        assert_true(ask(&w, &d, &k, &m));
        assert_int_equal(m.class, WEND_STUN_SUCCESS);
        assert_true(wend_address_equal(&k.d.local, &origin));
        assert_true(wend_address_equal(&k.d.remote, &d.remote));
        assert_true(wend_address_equal(&m.response_origin, &origin));
        assert_true(wend_address_equal(&m.other, &other));
        assert_true(wend_address_equal(&m.mapped, &d.remote));
        assert_true(k.d.bytes.len <= d.bytes.len);
        wend_relay_expire(w.relay, w.now += WEND_S(10), w.unix_seconds);
    }
    world_close(&w);
}

static void a_further_port_has_the_first_as_its_other(void **state)
{
    const struct wend_relay_config config = {
        .primary = {PRIMARY},
        .discovery = {{.port_count = 3, .ports = {3478, 3479, 3480}, .second = SECOND}},
    };
    const struct wend_address other = wend_address_ipv4(0xc6336402, 3478);
    struct world w;
    struct request q;
    struct kept k;
    struct wend_stun m;
    (void)state;
    world_open(&w, &config);
    begin(&q);
    wend_stun_put_change_request(&q.w, true, true);
    wend_stun_put_padding(&q.w, 40);
    struct wend_datagram d = from_client(&q);
    d.local.port = 3480;
    assert_true(ask(&w, &d, &k, &m));
    assert_true(wend_address_equal(&k.d.local, &other));
    assert_true(wend_address_equal(&m.other, &other));
    d.local.port = 9; // a socket that is none of discovery's
    assert_true(ask(&w, &d, &k, &m));
    assert_int_equal(m.error_code, 420);
    world_close(&w);
}

// RFC 5780 section 6: without two addresses and two ports there is nothing to change to.
static void a_change_that_is_impossible_is_refused(void **state)
{
    static const struct wend_discovery_ports lone[] = {
        {.port_count = 0},
        {.port_count = 2, .ports = {3478, 3479}},
        {.port_count = 1, .ports = {3478}, .second = {.family = WEND_FAMILY_IPV4, .ip = {1}}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof lone / sizeof lone[0]; i++) {
        struct wend_relay_config config = {.primary = {PRIMARY}};
        struct world w;
        struct request q;
        struct kept k;
        struct wend_stun m;
        config.discovery[0] = lone[i];
        world_open(&w, &config);
        for (unsigned flags = 0; flags < 4; flags++) {
            begin(&q);
            wend_stun_put_change_request(&q.w, flags & 1, flags & 2);
            const struct wend_datagram d = from_client(&q);
            assert_true(ask(&w, &d, &k, &m));
            assert_int_equal(m.class, WEND_STUN_ERROR);
            assert_int_equal(m.error_code, 420);
            assert_true(wend_address_equal(&k.d.local, &d.local));
        }
        begin(&q);
        wend_stun_put_padding(&q.w, 64);
        const struct wend_datagram d = from_client(&q);
        assert_true(ask(&w, &d, &k, &m));
        assert_int_equal(m.other.family, WEND_FAMILY_NONE);
        assert_true(wend_address_equal(&m.response_origin, &d.local));
        world_close(&w);
    }
}

// Every length of request, with and without a fingerprint: an answer is longer than a request only
// by what the address alone takes.
static void no_answer_amplifies(void **state)
{
    struct world w;
    struct kept k;
    struct wend_stun m;
    (void)state;
    open_with_alternate(&w);
    for (size_t pad = 0; pad <= 1200; pad += 4)
        for (unsigned print = 0; print < 2; print++) {
            uint8_t bytes[1400];
            struct request q;
            begin(&q);
            wend_stun_begin(&q.w, bytes, sizeof bytes,
                            &(struct wend_stun_header){.method = WEND_STUN_METHOD_BINDING,
                                                       .transaction = "abcdefghijkl"});
            if (pad > 0)
                wend_stun_put_padding(&q.w, pad - 4);
            if (print)
                wend_stun_put_fingerprint(&q.w);
            struct wend_datagram d = from_client(&q);
            d.bytes.at = bytes;
            assert_true(ask(&w, &d, &k, &m));
            const size_t bare = 32 + (print ? 8 : 0);
            assert_true(k.d.bytes.len <= (d.bytes.len > bare ? d.bytes.len : bare));
            assert_int_equal(m.other.family != WEND_FAMILY_NONE, d.bytes.len >= bare + 24);
            // Padding comes back as long, so that a way back that loses fragments shows.
            assert_int_equal(wend_stun_has(&m, WEND_STUN_PADDING), d.bytes.len >= bare + 40);
            if (d.bytes.len >= bare + 40)
                assert_int_equal(k.d.bytes.len, d.bytes.len);
            wend_relay_expire(w.relay, w.now += WEND_S(1), w.unix_seconds);
        }
    world_close(&w);
}

static void ipv6_is_served_alike(void **state)
{
    struct wend_address primary = {.family = WEND_FAMILY_IPV6, .port = 3478, .ip = {0x20, 1}};
    struct wend_address second = primary, client = primary;
    struct world w;
    struct request q;
    struct kept k;
    struct wend_stun m;
    (void)state;
    second.ip[15] = 2;
    client.ip[15] = 3;
    second.port = 0;
    const struct wend_relay_config config = {
        .primary = {[1] = primary},
        .discovery = {[1] = {.port_count = 2, .ports = {3478, 3479}, .second = second}},
    };
    world_open(&w, &config);
    begin(&q);
    wend_stun_put_change_request(&q.w, true, true);
    wend_stun_put_padding(&q.w, 100);
    struct wend_datagram d = from_client(&q);
    d.local = primary;
    d.remote = client;
    assert_true(ask(&w, &d, &k, &m));
    second.port = 3479;
    assert_true(wend_address_equal(&k.d.local, &second));
    assert_true(wend_address_equal(&m.other, &second));
    assert_true(wend_address_equal(&m.xor_mapped, &client));
    assert_true(k.d.bytes.len <= d.bytes.len);
    world_close(&w);
}

// A request for another port, as long as its answer at least.
static struct wend_datagram ask_aside(struct request *q, uint16_t port)
{
    uint8_t software[36];
    memset(software, ' ', sizeof software);
    begin(q);
    wend_stun_put_response_port(&q->w, port);
    wend_stun_put(&q->w, WEND_STUN_SOFTWARE, WEND_BYTES(software));
    return from_client(q);
}

static void another_port_of_the_same_address_is_answered(void **state)
{
    static const uint16_t ports[] = {1024, 5556, 65535};
    struct world w;
    struct request q;
    struct kept k;
    struct wend_stun m;
    (void)state;
    open_with_alternate(&w);
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++) {
        const struct wend_datagram d = ask_aside(&q, ports[i]);
        assert_true(ask_for(&w, &d, ports[i], &k, &m));
        assert_int_equal(m.class, WEND_STUN_SUCCESS);
        assert_true(wend_address_same_ip(&k.d.remote, &d.remote));
        assert_true(wend_address_equal(&k.d.local, &d.local));
        assert_true(wend_address_equal(&m.xor_mapped, &d.remote));
        assert_true(k.d.bytes.len <= d.bytes.len);
        assert_int_equal(w.kept_count, 0);
    }
    world_close(&w);
}

static void refused(struct world *w, const struct wend_datagram *d, unsigned code)
{
    struct kept k;
    struct wend_stun m;
    assert_true(ask(w, d, &k, &m));
    assert_int_equal(m.class, WEND_STUN_ERROR);
    assert_int_equal(m.error_code, code);
    assert_int_equal(wend_stun_has(&m, WEND_STUN_UNKNOWN_ATTRIBUTES), code == 420);
    assert_true(wend_address_equal(&k.d.remote, &d->remote)); // to who asked, not aside
    assert_true(wend_address_equal(&k.d.local, &d->local));
    assert_int_equal(w->kept_count, 0);
}

static void another_port_that_could_be_abused_is_refused(void **state)
{
    static const uint16_t services[] = {0, 7, 19, 53, 1023};
    struct world w;
    struct request q;
    struct wend_datagram d;
    (void)state;
    open_with_alternate(&w);
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
        d = ask_aside(&q, services[i]);
        refused(&w, &d, 420);
    }
    begin(&q); // 28 bytes, the answer would have 32
    wend_stun_put_response_port(&q.w, 5556);
    d = from_client(&q);
    refused(&w, &d, 420);
    d = ask_aside(&q, 5556);
    d.transport = WEND_TRANSPORT_TCP;
    refused(&w, &d, 420);
    (void)ask_aside(&q, 5556);
    wend_stun_put_change_request(&q.w, true, true);
    d = from_client(&q);
    refused(&w, &d, 420);
    (void)ask_aside(&q, 5556);
    wend_stun_put_padding(&q.w, 64);
    d = from_client(&q);
    refused(&w, &d, 400);
    world_close(&w);
}

static void another_port_counts_against_the_same_rate(void **state)
{
    struct world w;
    struct request q;
    struct kept k;
    struct wend_stun m;
    unsigned answered = 0;
    (void)state;
    open_with_alternate(&w);
    for (unsigned i = 0; i < 300; i++) {
        const struct wend_datagram d = ask_aside(&q, (uint16_t)(2000 + i));
        answered += ask_for(&w, &d, (uint16_t)(2000 + i), &k, &m);
    }
    assert_int_equal(answered, 100);
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
        cmocka_unit_test(an_answer_comes_from_where_the_table_says),
        cmocka_unit_test(a_further_port_has_the_first_as_its_other),
        cmocka_unit_test(a_change_that_is_impossible_is_refused),
        cmocka_unit_test(no_answer_amplifies),
        cmocka_unit_test(ipv6_is_served_alike),
        cmocka_unit_test(another_port_of_the_same_address_is_answered),
        cmocka_unit_test(another_port_that_could_be_abused_is_refused),
        cmocka_unit_test(another_port_counts_against_the_same_rate),
        cmocka_unit_test(what_could_be_abused_is_refused),
        cmocka_unit_test(a_network_has_its_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

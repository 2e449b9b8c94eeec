// SPDX-License-Identifier: MIT
// The lifetime of mappings, found out against a NAT and a server that are a page of code here.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "io/netcheck_lifetime.h"
#include "wire/stun.h"

#define HALF_WAY WEND_MS(20) // one way to the server

struct nat {
    wend_duration lifetime;
    bool preserving;    // a new mapping gets the old one's port
    bool hairpins;      // for anybody
    bool response_port; // the server's part
    bool silent;        // the server says nothing, after the first answer of each socket
    uint16_t next_port;
    wend_instant last[WEND_LIFETIME_SOCKETS];
    uint16_t ports[WEND_LIFETIME_SOCKETS];
    uint8_t round;
    uint32_t datagrams;
};

// What is on its way to a socket.
struct delivery {
    bool used;
    wend_instant at;
    uint16_t socket;
    uint8_t bytes[128];
    size_t len;
};

struct bench {
    struct wend_lifetime l;
    struct nat nat;
    struct delivery queue[64];
    wend_instant now;
};

static bool lives(const struct nat *n, size_t socket, wend_instant at)
{
    return n->ports[socket] != 0 && at - n->last[socket] <= n->lifetime;
}

static void put(struct bench *b, uint16_t socket, wend_instant at, struct wend_bytes bytes)
{
    for (size_t i = 0; i < 64; i++) {
        struct delivery *d = &b->queue[i];
        if (d->used)
            continue;
        *d = (struct delivery){.used = true, .at = at, .socket = socket, .len = bytes.len};
        memcpy(d->bytes, bytes.at, bytes.len);
        return;
    }
    fail_msg("too much on the way");
}

static void answer(struct bench *b, const struct wend_stun *m, uint16_t asked_from, uint16_t to)
{
    struct wend_stun_header header = {.method = WEND_STUN_METHOD_BINDING,
                                      .class = WEND_STUN_SUCCESS};
    const struct wend_address mapped = wend_address_ipv4(0xCB007109, asked_from);
    uint8_t bytes[128];
    struct wend_stun_writer w;
    memcpy(header.transaction, m->transaction, 12);
    wend_stun_begin(&w, bytes, sizeof bytes, &header);
    wend_stun_put_xor_address(&w, WEND_STUN_XOR_MAPPED_ADDRESS, &mapped);
    for (uint16_t i = 0; i < WEND_LIFETIME_SOCKETS; i++)
        if (b->nat.ports[i] == to && lives(&b->nat, i, b->now))
            put(b, i, b->now + 2 * HALF_WAY, (struct wend_bytes){bytes, wend_stun_finish(&w)});
}

static void pass_out(struct bench *b, size_t socket)
{
    struct nat *n = &b->nat;
    if (!lives(n, socket, b->now) && (n->ports[socket] == 0 || !n->preserving))
        n->ports[socket] = n->next_port++;
    n->last[socket] = b->now;
}

static void carry(struct bench *b, const struct wend_datagram *d)
{
    struct nat *n = &b->nat;
    struct wend_stun m;
    assert_int_equal(wend_stun_read(d->bytes, &m), 0);
    n->datagrams++;
    if (!wend_address_equal(&d->remote, &b->l.config.server)) { // to ourselves
        assert_int_equal(d->socket, 0);
        for (uint16_t i = 1; i < WEND_LIFETIME_SOCKETS && n->hairpins; i++)
            if (n->ports[i] == d->remote.port && lives(n, i, b->now))
                put(b, i, b->now + 1, d->bytes);
        return;
    }
    const bool again = lives(n, d->socket, b->now);
    pass_out(b, d->socket);
    if (n->silent && (again || m.transaction[9] != b->l.config.random[9]))
        return;
    const uint16_t port = n->ports[d->socket];
    const bool aside = wend_stun_has(&m, WEND_STUN_RESPONSE_PORT);
    if (!aside)
        answer(b, &m, port, port);
    else if (n->response_port)
        answer(b, &m, port, m.response_port);
}

static void deliver(struct bench *b, wend_instant until)
{
    for (size_t i = 0; i < 64; i++) {
        struct delivery *d = &b->queue[i];
        if (!d->used || d->at > until)
            continue;
        const struct wend_datagram in = {.transport = WEND_TRANSPORT_UDP,
                                         .remote = b->l.config.server,
                                         .socket = d->socket,
                                         .bytes = {d->bytes, d->len}};
        d->used = false;
        (void)wend_lifetime_receive(&b->l, &in, d->at);
    }
}

static wend_instant next_delivery(const struct bench *b)
{
    wend_instant at = WEND_NEVER;
    for (size_t i = 0; i < 64; i++)
        if (b->queue[i].used)
            at = wend_instant_min(at, b->queue[i].at);
    return at;
}

static void run(struct bench *b, struct wend_lifetime_config config)
{
    struct wend_datagram d;
    config.server = wend_address_ipv4(0xC6336401, 3478);
    memset(config.random, 0x5a, sizeof config.random);
    b->nat.next_port = 40000;
    wend_lifetime_init(&b->l, &config);
    for (int turn = 0; !wend_lifetime_is_over(&b->l); turn++) {
        assert_true(turn < 5000);
        if (wend_lifetime_wants(&b->l) > 0) {
            assert_true(wend_lifetime_wants(&b->l) <= WEND_LIFETIME_SOCKETS);
            memset(b->queue, 0, sizeof b->queue); // of sockets that are closed
            memset(b->nat.ports, 0, sizeof b->nat.ports);
            wend_lifetime_begin(&b->l, b->now);
            assert_int_equal(wend_lifetime_wants(&b->l), 0);
        }
        wend_lifetime_expire(&b->l, b->now);
        while (wend_lifetime_next_datagram(&b->l, &d))
            carry(b, &d);
        if (wend_lifetime_is_over(&b->l) || wend_lifetime_wants(&b->l) > 0)
            continue;
        const wend_instant at = wend_instant_min(wend_lifetime_deadline(&b->l), next_delivery(b));
        assert_true(at < WEND_NEVER && at >= b->now);
        b->now = at;
        deliver(b, b->now);
    }
    assert_int_equal(wend_lifetime_deadline(&b->l), WEND_NEVER);
    assert_true(b->now <= WEND_LIFETIME_TIME);
}

// What lives and what died lie around the truth, as near as is promised.
static void expect_around(const struct bench *b, enum wend_lifetime_way way, wend_duration finest)
{
    assert_int_equal(b->l.way, way);
    assert_true(b->l.lived <= b->nat.lifetime);
    assert_true(b->l.died >= b->nat.lifetime - WEND_MS(100) && b->l.died > b->l.lived);
    assert_true(b->l.died - b->l.lived <= finest);
}

static const wend_duration lifetimes[] = {WEND_MS(1500), WEND_S(4),  WEND_S(15),
                                          WEND_S(30),    WEND_S(59), WEND_MS(119500)};

static void test_asks_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        struct bench b = {.nat = {.lifetime = lifetimes[i]}};
        run(&b, (struct wend_lifetime_config){.ports_change = true});
        expect_around(&b, WEND_LIFETIME_ASK_AGAIN, WEND_S(4));
        assert_true(b.nat.datagrams < 80);
    }
}

static void test_response_port(void **state)
{
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        struct bench b = {
            .nat = {.lifetime = lifetimes[i], .preserving = true, .response_port = true}};
        run(&b, (struct wend_lifetime_config){.no_hairpin = true});
        expect_around(&b, WEND_LIFETIME_RESPONSE_PORT, WEND_S(4));
    }
}

static void test_hairpin(void **state)
{
    (void)state;
    struct bench b = {.nat = {.lifetime = WEND_S(65), .preserving = true, .hairpins = true}};
    run(&b, (struct wend_lifetime_config){.ports_change = false});
    expect_around(&b, WEND_LIFETIME_HAIRPIN, WEND_S(4));
}

static void test_one_second_where_near(void **state)
{
    (void)state;
    struct bench b = {.nat = {.lifetime = WEND_MS(7400)}};
    run(&b, (struct wend_lifetime_config){.ports_change = true});
    expect_around(&b, WEND_LIFETIME_ASK_AGAIN, WEND_S(1));
    assert_int_equal(b.l.lived, WEND_S(7));
    assert_int_equal(b.l.died, WEND_S(8));
}

static void test_cannot_be_known(void **state)
{
    (void)state;
    struct bench b = {.nat = {.lifetime = WEND_S(30), .preserving = true}};
    run(&b, (struct wend_lifetime_config){.ports_change = false});
    assert_int_equal(b.l.way, WEND_LIFETIME_UNKNOWN);
    assert_true(b.now < WEND_S(5));
}

static void test_outlives_the_longest(void **state)
{
    (void)state;
    struct bench b = {.nat = {.lifetime = WEND_S(3600)}};
    run(&b, (struct wend_lifetime_config){.ports_change = true});
    assert_int_equal(b.l.lived, WEND_S(300));
    assert_int_equal(b.l.died, 0);
    struct bench shorter = {.nat = {.lifetime = WEND_S(3600)}};
    run(&shorter, (struct wend_lifetime_config){.ports_change = true, .longest = WEND_S(20)});
    assert_int_equal(shorter.l.lived, WEND_S(20));
    assert_true(shorter.now < WEND_S(25));
}

static void test_just_below_the_longest_is_in_time(void **state)
{
    (void)state;
    struct bench b = {.nat = {.lifetime = WEND_S(299)}};
    run(&b, (struct wend_lifetime_config){.ports_change = true}); // checks the time
    expect_around(&b, WEND_LIFETIME_ASK_AGAIN, WEND_S(15));
}

static void test_server_falls_silent(void **state)
{
    (void)state;
    struct bench b = {.nat = {.lifetime = WEND_S(30), .silent = true}};
    run(&b, (struct wend_lifetime_config){.ports_change = true});
    assert_int_equal(b.l.way, WEND_LIFETIME_UNKNOWN);
    assert_int_equal(b.l.died, 0);
}

static void test_nonsense(void **state)
{
    (void)state;
    struct wend_lifetime l;
    const struct wend_lifetime_config config = {.server = wend_address_ipv4(0xC6336401, 3478),
                                                .ports_change = true};
    uint8_t bytes[64];
    struct wend_stun_writer w;
    const struct wend_stun_header header = {
        .method = WEND_STUN_METHOD_BINDING, .class = WEND_STUN_SUCCESS, .transaction = {1, 2, 3}};
    wend_lifetime_init(&l, &config);
    wend_stun_begin(&w, bytes, sizeof bytes, &header);
    struct wend_datagram in = {.bytes = {bytes, wend_stun_finish(&w)}};
    for (uint16_t socket = 0; socket < 40; socket++) { // before begin, and of no socket
        in.socket = socket;
        assert_int_equal(wend_lifetime_receive(&l, &in, 1), -ESTALE);
    }
    wend_lifetime_begin(&l, 1);
    wend_lifetime_expire(&l, 1);
    in.socket = 1;
    assert_int_equal(wend_lifetime_receive(&l, &in, 2), -ESTALE); // another transaction
    in.bytes.len = 7;
    assert_int_equal(wend_lifetime_receive(&l, &in, 2), -EBADMSG);
    assert_int_equal(l.sockets[1].is, WEND_LIFETIME_OPENING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asks_again),
        cmocka_unit_test(test_response_port),
        cmocka_unit_test(test_hairpin),
        cmocka_unit_test(test_one_second_where_near),
        cmocka_unit_test(test_cannot_be_known),
        cmocka_unit_test(test_outlives_the_longest),
        cmocka_unit_test(test_just_below_the_longest_is_in_time),
        cmocka_unit_test(test_server_falls_silent),
        cmocka_unit_test(test_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
// The lifetime of a mapping as traffic shows it: intervals hold the truth in emulated NATs.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../sim/draw.h"
#include "traverse/nat_lifetime.h"

#define T0 WEND_S(1000)

static const struct wend_address before = {
    .family = WEND_FAMILY_IPV4, .ip = {203, 0, 113, 1}, .port = 40000};
static const struct wend_address after = {
    .family = WEND_FAMILY_IPV4, .ip = {203, 0, 113, 1}, .port = 40007};
static const struct wend_address elsewhere = {
    .family = WEND_FAMILY_IPV4, .ip = {203, 0, 113, 2}, .port = 40000};

static void prove(struct wend_nat_lifetime *l, wend_instant at, const struct wend_address *seen,
                  bool ports_change)
{
    const struct wend_nat_proof p = {
        .sent = at, .before = before, .seen = *seen, .ports_change = ports_change};

    wend_nat_lifetime_proved(l, &p);
}

static void expect(const struct wend_nat_lifetime *l, uint32_t least, uint32_t most)
{
    const struct wend_nat_estimate e = wend_nat_lifetime_estimate(l);

    assert_int_equal(e.least, least);
    assert_int_equal(e.most, most);
    assert_true(e.least <= e.likely && e.likely <= e.most);
}

static void test_bounds(void **state)
{
    struct wend_nat_lifetime l = {0};

    (void)state;
    expect(&l, 0, 0);
    wend_nat_lifetime_sent(&l, T0);
    wend_nat_lifetime_came(&l, true, T0 + WEND_S(1)); // an answer: no silence
    expect(&l, 0, 0);
    wend_nat_lifetime_came(&l, false, T0 + WEND_S(5)); // of another, or by a mapped port
    expect(&l, 0, 0);
    wend_nat_lifetime_came(&l, true, T0 + WEND_S(25)); // 20 s after the last one
    expect(&l, 20, 65535);
    wend_nat_lifetime_sent(&l, T0 + WEND_S(55)); // 30 s after the last one, 55 after the last out
    prove(&l, T0 + WEND_S(55), &before, true);
    expect(&l, 30, 65535);
    wend_nat_lifetime_sent(&l, T0 + WEND_S(100));
    prove(&l, T0 + WEND_S(100), &after, true);
    expect(&l, 30, 45);
    wend_nat_lifetime_sent(&l, T0 + WEND_S(120)); // shorter than it ever was: what was is no more
    prove(&l, T0 + WEND_S(120), &after, true);
    expect(&l, 0, 20);
    wend_nat_lifetime_came(&l, true, T0 + WEND_S(145));
    expect(&l, 25, 65535);
}

// What proves nothing.
static void test_no_proof(void **state)
{
    struct wend_nat_lifetime l = {0};

    (void)state;
    wend_nat_lifetime_sent(&l, T0);
    prove(&l, T0, &after, true); // nothing was before it
    wend_nat_lifetime_sent(&l, T0 + WEND_S(30));
    prove(&l, T0 + WEND_S(29), &before, true);    // not the first datagram after the silence
    prove(&l, T0 + WEND_S(31), &before, true);    // neither
    prove(&l, T0 + WEND_S(30), &elsewhere, true); // another network
    expect(&l, 0, 0);
    prove(&l, T0 + WEND_S(30), &before, false); // a new mapping might have got the same port
    expect(&l, 0, 0);
    prove(&l, T0 + WEND_S(30), &before, true); // judged already
    expect(&l, 0, 0);
}

struct nat {
    struct sim_draw draw;
    wend_duration lifetime;
    bool keeps_ports, inbound_refreshes;
    wend_instant used; // by what refreshes; 0: no mapping
    struct wend_address at;
};

// A datagram out; where it is seen from.
static struct wend_address out(struct nat *n, wend_instant now)
{
    if (n->used == 0 || now - n->used > n->lifetime) {
        n->at = before;
        if (!n->keeps_ports)
            n->at.port = (uint16_t)(1024 + sim_draw_below(&n->draw, 60000));
    }
    n->used = now;
    return n->at;
}

static bool in(struct nat *n, wend_instant now)
{
    const bool lives = n->used != 0 && now - n->used <= n->lifetime;

    if (lives && n->inbound_refreshes)
        n->used = now;
    return lives;
}

// Half an hour of keepalives, of the server's datagrams out of the blue, and of what is lost.
static void live(struct nat *n, struct wend_nat_lifetime *l)
{
    struct wend_address known = out(n, T0);
    wend_instant now = T0;

    wend_nat_lifetime_sent(l, now);
    while (now < T0 + WEND_S(1800)) {
        now += WEND_MS(sim_draw_below(&n->draw, 90000) + 100);
        if (sim_draw_chance(&n->draw, 300)) { // the server speaks first
            if (in(n, now))
                wend_nat_lifetime_came(l, true, now);
            continue;
        }
        const struct wend_nat_proof p = {
            .sent = now, .before = known, .seen = out(n, now), .ports_change = !n->keeps_ports};
        wend_nat_lifetime_sent(l, now);
        if (sim_draw_chance(&n->draw, 50))
            continue; // the answer is lost
        now += WEND_MS(40);
        assert_true(in(n, now));
        wend_nat_lifetime_came(l, true, now);
        wend_nat_lifetime_proved(l, &p);
        known = p.seen;
    }
}

static void test_emulated(void **state)
{
    uint32_t known = 0, right = 0, narrow = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        struct nat n = {.draw.state = seed};
        struct wend_nat_lifetime l = {0};
        n.lifetime = WEND_S(10 + sim_draw_below(&n.draw, 80));
        n.keeps_ports = sim_draw_chance(&n.draw, 300);
        n.inbound_refreshes = sim_draw_chance(&n.draw, 500);
        live(&n, &l);
        const struct wend_nat_estimate e = wend_nat_lifetime_estimate(&l);
        known += e.most != 0;
        right += WEND_S(e.least) <= n.lifetime && n.lifetime <= WEND_S(e.most);
        narrow += e.most < 65535 && e.most - e.least <= 30;
    }
    print_message("lifetime: %u of 2000 known, %u right, %u within 30 s\n", known, right, narrow);
    assert_true(known >= 1900 && right * 100 >= known * 98);
    assert_true(narrow >= 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_no_proof),
        cmocka_unit_test(test_emulated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

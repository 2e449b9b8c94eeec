// SPDX-License-Identifier: MIT
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "path/pmtu.h"

#define T0   WEND_S(100)
#define RTT  WEND_MS(30)
#define IPV4 60
#define IPV6 80

// A path that lets IP packets of so many bytes pass.
struct path {
    struct wend_pmtu pmtu;
    uint16_t overhead;
    uint16_t ip_max;
    uint32_t lost_permille;
    uint64_t dice;
    wend_instant now;
    uint32_t probes;
    struct {
        wend_instant name, back;
    } flying[64];
    size_t flights;
};

static uint32_t roll(struct path *p, uint32_t below)
{
    p->dice = p->dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(p->dice >> 33) % below;
}

static void drain(struct path *p)
{
    struct wend_pmtu_probe probe;

    while (wend_pmtu_next(&p->pmtu, &probe)) {
        p->probes++;
        assert_true(probe.size % 16 == 0 || probe.size == WEND_PMTU_FULL);
        for (size_t i = 0; i < p->flights; i++)
            assert_true(p->flying[i].name != probe.sent);
        if (probe.size + p->overhead <= p->ip_max && roll(p, 1000) >= p->lost_permille) {
            assert_true(p->flights < 64);
            p->flying[p->flights].name = probe.sent;
            p->flying[p->flights++].back = p->now + RTT;
        }
    }
}

static void run(struct path *p, wend_duration duration)
{
    const wend_instant end = p->now + duration;

    for (;;) {
        drain(p);
        wend_instant next = wend_pmtu_deadline(&p->pmtu);
        size_t first = SIZE_MAX;
        for (size_t i = 0; i < p->flights; i++) {
            if (p->flying[i].back <= next) {
                next = p->flying[i].back;
                first = i;
            }
        }
        if (next > end)
            break;
        p->now = next > p->now ? next : p->now;
        if (first != SIZE_MAX) {
            (void)wend_pmtu_answer(&p->pmtu, p->flying[first].name, p->now);
            p->flying[first] = p->flying[--p->flights];
        }
        wend_pmtu_expire(&p->pmtu, p->now);
    }
    p->now = end;
}

static void begin(struct path *p, uint16_t overhead, uint16_t ip_max)
{
    memset(p, 0, sizeof *p);
    p->now = T0;
    p->dice = 11;
    p->overhead = overhead;
    p->ip_max = ip_max;
    wend_pmtu_start(&p->pmtu, overhead, RTT, T0);
}

static void test_full_in_one_round_trip(void **state)
{
    struct path p;

    (void)state;
    begin(&p, IPV4, 1500);
    assert_int_equal(wend_pmtu_bytes(&p.pmtu), 0);
    run(&p, RTT);
    assert_int_equal(wend_pmtu_bytes(&p.pmtu), 1400);
    assert_int_equal(p.probes, 2);
    run(&p, WEND_S(3600));
    assert_int_equal(p.probes, 2);
}

// What fits, to 16 bytes: data messages are padded to that.
static uint16_t expected(uint16_t overhead, uint16_t ip_max)
{
    if (ip_max >= WEND_PMTU_FULL + overhead)
        return WEND_PMTU_FULL;
    return (uint16_t)((ip_max - overhead) / 16 * 16);
}

static void test_every_size_is_found(void **state)
{
    static const uint16_t overheads[] = {IPV4, IPV6, IPV4 + 8, IPV6 + 8};
    struct path p;
    uint32_t most = 0;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        for (uint16_t ip_max = 1124; ip_max <= 1500; ip_max++) {
            begin(&p, overheads[i], ip_max);
            run(&p, WEND_S(5));
            assert_int_equal(wend_pmtu_bytes(&p.pmtu), expected(overheads[i], ip_max));
            assert_int_equal(p.pmtu.state, WEND_PMTU_DONE);
            most = p.probes > most ? p.probes : most;
        }
    }
    print_message("most padded probes for one size: %u\n", most);
    assert_true(most <= 40);
}

// Loss makes it slower or, seldom, a little short; never longer than the path.
static void test_with_loss(void **state)
{
    struct path p;
    uint32_t exact = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        begin(&p, IPV4, 1400);
        p.dice = seed * 7919;
        p.lost_permille = 50;
        run(&p, WEND_S(10));
        assert_true(wend_pmtu_bytes(&p.pmtu) <= expected(IPV4, 1400));
        exact += wend_pmtu_bytes(&p.pmtu) == expected(IPV4, 1400);
    }
    assert_true(exact >= 190);
}

static void test_nothing_passes(void **state)
{
    struct path p;

    (void)state;
    begin(&p, IPV4, 600);
    run(&p, WEND_S(10));
    assert_int_equal(wend_pmtu_bytes(&p.pmtu), 0);
    assert_int_equal(p.pmtu.state, WEND_PMTU_DONE);
    p.ip_max = 1500;
    run(&p, WEND_S(601));
    assert_int_equal(wend_pmtu_bytes(&p.pmtu), 1400);
}

static void test_raised_after_600_s(void **state)
{
    struct path p;

    (void)state;
    begin(&p, IPV4, 1300);
    run(&p, WEND_S(10));
    assert_int_equal(wend_pmtu_bytes(&p.pmtu), 1232);
    p.ip_max = 1500;
    for (int i = 0; i < 230; i++) { // verified in between: that does not put it off
        run(&p, WEND_MS(2500));
        wend_pmtu_verify(&p.pmtu, RTT, p.now);
    }
    assert_int_equal(wend_pmtu_bytes(&p.pmtu), 1232);
    run(&p, WEND_S(30));
    assert_int_equal(wend_pmtu_bytes(&p.pmtu), 1400);
}

static void test_black_hole(void **state)
{
    struct path p;

    (void)state;
    begin(&p, IPV6, 1500);
    run(&p, WEND_S(10));
    assert_int_equal(wend_pmtu_bytes(&p.pmtu), 1400);
    p.ip_max = 1280;
    wend_pmtu_verify(&p.pmtu, RTT, p.now);
    run(&p, WEND_MS(145 + 2 * 67)); // three are lost
    assert_int_equal(wend_pmtu_bytes(&p.pmtu), 1400);
    run(&p, WEND_MS(70));
    assert_int_equal(wend_pmtu_bytes(&p.pmtu), 1200);
    run(&p, WEND_S(5));
    assert_int_equal(wend_pmtu_bytes(&p.pmtu), 1200);
}

// Packets are lost: is it for their length?
static void test_doubt(void **state)
{
    struct path p;

    (void)state;
    for (uint16_t ip_max = 1124; ip_max <= 1500; ip_max++) {
        begin(&p, IPV4, 1500);
        run(&p, WEND_S(10));
        p.ip_max = ip_max;
        const uint16_t right = expected(IPV4, ip_max);
        wend_pmtu_doubt(&p.pmtu, RTT, p.now);
        assert_int_equal(p.pmtu.state, WEND_PMTU_DOUBT);
        run(&p, WEND_MS(210)); // 3 times 1.25 round trips + 30 ms
        assert_true(wend_pmtu_bytes(&p.pmtu) <= right);
        assert_true(wend_pmtu_bytes(&p.pmtu) + 192 > right);
        run(&p, WEND_S(3));
        assert_int_equal(p.pmtu.state, WEND_PMTU_DONE);
        assert_int_equal(wend_pmtu_bytes(&p.pmtu), right);
    }
}

// It was something else: one round trip, six probes, at most once in 5 s.
static void test_doubt_without_cause(void **state)
{
    struct path p;

    (void)state;
    begin(&p, IPV4, 1500);
    run(&p, WEND_S(10));
    p.probes = 0;
    for (int i = 0; i < 100; i++) {
        wend_pmtu_doubt(&p.pmtu, RTT, p.now);
        run(&p, WEND_MS(100));
        assert_int_equal(p.pmtu.state, WEND_PMTU_DONE);
        assert_int_equal(wend_pmtu_bytes(&p.pmtu), 1400);
    }
    assert_int_equal(p.probes, 12);
    // Nothing passes: that says nothing of any size.
    p.ip_max = 0;
    wend_pmtu_doubt(&p.pmtu, RTT, p.now);
    run(&p, WEND_S(1));
    assert_int_equal(wend_pmtu_bytes(&p.pmtu), 0);
    p.ip_max = 1500;
    run(&p, WEND_S(601));
    assert_int_equal(wend_pmtu_bytes(&p.pmtu), 1400);
}

static void test_foreign_answers(void **state)
{
    struct path p;

    (void)state;
    begin(&p, IPV4, 1500);
    assert_int_equal(wend_pmtu_answer(&p.pmtu, T0, T0 + 1), -ESTALE);
    assert_int_equal(wend_pmtu_answer(&p.pmtu, 0, T0 + 1), -ESTALE);
    struct wend_pmtu none = {0};
    assert_int_equal(wend_pmtu_answer(&none, 0, T0), -ESTALE);
    wend_pmtu_expire(&none, T0);
    wend_pmtu_verify(&none, RTT, T0);
    assert_int_equal(wend_pmtu_deadline(&none), WEND_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_in_one_round_trip),
        cmocka_unit_test(test_every_size_is_found),
        cmocka_unit_test(test_with_loss),
        cmocka_unit_test(test_nothing_passes),
        cmocka_unit_test(test_raised_after_600_s),
        cmocka_unit_test(test_black_hole),
        cmocka_unit_test(test_doubt),
        cmocka_unit_test(test_doubt_without_cause),
        cmocka_unit_test(test_foreign_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

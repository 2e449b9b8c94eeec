// SPDX-License-Identifier: MIT
// Intervals against exact values, the sequence test against rows, models against their bytes.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../../sim/draw.h"
#include "traverse/nat_estimate.h"
#include "traverse/nat_exchange.h"
#include "traverse/nat_sequence.h"

// Exact limits (half the chi-square quantiles of 0.5 and 99.5 %) in thousandths of events.
static void test_poisson_limits(void **state)
{
    static const struct {
        uint32_t count, least, most;
    } exact[] = {{0, 0, 5298},      {1, 5, 7430},       {2, 103, 9274},    {5, 1078, 14150},
                 {10, 3717, 21398}, {20, 10353, 34668}, {50, 33664, 71266}};

    (void)state;
    for (size_t i = 0; i < sizeof exact / sizeof exact[0]; i++) {
        const struct wend_nat_estimate e = wend_nat_rate(exact[i].count, WEND_MS(100));
        assert_int_equal(e.likely, exact[i].count * 1000);
        // Outwards, by less than one part in 20 and 0.06 events; in hundredths a second.
        assert_true(e.least <= exact[i].least);
        assert_true(e.least + 60 >= exact[i].least * 19 / 20);
        assert_true(e.most >= exact[i].most);
        assert_true(e.most <= exact[i].most * 21 / 20 + 60);
    }
}

static void test_bounds(void **state)
{
    struct wend_nat_estimate low;
    struct wend_nat_estimate high;

    (void)state;
    // (1 + x) ^ 6 = 200: x = 1.418; of 1,000 ports, 1,418 more on either side.
    wend_nat_bounds(20000, 20999, 7, &low, &high);
    assert_in_range(low.least, 20000 - 1425, 20000 - 1415);
    assert_in_range(low.likely, 20000 - 168, 20000 - 165);
    assert_int_equal(low.most, 20000);
    assert_int_equal(high.least, 20999);
    assert_in_range(high.most, 20999 + 1415, 20999 + 1425);
    wend_nat_bounds(1024, 65000, 2, &low, &high);
    assert_int_equal(low.least, 1);
    assert_int_equal(high.most, 65535);
}

// The first and the last port of a block of 1,000, from 2 to 40 draws.
static void test_bounds_hold(void **state)
{
    struct sim_draw draw = {11};

    (void)state;
    for (uint32_t count = 2; count <= 40; count++) {
        uint32_t right = 0;
        for (int trial = 0; trial < 2000; trial++) {
            uint32_t least = 65535;
            uint32_t greatest = 0;
            struct wend_nat_estimate low;
            struct wend_nat_estimate high;
            for (uint32_t i = 0; i < count; i++) {
                const uint32_t port = 30000 + sim_draw_below(&draw, 1000);
                least = port < least ? port : least;
                greatest = port > greatest ? port : greatest;
            }
            wend_nat_bounds((uint16_t)least, (uint16_t)greatest, count, &low, &high);
            right += low.least <= 30000 && high.most >= 30999;
        }
        assert_true(right >= 1960);
    }
}

static struct wend_nat_sequence sequence_of(const uint16_t *ports, uint32_t count)
{
    struct wend_nat_births b = {.count = count};

    for (uint32_t i = 0; i < count; i++)
        b.at[i] = (struct wend_nat_birth){
            .outside = ports[i], .first = true, .sure = true, .sent = i < 4 ? 1000 : WEND_MS(100)};
    return wend_nat_sequence_of(&b, WEND_NAT_ODDS_CLEAR);
}

static void test_rows(void **state)
{
    static const struct {
        uint16_t ports[6];
        int32_t delta;
        bool swapped;
    } rows[] = {
        {{1000, 1001, 1002, 1003, 1020, 1021}, 1, false},
        {{1000, 1001, 1003, 1004, 1020, 1021}, 1, false},    // another user in between
        {{1000, 998, 996, 994, 900, 898}, -2, false},        // downwards
        {{65533, 65534, 65535, 1024, 1050, 1051}, 1, false}, // begins anew
        {{5, 3, 1, 65535, 65501, 65499}, -2, false},
        {{1000, 1007, 1014, 1021, 1042, 1049}, 7, false},
        {{0x1234, 0x1334, 0x1434, 0x1534, 0x2034, 0x2134}, 1, true},
        {{0xfd34, 0xfe34, 0xff34, 0x0035, 0x2035, 0x2135}, 1, true}, // with carry
        {{5021, 5900, 5100, 7777, 6230, 5555}, 0, false},
        {{1000, 1000, 1000, 1000, 1000, 1000}, 0, false},
        {{40021, 40003, 40050, 40017, 40044, 40008}, 0, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct wend_nat_sequence q = sequence_of(rows[i].ports, 6);
        if (q.delta != rows[i].delta || q.byte_swapped != rows[i].swapped)
            fail_msg("row %zu: delta %d%s", i, q.delta, q.byte_swapped ? " swapped" : "");
    }
}

static void test_samples_in_order(void **state)
{
    struct wend_nat_samples s = {0};

    (void)state;
    for (uint32_t i = 0; i < 2 * WEND_NAT_SAMPLES_MAX; i++) {
        // Pairs come the wrong way round.
        const struct wend_nat_sample one = {.socket = i, .sent = WEND_S((i ^ 1) + 1)};
        wend_nat_samples_add(&s, &one);
    }
    assert_int_equal(s.count, WEND_NAT_SAMPLES_MAX);
    for (uint32_t i = 1; i < s.count; i++)
        assert_true(s.at[i - 1].sent < s.at[i].sent);
    const struct wend_nat_sample old = {.socket = 999, .sent = 1};
    wend_nat_samples_add(&s, &old);
    assert_int_not_equal(s.at[0].socket, 999);
    wend_nat_samples_drop_before(&s, s.at[5].sent);
    assert_int_equal(s.count, WEND_NAT_SAMPLES_MAX - 5);
}

// Ages instead of instants: what the peer reads is on its own clock.
static void test_exchange(void **state)
{
    const struct wend_nat_model m = {
        .serial = 9,
        .mapping = WEND_NAT_ADDRESS_AND_PORT_DEPENDENT,
        .filtering = WEND_NAT_ADDRESS_DEPENDENT,
        .allocation = WEND_NAT_SECOND_PRIORITY,
        .fallback = WEND_NAT_SEQUENTIAL,
        .udp = WEND_NAT_YES,
        .paired = WEND_NAT_YES,
        .translates = WEND_NAT_YES,
        .byte_swapped = true,
        .delta = -3,
        .rate = {100, 200, 70000},
        .lifetime_s = {30, 120, 70000},
        .public = wend_address_ipv4(0xcb007109, 5),
        .newest_port = 77,
        .newest_at = WEND_S(50),
    };
    uint8_t bytes[WEND_NAT_MODEL_LEN_MAX];
    struct wend_nat_model back = {0};

    (void)state;
    const size_t len = wend_nat_model_write(bytes, &m, WEND_S(50) + WEND_MS(250));
    assert_int_equal(wend_nat_model_read((struct wend_bytes){bytes, len}, WEND_S(9000), &back), 0);
    assert_int_equal(back.serial, 9);
    assert_int_equal(back.mapping, m.mapping);
    assert_int_equal(back.filtering, m.filtering);
    assert_int_equal(back.allocation, m.allocation);
    assert_int_equal(back.fallback, m.fallback);
    assert_int_equal(back.delta, -3);
    assert_true(back.byte_swapped);
    assert_int_equal(back.rate.most, 70000);
    assert_int_equal(back.lifetime_s.most, 65535); // what the bytes can say
    assert_true(wend_address_equal(&back.public, &m.public));
    assert_int_equal(back.newest_port, 77);
    assert_int_equal(back.newest_at, WEND_S(9000) - WEND_MS(250));
    const struct wend_bytes cut = {bytes, len - 1};
    assert_int_equal(wend_nat_model_read(cut, WEND_S(9000), &back), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_poisson_limits),   cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_bounds_hold),      cmocka_unit_test(test_rows),
        cmocka_unit_test(test_samples_in_order), cmocka_unit_test(test_exchange),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

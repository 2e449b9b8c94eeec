// SPDX-License-Identifier: MIT
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "link.h"

#define SLOT_MAX 4096

struct fixture {
    struct wend_link link;
    struct wend_link_slot slots[SLOT_MAX];
};

static struct fixture fix;

static struct wend_link *start(const struct wend_link_config *config)
{
    assert_int_equal(wend_link_init(&fix.link, config, fix.slots, SLOT_MAX), 0);
    return &fix.link;
}

// Asserts that `token` comes out at exactly `at`, and nothing before.
static void expect_at(struct wend_link *l, uint32_t token, wend_instant at)
{
    uint32_t got = 0;
    assert_int_equal(wend_link_deadline(l), at);
    assert_false(wend_link_pop(l, at - 1, &got));
    assert_true(wend_link_pop(l, at, &got));
    assert_int_equal(got, token);
    wend_link_check(l);
}

static void expect_empty(struct wend_link *l)
{
    uint32_t got = 7;
    assert_int_equal(wend_link_deadline(l), WEND_NEVER);
    assert_false(wend_link_pop(l, WEND_NEVER - 1, &got));
    assert_int_equal(got, 7);
}

// Pushes `count` packets, one every `gap`, popping what is due; returns how many came out at all.
static uint64_t run(struct wend_link *l, uint32_t count, wend_duration gap)
{
    wend_instant now = 0;
    uint32_t token;
    for (uint32_t i = 0; i < count; i++, now += gap) {
        (void)wend_link_push(l, 1000, i, now);
        while (wend_link_pop(l, now, &token))
            continue;
    }
    while (wend_link_pop(l, WEND_NEVER - 1, &token))
        continue;
    wend_link_check(l);
    return l->counters.delivered;
}

static void test_zero_config_delivers_at_once(void **state)
{
    (void)state;
    struct wend_link *l = start(&(struct wend_link_config){0});
    expect_empty(l);
    assert_int_equal(wend_link_push(l, 1500, 1, 100), 1);
    assert_int_equal(wend_link_push(l, 0, 2, 100), 1);
    expect_at(l, 1, 100);
    expect_at(l, 2, 100);
    expect_empty(l);
}

static void test_delay_is_exact(void **state)
{
    (void)state;
    struct wend_link *l = start(&(struct wend_link_config){.delay = WEND_MS(20)});
    assert_int_equal(wend_link_push(l, 1500, 1, WEND_MS(5)), 1);
    assert_int_equal(wend_link_push(l, 1500, 2, WEND_MS(6)), 1);
    expect_at(l, 1, WEND_MS(25));
    expect_at(l, 2, WEND_MS(26));
}

static void test_rate_spaces_packets(void **state)
{
    (void)state;
    // 1,250 bytes at 1 Mbit/s take 10 ms.
    struct wend_link *l = start(&(struct wend_link_config){
        .rate_bps = 1000000,
        .delay = WEND_MS(3),
    });
    for (uint32_t i = 1; i <= 3; i++)
        assert_int_equal(wend_link_push(l, 1250, i, 0), 1);
    expect_at(l, 1, WEND_MS(13));
    expect_at(l, 2, WEND_MS(23));
    expect_at(l, 3, WEND_MS(33));
    assert_int_equal(wend_link_push(l, 1250, 4, WEND_MS(100)), 1);
    expect_at(l, 4, WEND_MS(113));
}

static void test_queue_in_bytes_and_in_time(void **state)
{
    (void)state;
    struct wend_link_config config = {.rate_bps = 1000000, .queue_bytes = 2500};
    struct wend_link *l = start(&config);
    assert_int_equal(wend_link_push(l, 1250, 1, 0), 1);
    assert_int_equal(wend_link_push(l, 1250, 2, 0), 1);
    assert_int_equal(wend_link_push(l, 1250, 3, 0), 0);
    assert_int_equal(l->counters.dropped_queue, 1);
    assert_int_equal(wend_link_push(l, 1250, 4, WEND_MS(10)), 1);

    config.queue_time = WEND_MS(5); // the smaller bound holds, but an empty queue takes anything
    l = start(&config);
    assert_int_equal(wend_link_push(l, 12500, 1, 0), 1);
    assert_int_equal(wend_link_push(l, 10, 2, 0), 0);
    assert_int_equal(wend_link_push(l, 10, 3, WEND_MS(96)), 1);
    expect_at(l, 1, WEND_MS(100));
    expect_at(l, 3, WEND_MS(100) + WEND_US(80));
}

static void test_mtu_drops_or_reports(void **state)
{
    (void)state;
    struct wend_link_config config = {.mtu_bytes = 1400};
    struct wend_link *l = start(&config);
    assert_int_equal(wend_link_push(l, 1400, 1, 0), 1);
    assert_int_equal(wend_link_push(l, 1401, 2, 0), 0);
    config.mtu_report = true;
    assert_int_equal(wend_link_configure(l, &config), 0);
    assert_int_equal(wend_link_push(l, 1401, 3, 0), -EMSGSIZE);
    assert_int_equal(l->counters.dropped_mtu, 2);
    expect_at(l, 1, 0);
    expect_empty(l);
}

static void test_down_drops_and_keeps_what_flies(void **state)
{
    (void)state;
    struct wend_link *l = start(&(struct wend_link_config){.delay = WEND_MS(10)});
    assert_int_equal(wend_link_push(l, 100, 1, 0), 1);
    wend_link_set_down(l, true);
    assert_int_equal(wend_link_push(l, 100, 2, 0), 0);
    wend_link_set_down(l, false);
    assert_int_equal(wend_link_push(l, 100, 3, WEND_MS(1)), 1);
    expect_at(l, 1, WEND_MS(10));
    expect_at(l, 3, WEND_MS(11));
    assert_int_equal(l->counters.dropped_down, 1);
}

static void test_full_slots_drop(void **state)
{
    (void)state;
    struct wend_link l;
    struct wend_link_slot slots[2];
    const struct wend_link_config config = {.duplicate_ppm = WEND_LINK_PPM_MAX};
    assert_int_equal(wend_link_init(&l, &config, slots, 2), 0);
    assert_int_equal(wend_link_push(&l, 1, 1, 0), 2);
    assert_int_equal(wend_link_push(&l, 1, 2, 0), 0);
    assert_int_equal(l.counters.dropped_full, 1);
    expect_at(&l, 1, 0);
    assert_int_equal(wend_link_push(&l, 1, 3, 0), 1); // room for the packet, not for its copy
    wend_link_check(&l);
}

static void test_loss_is_near_its_chance(void **state)
{
    (void)state;
    struct wend_link *l = start(&(struct wend_link_config){.loss_ppm = 10000, .seed = 1});
    const uint64_t out = run(l, 100000, WEND_US(10));
    assert_in_range(100000 - out, 800, 1200);
    assert_int_equal(l->counters.dropped_loss, 100000 - out);
    l = start(&(struct wend_link_config){.loss_ppm = WEND_LINK_PPM_MAX});
    assert_int_equal(run(l, 1000, 1), 0);
}

static void test_burst_loss_comes_in_bursts(void **state)
{
    (void)state;
    // The bad state: entered every 1,000 packets, left after 10 on average, so 1 % of all.
    struct wend_link *l = start(&(struct wend_link_config){
        .burst_enter_ppm = 1000,
        .burst_leave_ppm = 100000,
        .burst_loss_ppm = WEND_LINK_PPM_MAX,
        .seed = 9,
    });
    uint32_t lost = 0, bursts = 0;
    bool before = false;
    for (uint32_t i = 0; i < 200000; i++) {
        uint32_t token;
        const bool gone = wend_link_push(l, 100, i, i) == 0;
        lost += gone;
        bursts += gone && !before;
        before = gone;
        while (wend_link_pop(l, i, &token))
            continue;
    }
    assert_in_range(lost, 1200, 2800);
    assert_in_range(lost / bursts, 6, 14);
    assert_int_equal(l->counters.dropped_burst, lost);
}

static void test_duplicates(void **state)
{
    (void)state;
    struct wend_link *l = start(&(struct wend_link_config){.duplicate_ppm = 20000, .seed = 5});
    const uint64_t out = run(l, 50000, WEND_US(10));
    assert_in_range(out - 50000, 800, 1200);
    assert_int_equal(l->counters.duplicated, out - 50000);
}

static void test_reordered_packets_are_overtaken(void **state)
{
    (void)state;
    struct wend_link_config config = {
        .delay = WEND_MS(10),
        .reorder_ppm = WEND_LINK_PPM_MAX,
        .reorder_delay = WEND_MS(5),
    };
    struct wend_link *l = start(&config);
    assert_int_equal(wend_link_push(l, 100, 1, 0), 1);
    config.reorder_ppm = 0;
    assert_int_equal(wend_link_configure(l, &config), 0);
    assert_int_equal(wend_link_push(l, 100, 2, WEND_MS(1)), 1);
    expect_at(l, 2, WEND_MS(11));
    expect_at(l, 1, WEND_MS(15));
    assert_int_equal(l->counters.reordered, 1);
}

// Pushes one packet a millisecond; asserts each delay within the bounds; returns how many came out
// after a packet that was sent later.
static unsigned int count_overtaken(struct wend_link *l, wend_duration floor, wend_duration ceiling)
{
    unsigned int overtaken = 0;
    uint32_t token = 0, last = 0;
    for (uint32_t i = 0; i < 2000; i++)
        assert_int_equal(wend_link_push(l, 100, i, WEND_MS(i)), 1);
    for (wend_instant at; (at = wend_link_deadline(l)) != WEND_NEVER;) {
        assert_true(wend_link_pop(l, at, &token));
        assert_true(at - WEND_MS(token) >= floor && at - WEND_MS(token) <= ceiling);
        overtaken += token < last;
        last = token > last ? token : last;
    }
    return overtaken;
}

static void test_jitter_bounds_and_order(void **state)
{
    (void)state;
    struct wend_link_config config = {.delay = WEND_MS(20), .jitter = WEND_MS(8), .seed = 3};
    assert_in_range(count_overtaken(start(&config), WEND_MS(20), WEND_MS(28)), 100, 1900);
    config.keep_order = true;
    assert_int_equal(count_overtaken(start(&config), WEND_MS(20), WEND_MS(28)), 0);
    config.jitter_shape = WEND_LINK_SHAPE_NORMAL;
    assert_int_equal(count_overtaken(start(&config), WEND_MS(20), WEND_MS(68)), 0);
    config.keep_order = false;
    assert_in_range(count_overtaken(start(&config), WEND_MS(20), WEND_MS(68)), 100, 1900);
}

static void test_normal_jitter_has_its_deviation(void **state)
{
    (void)state;
    struct wend_link *l = start(&(struct wend_link_config){
        .jitter = WEND_MS(1),
        .jitter_shape = WEND_LINK_SHAPE_NORMAL,
        .seed = 11,
    });
    uint32_t within_one = 0, token = 0;
    wend_duration sum = 0;
    for (uint32_t i = 0; i < 20000; i++) {
        assert_int_equal(wend_link_push(l, 1, i, WEND_S(i)), 1);
        const wend_instant at = wend_link_deadline(l);
        assert_true(wend_link_pop(l, at, &token));
        within_one += at - WEND_S(i) <= WEND_MS(1);
        sum += at - WEND_S(i);
    }
    // Of a normal distribution 68.27 % lie within one deviation; the mean of |x| is 0.798.
    assert_in_range(within_one, 13300, 14000);
    assert_in_range(sum / 20000, WEND_US(780), WEND_US(815));
}

static void test_shorter_delay_does_not_overtake(void **state)
{
    (void)state;
    struct wend_link_config config = {.delay = WEND_MS(50)};
    struct wend_link *l = start(&config);
    assert_int_equal(wend_link_push(l, 100, 1, 0), 1);
    config.delay = WEND_MS(1);
    assert_int_equal(wend_link_configure(l, &config), 0);
    assert_int_equal(wend_link_push(l, 100, 2, WEND_MS(1)), 1);
    expect_at(l, 1, WEND_MS(50));
    expect_at(l, 2, WEND_MS(50));
}

static uint64_t trace(uint64_t seed)
{
    struct wend_link *l = start(&(struct wend_link_config){
        .seed = seed,
        .delay = WEND_MS(2),
        .jitter = WEND_MS(2),
        .loss_ppm = 50000,
        .burst_enter_ppm = 5000,
        .burst_leave_ppm = 200000,
        .burst_loss_ppm = 800000,
        .reorder_ppm = 20000,
        .reorder_delay = WEND_MS(4),
        .duplicate_ppm = 20000,
        .rate_bps = 50000000,
        .queue_time = WEND_MS(20),
    });
    uint64_t hash = 1469598103934665603u;
    uint32_t token;
    for (uint32_t i = 0; i < 5000; i++) {
        (void)wend_link_push(l, 40 + i % 1460, i, WEND_US(100) * i);
        for (wend_instant at; (at = wend_link_deadline(l)) <= WEND_US(100) * i;) {
            assert_true(wend_link_pop(l, at, &token));
            hash = (hash ^ token ^ (uint64_t)at << 16) * 1099511628211u;
        }
        wend_link_check(l);
    }
    return hash;
}

static void test_seed_decides_everything(void **state)
{
    (void)state;
    const uint64_t first = trace(42);
    assert_true(first == trace(42));
    assert_true(first != trace(43));
}

static void test_config_is_checked_whole(void **state)
{
    (void)state;
    const struct wend_link_config bad[] = {
        {.loss_ppm = WEND_LINK_PPM_MAX + 1},
        {.reorder_ppm = UINT32_MAX},
        {.duplicate_ppm = WEND_LINK_PPM_MAX + 1},
        {.burst_enter_ppm = UINT32_MAX},
        {.burst_leave_ppm = UINT32_MAX},
        {.burst_loss_ppm = UINT32_MAX},
        {.delay = -1},
        {.delay = WEND_LINK_DELAY_MAX + 1},
        {.jitter = -1},
        {.reorder_delay = WEND_NEVER},
        {.queue_time = -1},
        {.queue_bytes = WEND_LINK_QUEUE_MAX + 1},
    };
    struct wend_link *l = start(&(struct wend_link_config){.delay = WEND_MS(7)});
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(wend_link_configure(l, &bad[i]), -EINVAL);
    assert_int_equal(wend_link_push(l, 1, 1, 0), 1);
    expect_at(l, 1, WEND_MS(7));
    const struct wend_link_config most = {.rate_bps = UINT64_MAX,
                                          .queue_bytes = WEND_LINK_QUEUE_MAX};
    assert_int_equal(wend_link_configure(l, &most), 0);
    const struct wend_link_config least = {.rate_bps = 1, .queue_bytes = WEND_LINK_QUEUE_MAX};
    assert_int_equal(wend_link_configure(l, &least), 0);
    assert_int_equal(wend_link_push(l, WEND_LINK_LEN_MAX, 2, WEND_MS(7)), 1);
    expect_at(l, 2, WEND_MS(7) + WEND_S(8388608));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zero_config_delivers_at_once),
        cmocka_unit_test(test_delay_is_exact),
        cmocka_unit_test(test_rate_spaces_packets),
        cmocka_unit_test(test_queue_in_bytes_and_in_time),
        cmocka_unit_test(test_mtu_drops_or_reports),
        cmocka_unit_test(test_down_drops_and_keeps_what_flies),
        cmocka_unit_test(test_full_slots_drop),
        cmocka_unit_test(test_loss_is_near_its_chance),
        cmocka_unit_test(test_burst_loss_comes_in_bursts),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_reordered_packets_are_overtaken),
        cmocka_unit_test(test_jitter_bounds_and_order),
        cmocka_unit_test(test_normal_jitter_has_its_deviation),
        cmocka_unit_test(test_shorter_delay_does_not_overtake),
        cmocka_unit_test(test_seed_decides_everything),
        cmocka_unit_test(test_config_is_checked_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

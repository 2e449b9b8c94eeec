// SPDX-License-Identifier: MIT
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "path/paths.h"

#define T0 WEND_S(100)

static const struct wend_address via_relay = {0};

static struct wend_address at(uint32_t last)
{
    return wend_address_ipv4(0xcb007100 + last, 4000); // 203.0.113.0/24
}

// A world of ways, each with a delay; 0: dead. Index 0 is the relay.
struct ways {
    struct wend_paths paths;
    wend_duration rtt[8];
    struct {
        struct wend_path_probe probe;
        wend_instant back;
    } flying[256];
    size_t count;
    size_t probes, padded;
    wend_instant now;
};

static void drain(struct ways *w)
{
    struct wend_path_probe probe;

    while (wend_paths_next_probe(&w->paths, &probe)) {
        const size_t way = probe.remote.family == 0 ? 0 : probe.remote.ip[3];
        w->probes += probe.padded == 0;
        w->padded += probe.padded != 0;
        if (w->rtt[way] != 0 && w->count < 256) {
            w->flying[w->count].probe = probe;
            w->flying[w->count++].back = w->now + w->rtt[way];
        }
    }
    wend_paths_check(&w->paths);
}

static void deliver(struct ways *w, size_t i)
{
    const struct wend_path_probe probe = w->flying[i].probe;

    w->flying[i] = w->flying[--w->count];
    (void)wend_paths_answer(&w->paths, &probe, &probe.remote, w->now);
}

static void run_until(struct ways *w, wend_instant until)
{
    for (;;) {
        wend_paths_expire(&w->paths, w->now);
        drain(w);
        wend_instant next = wend_paths_deadline(&w->paths);
        size_t first = SIZE_MAX;
        for (size_t i = 0; i < w->count; i++) {
            if (w->flying[i].back <= next) {
                next = w->flying[i].back;
                first = i;
            }
        }
        if (next > until)
            break;
        assert_true(next >= w->now);
        w->now = next;
        if (first != SIZE_MAX)
            deliver(w, first);
    }
    w->now = until;
}

static void begin(struct ways *w)
{
    memset(w, 0, sizeof *w);
    w->now = T0;
    wend_paths_init(&w->paths);
    wend_paths_set_use(&w->paths, WEND_PATHS_ACTIVE, w->now);
}

static uint8_t chosen(const struct ways *w)
{
    const struct wend_path *path = wend_paths_chosen(&w->paths);

    if (path == NULL)
        return 255;
    return path->remote.family == 0 ? 0 : path->remote.ip[3];
}

static void add(struct ways *w, uint32_t way)
{
    const struct wend_address a = at(way);

    (void)wend_paths_add(&w->paths, &a, w->now);
}

static void test_relay_then_direct(void **state)
{
    struct ways w;

    (void)state;
    begin(&w);
    assert_int_equal(chosen(&w), 255);
    w.rtt[0] = WEND_MS(80);
    w.rtt[1] = WEND_MS(20);
    wend_paths_open_relay(&w.paths, w.now);
    assert_int_equal(chosen(&w), 0); // before any probe came back
    const uint32_t before = w.paths.generation;
    add(&w, 1);
    run_until(&w, T0 + WEND_MS(19));
    assert_int_equal(chosen(&w), 0);
    run_until(&w, T0 + WEND_MS(21));
    assert_int_equal(chosen(&w), 1);
    assert_int_equal(w.paths.generation, before + 1);
}

static void test_cut_and_heal(void **state)
{
    struct ways w;

    (void)state;
    begin(&w);
    w.rtt[0] = WEND_MS(80);
    w.rtt[1] = WEND_MS(20);
    wend_paths_open_relay(&w.paths, w.now);
    add(&w, 1);
    run_until(&w, T0 + WEND_S(10));
    assert_int_equal(chosen(&w), 1);
    w.rtt[1] = 0;
    run_until(&w, w.now + WEND_MS(1050)); // 500 + 20 + 100 + 4 x 100, and one on its way
    assert_int_equal(chosen(&w), 0);
    w.rtt[1] = WEND_MS(20);
    run_until(&w, w.now + WEND_S(5) + WEND_MS(50));
    assert_int_equal(chosen(&w), 1);
}

static void test_retry_backs_off(void **state)
{
    struct ways w;

    (void)state;
    begin(&w);
    wend_paths_open_relay(&w.paths, w.now);
    w.rtt[0] = WEND_MS(10);
    add(&w, 1);
    run_until(&w, T0 + WEND_S(2));
    wend_paths_close_relay(&w.paths);
    w.probes = 0;
    // Failed at 2.55 s, as after each retry; these come after 5, 10, 20, 40, 80, 160, 300 s.
    run_until(&w, T0 + WEND_S(600));
    assert_int_equal(w.probes, 6 * 6); // the seventh is at 633 s
    const struct wend_path *none = wend_paths_chosen(&w.paths);
    assert_null(none);
}

static void test_idle_is_quiet_and_wakes(void **state)
{
    struct ways w;

    (void)state;
    begin(&w);
    w.rtt[0] = WEND_MS(80);
    w.rtt[1] = WEND_MS(20);
    wend_paths_open_relay(&w.paths, w.now);
    add(&w, 1);
    run_until(&w, T0 + WEND_S(10));
    wend_paths_set_use(&w.paths, WEND_PATHS_IDLE, w.now);
    run_until(&w, w.now + WEND_S(1));
    w.probes = 0;
    run_until(&w, w.now + WEND_S(300));
    assert_int_equal(w.probes, 0);
    // The path is old: packets take the relay until it has proven itself again.
    wend_paths_set_use(&w.paths, WEND_PATHS_ACTIVE, w.now);
    assert_int_equal(chosen(&w), 0);
    run_until(&w, w.now + WEND_MS(25));
    assert_int_equal(chosen(&w), 1);
}

// Both NATs have to be opened at one instant: what is held for it is not sent when use begins.
static void test_held_until_its_instant(void **state)
{
    const struct wend_address held = at(2);
    struct ways w = {.now = T0};

    (void)state;
    wend_paths_init(&w.paths);
    add(&w, 1);
    assert_int_equal(wend_paths_add(&w.paths, &held, T0 + WEND_MS(60)), 0);
    wend_paths_set_use(&w.paths, WEND_PATHS_ACTIVE, w.now);
    run_until(&w, T0 + WEND_MS(40));
    assert_int_equal(w.probes, 1); // to the other one
    run_until(&w, T0 + WEND_MS(59));
    assert_int_equal(w.probes, 2);
    w.paths.path[0].prober.next = WEND_NEVER; // out of the way
    run_until(&w, T0 + WEND_MS(60));
    assert_int_equal(w.probes, 3);
}

static void test_faster_relay_wins(void **state)
{
    struct ways w;

    (void)state;
    begin(&w);
    w.rtt[0] = WEND_MS(30);
    w.rtt[1] = WEND_MS(80);
    wend_paths_open_relay(&w.paths, w.now);
    add(&w, 1);
    run_until(&w, T0 + WEND_S(20));
    assert_int_equal(chosen(&w), 0);
    // A relay that is a little faster does not: 36 against 40 ms.
    begin(&w);
    w.rtt[0] = WEND_MS(36);
    w.rtt[1] = WEND_MS(40);
    wend_paths_open_relay(&w.paths, w.now);
    add(&w, 1);
    run_until(&w, T0 + WEND_S(20));
    assert_int_equal(chosen(&w), 1);
}

static void test_better_direct_takes_over(void **state)
{
    struct ways w;

    (void)state;
    begin(&w);
    w.rtt[1] = WEND_MS(20);
    w.rtt[2] = WEND_US(19500); // not by 1 ms and a tenth
    add(&w, 1);
    run_until(&w, T0 + WEND_S(1));
    add(&w, 2);
    run_until(&w, T0 + WEND_S(30));
    assert_int_equal(chosen(&w), 1);
    w.rtt[3] = WEND_MS(5);
    add(&w, 3);
    run_until(&w, T0 + WEND_S(31));
    assert_int_equal(chosen(&w), 3);
}

// An hour of delays that waver around all thresholds.
static void test_noise_does_not_flap(void **state)
{
    struct ways w;
    uint64_t dice = 3;
    uint32_t moves = 0;

    (void)state;
    begin(&w);
    w.rtt[0] = WEND_MS(60);
    w.rtt[1] = WEND_MS(80);
    w.rtt[2] = WEND_MS(80);
    wend_paths_open_relay(&w.paths, w.now);
    add(&w, 1);
    add(&w, 2);
    for (int i = 0; i < 36000; i++) {
        for (size_t way = 0; way < 3; way++) {
            dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            w.rtt[way] = WEND_MS(way == 0 ? 45 : 60) + WEND_MS((dice >> 33) % 40);
        }
        const uint8_t before = chosen(&w);
        run_until(&w, w.now + WEND_MS(100));
        moves += chosen(&w) != before;
    }
    print_message("an hour of noise: %u moves\n", moves);
    assert_true(moves <= 40);
}

// The chosen path is in doubt, is left, stays left for a time that doubles, and comes back.
static void test_leave_and_return(void **state)
{
    static const wend_duration waits[] = {WEND_S(5), WEND_S(10), WEND_S(20)};
    struct ways w;

    (void)state;
    begin(&w);
    w.rtt[0] = WEND_MS(80);
    w.rtt[1] = WEND_MS(20);
    wend_paths_open_relay(&w.paths, w.now);
    add(&w, 1);
    run_until(&w, T0 + WEND_S(10));
    assert_null(wend_paths_spare(&w.paths));
    for (size_t i = 0; i < 3; i++) {
        const size_t probes = w.probes, padded = w.padded;
        wend_paths_doubt(&w.paths, w.now);
        drain(&w);
        assert_int_equal(w.probes, probes + 2); // both at once
        assert_int_equal(w.padded, padded + 6); // and each size
        assert_int_equal(wend_paths_spare(&w.paths)->remote.family, 0);
        assert_int_equal(chosen(&w), 1);
        assert_true(wend_paths_leave(&w.paths, false, w.now));
        assert_int_equal(chosen(&w), 0);
        assert_null(wend_paths_spare(&w.paths));
        run_until(&w, w.now + waits[i] - WEND_MS(10));
        assert_int_equal(chosen(&w), 0);
        run_until(&w, w.now + WEND_S(2));
        assert_int_equal(chosen(&w), 1);
        run_until(&w, w.now + WEND_S(1));
    }
    wend_paths_doubt(&w.paths, w.now);
    wend_paths_trust(&w.paths, w.now);
    assert_null(wend_paths_spare(&w.paths));
    assert_int_equal(chosen(&w), 1);
}

static void test_lossy_waits_for_clean_probes(void **state)
{
    struct ways w;

    (void)state;
    begin(&w);
    w.rtt[0] = WEND_MS(80);
    w.rtt[1] = WEND_MS(20);
    wend_paths_open_relay(&w.paths, w.now);
    add(&w, 1);
    run_until(&w, T0 + WEND_S(10));
    assert_true(wend_paths_leave(&w.paths, true, w.now));
    run_until(&w, w.now + WEND_S(7)); // 5 s are over, 16 probes are not
    assert_int_equal(chosen(&w), 0);
    run_until(&w, w.now + WEND_S(3));
    assert_int_equal(chosen(&w), 1);
}

static void test_no_other_way_is_not_left(void **state)
{
    struct ways w;

    (void)state;
    begin(&w);
    w.rtt[1] = WEND_MS(20);
    add(&w, 1);
    run_until(&w, T0 + WEND_S(1));
    wend_paths_doubt(&w.paths, w.now);
    assert_null(wend_paths_spare(&w.paths));
    assert_false(wend_paths_leave(&w.paths, false, w.now));
    assert_int_equal(chosen(&w), 1);
}

static void test_carries_on_without_relay(void **state)
{
    struct ways w;

    (void)state;
    begin(&w);
    w.rtt[1] = WEND_MS(20);
    add(&w, 1);
    run_until(&w, T0 + WEND_S(1));
    wend_paths_restart(&w.paths, w.now); // unproven, but there is no other
    assert_int_equal(chosen(&w), 1);
    w.rtt[1] = 0;
    run_until(&w, T0 + WEND_S(4));
    assert_int_equal(chosen(&w), 255);
}

static void test_answers_that_do_not_count(void **state)
{
    struct wend_paths p;
    struct wend_path_probe probe;
    const struct wend_address a = at(1), b = at(2);

    (void)state;
    wend_paths_init(&p);
    assert_int_equal(wend_paths_add(&p, &a, T0), 0);
    assert_int_equal(wend_paths_add(&p, &a, T0), -EEXIST);
    wend_paths_expire(&p, T0);
    assert_true(wend_paths_next_probe(&p, &probe));
    assert_int_equal(wend_paths_answer(&p, &probe, &b, T0 + 1), -EINVAL);
    assert_int_equal(wend_paths_answer(&p, &probe, &via_relay, T0 + 1), -EINVAL);
    struct wend_path_probe other = probe;
    other.name++;
    assert_int_equal(wend_paths_answer(&p, &other, &a, T0 + 1), -ENOENT);
    other = probe;
    other.sent = -5;
    assert_int_equal(wend_paths_answer(&p, &other, &a, T0 + 1), -ESTALE);
    assert_null(wend_paths_direct(&p));
    assert_int_equal(wend_paths_answer(&p, &probe, &a, T0 + 1), 0);
    assert_non_null(wend_paths_direct(&p));
}

static void test_full(void **state)
{
    struct wend_paths p;

    (void)state;
    wend_paths_init(&p);
    for (uint32_t i = 0; i < WEND_PATHS_MAX; i++) {
        const struct wend_address a = at(i + 1);
        assert_int_equal(wend_paths_add(&p, &a, T0), 0);
    }
    const struct wend_address more = at(100);
    assert_int_equal(wend_paths_add(&p, &more, T0), -ENOSPC);
    for (wend_instant now = T0; now < T0 + WEND_S(4); now += WEND_MS(50))
        wend_paths_expire(&p, now);
    assert_int_equal(wend_paths_add(&p, &more, T0 + WEND_S(4)), 0); // a failed one gave way
    wend_paths_check(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_relay_then_direct),
        cmocka_unit_test(test_cut_and_heal),
        cmocka_unit_test(test_retry_backs_off),
        cmocka_unit_test(test_idle_is_quiet_and_wakes),
        cmocka_unit_test(test_held_until_its_instant),
        cmocka_unit_test(test_faster_relay_wins),
        cmocka_unit_test(test_better_direct_takes_over),
        cmocka_unit_test(test_noise_does_not_flap),
        cmocka_unit_test(test_leave_and_return),
        cmocka_unit_test(test_lossy_waits_for_clean_probes),
        cmocka_unit_test(test_no_other_way_is_not_left),
        cmocka_unit_test(test_carries_on_without_relay),
        cmocka_unit_test(test_answers_that_do_not_count),
        cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "path/prober.h"

#define T0 WEND_S(100)

// Runs until `until` and notes when probes went out.
static size_t run(struct wend_prober *p, wend_instant from, wend_instant until, wend_instant *sent)
{
    size_t count = 0;
    wend_instant now = from;

    for (;;) {
        wend_prober_expire(p, now);
        wend_instant at;
        while (wend_prober_next(p, &at)) {
            assert_int_equal(at, now);
            sent[count++] = at;
        }
        const wend_instant next = wend_prober_deadline(p);
        if (next > until)
            return count;
        assert_true(next > now || next == from);
        now = next;
    }
}

static void test_zeroed_is_silent(void **state)
{
    struct wend_prober p = {0};
    wend_instant at;

    (void)state;
    assert_int_equal(wend_prober_deadline(&p), WEND_NEVER);
    wend_prober_expire(&p, T0);
    assert_false(wend_prober_next(&p, &at));
}

static void test_schedule_without_answer(void **state)
{
    static const int64_t expected[] = {0, 50, 150, 350, 750, 1550};
    struct wend_prober p = {0};
    wend_instant sent[32];

    (void)state;
    wend_prober_start(&p, T0);
    assert_int_equal(run(&p, T0, T0 + WEND_S(60), sent), 6);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(sent[i], T0 + WEND_MS(expected[i]));
    assert_int_equal(p.state, WEND_PATH_STATE_FAILED);
    assert_int_equal(wend_prober_deadline(&p), WEND_NEVER);
}

static void test_answer_makes_valid(void **state)
{
    struct wend_prober p = {0};
    wend_instant sent[32];

    (void)state;
    wend_prober_start(&p, T0);
    assert_int_equal(run(&p, T0, T0 + WEND_MS(30), sent), 1);
    assert_int_equal(wend_prober_answer(&p, T0 + 1, T0 + WEND_MS(30)), -ESTALE);
    assert_int_equal(wend_prober_answer(&p, T0, T0 + WEND_MS(30)), 0);
    assert_int_equal(p.state, WEND_PATH_STATE_VALID);
    assert_int_equal(p.rtt, WEND_MS(30));
    assert_int_equal(wend_prober_answer(&p, T0, T0 + WEND_MS(31)), -ESTALE); // only once
    assert_int_equal(wend_prober_deadline(&p), WEND_NEVER);                  // quiet
    assert_true(wend_prober_loss(&p) == 0);
}

// An answer that comes after the path was given up still counts.
static void test_late_answer_revives(void **state)
{
    struct wend_prober p = {0};
    wend_instant sent[32];

    (void)state;
    wend_prober_start(&p, T0);
    assert_int_equal(run(&p, T0, T0 + WEND_S(5), sent), 6);
    assert_int_equal(wend_prober_answer(&p, sent[5], T0 + WEND_S(5)), 0);
    assert_int_equal(p.state, WEND_PATH_STATE_VALID);
    assert_int_equal(p.rtt, WEND_S(5) - WEND_MS(1550));
}

static void make_valid(struct wend_prober *p, enum wend_prober_pace pace)
{
    wend_instant sent[32];

    memset(p, 0, sizeof *p);
    wend_prober_set_pace(p, pace, T0);
    wend_prober_start(p, T0);
    assert_int_equal(run(p, T0, T0, sent), 1);
    assert_int_equal(wend_prober_answer(p, T0, T0 + WEND_MS(20)), 0);
}

static void test_in_use_fails_within_a_second(void **state)
{
    // Next probe 500 ms after the answer, then RTT + 100 ms, then every 100 ms.
    static const int64_t expected[] = {520, 640, 740, 840, 940};
    struct wend_prober p;
    wend_instant sent[32];

    (void)state;
    make_valid(&p, WEND_PROBER_IN_USE);
    assert_int_equal(run(&p, T0 + WEND_MS(20), T0 + WEND_MS(1039), sent), 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(sent[i], T0 + WEND_MS(expected[i]));
    assert_int_equal(p.state, WEND_PATH_STATE_SUSPECT);
    assert_true(wend_prober_is_up(&p));
    assert_int_equal(run(&p, T0 + WEND_MS(1040), T0 + WEND_S(60), sent), 0);
    assert_int_equal(p.state, WEND_PATH_STATE_FAILED);
}

static void test_one_loss_is_survived(void **state)
{
    struct wend_prober p;
    wend_instant sent[32];

    (void)state;
    make_valid(&p, WEND_PROBER_IN_USE);
    assert_int_equal(run(&p, T0 + WEND_MS(20), T0 + WEND_MS(650), sent), 2);
    assert_int_equal(p.state, WEND_PATH_STATE_SUSPECT);
    assert_int_equal(wend_prober_answer(&p, sent[1], T0 + WEND_MS(660)), 0);
    assert_int_equal(p.state, WEND_PATH_STATE_VALID);
    assert_int_equal(wend_prober_deadline(&p), T0 + WEND_MS(1160));
    assert_true(wend_prober_loss(&p) > 0.33 && wend_prober_loss(&p) < 0.34); // one of three
}

static void test_standby_pace(void **state)
{
    struct wend_prober p;
    wend_instant sent[32];

    (void)state;
    make_valid(&p, WEND_PROBER_STANDBY);
    assert_int_equal(run(&p, T0 + WEND_MS(20), T0 + WEND_S(15), sent), 0);
    assert_int_equal(run(&p, T0 + WEND_S(15), T0 + WEND_MS(15020), sent), 1);
    assert_int_equal(sent[0], T0 + WEND_MS(15020));
    assert_int_equal(wend_prober_answer(&p, sent[0], T0 + WEND_MS(15040)), 0);
    wend_prober_set_pace(&p, WEND_PROBER_IN_USE, T0 + WEND_S(16));
    assert_int_equal(wend_prober_deadline(&p), T0 + WEND_S(16)); // was due 500 ms after the answer
    wend_prober_set_pace(&p, WEND_PROBER_QUIET, T0 + WEND_S(16));
    assert_int_equal(wend_prober_deadline(&p), WEND_NEVER);
}

static void test_smoothing(void **state)
{
    struct wend_prober p;
    wend_instant sent[32];

    (void)state;
    make_valid(&p, WEND_PROBER_IN_USE);
    assert_int_equal(run(&p, T0 + WEND_MS(20), T0 + WEND_MS(520), sent), 1);
    assert_int_equal(wend_prober_answer(&p, sent[0], T0 + WEND_MS(620)), 0); // 100 ms
    assert_int_equal(p.rtt, WEND_MS(30));                                    // 7/8 20 + 1/8 100
    assert_int_equal(p.variation, WEND_MS(10) + (WEND_MS(80) - WEND_MS(10)) / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zeroed_is_silent),
        cmocka_unit_test(test_schedule_without_answer),
        cmocka_unit_test(test_answer_makes_valid),
        cmocka_unit_test(test_late_answer_revives),
        cmocka_unit_test(test_in_use_fails_within_a_second),
        cmocka_unit_test(test_one_loss_is_survived),
        cmocka_unit_test(test_standby_pace),
        cmocka_unit_test(test_smoothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

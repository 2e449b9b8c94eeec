// SPDX-License-Identifier: MIT
#include "base/bucket.h"

#include "unit.h"

static const struct wend_bucket_limit TEN = {.per_second = 10, .burst = 3};

static void starts_full_and_refuses_when_empty(void **state)
{
    (void)state;
    struct wend_bucket b;
    wend_bucket_init(&b, &TEN, WEND_S(5));
    for (int i = 0; i < 3; i++)
        assert_true(wend_bucket_take(&b, &TEN, 1, WEND_S(5)));
    assert_false(wend_bucket_take(&b, &TEN, 1, WEND_S(5)));
    assert_true(wend_bucket_take(&b, &TEN, 0, WEND_S(5)));
    assert_false(wend_bucket_take(&b, &TEN, 1, WEND_S(5) + WEND_MS(100) - 1));
    assert_true(wend_bucket_take(&b, &TEN, 1, WEND_S(5) + WEND_MS(100)));
    assert_false(wend_bucket_take(&b, &TEN, 1, WEND_S(5) + WEND_MS(100)));
}

static void holds_no_more_than_its_burst(void **state)
{
    (void)state;
    struct wend_bucket b;
    wend_bucket_init(&b, &TEN, 0);
    assert_false(wend_bucket_take(&b, &TEN, 4, 0));
    assert_true(wend_bucket_take(&b, &TEN, 3, INT64_MAX - 1));
    assert_false(wend_bucket_take(&b, &TEN, 1, INT64_MAX - 1));
}

// Asked every 7 ns for 7 ms, at a rate whose tokens are no whole number of nanoseconds apart: it
// gives its due to the token, and the burst.
static void loses_nothing_to_rounding(void **state)
{
    (void)state;
    const struct wend_bucket_limit odd = {.per_second = 999999937, .burst = 100};
    struct wend_bucket b;
    wend_bucket_init(&b, &odd, 0);
    uint64_t taken = 0;
    for (wend_instant now = 0; now <= 7000000; now += 7)
        while (wend_bucket_take(&b, &odd, 1, now))
            taken++;
    assert_int_equal(taken, 100 + 6999999); // 0.007 s at 999,999,937 tokens is 6,999,999.559
}

static void survives_extreme_numbers(void **state)
{
    (void)state;
    const struct wend_bucket_limit big = {.per_second = UINT64_MAX, .burst = WEND_BUCKET_BURST_MAX};
    struct wend_bucket b;
    wend_bucket_init(&b, &big, INT64_MIN);
    assert_true(wend_bucket_take(&b, &big, WEND_BUCKET_BURST_MAX, INT64_MIN));
    assert_false(wend_bucket_take(&b, &big, 1, INT64_MIN));
    assert_true(wend_bucket_take(&b, &big, WEND_BUCKET_BURST_MAX, INT64_MAX));
    assert_false(wend_bucket_take(&b, &big, UINT64_MAX, INT64_MAX));
}

static void time_does_not_run_backwards(void **state)
{
    (void)state;
    struct wend_bucket b;
    wend_bucket_init(&b, &TEN, WEND_S(1));
    assert_true(wend_bucket_take(&b, &TEN, 3, WEND_S(1)));
    assert_false(wend_bucket_take(&b, &TEN, 1, 0));
    assert_true(wend_bucket_take(&b, &TEN, 1, WEND_S(1) + WEND_MS(100)));
}

static void says_when_it_will_be_ready(void **state)
{
    (void)state;
    struct wend_bucket b;
    wend_bucket_init(&b, &TEN, 0);
    assert_true(wend_bucket_ready(&b, &TEN, 3) <= 0);
    assert_true(wend_bucket_ready(&b, &TEN, 4) == WEND_NEVER);
    assert_true(wend_bucket_take(&b, &TEN, 3, 0));
    assert_true(wend_bucket_ready(&b, &TEN, 2) == WEND_MS(200));
    const struct wend_bucket_limit third = {.per_second = 3, .burst = 1};
    wend_bucket_init(&b, &third, 0);
    assert_true(wend_bucket_take(&b, &third, 1, 0));
    const wend_instant ready = wend_bucket_ready(&b, &third, 1);
    assert_true(ready == 333333334);
    assert_false(wend_bucket_take(&b, &third, 1, ready - 1));
    assert_true(wend_bucket_take(&b, &third, 1, ready));
}

static void a_rate_of_zero_gives_the_burst_once(void **state)
{
    (void)state;
    const struct wend_bucket_limit once = {.burst = 2};
    struct wend_bucket b;
    wend_bucket_init(&b, &once, 0);
    assert_true(wend_bucket_take(&b, &once, 2, WEND_S(1)));
    assert_false(wend_bucket_take(&b, &once, 1, WEND_S(1000000)));
    assert_true(wend_bucket_ready(&b, &once, 1) == WEND_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_full_and_refuses_when_empty),
        cmocka_unit_test(holds_no_more_than_its_burst),
        cmocka_unit_test(loses_nothing_to_rounding),
        cmocka_unit_test(survives_extreme_numbers),
        cmocka_unit_test(time_does_not_run_backwards),
        cmocka_unit_test(says_when_it_will_be_ready),
        cmocka_unit_test(a_rate_of_zero_gives_the_burst_once),
    };
    return cmocka_run_group_tests_name("bucket", tests, NULL, NULL);
}

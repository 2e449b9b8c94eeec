// SPDX-License-Identifier: MIT
// One alarm in a loop: fires once, at its time, and can be moved and taken back.
#include "../base/unit.h"

#include <stdlib.h>

#include "io/alarm.h"
#include "io/clock.h"

struct bell {
    uv_loop_t loop;
    struct wend_alarm alarm;
    int rung;
    wend_instant at;
    wend_instant again; // set from the handler, 0: not
};

static void ring(void *context)
{
    struct bell *b = context;
    b->rung++;
    b->at = wend_clock_now();
    if (b->again != 0)
        wend_alarm_set(&b->alarm, b->again);
    b->again = 0;
}

static int bell_open(void **state)
{
    struct bell *b = calloc(1, sizeof *b);
    *state = b;
    return uv_loop_init(&b->loop) != 0 || wend_alarm_open(&b->alarm, &b->loop, ring, b) != 0;
}

static int bell_close(void **state)
{
    struct bell *b = *state;
    uv_close((uv_handle_t *)&b->alarm.poll, NULL);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    const int open = uv_loop_close(&b->loop);
    wend_alarm_close(&b->alarm);
    free(b);
    return open;
}

static void test_fires_once(void **state)
{
    struct bell *b = *state;
    const wend_instant at = wend_clock_now() + WEND_MS(3);
    wend_alarm_set(&b->alarm, at);
    wend_alarm_set(&b->alarm, at);
    uv_run(&b->loop, UV_RUN_ONCE);
    assert_int_equal(b->rung, 1);
    assert_true(b->at >= at);
    assert_int_equal(b->alarm.at, WEND_NEVER);
    uv_run(&b->loop, UV_RUN_NOWAIT);
    assert_int_equal(b->rung, 1);
}

static void test_the_past_is_now(void **state)
{
    struct bell *b = *state;
    wend_alarm_set(&b->alarm, -5);
    b->again = 1;
    uv_run(&b->loop, UV_RUN_ONCE);
    uv_run(&b->loop, UV_RUN_ONCE);
    assert_int_equal(b->rung, 2);
}

static void test_moved_and_taken_back(void **state)
{
    struct bell *b = *state;
    wend_alarm_set(&b->alarm, wend_clock_now() + WEND_S(3600));
    uv_run(&b->loop, UV_RUN_NOWAIT);
    assert_int_equal(b->rung, 0);
    wend_alarm_set(&b->alarm, wend_clock_now());
    wend_alarm_set(&b->alarm, WEND_NEVER);
    uv_run(&b->loop, UV_RUN_NOWAIT);
    assert_int_equal(b->rung, 0);
    wend_alarm_set(&b->alarm, wend_clock_now() + WEND_MS(1));
    uv_run(&b->loop, UV_RUN_ONCE);
    assert_int_equal(b->rung, 1);
}

int main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, bell_open, bell_close)
    const struct CMUnitTest tests[] = {
        WITH(test_fires_once),
        WITH(test_the_past_is_now),
        WITH(test_moved_and_taken_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

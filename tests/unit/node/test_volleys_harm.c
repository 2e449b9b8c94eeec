// SPDX-License-Identifier: MIT
// Volleys between two nodes: how they begin, what stays of them, and every way in which they end.
#include "volleying.h"

static void test_both_known(void **state)
{
    (void)state;
    call();
    run(WEND_S(3));
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(way(i, 1 - i), WEND_PATH_DIRECT);
        assert_int_equal(contact(i, 1 - i)->volley_end, WEND_VOLLEY_END_WON);
        assert_int_equal(times_said(i, "volley=begun"), 1);
        assert_int_equal(times_said(i, "volley=won"), 1);
        assert_clean(i, 0);
    }
}

static bool nobody_told;

// Both call at the same instant: two handshakes with a model each, and one volley.
static void test_handshakes_cross(void **state)
{
    (void)state;
    nobody_told = true;
    all_up();
    know(0);
    know(1);
    say(0, 1, 1);
    say(1, 0, 2);
    assert_int_not_equal(contact(0, 1)->model_told, 0);
    assert_int_not_equal(contact(1, 0)->model_told, 0);
    until_both_run();
    assert_int_not_equal(volley(0, 1)->plan.caller == volley(0, 1)->plan.own,
                         volley(1, 0)->plan.caller == volley(1, 0)->plan.own);
    run(WEND_S(3));
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(way(i, 1 - i), WEND_PATH_DIRECT);
        assert_int_equal(times_said(i, "volley=begun"), 1);
        assert_clean(i, 0);
    }
}

int main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, volleying_open, volleying_close)
    const struct CMUnitTest tests[] = {
        WITH(test_both_known),
        WITH(test_handshakes_cross),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

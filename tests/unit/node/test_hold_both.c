// SPDX-License-Identifier: MIT
// Two ways at once, and more than one pair of keys.
#include "holding.h"

// ---- Both ----

static void both_puts_all_in_order(void **state)
{
    struct fixture *f = *state;
    begin(f);
    mark(f, WEND_SWITCH_BOTH, 2, 2, A, 10);
    packet(f, 4, A, 11);
    packet(f, 6, A, 12);
    expect(f, "");
    packet(f, 3, B, 20);
    expect(f, "3 4");
    packet(f, 5, B, 21);
    packet(f, 7, A, 21);
    packet(f, 9, A, 22);
    expect(f, "5 6 7");
    expire(f, 70);
    expect(f, "");
    expire(f, 71); // 8 was lost twice
    expect(f, "9");
    mark(f, WEND_SWITCH_ENTER, 11, 11, B, 80);
    packet(f, 13, B, 82); // over: losses are nobody's business
    expect(f, "13");
    assert_true(deadline(f) == WEND_NEVER);
}

static void a_copy_tells_how_far_its_way_has_come(void **state)
{
    struct fixture *f = *state;
    const struct wend_hold_message four = {.slot = SLOT, .pair = 1, .counter = 4, .way = ways[B]};
    begin(f);
    mark(f, WEND_SWITCH_BOTH, 2, 2, A, 10);
    packet(f, 4, A, 11);
    packet(f, 5, A, 12);
    expect(f, "");
    wend_hold_seen(f->pool, &f->hold, &four, WEND_MS(20)); // 3 was lost on both
    take_ready(f);
    expect(f, "4 5");
    packet(f, 7, A, 21);
    expect(f, ""); // B may bring 6
}

static void both_on_a_dead_way_waits_once(void **state)
{
    struct fixture *f = *state;
    begin(f);
    mark(f, WEND_SWITCH_BOTH, 5, 5, B, 10); // 2, 3 and 4 are lost with A
    packet(f, 6, B, 12);
    expire(f, 60);
    expect(f, "6");
    packet(f, 8, B, 61);
    expect(f, "8");
    mark(f, WEND_SWITCH_ENTER, 10, 10, B, 62);
    packet(f, 11, B, 62); // LEAVE was lost too
    expect(f, "11");
    assert_true(deadline(f) == WEND_NEVER);
}

static void both_after_a_long_silence_waits_for_nothing(void **state)
{
    struct fixture *f = *state;
    begin(f);
    mark(f, WEND_SWITCH_BOTH, 5, 5, B, 150); // 2, 3 and 4 are lost with A
    packet(f, 6, B, 151);
    packet(f, 8, B, 152);
    expect(f, "6 8");
    packet(f, 7, A, 153); // it lives after all
    expect(f, "7");
}

static void both_ends_by_leave_and_the_other_way(void **state)
{
    struct fixture *f = *state;
    begin(f);
    mark(f, WEND_SWITCH_BOTH, 2, 2, A, 10);
    packet(f, 4, A, 11);
    mark(f, WEND_SWITCH_LEAVE, 6, 7, A, 12);
    expect(f, "");
    packet(f, 5, B, 13);
    packet(f, 9, B, 14); // 3, ENTER and 8 are lost
    expect(f, "4 5 9");
    assert_true(deadline(f) == WEND_NEVER);
}

static void both_waits_only_once_for_a_second_way(void **state)
{
    struct fixture *f = *state;
    begin(f);
    mark(f, WEND_SWITCH_BOTH, 2, 2, A, 10);
    packet(f, 4, A, 30);
    assert_true(deadline(f) == WEND_MS(60));
    expire(f, 60);
    expect(f, "4");
    mark(f, WEND_SWITCH_BOTH, 5, 2, A, 500); // said once more
    packet(f, 9, A, 501);
    expect(f, "9");
    assert_true(deadline(f) == WEND_NEVER);
}

static void both_before_the_old_way_is_done(void **state)
{
    struct fixture *f = *state;
    begin(f);
    mark(f, WEND_SWITCH_LEAVE, 2, 3, A, 9);
    mark(f, WEND_SWITCH_BOTH, 6, 6, A, 10); // ENTER, 4, 5 and 6 took B, which is slow
    packet(f, 7, A, 12);
    expect(f, "");
    mark(f, WEND_SWITCH_ENTER, 3, 3, B, 13);
    packet(f, 4, B, 14);
    expect(f, "4");
    packet(f, 5, B, 15);
    expect(f, "5 7");
}

static void a_third_way_after_both(void **state)
{
    struct fixture *f = *state;
    begin(f);
    mark(f, WEND_SWITCH_BOTH, 2, 2, A, 10);
    packet(f, 4, A, 11); // 3 is lost by A
    mark(f, WEND_SWITCH_LEAVE, 5, 6, A, 12);
    mark(f, WEND_SWITCH_ENTER, 6, 6, C, 13);
    packet(f, 7, C, 14);
    expect(f, ""); // B was not heard yet
    packet(f, 3, B, 30);
    expect(f, "3 4 7");
    packet(f, 9, C, 31);
    expect(f, "9");
}

// ---- Pairs ----

static void a_fresh_pair_waits_five_ms_for_its_first(void **state)
{
    struct fixture *f = *state;
    packet(f, 2, A, 0);
    packet(f, 0, A, 1);
    expect(f, "0");
    packet(f, 1, A, 2);
    expect(f, "1 2");
    packet2(f, 2, A, 10);
    packet2(f, 4, A, 11);
    packet2(f, 0, A, 12);
    expect(f, "100");
    expire(f, 15);
    expect(f, "102 104");
    packet2(f, 1, A, 16);
    expect(f, "L101");
    assert_true(deadline(f) == WEND_NEVER);
}

static void a_fresh_pair_that_enters_waits_for_the_slower_way(void **state)
{
    struct fixture *f = *state;
    mark(f, WEND_SWITCH_ENTER, 4, 4, A, 0); // nothing else was heard of the peer
    packet(f, 5, A, 6);
    assert_true(deadline(f) == WEND_HOLD_TIME);
    packet(f, 0, B, 60);
    packet(f, 2, B, 61);
    expect(f, "0 2 5");
    assert_true(deadline(f) == WEND_NEVER);
}

static void a_newer_pair_waits_behind_the_older(void **state)
{
    struct fixture *f = *state;
    begin(f);
    mark(f, WEND_SWITCH_ENTER, 5, 5, B, 10);
    packet(f, 6, B, 10);
    packet2(f, 0, B, 11);
    packet2(f, 1, B, 11);
    packet(f, 2, A, 12); // 3 is lost
    expect(f, "2");
    mark(f, WEND_SWITCH_LEAVE, 4, 5, A, 13);
    expect(f, "6 100 101");
    packet2(f, 2, B, 14);
    packet(f, 6, B, 14);
    expect(f, "102 6");
}

static void a_pair_that_begins_on_another_way_waits_for_the_older(void **state)
{
    struct fixture *f = *state;
    begin(f);
    give(f, 2, 0, B, (struct wend_switch){WEND_SWITCH_ENTER, 0}, 10);
    packet2(f, 1, B, 10);
    packet(f, 2, A, 11);
    expect(f, "2");
    mark(f, WEND_SWITCH_LEAVE, 3, 4, A, 12);
    expect(f, "101");
    give(f, 3, 0, C, (struct wend_switch){0}, 20); // without a word, but soon after
    packet2(f, 2, B, 21);
    expect(f, "102");
    expire(f, 70);
    expect(f, "200");
    give(f, 4, 0, B, (struct wend_switch){0}, 200); // long after
    expect(f, "300");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(both_puts_all_in_order),
        TEST(a_copy_tells_how_far_its_way_has_come),
        TEST(both_on_a_dead_way_waits_once),
        TEST(both_after_a_long_silence_waits_for_nothing),
        TEST(both_ends_by_leave_and_the_other_way),
        TEST(both_waits_only_once_for_a_second_way),
        TEST(both_before_the_old_way_is_done),
        TEST(a_third_way_after_both),
        TEST(a_fresh_pair_waits_five_ms_for_its_first),
        TEST(a_fresh_pair_that_enters_waits_for_the_slower_way),
        TEST(a_newer_pair_waits_behind_the_older),
        TEST(a_pair_that_begins_on_another_way_waits_for_the_older),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
#include "holding.h"

// ---- One way ----

static void one_way_is_never_held(void **state)
{
    struct fixture *f = *state;
    begin(f);
    packet(f, 5, A, 1); // lost or overtaken, as networks do
    packet(f, 3, A, 2);
    packet(f, 6, A, 3);
    expect(f, "5 3 6");
    assert_true(deadline(f) == WEND_NEVER);
}

// ---- Transit ----

static void enter_holds_until_all_have_come(void **state)
{
    struct fixture *f = *state;
    begin(f);
    mark(f, WEND_SWITCH_ENTER, 5, 5, B, 10);
    packet(f, 6, B, 11);
    packet(f, 7, B, 12);
    assert_true(deadline(f) == WEND_MS(60)); // preset, from the first that is held
    packet(f, 2, A, 13);
    packet(f, 3, A, 14);
    expect(f, "2 3");
    packet(f, 4, A, 15);
    expect(f, "4 6 7");
    packet(f, 8, B, 16);
    expect(f, "8");
    assert_true(deadline(f) == WEND_NEVER);
}

static void leave_ends_it_though_some_are_lost(void **state)
{
    struct fixture *f = *state;
    begin(f);
    mark(f, WEND_SWITCH_ENTER, 6, 6, B, 10);
    packet(f, 7, B, 11);
    packet(f, 4, A, 13);
    expect(f, "4");
    mark(f, WEND_SWITCH_LEAVE, 5, 6, A, 14);
    expect(f, "7");
    packet(f, 3, A, 15); // the way had changed its order
    expect(f, "3");
}

static void leave_first_holds_nothing(void **state)
{
    struct fixture *f = *state;
    begin(f);
    mark(f, WEND_SWITCH_LEAVE, 4, 5, A, 10); // 2 and 3 are lost
    packet(f, 6, B, 11);                     // and so is ENTER
    expect(f, "6");
    mark(f, WEND_SWITCH_ENTER, 7, 5, B, 12); // said once more
    packet(f, 8, B, 12);
    expect(f, "8");
    assert_true(deadline(f) == WEND_NEVER);
}

static void without_enter_the_other_way_is_enough(void **state)
{
    struct fixture *f = *state;
    begin(f);
    packet(f, 8, B, 10);
    packet(f, 7, B, 10); // that way had changed its order
    mark(f, WEND_SWITCH_ENTER, 9, 6, B, 11);
    for (uint64_t c = 2; c < 5; c++)
        packet(f, c, A, 12);
    expect(f, "2 3 4");
    packet(f, 5, A, 13);
    expect(f, "5 7 8");
}

static void time_ends_it_and_stragglers_are_late(void **state)
{
    struct fixture *f = *state;
    begin(f);
    wend_hold_set_time(f->pool, &f->hold, WEND_MS(20));
    mark(f, WEND_SWITCH_ENTER, 4, 4, B, 10);
    packet(f, 5, B, 25);
    expire(f, 29);
    expect(f, "");
    expire(f, 30);
    expect(f, "5");
    packet(f, 2, A, 31);
    packet(f, 6, B, 32); // the straggler's way is not the way in use
    packet(f, 3, A, 33);
    expect(f, "L2 6 L3");
}

static void the_time_may_grow_while_some_are_held(void **state)
{
    struct fixture *f = *state;
    begin(f);
    packet(f, 3, B, 10);
    wend_hold_set_time(f->pool, &f->hold, WEND_MS(150));
    wend_hold_set_time(f->pool, &f->hold, WEND_MS(20));
    assert_true(deadline(f) == WEND_MS(160)); // only ever more
    packet(f, 2, A, 159);
    expect(f, "2 3");
    packet2(f, 1, B, 160); // but not for what waits for a fresh pair's first
    wend_hold_set_time(f->pool, &f->hold, WEND_MS(100));
    assert_true(deadline(f) == WEND_MS(165));
    expire(f, 165);
    expect(f, "101");
}

static void nothing_missing_nothing_held(void **state)
{
    struct fixture *f = *state;
    begin(f);
    mark(f, WEND_SWITCH_LEAVE, 2, 3, A, 1);
    mark(f, WEND_SWITCH_ENTER, 3, 3, B, 2);
    packet(f, 4, B, 3);
    packet(f, 6, B, 3); // a loss on the new way
    expect(f, "4 6");
}

static void back_again_before_the_first_switch_is_over(void **state)
{
    struct fixture *f = *state;
    begin(f);
    mark(f, WEND_SWITCH_ENTER, 4, 4, B, 10); // 2 and LEAVE, 3, are on their way
    packet(f, 5, B, 10);
    mark(f, WEND_SWITCH_LEAVE, 7, 8, B, 11); // 6 is lost
    packet(f, 2, A, 12);
    packet(f, 9, A, 13); // ENTER, 8, is lost: A has brought all, and so has B
    expect(f, "2 5 9");
    mark(f, WEND_SWITCH_LEAVE, 10, 11, A, 14);
    packet(f, 15, A, 15); // yet A again: what lies between took another way
    expect(f, "");
    packet(f, 12, B, 16);
    expect(f, "12");
    packet(f, 14, B, 17);
    packet(f, 11, B, 17);
    expire(f, 65);
    expect(f, "14 11 15");
}

static void a_third_way_makes_each_gap_worth_waiting(void **state)
{
    struct fixture *f = *state;
    begin(f);
    mark(f, WEND_SWITCH_ENTER, 4, 4, B, 10);
    mark(f, WEND_SWITCH_ENTER, 8, 8, C, 11);
    packet(f, 9, C, 11);
    packet(f, 5, B, 12);
    packet(f, 6, B, 12);
    expect(f, "");
    packet(f, 2, A, 13);
    expect(f, "2");
    packet(f, 3, A, 13);
    expect(f, "3 5 6");
    mark(f, WEND_SWITCH_LEAVE, 7, 8, B, 14);
    expect(f, "9");
    assert_true(deadline(f) == WEND_NEVER);
}

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
    expire(f, 71);
    expect(f, "");
    expire(f, 72); // 8 was lost twice
    expect(f, "9");
    mark(f, WEND_SWITCH_ENTER, 11, 11, B, 80);
    packet(f, 10, A, 81);
    packet(f, 13, B, 82); // over: losses are nobody's business
    expect(f, "10 13");
    assert_true(deadline(f) == WEND_NEVER);
}

static void both_on_a_dead_way_waits_once(void **state)
{
    struct fixture *f = *state;
    begin(f);
    mark(f, WEND_SWITCH_BOTH, 5, 5, B, 10); // 2, 3 and 4 are lost with A
    packet(f, 6, B, 12);
    expire(f, 60);
    expect(f, "6");
    packet(f, 7, B, 61);
    expect(f, "7");
    mark(f, WEND_SWITCH_ENTER, 9, 9, B, 62);
    packet(f, 10, B, 62);
    expect(f, "");
    packet(f, 8, B, 63);
    expect(f, "8 10");
}

static void both_on_a_way_long_silent_does_not_wait(void **state)
{
    struct fixture *f = *state;
    begin(f);
    packet(f, 2, A, 10);
    mark(f, WEND_SWITCH_BOTH, 5, 5, B, 60); // the preset hold time later
    packet(f, 6, B, 61);
    expect(f, "2 6");
    packet(f, 4, A, 62); // not lost after all
    expect(f, "L4");
    packet(f, 8, B, 63);
    packet(f, 7, A, 64); // behind it, all is in order
    expect(f, "7 8");
}

static void both_back_on_the_way_that_was_left(void **state)
{
    struct fixture *f = *state;
    begin(f);
    mark(f, WEND_SWITCH_LEAVE, 2, 3, A, 10); // 3 to 5 go by B,
    mark(f, WEND_SWITCH_BOTH, 6, 6, A, 20);  // and this comes before them
    packet(f, 7, A, 21);
    expect(f, "");
    mark(f, WEND_SWITCH_ENTER, 3, 3, B, 30);
    packet(f, 4, B, 31);
    expect(f, "4");
    packet(f, 5, B, 32);
    expect(f, "5 7");
}

static void both_ends_by_leave_and_the_other_way(void **state)
{
    struct fixture *f = *state;
    begin(f);
    mark(f, WEND_SWITCH_BOTH, 2, 2, A, 10);
    packet(f, 4, A, 11);
    mark(f, WEND_SWITCH_LEAVE, 6, 7, A, 12);
    packet(f, 9, B, 13); // 3, 5, ENTER and 8 are lost
    expect(f, "4 9");
    assert_true(deadline(f) == WEND_NEVER);
}

static void both_ends_after_a_second_without_news(void **state)
{
    struct fixture *f = *state;
    begin(f);
    mark(f, WEND_SWITCH_BOTH, 2, 2, A, 10);
    mark(f, WEND_SWITCH_BOTH, 3, 2, A, 500);
    assert_true(deadline(f) == WEND_MS(1500));
    expire(f, 1500);
    packet(f, 9, A, 1501);
    expect(f, "9");
    assert_true(deadline(f) == WEND_NEVER);
}

static void both_in_a_transit(void **state)
{
    struct fixture *f = *state;
    begin(f);
    mark(f, WEND_SWITCH_ENTER, 4, 4, B, 10);
    mark(f, WEND_SWITCH_BOTH, 6, 6, B, 11);
    packet(f, 7, B, 12);
    packet(f, 5, C, 13);
    packet(f, 2, A, 14);
    expect(f, "2");
    packet(f, 3, A, 15);
    expect(f, "3 5 7");
}

// ---- Pairs ----

static void a_fresh_pair_waits_five_ms_for_its_first(void **state)
{
    struct fixture *f = *state;
    packet(f, 2, A, 0);
    packet(f, 0, B, 1);
    expect(f, "0");
    packet(f, 1, B, 2);
    expect(f, "1 2");
    packet2(f, 2, A, 10);
    packet2(f, 4, A, 11);
    packet2(f, 0, B, 12);
    expect(f, "100");
    expire(f, 15);
    expect(f, "102 104");
    packet2(f, 1, B, 16);
    expect(f, "L101");
    assert_true(deadline(f) == WEND_NEVER);
}

static void a_newer_pair_waits_behind_a_transit(void **state)
{
    struct fixture *f = *state;
    begin(f);
    mark(f, WEND_SWITCH_ENTER, 4, 4, B, 10);
    packet(f, 5, B, 10);
    packet2(f, 0, B, 11);
    packet2(f, 1, B, 11);
    packet(f, 2, A, 12);
    expect(f, "2");
    mark(f, WEND_SWITCH_LEAVE, 3, 4, A, 13);
    expect(f, "5 100 101");
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

// ---- Limits ----

static void a_peer_full_of_held_ones_is_relieved_in_order(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[4] = {0};
    uint32_t slot, expected = 3;
    size_t len;
    begin(f);
    for (uint32_t c = 3; c < 3 + WEND_HOLD_PEER_MAX; c++) {
        wend_put_u32(bytes, c);
        const struct wend_hold_message m = {
            .slot = SLOT, .pair = 1, .counter = c, .way = ways[B], .packet = WEND_BYTES(bytes)};
        assert_false(wend_hold_has_ready(f->pool));
        assert_int_equal(wend_hold_accept(f->pool, &f->hold, &m, 5), WEND_HOLD_TAKEN);
    }
    const uint8_t *at;
    while ((at = wend_hold_next(f->pool, &slot, &len)) != NULL)
        assert_int_equal(wend_get_u32(at), expected++);
    assert_int_equal(expected, 3 + WEND_HOLD_PEER_MAX);
    wend_hold_return(f->pool);
    packet(f, 2, A, 6);
    expect(f, "L2");
}

static void a_peer_gone_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    begin(f);
    packet(f, 5, B, 10);
    wend_hold_close(f->pool, &f->hold, SLOT);
    assert_true(deadline(f) == WEND_NEVER);
    assert_int_equal(f->pool->taken, 0);
    packet(f, 0, B, 11);
    expect(f, "0");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(one_way_is_never_held),
        TEST(enter_holds_until_all_have_come),
        TEST(leave_ends_it_though_some_are_lost),
        TEST(leave_first_holds_nothing),
        TEST(without_enter_the_other_way_is_enough),
        TEST(time_ends_it_and_stragglers_are_late),
        TEST(the_time_may_grow_while_some_are_held),
        TEST(nothing_missing_nothing_held),
        TEST(back_again_before_the_first_switch_is_over),
        TEST(a_third_way_makes_each_gap_worth_waiting),
        TEST(both_puts_all_in_order),
        TEST(both_on_a_dead_way_waits_once),
        TEST(both_on_a_way_long_silent_does_not_wait),
        TEST(both_back_on_the_way_that_was_left),
        TEST(both_ends_by_leave_and_the_other_way),
        TEST(both_ends_after_a_second_without_news),
        TEST(both_in_a_transit),
        TEST(a_fresh_pair_waits_five_ms_for_its_first),
        TEST(a_newer_pair_waits_behind_a_transit),
        TEST(a_pair_that_begins_on_another_way_waits_for_the_older),
        TEST(a_peer_full_of_held_ones_is_relieved_in_order),
        TEST(a_peer_gone_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

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

// ---- Another way ----

static void enter_holds_until_all_have_come(void **state)
{
    struct fixture *f = *state;
    begin(f);
    mark(f, WEND_SWITCH_ENTER, 5, 5, B, 10);
    packet(f, 6, B, 11);
    packet(f, 7, B, 12);
    assert_true(deadline(f) == WEND_MS(60)); // from the first that is held
    packet(f, 2, A, 13);
    expect(f, "2");
    packet(f, 3, A, 15);
    expect(f, "3 6 7"); // only LEAVE is missing
    packet(f, 8, B, 16);
    expect(f, "8");
    assert_true(deadline(f) == WEND_NEVER);
}

static void leave_ends_it_though_some_are_lost(void **state)
{
    struct fixture *f = *state;
    begin(f);
    mark(f, WEND_SWITCH_ENTER, 7, 7, B, 10);
    packet(f, 8, B, 11);
    packet(f, 4, A, 13);
    expect(f, "4");
    mark(f, WEND_SWITCH_LEAVE, 6, 7, A, 14);
    expect(f, "8");
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
    for (uint64_t c = 2; c < 5; c++)
        packet(f, c, A, 12);
    expect(f, "2 3 4");
    mark(f, WEND_SWITCH_LEAVE, 5, 6, A, 13);
    expect(f, "7 8");
}

static void an_enter_said_again_is_as_good(void **state)
{
    struct fixture *f = *state;
    begin(f);
    packet(f, 8, B, 10);
    mark(f, WEND_SWITCH_ENTER, 9, 6, B, 11);
    packet(f, 4, A, 12); // 2 and 3 are lost
    expect(f, "4 8");
    packet(f, 11, B, 13);
    expect(f, "11"); // A brings nothing from 6 on
}

static void a_long_time_on_one_way_counts(void **state)
{
    struct fixture *f = *state;
    begin(f);
    for (uint64_t c = 2; c < 1000; c++) {
        packet(f, c, A, (wend_instant)c);
        f->said[0] = 0;
    }
    mark(f, WEND_SWITCH_ENTER, 1002, 1002, B, 1001);
    assert_true(deadline(f) == WEND_MS(1051));
    packet(f, 1000, A, 1003);
    expect(f, "1000");
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
    mark(f, WEND_SWITCH_LEAVE, 2, 3, A, 159);
    expect(f, "3");
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
    packet(f, 12, B, 16); // that one
    expect(f, "12");
    packet(f, 14, B, 17);
    expect(f, "14 15");
    packet(f, 11, B, 17);
    expect(f, "11");
}

static void back_again_while_the_other_is_slow(void **state)
{
    struct fixture *f = *state;
    begin(f);
    mark(f, WEND_SWITCH_LEAVE, 2, 3, A, 10);
    mark(f, WEND_SWITCH_ENTER, 7, 7, A, 12); // 3, 4, 5 and LEAVE took a way not known yet
    packet(f, 8, A, 13);
    assert_true(deadline(f) == WEND_MS(62));
    packet(f, 4, B, 20);
    expect(f, "4");
    mark(f, WEND_SWITCH_LEAVE, 6, 7, B, 22);
    expect(f, "8");
    mark(f, WEND_SWITCH_ENTER, 3, 3, B, 23);
    packet(f, 10, A, 24);
    expect(f, "10");
    assert_true(deadline(f) == WEND_NEVER);
}

static void a_third_way_makes_each_gap_worth_waiting(void **state)
{
    struct fixture *f = *state;
    begin(f);
    mark(f, WEND_SWITCH_ENTER, 4, 4, B, 10);
    mark(f, WEND_SWITCH_ENTER, 8, 8, C, 11);
    packet(f, 9, C, 11);
    packet(f, 6, B, 12);
    packet(f, 5, B, 12);
    expect(f, "");
    mark(f, WEND_SWITCH_LEAVE, 3, 4, A, 13); // 2 is lost
    expect(f, "5 6 9");
    mark(f, WEND_SWITCH_LEAVE, 7, 8, B, 14);
    assert_true(deadline(f) == WEND_NEVER);
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
        TEST(an_enter_said_again_is_as_good),
        TEST(a_long_time_on_one_way_counts),
        TEST(time_ends_it_and_stragglers_are_late),
        TEST(the_time_may_grow_while_some_are_held),
        TEST(nothing_missing_nothing_held),
        TEST(back_again_before_the_first_switch_is_over),
        TEST(back_again_while_the_other_is_slow),
        TEST(a_third_way_makes_each_gap_worth_waiting),
        TEST(a_peer_full_of_held_ones_is_relieved_in_order),
        TEST(a_peer_gone_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

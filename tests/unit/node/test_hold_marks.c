// SPDX-License-Identifier: MIT
// Switch messages that come late, out of turn, or not at all. Each is a case that the simulator
// met.
#include "holding.h"

static void give2(struct fixture *f, enum wend_switch_kind kind, uint64_t counter, uint64_t first,
                  int way, wend_instant ms)
{
    give(f, 2, counter, way, (struct wend_switch){kind, first}, ms);
}

// The way that was left had been entered by a switch whose LEAVE comes now: not the end of this
// wait. (Seed 100162.)
static void an_earlier_leave_does_not_end_a_later_wait(void **state)
{
    struct fixture *f = *state;
    wend_hold_set_time(f->pool, &f->hold, WEND_MS(100));
    begin(f);
    mark(f, WEND_SWITCH_ENTER, 6, 6, B, 10); // 2 LEAVE to C, 3 ENTER, 4 packet, 5 LEAVE to B
    packet(f, 7, B, 11);
    mark(f, WEND_SWITCH_LEAVE, 2, 3, A, 12);
    expect(f, "");
    mark(f, WEND_SWITCH_ENTER, 3, 3, A, 29);
    packet(f, 4, A, 30);
    mark(f, WEND_SWITCH_LEAVE, 5, 6, A, 30);
    expect(f, "4 7");
}

// Without ENTER nobody knows where the new way began: then any LEAVE is taken for its own.
static void without_enter_a_leave_ends_the_wait(void **state)
{
    struct fixture *f = *state;
    begin(f);
    packet(f, 7, B, 11);
    expect(f, "");
    mark(f, WEND_SWITCH_LEAVE, 5, 6, A, 12);
    expect(f, "7");
}

// (Seeds 102321, 102331.)
static void a_both_that_was_overtaken_counts(void **state)
{
    struct fixture *f = *state;
    wend_hold_set_time(f->pool, &f->hold, WEND_MS(80));
    begin(f);
    packet(f, 3, A, 10); // 2 was BOTH, lost on A
    mark(f, WEND_SWITCH_BOTH, 2, 2, B, 20);
    packet(f, 5, A, 30); // 4 was lost on A
    expect(f, "3");
    packet(f, 4, B, 60);
    expect(f, "4 5");
}

static void a_both_that_is_over_does_not(void **state)
{
    struct fixture *f = *state;
    begin(f);
    mark(f, WEND_SWITCH_LEAVE, 3, 4, A, 10);
    mark(f, WEND_SWITCH_ENTER, 4, 4, B, 10);
    mark(f, WEND_SWITCH_BOTH, 2, 2, B, 20);
    packet(f, 6, B, 30);
    expect(f, "6");
}

// While an older pair's packets wait in vain, a newer pair comes by another way: what is still
// missing of the older one is waited for from then on. (Seed 105228.)
static void a_newer_pair_waits_for_the_older_ones_rest(void **state)
{
    struct fixture *f = *state;
    wend_hold_set_time(f->pool, &f->hold, WEND_MS(200));
    begin(f);
    packet(f, 5, B, 10); // 2 to 4 were lost
    packet(f, 6, B, 20);
    give2(f, WEND_SWITCH_ENTER, 0, 0, A, 150);
    packet2(f, 1, A, 151);
    expire(f, 215);
    expect(f, "5 6");
    packet(f, 7, B, 250);
    mark(f, WEND_SWITCH_LEAVE, 8, 9, B, 250);
    expect(f, "7 101");
}

static void but_not_for_ever(void **state)
{
    struct fixture *f = *state;
    wend_hold_set_time(f->pool, &f->hold, WEND_MS(200));
    begin(f);
    packet(f, 5, B, 10);
    give2(f, WEND_SWITCH_ENTER, 0, 0, A, 150);
    packet2(f, 1, A, 151);
    expire(f, 215);
    expect(f, "5");
    expire(f, 349);
    expect(f, "");
    expire(f, 352);
    expect(f, "101");
}

// A direct message is the first that is heard of a pair, its ENTER is lost: those below it may be
// far behind, by the relay. (Seed 102502.)
static void a_direct_message_ahead_of_a_fresh_pair_waits(void **state)
{
    struct fixture *f = *state;
    wend_hold_set_time(f->pool, &f->hold, WEND_MS(100));
    packet(f, 3, A, 0);
    expire(f, 6);
    packet(f, 0, B, 60);
    packet(f, 1, B, 61);
    packet(f, 2, B, 62);
    expect(f, "0 1 2 3");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_earlier_leave_does_not_end_a_later_wait),
        TEST(without_enter_a_leave_ends_the_wait),
        TEST(a_both_that_was_overtaken_counts),
        TEST(a_both_that_is_over_does_not),
        TEST(a_newer_pair_waits_for_the_older_ones_rest),
        TEST(but_not_for_ever),
        TEST(a_direct_message_ahead_of_a_fresh_pair_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

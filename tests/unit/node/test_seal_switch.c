// SPDX-License-Identifier: MIT
// What the peer is told when messages take another way, and that nothing newer leaves before it.
#include "switching.h"

// ---- One way to another ----

static void a_flush_says_it(void **state)
{
    struct fixture *f = *state;
    start(f);
    take_ways(f, B, 0);
    flush_at(f, WEND_MS(900));
    EXPECT(f, {A, K1, 2, LEAVE, 3}, {A, K1, 2, LEAVE, 3}, {B, K1, 3, ENTER, 3},
           {B, K1, 3, ENTER, 3});
    expect_switched(f, K1, 3);
    assert_int_equal(stats[SLOT].next_counter, 4);
    assert_int_equal(stats[SLOT].sent_ways[WEND_WAY_DIRECT], 4);
    assert_int_equal(stats[SLOT].sent_ways[WEND_WAY_RELAY], 2);
    assert_int_equal(stats[SLOT].sent_packets, 2);
    send_one(f, WEND_MS(901));
    EXPECT(f, {B, K1, 4, DATA, 100});
}

static void a_packet_says_it_first(void **state)
{
    struct fixture *f = *state;
    start(f);
    take_ways(f, B, 0);
    send_one(f, WEND_S(1));
    EXPECT(f, {A, K1, 2, LEAVE, 3}, {A, K1, 2, LEAVE, 3}, {B, K1, 3, ENTER, 3},
           {B, K1, 3, ENTER, 3}, {B, K1, 4, DATA, 100});
    flush_at(f, WEND_S(1));
    EXPECT_NOTHING(f);
}

static void not_when_nothing_was_sent_of_late(void **state)
{
    struct fixture *f = *state;
    start(f);
    take_ways(f, B, 0);
    send_one(f, WEND_S(1) + 1);
    EXPECT(f, {B, K1, 2, DATA, 100});
    expect_no_notice(f);
}

static void a_keepalive_is_no_user_packet(void **state)
{
    struct fixture *f = *state;
    tell(f, packets_peer(SLOT, PEER));
    take_keys(f, K1);
    take_ways(f, A, 0);
    tell_kind(f, WEND_COMMAND_KEEPALIVE, SLOT);
    flush_at(f, 0);
    take_ways(f, B, 0);
    send_one(f, 1);
    EXPECT(f, {A, K1, 0, KEEPALIVE, 0}, {B, K1, 1, DATA, 100});
}

static void only_the_last_of_several_counts(void **state)
{
    struct fixture *f = *state;
    start(f);
    take_ways(f, B, 0);
    take_ways(f, C, 0);
    flush_at(f, 1);
    EXPECT(f, {A, K1, 2, LEAVE, 3}, {A, K1, 2, LEAVE, 3}, {C, K1, 3, ENTER, 3},
           {C, K1, 3, ENTER, 3});
    take_ways(f, A, 0);
    take_ways(f, C, 0);
    send_one(f, 2);
    EXPECT(f, {C, K1, 4, DATA, 100}); // back before anything left
    struct wend_command c = packets_path(SLOT, C, 0);
    c.path.mtu_bytes = 1300; // the same way, known better
    tell(f, c);
    send_one(f, 2);
    EXPECT(f, {C, K1, 5, DATA, 100});
}

// One server's channels keep their order among each other. (Simulator, seed 100162.)
static void another_channel_is_no_other_way(void **state)
{
    struct fixture *f = *state;
    start(f);
    take_ways(f, B, 0);
    flush_at(f, 1);
    EXPECT(f, {A, K1, 2, LEAVE, 3}, {A, K1, 2, LEAVE, 3}, {B, K1, 3, ENTER, 3},
           {B, K1, 3, ENTER, 3});
    expect_switched(f, K1, 3);
    tell(f, packets_path(SLOT, B, RELAY_CHANNEL + 1));
    send_one(f, 2);
    EXPECT(f, {B, K1, 4, DATA, 100});
    expect_no_notice(f);
}

static void no_leave_where_the_way_is_gone(void **state)
{
    struct fixture *f = *state;
    start(f);
    take_ways(f, 0, 0);
    assert_int_equal(give_at(f, PEER, 101, 1), WEND_SEAL_QUEUED);
    take_ways(f, B, 0);
    flush_at(f, 2); // 2 stands for the LEAVE, so that 1 is not taken for it
    EXPECT(f, {B, K1, 3, ENTER, 3}, {B, K1, 3, ENTER, 3}, {B, K1, 4, DATA, 101});
    take_ways(f, 0, 0);
    take_ways(f, B, 0); // the same again
    flush_at(f, 3);
    EXPECT_NOTHING(f);
    take_ways(f, A, 0);
    flush_at(f, 3);
    EXPECT(f, {B, K1, 5, LEAVE, 6}, {B, K1, 5, LEAVE, 6}, {A, K1, 6, ENTER, 6},
           {A, K1, 6, ENTER, 6});
}

static void before_the_queue(void **state)
{
    struct fixture *f = *state;
    start(f);
    tell_kind(f, WEND_COMMAND_KEYS_GONE, SLOT);
    assert_int_equal(give_at(f, PEER, 101, 1), WEND_SEAL_QUEUED);
    take_ways(f, B, 0);
    take_keys(f, K2);
    send_one(f, 2); // the keys that sealed what went by A are gone: a new beginning
    EXPECT(f, {B, K2, 0, DATA, 101}, {B, K2, 1, DATA, 100});
}

static void is_repeated_as_it_was(void **state)
{
    struct fixture *f = *state;
    start(f);
    tell_kind(f, WEND_COMMAND_SWITCH, SLOT); // none was said
    flush_at(f, 1);
    EXPECT_NOTHING(f);
    take_ways(f, B, 0);
    send_one(f, 1);
    EXPECT(f, {A, K1, 2, LEAVE, 3}, {A, K1, 2, LEAVE, 3}, {B, K1, 3, ENTER, 3},
           {B, K1, 3, ENTER, 3}, {B, K1, 4, DATA, 100});
    expect_switched(f, K1, 3);
    tell_kind(f, WEND_COMMAND_SWITCH, SLOT);
    flush_at(f, 2);
    EXPECT(f, {B, K1, 5, ENTER, 3}, {B, K1, 5, ENTER, 3});
    expect_no_notice(f);
    tell_kind(f, WEND_COMMAND_SWITCH, SLOT);
    take_ways(f, A, 0); // overtaken
    flush_at(f, 3);
    EXPECT(f, {B, K1, 6, LEAVE, 7}, {B, K1, 6, LEAVE, 7}, {A, K1, 7, ENTER, 7},
           {A, K1, 7, ENTER, 7});
    take_keys(f, K2);
    tell_kind(f, WEND_COMMAND_SWITCH, SLOT); // was of the keys before
    flush_at(f, 3);
    EXPECT_NOTHING(f);
}

static void a_late_switch_without_one_forgets_the_last(void **state)
{
    struct fixture *f = *state;
    start(f);
    take_ways(f, B, 0);
    flush_at(f, 1);
    drain(f);
    sent_count = 0;
    take_ways(f, C, 0);
    flush_at(f, WEND_S(5));
    EXPECT_NOTHING(f);
    tell_kind(f, WEND_COMMAND_SWITCH, SLOT);
    flush_at(f, WEND_S(5));
    EXPECT_NOTHING(f);
}

// ---- With new keys ----

static void path_and_keys_in_either_order(void **state)
{
    struct fixture *f = *state;
    for (int keys_first = 0; keys_first < 2; keys_first++) {
        start(f);
        if (keys_first)
            take_keys(f, K2);
        take_ways(f, B, 0);
        if (!keys_first)
            take_keys(f, K2);
        flush_at(f, 1);
        EXPECT(f, {A, K1, 2, LEAVE, 3}, {A, K1, 2, LEAVE, 3}, {B, K2, 0, ENTER, 0},
               {B, K2, 0, ENTER, 0});
        expect_switched(f, K2, 0);
        send_one(f, 2);
        EXPECT(f, {B, K2, 1, DATA, 100});
        take_ways(f, 0, 0);
        flush_at(f, WEND_S(9));
        tell_kind(f, WEND_COMMAND_PEER_GONE, SLOT);
    }
}

static void keys_alone_say_nothing(void **state)
{
    struct fixture *f = *state;
    start(f);
    take_keys(f, K2);
    flush_at(f, 1);
    EXPECT_NOTHING(f);
    take_ways(f, B, 0); // flushed in between, still nothing went under the new ones
    flush_at(f, 2);
    EXPECT(f, {A, K1, 2, LEAVE, 3}, {A, K1, 2, LEAVE, 3}, {B, K2, 0, ENTER, 0},
           {B, K2, 0, ENTER, 0});
}

static void keys_that_spoke_speak_for_themselves(void **state)
{
    struct fixture *f = *state;
    start(f);
    take_keys(f, K2);
    send_one(f, 1);
    take_ways(f, B, 0);
    flush_at(f, 2);
    EXPECT(f, {A, K2, 0, DATA, 100}, {A, K2, 1, LEAVE, 2}, {A, K2, 1, LEAVE, 2},
           {B, K2, 2, ENTER, 2}, {B, K2, 2, ENTER, 2});
}

static void keys_never_used_do_not_count(void **state)
{
    struct fixture *f = *state;
    start(f);
    take_keys(f, 0xbad);
    take_keys(f, K2);
    take_ways(f, B, 0);
    flush_at(f, 2);
    EXPECT(f, {A, K1, 2, LEAVE, 3}, {A, K1, 2, LEAVE, 3}, {B, K2, 0, ENTER, 0},
           {B, K2, 0, ENTER, 0});
}

static void old_keys_are_not_kept_for_long(void **state)
{
    struct fixture *f = *state;
    start(f);
    take_keys(f, K2);
    flush_at(f, WEND_S(2));
    take_ways(f, B, 0);
    flush_at(f, WEND_S(2));
    EXPECT_NOTHING(f);
    tell_kind(f, WEND_COMMAND_PEER_GONE, SLOT);
    start(f);
    take_keys(f, K2);
    tell_kind(f, WEND_COMMAND_KEYS_GONE, SLOT);
    take_keys(f, K1);
    take_ways(f, B, 0);
    flush_at(f, 1);
    EXPECT_NOTHING(f);
}

// ---- Anything at all ----

// Whatever comes in whatever order: a message of a pair goes by the way that was last entered, and
// LEAVE closes a way until it is entered again.
static void random_commands_keep_order(void **state)
{
    struct fixture *f = *state;
    uint64_t seed = 7;
    wend_instant now = 0;
    uint32_t key = K1;
    sent_count = 0;
    tell(f, packets_peer(SLOT, PEER));
    for (int step = 0; step < 60000; step++) {
        const uint64_t r = unit_random(&seed);
        const uint8_t path = (uint8_t)(A + r % 3), also = (uint8_t)(A + r / 3 % 3);
        now += WEND_MS(r / 16 % 64);
        switch (r / 1024 % 16) {
        case 0: take_keys(f, ++key); break;
        case 1: take_ways(f, path, 0); break;
        case 2: take_ways(f, path, also); break;
        case 3: take_ways(f, 0, 0); break;
        case 4: tell_kind(f, WEND_COMMAND_SWITCH, SLOT); break;
        case 5: tell_kind(f, WEND_COMMAND_KEEPALIVE, SLOT); break;
        case 6: (void)wend_seal_flush(f->seal, now, &f->out); break;
        default: (void)give_at(f, PEER, 100, now); break;
        }
        if (sent_count + 3 * WEND_SEAL_QUEUE_MAX > sizeof sent / sizeof sent[0] - 2000)
            sent_count = 0;
        const size_t from = sent_count;
        drain(f);
        for (size_t i = from; i < sent_count; i++) {
            assert_true(sent[i].key <= key);
            if (sent[i].kind == LEAVE)
                assert_int_equal(sent[i].first, sent[i].counter + 1);
            if (sent[i].kind == ENTER || sent[i].kind == BOTH)
                assert_true(sent[i].first <= sent[i].counter);
            if (i > from && sent[i].key == sent[i - 1].key)
                assert_in_range(sent[i].counter, sent[i - 1].counter,
                                sent[i - 1].counter + 1 + (sent[i].kind == ENTER));
            if (i > from && sent[i].kind == DATA && sent[i - 1].kind == LEAVE)
                fail_msg("a packet right after LEAVE");
        }
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_flush_says_it),
        TEST(a_packet_says_it_first),
        TEST(not_when_nothing_was_sent_of_late),
        TEST(a_keepalive_is_no_user_packet),
        TEST(only_the_last_of_several_counts),
        TEST(another_channel_is_no_other_way),
        TEST(no_leave_where_the_way_is_gone),
        TEST(before_the_queue),
        TEST(is_repeated_as_it_was),
        TEST(a_late_switch_without_one_forgets_the_last),
        TEST(path_and_keys_in_either_order),
        TEST(keys_alone_say_nothing),
        TEST(keys_that_spoke_speak_for_themselves),
        TEST(keys_never_used_do_not_count),
        TEST(old_keys_are_not_kept_for_long),
        TEST(random_commands_keep_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

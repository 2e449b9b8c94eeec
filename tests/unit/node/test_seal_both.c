// SPDX-License-Identifier: MIT
// A suspect path: every message by two ways, within its allowance, and how that begins and ends.
#include "switching.h"

static void a_suspect_path_is_doubled(void **state)
{
    struct fixture *f = *state;
    start(f);
    take_ways(f, A, B);
    flush_at(f, 1);
    EXPECT(f, {A, K1, 2, BOTH, 2}, {B, K1, 2, BOTH, 2});
    expect_switched(f, K1, 2);
    send_one(f, 2);
    send_one(f, 2);
    tell_kind(f, WEND_COMMAND_KEEPALIVE, SLOT);
    flush_at(f, 2);
    EXPECT(f, {A, K1, 3, DATA, 100}, {B, K1, 3, DATA, 100}, {A, K1, 4, DATA, 100},
           {B, K1, 4, DATA, 100}, {A, K1, 5, KEEPALIVE, 0}, {B, K1, 5, KEEPALIVE, 0});
    tell_kind(f, WEND_COMMAND_SWITCH, SLOT);
    flush_at(f, 3);
    EXPECT(f, {A, K1, 6, BOTH, 2}, {B, K1, 6, BOTH, 2});
    assert_int_equal(stats[SLOT].sent_ways[WEND_WAY_DIRECT], 7);
    assert_int_equal(stats[SLOT].sent_ways[WEND_WAY_RELAY], 5);
    assert_int_equal(stats[SLOT].sent_packets, 4);
}

static void both_end_on_either(void **state)
{
    struct fixture *f = *state;
    for (uint8_t stays = A; stays <= C; stays++) {
        start(f);
        take_ways(f, A, B);
        flush_at(f, 1);
        EXPECT(f, {A, K1, 2, BOTH, 2}, {B, K1, 2, BOTH, 2});
        take_ways(f, stays, 0);
        flush_at(f, WEND_S(3)); // also without packets: the peer must know
        const uint8_t left = stays == A ? B : A;
        EXPECT(f, {left, K1, 3, LEAVE, 4}, {left, K1, 3, LEAVE, 4}, {stays, K1, 4, ENTER, 4},
               {stays, K1, 4, ENTER, 4});
        expect_notice(f, WEND_NOTICE_SWITCHED, SLOT);
        tell_kind(f, WEND_COMMAND_PEER_GONE, SLOT);
    }
}

static void both_may_change(void **state)
{
    struct fixture *f = *state;
    start(f);
    take_ways(f, B, C); // straight to two others
    flush_at(f, 1);
    EXPECT(f, {A, K1, 2, LEAVE, 3}, {A, K1, 2, LEAVE, 3}, {B, K1, 3, BOTH, 3}, {C, K1, 3, BOTH, 3});
    take_ways(f, C, B); // the same two
    send_one(f, 2);
    EXPECT(f, {C, K1, 4, DATA, 100}, {B, K1, 4, DATA, 100});
    take_ways(f, C, A);
    send_one(f, 3);
    EXPECT(f, {B, K1, 5, LEAVE, 6}, {B, K1, 5, LEAVE, 6}, {C, K1, 6, BOTH, 6}, {A, K1, 6, BOTH, 6},
           {C, K1, 7, DATA, 100}, {A, K1, 7, DATA, 100});
    take_ways(f, A, A); // not another
    send_one(f, 4);
    EXPECT(f, {C, K1, 8, LEAVE, 9}, {C, K1, 8, LEAVE, 9}, {A, K1, 9, ENTER, 9},
           {A, K1, 9, ENTER, 9}, {A, K1, 10, DATA, 100});
}

static void each_pair_says_its_own_both(void **state)
{
    struct fixture *f = *state;
    start(f);
    take_ways(f, A, B);
    flush_at(f, 1);
    take_keys(f, K2);
    send_one(f, 2);
    EXPECT(f, {A, K1, 2, BOTH, 2}, {B, K1, 2, BOTH, 2}, {A, K2, 0, BOTH, 0}, {B, K2, 0, BOTH, 0},
           {A, K2, 1, DATA, 100}, {B, K2, 1, DATA, 100});
    take_keys(f, K1);
    take_ways(f, B, 0);
    flush_at(f, 3);
    EXPECT(f, {A, K2, 2, LEAVE, 3}, {A, K2, 2, LEAVE, 3}, {B, K1, 0, ENTER, 0},
           {B, K1, 0, ENTER, 0});
}

static void pieces_are_doubled(void **state)
{
    struct fixture *f = *state;
    start(f);
    struct wend_command c = {.kind = WEND_COMMAND_PATH, .slot = SLOT, .path = way(A)};
    c.also = way(B);
    c.path.mtu_bytes = 512;
    tell(f, c);
    flush_at(f, 1);
    EXPECT(f, {A, K1, 2, BOTH, 2}, {B, K1, 2, BOTH, 2});
    assert_int_equal(give_at(f, PEER, 1200, 2), WEND_SEAL_SENT);
    assert_int_equal(give_at(f, PEER, 600, 2), WEND_SEAL_SENT);
    EXPECT(f, {A, K1, 3, DATA, 508}, {A, K1, 4, DATA, 508}, {A, K1, 5, DATA, 224},
           {B, K1, 3, DATA, 508}, {B, K1, 4, DATA, 508}, {B, K1, 5, DATA, 224},
           {A, K1, 6, DATA, 508}, {A, K1, 7, DATA, 112}, {B, K1, 6, DATA, 508},
           {B, K1, 7, DATA, 112});
}

static void a_queue_is_doubled(void **state)
{
    enum { COUNT = 64 };
    struct fixture *f = *state;
    sent_count = 0;
    tell(f, packets_peer(SLOT, PEER));
    for (size_t i = 0; i < COUNT; i++) // as much as goes twice at once
        assert_int_equal(give_at(f, PEER, 100 + i, 0), WEND_SEAL_QUEUED);
    take_keys(f, K1);
    take_ways(f, A, B);
    int rounds = 0;
    while (!wend_seal_flush(f->seal, 1, &f->out)) {
        assert_true(++rounds < 10);
        drain(f);
    }
    drain(f);
    assert_int_equal(sent_count, 2 + 2 * COUNT);
    for (size_t i = 0; i < sent_count; i++) {
        assert_int_equal(sent[i].way, i % 2 == 0 ? A : B);
        assert_int_equal(sent[i].counter, i / 2);
        assert_int_equal(sent[i].first, i < 2 ? 0 : 99 + i / 2);
    }
}

// Gives a TCP super-packet until it is taken. Returns how often the buffer was full.
static int give_super(struct fixture *f, size_t payload, uint16_t segment, wend_instant now)
{
    const struct wend_vnet vnet = packets_tcp4(packet, PEER, payload, segment);
    const struct wend_bytes in = {packet, 40 + payload};
    int full = 0;
    enum wend_seal_verdict v;
    while ((v = wend_seal_packet(f->seal, &vnet, in, now, &f->out)) == WEND_SEAL_FULL) {
        assert_true(f->out.count > 0);
        assert_true(++full < 4);
        drain(f);
    }
    assert_int_equal(v, WEND_SEAL_SENT);
    return full;
}

static size_t count_way(uint8_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < sent_count; i++)
        count += sent[i].way == n;
    return count;
}

static void a_super_packet_is_copied_whole(void **state)
{
    struct fixture *f = *state;
    start(f);
    take_ways(f, A, B);
    flush_at(f, 1);
    drain(f);
    sent_count = 0;
    assert_int_equal(give_super(f, 20 * 1360 + 5, 1360, 1), 0);
    assert_int_equal(f->out.count, 2);
    assert_int_equal(f->out.runs[0].count, 21);
    assert_int_equal(f->out.runs[1].count, 21);
    assert_int_equal(f->out.runs[1].segment_len, 1400 + 32 + 8);
    drain(f);
    for (size_t i = 0; i < 21; i++) {
        assert_int_equal(sent[i].counter, sent[21 + i].counter);
        assert_int_equal(sent[i].first, sent[21 + i].first);
    }
}

// Beyond the allowance only to `path`; the rest is copied as far as it goes.
static void the_double_is_bounded(void **state)
{
    struct fixture *f = *state;
    start(f);
    take_ways(f, A, B);
    flush_at(f, 0);
    drain(f);
    sent_count = 0;
    for (int i = 0; i < 2; i++) { // 60 x 1,432 bytes are more than the burst
        give_super(f, 30 * 1360, 1360, 0);
        drain(f);
    }
    assert_int_equal(count_way(A), 60);
    assert_int_equal(count_way(B), WEND_PLANE_ALSO_BURST / 1432);
    sent_count = 0;
    for (int i = 0; i < 100; i++) { // a second of 20 Mbit/s
        give_super(f, 18 * 1360, 1360, WEND_MS(10) * (i + 1));
        drain(f);
    }
    const size_t bound = (WEND_PLANE_ALSO_BPS / 8 + WEND_PLANE_ALSO_BURST) / 1432;
    assert_int_equal(count_way(A), 1800);
    assert_in_range(count_way(B), WEND_PLANE_ALSO_BPS / 8 / 1432 - 1, bound);
}

static void never_stuck_when_copies_find_no_room(void **state)
{
    struct fixture *f = *state;
    start(f);
    take_ways(f, A, B);
    flush_at(f, 0);
    f->out.capacity = 46 * (1400 + WEND_SEAL_GROWTH);
    assert_int_equal(give_super(f, 45 * 1360, 1360, 0), 1);
    drain(f);
    assert_int_equal(count_way(A), 1 + 45); // BOTH before them
    assert_true(count_way(B) >= 1);
    sent_count = 0;
    take_ways(f, C, 0); // a Switch that fills the buffer's first turn
    assert_int_equal(give_super(f, 45 * 1360, 1360, 1), 0);
    drain(f);
    assert_int_equal(count_way(C), 47);
    sent_count = 0;
    f->out.capacity = 45 * (1400 + WEND_SEAL_GROWTH) + 100;
    take_ways(f, A, 0);
    assert_int_equal(give_super(f, 45 * 1360, 1360, 1), 1);
    drain(f);
    assert_int_equal(sent[0].kind, LEAVE);
    assert_int_equal(count_way(A), 47);
    sent_count = 0;
    f->out.capacity = 320; // runs and bytes for a Switch, then for a packet
    take_ways(f, B, C);
    while (give_at(f, PEER, 100, WEND_S(1)) == WEND_SEAL_FULL) {
        assert_true(f->out.count > 0);
        drain(f);
    }
    drain(f);
    assert_int_equal(count_way(B), 2);
    assert_int_equal(count_way(C), 2);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_suspect_path_is_doubled),
        TEST(both_end_on_either),
        TEST(both_may_change),
        TEST(each_pair_says_its_own_both),
        TEST(pieces_are_doubled),
        TEST(a_queue_is_doubled),
        TEST(a_super_packet_is_copied_whole),
        TEST(the_double_is_bounded),
        TEST(never_stuck_when_copies_find_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

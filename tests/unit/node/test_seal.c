// SPDX-License-Identifier: MIT
#include "sealing.h"

// ---- Sealing ----

static void seals_for_the_owner_of_the_destination(void **state)
{
    struct fixture *f = *state;
    struct end e = {0};
    add_peer(f, 3, 0);
    open_end(&e, 3);
    assert_int_equal(give(f, 13, 100), WEND_SEAL_SENT);
    assert_int_equal(f->out.count, 1);
    assert_int_equal(f->out.runs[0].len, 16 + 112 + 16);
    assert_int_equal(f->out.len, f->out.runs[0].len);
    const struct wend_address to = packets_outside(23);
    assert_true(wend_address_equal(&f->out.runs[0].path.remote, &to));
    const struct wend_bytes inner = open_one(f, &e, 0, 0);
    assert_int_equal(inner.len, 112);
    assert_memory_equal(inner.at, packet, 100);
    assert_int_equal(stats[3].sent_packets, 1);
    assert_int_equal(stats[3].sent_bytes, 100);
    assert_int_equal(stats[3].last_sent, 1000);
    wend_receiver_close(&e.r);
}

static void seals_ipv6(void **state)
{
    struct fixture *f = *state;
    struct end e = {0};
    add_peer(f, 3, 0);
    open_end(&e, 3);
    packets_udp6(packet, PACKETS_US, 13, 61);
    const struct wend_bytes in = {packet, 61};
    assert_int_equal(wend_seal_packet(f->seal, &plain, in, 5, &f->out), WEND_SEAL_SENT);
    assert_memory_equal(open_one(f, &e, 0, 0).at, packet, 61);
    wend_receiver_close(&e.r);
}

static void a_super_packet_becomes_one_run(void **state)
{
    struct fixture *f = *state;
    struct end e = {0};
    const uint32_t channels[] = {0, 77};
    for (uint32_t c = 0; c < 2; c++) {
        add_peer(f, c, channels[c]);
        open_end(&e, c);
        wend_seal_out_clear(&f->out);
        const struct wend_vnet vnet =
            packets_tcp4(packet, (uint8_t)(10 + c), 44 * 1360 + 100, 1360);
        const struct wend_bytes in = {packet, 40 + 44 * 1360 + 100};
        assert_int_equal(wend_seal_packet(f->seal, &vnet, in, 5, &f->out), WEND_SEAL_SENT);
        assert_int_equal(f->out.count, 1);
        assert_int_equal(f->out.runs[0].count, 45);
        assert_int_equal(f->out.runs[0].segment_len, 1400 + 32 + (c == 0 ? 0 : 8));
        for (size_t i = 0; i < 45; i++) {
            const struct wend_bytes inner = open_one(f, &e, 0, i);
            assert_int_equal(wend_get_u16(inner.at + 2), i < 44 ? 1400 : 140);
            assert_int_equal(wend_get_u32(inner.at + 24), i * 1360);
            assert_memory_equal(inner.at + 40, packet + 40 + i * 1360, i < 44 ? 1360 : 100);
        }
        wend_receiver_close(&e.r);
    }
    assert_int_equal(stats[0].sent_packets, 45);
    assert_int_equal(stats[0].sent_ways[WEND_WAY_DIRECT], 45);
    assert_int_equal(stats[1].sent_ways[WEND_WAY_RELAY], 45);
    assert_int_equal(stats[1].next_counter, 45);
}

static void equal_packets_of_one_path_make_one_run(void **state)
{
    struct fixture *f = *state;
    add_peer(f, 1, 0);
    add_peer(f, 2, 0);
    give(f, 11, 500);
    give(f, 11, 505); // the same when padded
    give(f, 11, 100); // shorter: the last
    give(f, 11, 100);
    give(f, 12, 100); // another peer
    give(f, 12, 900); // longer
    static const uint32_t counts[] = {3, 1, 1, 1};
    assert_int_equal(f->out.count, 4);
    size_t at = 0;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(f->out.runs[i].count, counts[i]);
        assert_int_equal(f->out.runs[i].offset, at);
        at += f->out.runs[i].len;
    }
    assert_int_equal(f->out.len, at);
}

static void a_new_path_or_key_begins_a_run(void **state)
{
    struct fixture *f = *state;
    add_peer(f, 1, 0);
    give(f, 11, 100);
    tell(f, packets_path(1, 99, 5));
    give(f, 11, 92);
    tell(f, packets_keys(1, 5, 6));
    give(f, 11, 92);
    assert_int_equal(f->out.count, 5); // a Switch of two runs after the first
    assert_int_equal(f->out.runs[0].path.channel, 0);
    assert_int_equal(f->out.runs[3].path.channel, 5);
    assert_int_equal(f->out.runs[3].len, 8 + 16 + 96 + 16);
    assert_int_equal(f->out.runs[4].len, 8 + 16 + 96 + 16);
}

static void new_keys_count_from_zero(void **state)
{
    struct fixture *f = *state;
    add_peer(f, 1, 0);
    give(f, 11, 100);
    give(f, 11, 100);
    assert_int_equal(wend_get_u64le(out_bytes + 144 + 8), 1);
    wend_seal_out_clear(&f->out);
    tell(f, packets_keys(1, 5, 0xb0b));
    give(f, 11, 100);
    assert_int_equal(wend_get_u32le(out_bytes + 4), 0xb0b);
    assert_int_equal(wend_get_u64le(out_bytes + 8), 0);
}

static void a_full_buffer_takes_nothing(void **state)
{
    struct fixture *f = *state;
    struct end e = {0};
    add_peer(f, 0, 9);
    open_end(&e, 0);
    const size_t room = 45 * (1400 + WEND_SEAL_GROWTH);
    f->out.capacity = room - 1;
    const struct wend_vnet vnet = packets_tcp4(packet, 10, 45 * 1360, 1360);
    const struct wend_bytes in = {packet, 40 + 45 * 1360};
    assert_int_equal(wend_seal_packet(f->seal, &vnet, in, 5, &f->out), WEND_SEAL_DROPPED);
    f->out.capacity = room + 1;
    assert_int_equal(give(f, 10, 100), WEND_SEAL_SENT);
    assert_int_equal(give(f, 10, 200), WEND_SEAL_SENT);
    const size_t len = f->out.len;
    packets_tcp4(packet, 10, 45 * 1360, 1360);
    assert_int_equal(wend_seal_packet(f->seal, &vnet, in, 5, &f->out), WEND_SEAL_FULL);
    assert_int_equal(f->out.len, len);
    assert_int_equal(stats[0].sent_packets, 2);
    wend_seal_out_clear(&f->out);
    assert_int_equal(wend_seal_packet(f->seal, &vnet, in, 5, &f->out), WEND_SEAL_SENT);
    assert_true(f->out.len <= room);
    assert_int_equal(out_bytes[room], 0xee);
    (void)open_one(f, &e, 0, 44);
    wend_receiver_close(&e.r);
}

static void runs_are_limited(void **state)
{
    struct fixture *f = *state;
    add_peer(f, 1, 0);
    for (size_t i = 0; i < WEND_SEAL_RUNS_MAX; i++)
        assert_int_equal(give(f, 11, 100 + 16 * i), WEND_SEAL_SENT);
    assert_int_equal(f->out.count, WEND_SEAL_RUNS_MAX);
    assert_int_equal(give(f, 11, 1400), WEND_SEAL_FULL);
}

// ---- What is refused ----

static void refuses(void **state)
{
    struct fixture *f = *state;
    add_peer(f, 1, 0);
    const struct wend_drops *drops = wend_seal_drops(f->seal);
    assert_int_equal(give(f, 12, 100), WEND_SEAL_UNREACHABLE);
    assert_int_equal(drops->count[WEND_DROP_NO_ROUTE], 1);
    packets_udp4(packet, 2, 11, 100); // not from us
    struct wend_bytes in = {packet, 100};
    assert_int_equal(wend_seal_packet(f->seal, &plain, in, 1, &f->out), WEND_SEAL_DROPPED);
    assert_int_equal(drops->count[WEND_DROP_WRONG_SOURCE], 1);
    assert_int_equal(give(f, 11, PACKETS_MTU + 1), WEND_SEAL_DROPPED); // longer than the MTU
    packets_udp4(packet, PACKETS_US, 11, 100);
    in.len = 99;
    assert_int_equal(wend_seal_packet(f->seal, &plain, in, 1, &f->out), WEND_SEAL_DROPPED);
    in.len = 0;
    assert_int_equal(wend_seal_packet(f->seal, &plain, in, 1, &f->out), WEND_SEAL_DROPPED);
    assert_int_equal(drops->count[WEND_DROP_MALFORMED], 3);
    assert_int_equal(f->out.count, 0);
    assert_int_equal(give(f, 11, PACKETS_MTU), WEND_SEAL_SENT);
    assert_int_equal(f->out.len, PACKETS_MTU + 32);
}

static void an_address_has_one_owner(void **state)
{
    struct fixture *f = *state;
    add_peer(f, 1, 0);
    add_peer(f, 2, 0);
    struct wend_command c = packets_peer(2, 11);
    c.ipv6 = (struct wend_address){0};
    tell(f, c); // takes 100.64.0.11 and leaves what it had
    assert_int_equal(give(f, 11, 100), WEND_SEAL_SENT);
    assert_int_equal(f->out.runs[0].slot, 2);
    assert_int_equal(give(f, 12, 100), WEND_SEAL_UNREACHABLE);
    packets_udp6(packet, PACKETS_US, 11, 61);
    const struct wend_bytes in = {packet, 61};
    assert_int_equal(wend_seal_packet(f->seal, &plain, in, 5, &f->out), WEND_SEAL_SENT);
    assert_int_equal(f->out.runs[1].slot, 1);
    tell_kind(f, WEND_COMMAND_PEER_GONE, 2);
    assert_int_equal(give(f, 11, 100), WEND_SEAL_UNREACHABLE);
}

static void nonsense_commands_are_ignored(void **state)
{
    struct fixture *f = *state;
    struct wend_command c = packets_keys(WEND_SLOTS_MAX, 1, 2);
    assert_int_equal(wend_seal_command(f->seal, &c), 0);
    for (int kind = WEND_COMMAND_NONE; kind <= WEND_COMMAND_RELAY; kind++)
        if (kind != WEND_COMMAND_PEER)
            tell_kind(f, (enum wend_command_kind)kind, 7); // no such peer
    expect_no_notice(f);
    assert_true(wend_seal_is_flushed(f->seal));
}

// ---- The queue ----

static void packets_wait_for_keys_and_path(void **state)
{
    struct fixture *f = *state;
    struct end e = {0};
    open_end(&e, 4);
    tell(f, packets_peer(4, 14));
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(give(f, 14, 100 + i), WEND_SEAL_QUEUED);
    expect_notice(f, WEND_NOTICE_WANT, 4);
    expect_no_notice(f);
    tell_kind(f, WEND_COMMAND_EARLY_REFUSED, 4);
    tell(f, packets_keys(4, 1, 0xa004));
    assert_true(flush(f));
    assert_int_equal(f->out.count, 0);
    tell(f, packets_path(4, 24, 0));
    assert_int_equal(give(f, 14, 103), WEND_SEAL_SENT); // drags the queue before it
    assert_true(flush(f));
    assert_int_equal(f->out.runs[0].count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(wend_get_u16(open_one(f, &e, 0, i).at + 2), 100 + i);
    assert_int_equal(stats[4].sent_packets, 4);
    expect_no_notice(f);
    wend_receiver_close(&e.r);
}

static void keys_gone_raise_another_notice(void **state)
{
    struct fixture *f = *state;
    add_peer(f, 4, 0);
    assert_int_equal(give(f, 14, 100), WEND_SEAL_SENT);
    tell_kind(f, WEND_COMMAND_KEYS_GONE, 4);
    assert_int_equal(give(f, 14, 100), WEND_SEAL_QUEUED);
    expect_notice(f, WEND_NOTICE_NO_KEYS, 4);
    tell(f, packets_keys(4, 1, 2));
    assert_false(wend_seal_is_flushed(f->seal));
    tell_kind(f, WEND_COMMAND_KEYS_GONE, 4); // before the queue could go out
    expect_notice(f, WEND_NOTICE_NO_KEYS, 4);
    assert_true(flush(f));
    assert_int_equal(f->out.runs[0].count, 1);
    tell_kind(f, WEND_COMMAND_FLUSH_DROP, 4);
    assert_int_equal(stats[4].queue_dropped, 1);
    assert_int_equal(give(f, 14, 100), WEND_SEAL_QUEUED);
    expect_notice(f, WEND_NOTICE_NO_KEYS, 4);
}

static void the_oldest_gives_way(void **state)
{
    struct fixture *f = *state;
    struct end e = {0};
    open_end(&e, 4);
    tell(f, packets_peer(4, 14));
    for (size_t i = 0; i < WEND_SEAL_QUEUE_MAX + 10; i++)
        assert_int_equal(give(f, 14, 100 + i), WEND_SEAL_QUEUED);
    assert_int_equal(stats[4].queue_dropped, 10);
    assert_int_equal(wend_seal_drops(f->seal)->count[WEND_DROP_QUEUE_FULL], 10);
    wend_seal_check(f->seal);
    tell(f, packets_keys(4, 1, 0xa004));
    tell(f, packets_path(4, 24, 0));
    for (size_t i = 0; i < WEND_SEAL_QUEUE_MAX; i++) {
        f->out.capacity = 110 + i + WEND_SEAL_GROWTH; // for one
        assert_int_equal(flush(f), i + 1 == WEND_SEAL_QUEUE_MAX);
        assert_int_equal(f->out.runs[0].count, 1);
        assert_int_equal(wend_get_u16(open_one(f, &e, 0, 0).at + 2), 110 + i);
        wend_seal_out_clear(&f->out);
        wend_seal_check(f->seal);
    }
    wend_receiver_close(&e.r);
}

static void super_packets_are_queued_in_pieces(void **state)
{
    struct fixture *f = *state;
    tell(f, packets_peer(4, 14));
    const struct wend_vnet vnet = packets_tcp4(packet, 14, 3 * 1360, 1360);
    const struct wend_bytes in = {packet, 40 + 3 * 1360};
    assert_int_equal(wend_seal_packet(f->seal, &vnet, in, 5, &f->out), WEND_SEAL_QUEUED);
    tell(f, packets_path(4, 24, 0));
    tell(f, packets_keys(4, 1, 0xa004));
    assert_true(flush(f));
    assert_int_equal(f->out.runs[0].count, 3);
    assert_int_equal(stats[4].sent_packets, 3);
}

static void the_pool_is_bounded(void **state)
{
    struct fixture *f = *state;
    const uint32_t slots = WEND_SEAL_CELLS / WEND_SEAL_QUEUE_MAX + 1;
    for (uint32_t s = 0; s < slots; s++) {
        tell(f, packets_peer(s, (uint8_t)(10 + s)));
        for (size_t i = 0; i < WEND_SEAL_QUEUE_MAX; i++)
            assert_int_equal(give(f, (uint8_t)(10 + s), 100),
                             s + 1 < slots ? WEND_SEAL_QUEUED : WEND_SEAL_DROPPED);
    }
    wend_seal_check(f->seal);
    assert_int_equal(stats[slots - 1].queue_dropped, WEND_SEAL_QUEUE_MAX);
    tell_kind(f, WEND_COMMAND_PEER_GONE, 0);
    assert_int_equal(give(f, (uint8_t)(10 + slots - 1), 100), WEND_SEAL_QUEUED);
}

static void an_unused_slot_keeps_nothing(void **state)
{
    struct fixture *f = *state;
    add_peer(f, 4, 0);
    tell_kind(f, WEND_COMMAND_KEYS_GONE, 4);
    give(f, 14, 100);
    tell_kind(f, WEND_COMMAND_PEER_GONE, 4);
    expect_no_notice(f);
    tell(f, packets_peer(4, 15));
    assert_int_equal(give(f, 15, 100), WEND_SEAL_QUEUED);
    expect_notice(f, WEND_NOTICE_WANT, 4);
    tell(f, packets_keys(4, 1, 0xa004));
    assert_true(flush(f));
    assert_int_equal(f->out.count, 0); // the path went with the peer
}

// ---- Keepalives, wear ----

static void a_keepalive_is_empty(void **state)
{
    struct fixture *f = *state;
    struct end e = {0};
    tell(f, packets_peer(2, 12));
    tell_kind(f, WEND_COMMAND_KEEPALIVE, 2); // no way to send one
    tell(f, packets_keys(2, 1, 0xa002));
    tell(f, packets_path(2, 22, 6));
    assert_true(flush(f));
    assert_int_equal(f->out.count, 0);
    open_end(&e, 2);
    tell_kind(f, WEND_COMMAND_KEEPALIVE, 2);
    assert_true(flush(f));
    assert_int_equal(f->out.len, 8 + 32);
    assert_int_equal(open_one(f, &e, 0, 0).len, 0);
    assert_int_equal(stats[2].sent_packets, 0);
    assert_int_equal(stats[2].last_sent, 0);
    wend_seal_out_clear(&f->out);
    assert_true(flush(f));
    assert_int_equal(f->out.count, 0);
    wend_receiver_close(&e.r);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(seals_for_the_owner_of_the_destination),
        TEST(seals_ipv6),
        TEST(a_super_packet_becomes_one_run),
        TEST(equal_packets_of_one_path_make_one_run),
        TEST(a_new_path_or_key_begins_a_run),
        TEST(new_keys_count_from_zero),
        TEST(a_full_buffer_takes_nothing),
        TEST(runs_are_limited),
        TEST(refuses),
        TEST(an_address_has_one_owner),
        TEST(nonsense_commands_are_ignored),
        TEST(packets_wait_for_keys_and_path),
        TEST(keys_gone_raise_another_notice),
        TEST(the_oldest_gives_way),
        TEST(super_packets_are_queued_in_pieces),
        TEST(the_pool_is_bounded),
        TEST(an_unused_slot_keeps_nothing),
        TEST(a_keepalive_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

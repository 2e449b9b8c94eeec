// SPDX-License-Identifier: MIT
// Paths that carry less than the interface: what is refused, what the host is told, TCP's segment
// size. And what it is told of destinations that nobody has.
#include "sealing.h"

#include "wire/icmp.h"

enum { SLOT = 3, PEER = 13, NARROW = 1300 };

static void narrow_to(struct fixture *f, uint16_t mtu)
{
    struct wend_command c = packets_path(SLOT, 23, 0);
    c.path.mtu_bytes = mtu;
    tell(f, c);
}

static void start(struct fixture *f)
{
    add_peer(f, SLOT, 0);
    narrow_to(f, NARROW);
}

static enum wend_seal_verdict give_fixed(struct fixture *f, size_t len, wend_instant now)
{
    packets_udp4(packet, PACKETS_US, PEER, len);
    packet[6] = 0x40; // DF
    return wend_seal_packet(f->seal, &plain, (struct wend_bytes){packet, len}, now, &f->out);
}

static void what_may_be_cut_goes_whole(void **state)
{
    struct fixture *f = *state;
    start(f);
    assert_int_equal(give(f, PEER, PACKETS_MTU), WEND_SEAL_SENT);
    assert_int_equal(f->out.len, PACKETS_MTU + 32);
}

static void what_may_not_is_answered(void **state)
{
    struct fixture *f = *state;
    start(f);
    assert_int_equal(give_fixed(f, NARROW, 1), WEND_SEAL_SENT);
    wend_seal_out_clear(&f->out);
    assert_int_equal(give_fixed(f, NARROW + 1, 1), WEND_SEAL_TOO_BIG);
    assert_int_equal(f->out.count, 0);
    assert_int_equal(wend_seal_drops(f->seal)->count[WEND_DROP_TOO_BIG], 1);
    struct wend_bytes answer = wend_seal_answer(f->seal);
    assert_int_equal(answer.len, 576);
    assert_int_equal(answer.at[20], 3);
    assert_int_equal(answer.at[21], 4);
    assert_int_equal(wend_get_u16(answer.at + 26), NARROW);
    assert_memory_equal(answer.at + 16, packets_ipv4(PACKETS_US).ip, 4);
    assert_memory_equal(answer.at + 28, packet, 548);
    packets_udp6(packet, PACKETS_US, PEER, NARROW + 1);
    const struct wend_bytes in = {packet, NARROW + 1};
    assert_int_equal(wend_seal_packet(f->seal, &plain, in, 1, &f->out), WEND_SEAL_TOO_BIG);
    answer = wend_seal_answer(f->seal);
    assert_int_equal(answer.len, 1280);
    assert_int_equal(answer.at[40], 2);
    assert_int_equal(wend_get_u32(answer.at + 44), NARROW);
    narrow_to(f, 0); // as the interface
    assert_int_equal(give_fixed(f, PACKETS_MTU, 1), WEND_SEAL_SENT);
    narrow_to(f, PACKETS_MTU);
    assert_int_equal(give_fixed(f, PACKETS_MTU, 1), WEND_SEAL_SENT);
}

static void a_super_packet_is_judged_by_its_pieces(void **state)
{
    struct fixture *f = *state;
    start(f);
    struct wend_vnet vnet = packets_tcp4(packet, PEER, 10 * 1260, 1260);
    packet[6] = 0x40;
    assert_int_equal(
        wend_seal_packet(f->seal, &vnet, (struct wend_bytes){packet, 40 + 12600}, 1, &f->out),
        WEND_SEAL_SENT);
    vnet = packets_tcp4(packet, PEER, 10 * 1261, 1261);
    packet[6] = 0x40;
    assert_int_equal(
        wend_seal_packet(f->seal, &vnet, (struct wend_bytes){packet, 40 + 12610}, 1, &f->out),
        WEND_SEAL_TOO_BIG);
    const struct wend_bytes answer = wend_seal_answer(f->seal);
    assert_int_equal(answer.len, 576);
    assert_int_equal(wend_get_u16(answer.at + 28 + 2), 1301); // the first piece
    assert_int_equal(wend_get_u32(answer.at + 28 + 24), wend_get_u32(packet + 24));
    assert_memory_equal(answer.at + 68, packet + 40, 576 - 68);
}

static void answers_are_few(void **state)
{
    struct fixture *f = *state;
    start(f);
    size_t answers = 0;
    for (int i = 0; i < 150; i++) {
        assert_int_equal(give_fixed(f, 1400, WEND_MS(i)), WEND_SEAL_TOO_BIG);
        answers += wend_seal_answer(f->seal).len > 0;
    }
    assert_int_equal(answers, 114); // 100, and 14 in the 149 ms
    assert_int_equal(give_at(f, 99, 100, WEND_MS(149)), WEND_SEAL_UNREACHABLE);
    assert_int_equal(wend_seal_answer(f->seal).len, 0); // one bucket for all
    assert_int_equal(give_at(f, 99, 100, WEND_MS(200)), WEND_SEAL_UNREACHABLE);
    assert_int_equal(wend_seal_answer(f->seal).len, 28 + 100);
}

static void nobody_there_is_answered(void **state)
{
    struct fixture *f = *state;
    start(f);
    assert_int_equal(give(f, 99, 100), WEND_SEAL_UNREACHABLE);
    struct wend_bytes answer = wend_seal_answer(f->seal);
    assert_int_equal(answer.len, 28 + 100);
    assert_int_equal(answer.at[20], 3);
    assert_int_equal(answer.at[21], 0);
    packets_udp6(packet, PACKETS_US, 99, 61);
    packet[24] = 0xff; // to many: no answer
    const struct wend_bytes in = {packet, 61};
    assert_int_equal(wend_seal_packet(f->seal, &plain, in, 1, &f->out), WEND_SEAL_UNREACHABLE);
    assert_int_equal(wend_seal_answer(f->seal).len, 0);
}

// A TCP SYN with an MSS option, of 44 bytes.
static struct wend_bytes make_syn(void)
{
    packets_tcp4(packet, PEER, 4, 0);
    packet[32] = 0x60;
    packet[33] = 0x02;
    memcpy(packet + 40, (const uint8_t[]){2, 4, 0x05, 0x50}, 4); // 1,360
    wend_put_u16(packet + 36, 0);
    uint64_t sum = wend_checksum_add_u16(wend_checksum_pseudo(packet, 6), 24);
    wend_put_u16(packet + 36,
                 (uint16_t)~wend_checksum_fold(wend_checksum_add(sum, packet + 20, 24)));
    return (struct wend_bytes){packet, 44};
}

static void expect_mss(struct fixture *f, struct end *e, uint16_t mss)
{
    const struct wend_bytes inner = open_one(f, e, 0, 0);
    assert_int_equal(wend_get_u16(inner.at + 42), mss);
    const uint64_t sum = wend_checksum_add_u16(wend_checksum_pseudo(inner.at, 6), 24);
    assert_int_equal(wend_checksum_fold(wend_checksum_add(sum, inner.at + 20, 24)), 0xffff);
    wend_seal_out_clear(&f->out);
}

static void a_syn_names_what_fits(void **state)
{
    struct fixture *f = *state;
    struct end e = {0};
    add_peer(f, SLOT, 0);
    open_end(&e, SLOT);
    assert_int_equal(wend_seal_packet(f->seal, &plain, make_syn(), 1, &f->out), WEND_SEAL_SENT);
    expect_mss(f, &e, 1360);
    narrow_to(f, NARROW);
    assert_int_equal(wend_seal_packet(f->seal, &plain, make_syn(), 1, &f->out), WEND_SEAL_SENT);
    expect_mss(f, &e, NARROW - 40);
    wend_receiver_close(&e.r);
}

static void a_syn_that_waited_too(void **state)
{
    struct fixture *f = *state;
    struct end e = {0};
    tell(f, packets_peer(SLOT, PEER));
    assert_int_equal(wend_seal_packet(f->seal, &plain, make_syn(), 1, &f->out), WEND_SEAL_QUEUED);
    add_peer(f, SLOT, 0);
    narrow_to(f, NARROW);
    open_end(&e, SLOT);
    assert_true(flush(f));
    expect_mss(f, &e, NARROW - 40);
    wend_receiver_close(&e.r);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_may_be_cut_goes_whole),
        TEST(what_may_not_is_answered),
        TEST(a_super_packet_is_judged_by_its_pieces),
        TEST(answers_are_few),
        TEST(nobody_there_is_answered),
        TEST(a_syn_names_what_fits),
        TEST(a_syn_that_waited_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

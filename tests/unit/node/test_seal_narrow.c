// SPDX-License-Identifier: MIT
// Paths that carry less than the interface: what is cut, what is refused, what the host is told,
// TCP's segment size. And what it is told of destinations that nobody has.
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

// ---- What is cut ----

// Opens all that was sealed. Pieces follow one another, packets too; returns how many packets there
// are. Their bytes stand in `together`, `len` each.
static uint8_t together[16][2048];

static size_t reassemble(struct fixture *f, struct end *e, size_t len)
{
    size_t packets = 0, at = 0;
    for (size_t i = 0; i < f->out.count; i++)
        for (size_t k = 0; k < f->out.runs[i].count; k++) {
            const struct wend_bytes inner = open_one(f, e, i, k);
            const uint16_t piece_len = wend_get_u16(inner.at + 2);
            const uint16_t field = wend_get_u16(inner.at + 6);
            assert_true(piece_len <= NARROW);
            assert_int_equal(wend_checksum_fold(wend_checksum_add(0, inner.at, 20)), 0xffff);
            assert_int_equal((field & 0x1fffu) * 8u, at);
            if (at == 0)
                memcpy(together[packets], inner.at, 20);
            memcpy(together[packets] + 20 + at, inner.at + 20, piece_len - 20u);
            at += piece_len - 20u;
            if ((field & 0x2000) != 0)
                continue;
            assert_int_equal(at, len - 20);
            at = 0;
            packets++;
        }
    assert_int_equal(at, 0);
    wend_seal_out_clear(&f->out);
    return packets;
}

static void what_may_be_cut_is(void **state)
{
    struct fixture *f = *state;
    struct end e = {0};
    start(f);
    open_end(&e, SLOT);
    assert_int_equal(give(f, PEER, NARROW), WEND_SEAL_SENT);
    assert_int_equal(f->out.len, NARROW + 12 + 32);
    assert_int_equal(stats[SLOT].sent_packets, 1);
    (void)open_one(f, &e, 0, 0);
    wend_seal_out_clear(&f->out);
    packets_udp4(packet, PACKETS_US, PEER, PACKETS_MTU);
    for (size_t i = 28; i < PACKETS_MTU; i++)
        packet[i] = (uint8_t)(i * 11);
    const struct wend_bytes in = {packet, PACKETS_MTU};
    assert_int_equal(wend_seal_packet(f->seal, &plain, in, 1, &f->out), WEND_SEAL_SENT);
    assert_int_equal(f->out.count, 1); // the second is the shorter end of one run
    assert_int_equal(f->out.runs[0].count, 2);
    assert_int_equal(stats[SLOT].sent_packets, 3);
    assert_int_equal(stats[SLOT].sent_bytes, NARROW + PACKETS_MTU + 20);
    assert_int_equal(reassemble(f, &e, PACKETS_MTU), 1);
    assert_memory_equal(together[0] + 20, packet + 20, PACKETS_MTU - 20);
    narrow_to(f, 0);
    assert_int_equal(give(f, PEER, PACKETS_MTU), WEND_SEAL_SENT);
    assert_int_equal(f->out.len, PACKETS_MTU + 32);
    wend_receiver_close(&e.r);
}

// Hosts that send TCP without DF (ip_no_pmtu_disc) hand over super-packets all the same.
static void pieces_of_a_super_packet_are_cut(void **state)
{
    struct fixture *f = *state;
    struct end e = {0};
    start(f);
    open_end(&e, SLOT);
    const struct wend_vnet vnet = packets_tcp4(packet, PEER, 10 * 1360, 1360);
    const struct wend_bytes in = {packet, 40 + 13600};
    assert_int_equal(wend_seal_packet(f->seal, &vnet, in, 1, &f->out), WEND_SEAL_SENT);
    assert_int_equal(f->out.count, 10);
    assert_int_equal(reassemble(f, &e, 1400), 10);
    for (uint32_t i = 0; i < 10; i++) {
        const uint8_t *tcp = together[i] + 20;
        assert_int_equal(wend_get_u32(tcp + 4), i * 1360);
        assert_memory_equal(tcp + 20, packet + 40 + i * 1360, 1360);
        const uint64_t sum = wend_checksum_add_u16(wend_checksum_pseudo(together[i], 6), 1380);
        assert_int_equal(wend_checksum_fold(wend_checksum_add(sum, tcp, 1380)), 0xffff);
    }
    wend_receiver_close(&e.r);
}

// The longest there are, on the narrowest path that is ever told: what the buffer of 128 KiB and
// WEND_SEAL_RUNS_MAX runs have to take.
static void the_longest_super_packet_is_cut(void **state)
{
    struct fixture *f = *state;
    start(f);
    for (uint16_t segment = 985; segment <= 1360; segment++) {
        const size_t payload = 65535 - 40;
        narrow_to(f, 1024);
        const struct wend_vnet vnet = packets_tcp4(packet, PEER, payload, segment);
        const struct wend_bytes in = {packet, 40 + payload};
        const uint64_t before = stats[SLOT].sent_packets;
        assert_int_equal(wend_seal_packet(f->seal, &vnet, in, 1, &f->out), WEND_SEAL_SENT);
        assert_true(stats[SLOT].sent_packets - before > 48);
        wend_seal_out_clear(&f->out);
    }
    narrow_to(f, 68); // thousands of pieces: not taken, and nothing is half done
    const struct wend_vnet vnet = packets_tcp4(packet, PEER, 65495, 900);
    assert_int_equal(
        wend_seal_packet(f->seal, &vnet, (struct wend_bytes){packet, 65535}, 1, &f->out),
        WEND_SEAL_DROPPED);
    assert_int_equal(f->out.len, 0);
}

static void what_must_pass_goes_whole(void **state)
{
    struct fixture *f = *state;
    start(f);
    narrow_to(f, 500);
    assert_int_equal(give_fixed(f, 576, 1), WEND_SEAL_SENT);
    assert_int_equal(f->out.len, 576 + 32);
    wend_seal_out_clear(&f->out);
    packets_udp6(packet, PACKETS_US, PEER, 1280);
    const struct wend_bytes in = {packet, 1280};
    assert_int_equal(wend_seal_packet(f->seal, &plain, in, 1, &f->out), WEND_SEAL_SENT);
    assert_int_equal(f->out.len, 1280 + 32);
    wend_seal_out_clear(&f->out);
    // A fragment that would end beyond the longest packet: nonsense, not ours to judge.
    packets_udp4(packet, PACKETS_US, PEER, 1000);
    wend_put_u16(packet + 6, 8190);
    const struct wend_bytes odd = {packet, 1000};
    assert_int_equal(wend_seal_packet(f->seal, &plain, odd, 1, &f->out), WEND_SEAL_SENT);
    assert_int_equal(f->out.runs[0].count, 1);
}

static void what_waited_is_judged_too(void **state)
{
    struct fixture *f = *state;
    struct end e = {0};
    tell(f, packets_peer(SLOT, PEER));
    assert_int_equal(give(f, PEER, PACKETS_MTU), WEND_SEAL_QUEUED);
    assert_int_equal(give_fixed(f, PACKETS_MTU, 1), WEND_SEAL_QUEUED);
    assert_int_equal(give_fixed(f, PACKETS_MTU - 1, 1), WEND_SEAL_QUEUED);
    assert_int_equal(give(f, PEER, PACKETS_MTU), WEND_SEAL_QUEUED);
    assert_int_equal(give_fixed(f, PACKETS_MTU - 2, 1), WEND_SEAL_QUEUED);
    add_peer(f, SLOT, 0);
    narrow_to(f, NARROW);
    open_end(&e, SLOT);
    for (size_t i = 0; i < 3; i++) { // an answer each
        assert_false(flush(f));
        const struct wend_bytes answer = wend_seal_answer(f->seal);
        assert_int_equal(answer.len, 576);
        assert_int_equal(wend_get_u16(answer.at + 26), NARROW);
        assert_int_equal(wend_get_u16(answer.at + 28 + 2), PACKETS_MTU - i);
        wend_seal_check(f->seal);
    }
    assert_true(flush(f));
    assert_int_equal(wend_seal_answer(f->seal).len, 0);
    assert_int_equal(reassemble(f, &e, PACKETS_MTU), 2);
    assert_int_equal(wend_seal_drops(f->seal)->count[WEND_DROP_TOO_BIG], 3);
    wend_receiver_close(&e.r);
}

// A packet that comes before the flush does the same, and is taken at last.
static void what_waited_is_judged_before_a_packet(void **state)
{
    struct fixture *f = *state;
    tell(f, packets_peer(SLOT, PEER));
    assert_int_equal(give_fixed(f, PACKETS_MTU, 1), WEND_SEAL_QUEUED);
    add_peer(f, SLOT, 0);
    narrow_to(f, NARROW);
    assert_int_equal(give(f, PEER, 100), WEND_SEAL_FULL);
    assert_int_equal(wend_seal_answer(f->seal).len, 576);
    assert_int_equal(f->out.count, 0);
    assert_int_equal(give(f, PEER, 100), WEND_SEAL_SENT);
    assert_int_equal(wend_seal_answer(f->seal).len, 0);
    assert_int_equal(stats[SLOT].sent_packets, 1);
}

// ---- What is refused ----

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
        TEST(what_may_be_cut_is),
        TEST(pieces_of_a_super_packet_are_cut),
        TEST(the_longest_super_packet_is_cut),
        TEST(what_must_pass_goes_whole),
        TEST(what_waited_is_judged_too),
        TEST(what_waited_is_judged_before_a_packet),
        TEST(what_may_not_is_answered),
        TEST(a_super_packet_is_judged_by_its_pieces),
        TEST(answers_are_few),
        TEST(nobody_there_is_answered),
        TEST(a_syn_names_what_fits),
        TEST(a_syn_that_waited_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

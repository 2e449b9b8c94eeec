// SPDX-License-Identifier: MIT
#include "wire/fragment.h"

#include <errno.h>

#include "../base/unit.h"
#include "offload_packets.h"
#include "wire/checksum.h"
#include "wire/ip.h"

enum { PIECES_MAX = 8192 };

static uint8_t packet[WEND_PACKET_MAX];
static uint8_t pieces[PIECES_MAX][2048];
static size_t piece_lens[PIECES_MAX];

// A packet of `len` bytes in all, its options given, with bytes that differ.
static struct wend_bytes ipv4_of(size_t len, const uint8_t *options, size_t options_len,
                                 uint16_t flags_and_offset)
{
    const size_t header_len = WEND_IPV4_HEADER_LEN + options_len;
    memset(packet, 0, header_len);
    packet[0] = (uint8_t)(0x40 | header_len / 4);
    packet[1] = 0xb8;
    wend_put_u16(packet + 2, (uint16_t)len);
    wend_put_u16(packet + 4, 0xcafe);
    wend_put_u16(packet + 6, flags_and_offset);
    packet[8] = 61;
    packet[9] = 17;
    memcpy(packet + 12, (const uint8_t[]){100, 64, 0, 1, 100, 64, 0, 2}, 8);
    if (options_len > 0)
        memcpy(packet + WEND_IPV4_HEADER_LEN, options, options_len);
    for (size_t i = header_len; i < len; i++)
        packet[i] = (uint8_t)(i * 7 + i / 251);
    wend_put_u16(packet + 10,
                 (uint16_t)~wend_checksum_fold(wend_checksum_add(0, packet, header_len)));
    return (struct wend_bytes){packet, len};
}

static size_t header_len_of(const uint8_t *ip)
{
    return (ip[0] & 15u) * 4u;
}

// Every piece is a sound packet of at most `mtu` bytes, and none is longer than the one before it.
static size_t cut(struct wend_bytes in, size_t mtu)
{
    struct wend_fragment f;
    size_t count = 0, len;
    if (wend_fragment_count(in, in.len, mtu) == 1) {
        assert_true(in.len <= mtu);
        memcpy(pieces[0], in.at, in.len);
        piece_lens[0] = in.len;
        return 1;
    }
    assert_int_equal(wend_fragment_init(&f, in, mtu), 0);
    while ((len = wend_fragment_next(&f, pieces[count])) > 0) {
        struct wend_ip ip = {0};
        const uint8_t *at = pieces[count];
        assert_true(wend_ip_read((struct wend_bytes){at, len}, &ip));
        assert_int_equal(ip.len, len);
        assert_true(len <= mtu);
        assert_true(count == 0 || len <= piece_lens[count - 1]);
        assert_int_equal(reference_sum(at, ip.header_len), 0xffff);
        piece_lens[count++] = len;
        assert_true(count < PIECES_MAX);
    }
    assert_int_equal(wend_fragment_next(&f, pieces[count]), 0);
    assert_int_equal(wend_fragment_count(in, in.len, mtu), count);
    return count;
}

static void bytes_of_two(void **state)
{
    (void)state;
    const struct wend_bytes in = ipv4_of(1328, NULL, 0, 0);
    assert_int_equal(cut(in, 1064), 2);
    assert_int_equal(piece_lens[0], 1060); // 20 + 130 * 8
    assert_int_equal(piece_lens[1], 1328 - 1040);
    static const uint8_t first[20] = {0x45, 0xb8, 0x04, 0x24, 0xca, 0xfe, 0x20, 0x00, 61, 17};
    static const uint8_t second[20] = {0x45, 0xb8, 0x01, 0x20, 0xca, 0xfe, 0x00, 0x82, 61, 17};
    assert_memory_equal(pieces[0], first, 10);
    assert_memory_equal(pieces[1], second, 10);
    for (size_t i = 0; i < 2; i++)
        assert_memory_equal(pieces[i] + 12, packet + 12, 8);
    assert_memory_equal(pieces[0] + 20, packet + 20, 1040);
    assert_memory_equal(pieces[1] + 20, packet + 1060, 268);
}

// RFC 791 appendix A, example 2 and 3: 472 bytes, identification 111, a way that carries 280.
static void the_example_of_the_rfc(void **state)
{
    (void)state;
    const struct wend_bytes in = ipv4_of(472, NULL, 0, 0);
    assert_int_equal(cut(in, 280), 2);
    assert_int_equal(wend_get_u16(pieces[0] + 2), 276);
    assert_int_equal(wend_get_u16(pieces[0] + 6), 0x2000);
    assert_int_equal(wend_get_u16(pieces[1] + 2), 216);
    assert_int_equal(wend_get_u16(pieces[1] + 6), 32);
}

// Security (copied), no-operation, record route (not copied), stream id (copied), end.
static const uint8_t options[28] = {130, 11, 1, 2, 3, 4, 5, 6, 7, 8,   9, 1, 7, 7,
                                    4,   1,  1, 1, 1, 1, 1, 1, 1, 136, 4, 9, 9, 0};

static void options_by_their_flag(void **state)
{
    (void)state;
    const struct wend_bytes in = ipv4_of(700, options, sizeof options, 0);
    assert_int_equal(cut(in, 300), 3);
    assert_int_equal(header_len_of(pieces[0]), 48);
    assert_memory_equal(pieces[0] + 20, options, sizeof options);
    for (size_t i = 1; i < 3; i++) {
        assert_int_equal(header_len_of(pieces[i]), 36);
        assert_memory_equal(pieces[i] + 20, options, 11);
        assert_memory_equal(pieces[i] + 31, options + 23, 4);
        assert_int_equal(pieces[i][35], 0);
    }
    assert_int_equal(wend_get_u16(pieces[1] + 6), 0x2000 | 248 / 8);
    assert_int_equal(wend_get_u16(pieces[2] + 6), 2 * 248 / 8);
    // Cut short: what stood before it stays.
    static const uint8_t broken[8] = {136, 4, 9, 9, 130, 11, 1, 2};
    assert_int_equal(cut(ipv4_of(700, broken, sizeof broken, 0), 300), 3);
    assert_int_equal(header_len_of(pieces[1]), 24);
    assert_memory_equal(pieces[1] + 20, broken, 4);
    static const uint8_t lone[4] = {1, 1, 1, 136}, zero[4] = {136, 0, 1, 1};
    (void)cut(ipv4_of(700, lone, sizeof lone, 0), 300);
    assert_int_equal(header_len_of(pieces[1]), 20);
    (void)cut(ipv4_of(700, zero, sizeof zero, 0), 300);
    assert_int_equal(header_len_of(pieces[1]), 20);
}

// ---- Together again ----

struct whole {
    uint8_t bytes[WEND_PACKET_MAX];
    bool have[WEND_PACKET_MAX / 8 + 1];
    size_t end; // 0: the last piece did not come
    size_t sum;
};

static void take(struct whole *w, const uint8_t *ip, size_t len)
{
    const size_t header_len = header_len_of(ip), payload = len - header_len;
    const uint16_t field = wend_get_u16(ip + 6);
    const size_t at = (field & 0x1fffu) * 8u;
    assert_true((field & 0x2000) == 0 || payload % 8 == 0);
    assert_false(w->have[at / 8]);
    w->have[at / 8] = true;
    w->sum += payload;
    memcpy(w->bytes + at, ip + header_len, payload);
    if ((field & 0x2000) == 0)
        w->end = at + payload;
}

static void random_packets_come_together(void **state)
{
    (void)state;
    static struct whole w;
    uint64_t random = 7;
    for (int i = 0; i < 3000; i++) {
        const size_t options_len = i % 3 == 0 ? sizeof options : 0;
        const size_t mtu = WEND_FRAGMENT_MTU_MIN + unit_random(&random) % 1400;
        const size_t len = 20 + options_len + 1 + unit_random(&random) % 3000;
        const struct wend_bytes in = ipv4_of(len, options, options_len, 0);
        const size_t count = cut(in, mtu);
        assert_int_equal(count > 1, len > mtu);
        memset(&w, 0, sizeof w);
        for (size_t k = count; k-- > 0;)
            take(&w, pieces[k], piece_lens[k]);
        assert_int_equal(w.end, len - 20 - options_len);
        assert_int_equal(w.sum, w.end);
        assert_memory_equal(w.bytes, packet + 20 + options_len, w.end);
    }
}

// What a first router cut, a second cuts again.
static void fragments_of_fragments(void **state)
{
    (void)state;
    static struct whole w;
    static uint8_t first[8][2048], original[WEND_PACKET_MAX];
    size_t lens[8];
    uint64_t random = 8;
    for (int i = 0; i < 300; i++) {
        const size_t len = 1400 + unit_random(&random) % 3000;
        const size_t outer = cut(ipv4_of(len, options, sizeof options, 0), 1000);
        memcpy(original, packet, len);
        memcpy(lens, piece_lens, sizeof lens);
        assert_true(outer <= 8);
        memcpy(first, pieces, sizeof first);
        memset(&w, 0, sizeof w);
        for (size_t k = 0; k < outer; k++) {
            const size_t mtu = 100 + unit_random(&random) % 800;
            const size_t inner = cut((struct wend_bytes){first[k], lens[k]}, mtu);
            for (size_t n = 0; n < inner; n++) {
                assert_int_equal(wend_get_u16(pieces[n] + 4), 0xcafe);
                take(&w, pieces[n], piece_lens[n]);
            }
        }
        assert_int_equal(w.end, len - 48);
        assert_int_equal(w.sum, w.end);
        assert_memory_equal(w.bytes, original + 48, w.end);
    }
}

static void stays_whole(struct wend_bytes in, size_t mtu)
{
    assert_int_equal(wend_fragment_count(in, in.len, mtu), 1);
}

static void what_is_not_cut(void **state)
{
    (void)state;
    stays_whole(ipv4_of(1000, NULL, 0, 0), 1000);
    assert_int_equal(wend_fragment_count(ipv4_of(1001, NULL, 0, 0), 1001, 1000), 2);
    stays_whole(ipv4_of(1400, NULL, 0, 0x4000), 1000); // DF
    stays_whole(ipv4_of(68, NULL, 0, 0), 1);
    assert_int_equal(wend_fragment_count(ipv4_of(69, NULL, 0, 0), 69, 1), 2); // as if 68
    struct wend_bytes in = ipv4_of(1400, NULL, 0, 0);
    packet[0] = 0x60;
    stays_whole(in, 1000);
    packet[0] = 0x44;
    stays_whole(in, 1000);
    packet[0] = 0x45;
    in.len = 19;
    assert_int_equal(wend_fragment_count(in, 1400, 1000), 1);
}

static void what_is_nonsense(void **state)
{
    (void)state;
    struct wend_fragment f;
    struct wend_bytes in = ipv4_of(1400, NULL, 0, 0);
    in.len = 1399;
    assert_int_equal(wend_fragment_init(&f, in, 1000), -EBADMSG);
    assert_int_equal(wend_fragment_init(&f, ipv4_of(20, NULL, 0, 0), 1000), -EBADMSG);
    // 8,191 blocks on, no packet can go on for 1,380 bytes.
    assert_int_equal(wend_fragment_init(&f, ipv4_of(1400, NULL, 0, 0x1fff), 1000), -EBADMSG);
    assert_int_equal(wend_fragment_init(&f, ipv4_of(1400, NULL, 0, 8017), 1000), -EBADMSG);
    assert_int_equal(wend_fragment_init(&f, ipv4_of(1399, NULL, 0, 8017), 1000), 0);
}

static void the_longest(void **state)
{
    (void)state;
    static struct whole w;
    const size_t count = cut(ipv4_of(65535, NULL, 0, 0), 68);
    memset(&w, 0, sizeof w);
    for (size_t k = 0; k < count; k++)
        take(&w, pieces[k], piece_lens[k]);
    assert_int_equal(w.end, 65515);
    assert_int_equal(w.sum, w.end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_of_two),           cmocka_unit_test(the_example_of_the_rfc),
        cmocka_unit_test(options_by_their_flag),  cmocka_unit_test(random_packets_come_together),
        cmocka_unit_test(fragments_of_fragments), cmocka_unit_test(what_is_not_cut),
        cmocka_unit_test(what_is_nonsense),       cmocka_unit_test(the_longest),
    };
    return cmocka_run_group_tests_name("fragment", tests, NULL, NULL);
}

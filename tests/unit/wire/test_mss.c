// SPDX-License-Identifier: MIT
#include "wire/mss.h"

#include "../base/unit.h"
#include "offload_packets.h"
#include "wire/checksum.h"

enum { OPTIONS_MAX = 40 };

struct syn {
    uint8_t at[60 + 20 + OPTIONS_MAX];
    size_t len;
    size_t tcp;
};

// With the options given, which are a multiple of four bytes.
static struct syn make_syn(int version, uint8_t flags, const uint8_t *options, size_t options_len)
{
    struct syn s = {.tcp = version == 4 ? 20 : 40};
    uint8_t *tcp = s.at + s.tcp;
    s.len = s.tcp + 20 + options_len;
    s.at[0] = (uint8_t)(version << 4 | (version == 4 ? 5 : 0));
    s.at[version == 4 ? 9 : 6] = 6;
    wend_put_u16(s.at + (version == 4 ? 2 : 4), (uint16_t)(version == 4 ? s.len : s.len - 40));
    for (size_t i = version == 4 ? 12 : 8; i < s.tcp; i++)
        s.at[i] = (uint8_t)(i * 37);
    if (version == 4)
        wend_put_u16(s.at + 10, (uint16_t)~wend_checksum_fold(wend_checksum_add(0, s.at, 20)));
    wend_put_u32(tcp + 4, 0xdeadbeef);
    tcp[12] = (uint8_t)((20 + options_len) / 4 << 4);
    tcp[13] = flags;
    memcpy(tcp + 20, options, options_len);
    uint64_t sum = wend_checksum_pseudo(s.at, 6);
    sum = wend_checksum_add_u16(sum, (uint16_t)(20 + options_len));
    wend_put_u16(tcp + 16,
                 (uint16_t)~wend_checksum_fold(wend_checksum_add(sum, tcp, 20 + options_len)));
    return s;
}

static const uint8_t usual[] = {2, 4, 0x05, 0x50, 4, 2, 8, 10, 0, 0,
                                0, 1, 0,    0,    0, 0, 1, 3,  3, 7}; // MSS 1,360
static const uint8_t at_odd[] = {1, 2, 4, 0xff, 0xff, 0, 0, 0};

static void clamps(void **state)
{
    (void)state;
    static const uint8_t flags[] = {SYN, SYN | ACK};
    for (int version = 4; version <= 6; version += 2)
        for (size_t i = 0; i < 2; i++) {
            struct syn s = make_syn(version, flags[i], usual, sizeof usual);
            const uint16_t want = version == 4 ? 1240 - 40 : 1240 - 60;
            assert_true(wend_mss_clamp(s.at, s.len, 1240));
            assert_int_equal(wend_get_u16(s.at + s.tcp + 22), want);
            assert_checksums(s.at, s.len);
            assert_memory_equal(s.at + s.tcp + 24, usual + 4, sizeof usual - 4);
            assert_false(wend_mss_clamp(s.at, s.len, 1240)); // it fits now
        }
}

static void clamps_at_an_odd_offset(void **state)
{
    (void)state;
    for (uint16_t mtu = 100; mtu < 1500; mtu++) {
        struct syn s = make_syn(4, SYN, at_odd, sizeof at_odd);
        assert_true(wend_mss_clamp(s.at, s.len, mtu));
        assert_int_equal(wend_get_u16(s.at + s.tcp + 23), mtu - 40);
        assert_checksums(s.at, s.len);
    }
}

static void leaves_alone(struct syn s, uint16_t mtu)
{
    const struct syn before = s;
    assert_false(wend_mss_clamp(s.at, s.len, mtu));
    assert_memory_equal(s.at, before.at, sizeof s.at);
}

static void leaves_alone_what_is_none(void **state)
{
    (void)state;
    static const uint8_t none[] = {1, 1, 4, 2}, ended[] = {0, 2, 4, 0xff, 0xff, 0, 0, 0};
    static const uint8_t zero_len[] = {3, 0, 2, 4, 0xff, 0xff, 0, 0};
    static const uint8_t too_long[] = {3, 9, 2, 4, 0xff, 0xff, 0, 0};
    static const uint8_t last[] = {1, 1, 1, 2}, cut[] = {2, 3, 0xff, 0},
                         wide[] = {2, 6, 9, 9, 9, 9, 0, 0};
    leaves_alone(make_syn(4, SYN, usual, sizeof usual), 1400); // 1,360 fits
    leaves_alone(make_syn(4, ACK, usual, sizeof usual), 1240);
    leaves_alone(make_syn(4, SYN, none, sizeof none), 1240);
    leaves_alone(make_syn(4, SYN, ended, sizeof ended), 1240);
    leaves_alone(make_syn(4, SYN, zero_len, sizeof zero_len), 1240);
    leaves_alone(make_syn(4, SYN, too_long, sizeof too_long), 1240);
    leaves_alone(make_syn(4, SYN, last, sizeof last), 1240);
    leaves_alone(make_syn(4, SYN, cut, sizeof cut), 1240);
    leaves_alone(make_syn(4, SYN, wide, sizeof wide), 1240);
    leaves_alone(make_syn(4, SYN, usual, sizeof usual), 40);
    struct syn s = make_syn(4, SYN, usual, sizeof usual);
    s.at[6] = 0x20; // a first fragment
    leaves_alone(s, 1240);
    s = make_syn(4, SYN, usual, sizeof usual);
    s.at[9] = 17;
    leaves_alone(s, 1240);
    s = make_syn(4, SYN, usual, sizeof usual);
    for (s.len--; s.len > 0; s.len--) // cut short
        leaves_alone(s, 1240);
    for (unsigned i = 0; i < 16; i++) { // every header length but the right one
        s = make_syn(4, SYN, usual, sizeof usual);
        s.at[32] = (uint8_t)(i << 4);
        if (i < 5 || i > 10)
            leaves_alone(s, 1240);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clamps),
        cmocka_unit_test(clamps_at_an_odd_offset),
        cmocka_unit_test(leaves_alone_what_is_none),
    };
    return cmocka_run_group_tests_name("mss", tests, NULL, NULL);
}

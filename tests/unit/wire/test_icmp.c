// SPDX-License-Identifier: MIT
#include "wire/icmp.h"

#include "../base/unit.h"
#include "offload_packets.h"
#include "wire/ip.h"

static uint8_t packet[1500], answer[WEND_ICMP_MAX];

static struct wend_bytes ipv4(uint8_t protocol, size_t len)
{
    memset(packet, 0, sizeof packet);
    packet[0] = 0x45;
    wend_put_u16(packet + 2, (uint16_t)len);
    packet[6] = 0x40; // DF
    packet[9] = protocol;
    memcpy(packet + 12, (const uint8_t[]){100, 64, 0, 1, 100, 64, 0, 9}, 8);
    for (size_t i = 20; i < len; i++)
        packet[i] = (uint8_t)i;
    return (struct wend_bytes){packet, len};
}

static struct wend_bytes ipv6(uint8_t protocol, size_t len)
{
    memset(packet, 0, sizeof packet);
    packet[0] = 0x60;
    wend_put_u16(packet + 4, (uint16_t)(len - 40));
    packet[6] = protocol;
    packet[8] = packet[24] = 0xfd;
    packet[23] = 1;
    packet[39] = 9;
    for (size_t i = 40; i < len; i++)
        packet[i] = (uint8_t)i;
    return (struct wend_bytes){packet, len};
}

static size_t tell(struct wend_bytes in, enum wend_icmp_kind kind, uint16_t mtu)
{
    memset(answer, 0xee, sizeof answer);
    return wend_icmp_answer(in, kind, mtu, answer);
}

// From the packet's destination to its source, whole and with right checksums.
static const uint8_t *expect_answer(size_t len, size_t want)
{
    struct wend_ip ip = {0};
    assert_int_equal(len, want);
    assert_true(wend_ip_read((struct wend_bytes){answer, len}, &ip));
    assert_int_equal(ip.len, len);
    const size_t source = ip.version == 4 ? 12 : 8;
    assert_memory_equal(ip.source, packet + source + ip.address_len, ip.address_len);
    assert_memory_equal(ip.destination, packet + source, ip.address_len);
    assert_int_equal(ip.protocol, ip.version == 4 ? 1 : 58);
    if (ip.version == 6) {
        assert_checksums(answer, len);
    } else {
        assert_int_equal(reference_sum(answer, 20), 0xffff);
        assert_int_equal(reference_sum(answer + 20, len - 20), 0xffff);
    }
    assert_memory_equal(answer + ip.header_len + 8, packet, len - ip.header_len - 8);
    return answer + ip.header_len;
}

static void says_fragmentation_needed(void **state)
{
    (void)state;
    const uint8_t *icmp = expect_answer(tell(ipv4(6, 1400), WEND_ICMP_TOO_BIG, 1240), 576);
    assert_int_equal(icmp[0], 3);
    assert_int_equal(icmp[1], 4);
    assert_int_equal(wend_get_u16(icmp + 4), 0);
    assert_int_equal(wend_get_u16(icmp + 6), 1240);
    icmp = expect_answer(tell(ipv4(17, 600), WEND_ICMP_TOO_BIG, 300), 576);
    assert_int_equal(wend_get_u16(icmp + 6), 576); // no less
}

static void says_packet_too_big(void **state)
{
    (void)state;
    const uint8_t *icmp = expect_answer(tell(ipv6(6, 1400), WEND_ICMP_TOO_BIG, 1300), 1280);
    assert_int_equal(icmp[0], 2);
    assert_int_equal(icmp[1], 0);
    assert_int_equal(wend_get_u32(icmp + 4), 1300);
    icmp = expect_answer(tell(ipv6(17, 1300), WEND_ICMP_TOO_BIG, 900), 1280);
    assert_int_equal(wend_get_u32(icmp + 4), 1280);
}

static void says_no_route(void **state)
{
    (void)state;
    const uint8_t *icmp = expect_answer(tell(ipv4(17, 29), WEND_ICMP_NO_ROUTE, 0), 28 + 29);
    assert_int_equal(icmp[0], 3);
    assert_int_equal(icmp[1], 0);
    assert_int_equal(wend_get_u32(icmp + 4), 0);
    icmp = expect_answer(tell(ipv6(17, 61), WEND_ICMP_NO_ROUTE, 0), 48 + 61);
    assert_int_equal(icmp[0], 1);
    assert_int_equal(icmp[1], 0);
    assert_int_equal(wend_get_u32(icmp + 4), 0);
}

static void quotes_no_padding(void **state)
{
    (void)state;
    struct wend_bytes in = ipv4(17, 40);
    in.len = 60;
    (void)expect_answer(tell(in, WEND_ICMP_NO_ROUTE, 0), 28 + 40);
}

// RFC 1122 section 3.2.2, RFC 4443 section 2.4 (e).
static void is_silent_where_it_must(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        ipv4(1, 84);
        packet[20] = (uint8_t)type;
        const bool error = type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
        assert_int_equal(tell((struct wend_bytes){packet, 84}, WEND_ICMP_NO_ROUTE, 0) == 0, error);
        ipv6(58, 84);
        packet[40] = (uint8_t)type;
        assert_int_equal(tell((struct wend_bytes){packet, 84}, WEND_ICMP_NO_ROUTE, 0) == 0,
                         type < 128);
    }
    assert_int_equal(tell(ipv4(1, 20), WEND_ICMP_NO_ROUTE, 0), 0); // no type there
    static const uint8_t nobody[] = {224, 239, 240, 255};
    for (size_t i = 0; i < sizeof nobody; i++)
        for (size_t at = 12; at <= 16; at += 4) {
            ipv4(17, 40);
            packet[at] = nobody[i];
            assert_int_equal(tell((struct wend_bytes){packet, 40}, WEND_ICMP_NO_ROUTE, 0), 0);
        }
    ipv4(17, 40);
    packet[7] = 1; // not the first fragment
    assert_int_equal(tell((struct wend_bytes){packet, 40}, WEND_ICMP_NO_ROUTE, 0), 0);
    ipv6(17, 60);
    packet[24] = 0xff;
    assert_int_equal(tell((struct wend_bytes){packet, 60}, WEND_ICMP_NO_ROUTE, 0), 0);
    ipv6(17, 60);
    memset(packet + 8, 0, 16);
    assert_int_equal(tell((struct wend_bytes){packet, 60}, WEND_ICMP_NO_ROUTE, 0), 0);
    assert_int_equal(tell(ipv4(17, 40), WEND_ICMP_NONE, 0), 0);
    struct wend_bytes in = ipv4(17, 40);
    for (in.len = 0; in.len < 40; in.len++)
        assert_int_equal(tell(in, WEND_ICMP_NO_ROUTE, 0), 0);
}

static void judges_size(void **state)
{
    (void)state;
    struct wend_bytes in = ipv4(17, 1300);
    assert_true(wend_icmp_is_too_big(in, 1300, 1299));
    assert_false(wend_icmp_is_too_big(in, 1300, 1300));
    assert_false(wend_icmp_is_too_big(in, 576, 500));
    assert_true(wend_icmp_is_too_big(in, 577, 500));
    packet[6] = 0; // may be cut on the way
    assert_false(wend_icmp_is_too_big(in, 1300, 1000));
    in = ipv6(17, 1300);
    assert_true(wend_icmp_is_too_big(in, 1281, 1200));
    assert_false(wend_icmp_is_too_big(in, 1280, 1200));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_fragmentation_needed),
        cmocka_unit_test(says_packet_too_big),
        cmocka_unit_test(says_no_route),
        cmocka_unit_test(quotes_no_padding),
        cmocka_unit_test(is_silent_where_it_must),
        cmocka_unit_test(judges_size),
    };
    return cmocka_run_group_tests_name("icmp", tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
// Inner IP packets: what is taken from them, and every length that must be refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/ip.h"

static const uint8_t ipv4_udp[32] = {
    0x45, 0, 0, 28, 0, 1, 0x40, 0, 64, 17, 0, 0, 100, 64, 0, 2, 100, 64, 0, 3,
};
static const uint8_t ipv6_tcp[64] = {
    0x6f, 0xff, 0xff, 0xff, 0,    20,   6, 64, 0xfd, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0,    0,    0,    1,    0xfd, 0x12, 0, 0,  0,    0,    0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
};

static void assert_addresses(const struct wend_ip *ip, const char *source, const char *destination)
{
    char text[WEND_ADDRESS_TEXT_LEN];
    const struct wend_address from = wend_ip_source(ip);
    const struct wend_address to = wend_ip_destination(ip);
    assert_string_equal(wend_address_format(&from, text), source);
    assert_string_equal(wend_address_format(&to, text), destination);
}

static void reads_ipv4(void **state)
{
    (void)state;
    struct wend_ip ip;
    assert_true(wend_ip_read((struct wend_bytes){ipv4_udp, sizeof ipv4_udp}, &ip));
    assert_int_equal(ip.version, 4);
    assert_int_equal(ip.protocol, 17);
    assert_int_equal(ip.header_len, 20);
    assert_int_equal(ip.address_len, 4);
    assert_int_equal(ip.len, 28); // the last four bytes are padding
    assert_ptr_equal(ip.source, ipv4_udp + 12);
    assert_ptr_equal(ip.destination, ipv4_udp + 16);
    assert_addresses(&ip, "100.64.0.2:0", "100.64.0.3:0");
}

static void reads_ipv6(void **state)
{
    (void)state;
    struct wend_ip ip;
    assert_true(wend_ip_read((struct wend_bytes){ipv6_tcp, sizeof ipv6_tcp}, &ip));
    assert_int_equal(ip.version, 6);
    assert_int_equal(ip.protocol, 6);
    assert_int_equal(ip.header_len, 40);
    assert_int_equal(ip.address_len, 16);
    assert_int_equal(ip.len, 60);
    assert_ptr_equal(ip.source, ipv6_tcp + 8);
    assert_ptr_equal(ip.destination, ipv6_tcp + 24);
    assert_addresses(&ip, "[fd12::1]:0", "[fd12::2]:0");
}

static void refuses_cut_packets(void **state)
{
    (void)state;
    struct wend_ip ip;
    for (size_t len = 0; len <= sizeof ipv4_udp; len++)
        assert_int_equal(wend_ip_read((struct wend_bytes){ipv4_udp, len}, &ip), len >= 28);
    for (size_t len = 0; len <= sizeof ipv6_tcp; len++)
        assert_int_equal(wend_ip_read((struct wend_bytes){ipv6_tcp, len}, &ip), len >= 60);
}

static void judges_every_version_and_header_length(void **state)
{
    (void)state;
    uint8_t packet[64];
    for (unsigned first = 0; first < 256; first++) {
        memset(packet, 0, sizeof packet);
        packet[0] = (uint8_t)first;
        packet[3] = 60; // as IPv4: the total length
        const unsigned words = first & 15;
        const bool good = first >> 4 == 6 || (first >> 4 == 4 && words >= 5);
        struct wend_ip ip = {0};
        assert_int_equal(wend_ip_read((struct wend_bytes){packet, sizeof packet}, &ip), good);
        if (good && ip.version == 4)
            assert_int_equal(ip.header_len, words * 4);
    }
}

static void refuses_a_length_below_the_header(void **state)
{
    (void)state;
    uint8_t packet[64] = {0x46};
    struct wend_ip ip;
    packet[3] = 23; // the header has 24
    assert_false(wend_ip_read((struct wend_bytes){packet, sizeof packet}, &ip));
    packet[3] = 24;
    assert_true(wend_ip_read((struct wend_bytes){packet, sizeof packet}, &ip));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_ipv4),
        cmocka_unit_test(reads_ipv6),
        cmocka_unit_test(refuses_cut_packets),
        cmocka_unit_test(judges_every_version_and_header_length),
        cmocka_unit_test(refuses_a_length_below_the_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

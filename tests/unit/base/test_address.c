// SPDX-License-Identifier: MIT
#include "base/address.h"

#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>

static struct wend_address parse(const char *text)
{
    struct wend_address a;
    assert_int_equal(wend_address_parse(text, 99, &a), 0);
    return a;
}

static void formats_what_it_parses(void **state)
{
    (void)state;
    static const char *const texts[][2] = {
        {"1.2.3.4:5", "1.2.3.4:5"},
        {"1.2.3.4", "1.2.3.4:99"},
        {"255.255.255.255:65535", "255.255.255.255:65535"},
        {"0.0.0.0:0", "0.0.0.0:0"},
        {"[::1]:5", "[::1]:5"},
        {"[::1]", "[::1]:99"},
        {"::1", "[::1]:99"},
        {"::", "[::]:99"},
        {"1::", "[1::]:99"},
        // RFC 5952 sections 1, 4.2.2, 4.2.3, 4.3 and 5
        {"2001:0db8:0:0:1:0:0:1", "[2001:db8::1:0:0:1]:99"},
        {"2001:db8::aaaa:0:0:1", "[2001:db8::aaaa:0:0:1]:99"},
        {"2001:db8:0:1:1:1:1:1", "[2001:db8:0:1:1:1:1:1]:99"},
        {"2001:db8:0:0:1:0:0:0", "[2001:db8:0:0:1::]:99"},
        {"2001:DB8::ABCD", "[2001:db8::abcd]:99"},
        {"::ffff:192.0.2.1", "[::ffff:192.0.2.1]:99"},
        {"1:2:3:4:5:6:7::", "[1:2:3:4:5:6:7:0]:99"},
        {"::2:3:4:5:6:7:8", "[0:2:3:4:5:6:7:8]:99"},
        {"1:2:3:4:5:6:1.2.3.4", "[1:2:3:4:5:6:102:304]:99"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:99"},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        const struct wend_address a = parse(texts[i][0]);
        char out[WEND_ADDRESS_TEXT_LEN];
        assert_string_equal(wend_address_format(&a, out), texts[i][1]);
        const struct wend_address again = parse(out);
        assert_true(wend_address_equal(&a, &again));
        assert_memory_equal(&a, &again, sizeof(a));
    }
}

static void refuses_everything_else(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "01.2.3.4",
        "1.2.3.4:",
        "1.2.3.4:x",
        "1.2.3.4:05",
        "1.2.3.4:-1",
        "1.2.3.4:65536",
        "1.2.3.4 ",
        " 1.2.3.4",
        "1..2.3",
        "1.2.3.4:5 ",
        "::1]:5",
        "[::1",
        "[::1]5",
        "[::1]:",
        "[1.2.3.4]",
        "[]",
        ":",
        ":::",
        "1:2:3",
        "1::2::3",
        "12345::",
        "g::",
        "::1%eth0",
        "1:2:3:4:5:6:7:8:9",
        ":1:2:3:4:5:6:7",
        "1:",
        "::1:",
        "1:2:3:4:5:6:7:1.2.3.4",
        "1:2:3:4::5:6:7:8",
        "::1.2.3",
        "::1.2.3.4:5",
        "localhost",
        "1.2.3.4:99999999999999999999",
        "[::1]:1:1",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct wend_address a = {.port = 7};
        assert_int_equal(wend_address_parse(bad[i], 99, &a), -EINVAL);
        assert_true(a.port == 7 && a.family == WEND_FAMILY_NONE);
    }
}

// Random addresses and random damage, against the C library's reading of IPv6.
static void agrees_with_the_c_library(void **state)
{
    (void)state;
    static const char letters[] = "0123456789abcdefAF::::::..";
    uint64_t seed = 11;
    unsigned good = 0;
    for (int i = 0; i < 200000; i++) {
        uint8_t ip[16];
        char text[INET6_ADDRSTRLEN];
        for (size_t k = 0; k < 16; k += 2) {
            const uint64_t roll = unit_random(&seed);
            const unsigned group = roll & 0x300 ? (unsigned)(roll >> 10 & 0xffff) : 0;
            ip[k] = (uint8_t)(group >> 8);
            ip[k + 1] = (uint8_t)group;
        }
        inet_ntop(AF_INET6, ip, text, sizeof(text));
        if (i % 2)
            text[unit_random(&seed) % strlen(text)] =
                letters[unit_random(&seed) % (sizeof(letters) - 1)];
        if (strchr(text, ':') == NULL)
            continue;
        struct wend_address a;
        const bool ours = wend_address_parse(text, 0, &a) == 0 && a.family == WEND_FAMILY_IPV6;
        assert_int_equal(ours, inet_pton(AF_INET6, text, ip) == 1);
        if (ours)
            assert_memory_equal(a.ip, ip, 16);
        good += ours;
    }
    assert_true(good > 100000);
}

static void compares(void **state)
{
    (void)state;
    const struct wend_address a = wend_address_ipv4(0xc0000201, 5);
    const struct wend_address b = parse("192.0.2.1:6"), c = parse("192.0.2.1:5");
    const struct wend_address d = parse("[c000:201::]:5"); // same first bytes, other family
    assert_true(wend_address_equal(&a, &c));
    assert_memory_equal(&a, &c, sizeof(a));
    assert_false(wend_address_equal(&a, &b));
    assert_true(wend_address_same_ip(&a, &b));
    assert_false(wend_address_same_ip(&a, &d));
}

static void knows_what_a_peer_may_name(void **state)
{
    (void)state;
    static const char *const usable[] = {
        "192.0.2.1:1",          "10.0.0.1:1",  "223.255.255.255:1", "240.0.0.1:1",
        "126.255.255.255:1",    "128.0.0.1:1", "[2001:db8::1]:1",   "[fd00::1]:1",
        "[::ffff:192.0.2.1]:1", "[fec0::1]:1", "[::2]:1",
    };
    static const char *const not_usable[] = {
        "192.0.2.1:0",
        "0.0.0.0:1",
        "0.1.2.3:1",
        "127.0.0.1:1",
        "127.255.255.255:1",
        "224.0.0.1:1",
        "239.255.255.255:1",
        "255.255.255.255:1",
        "[::]:1",
        "[::1]:1",
        "[ff02::1]:1",
        "[fe80::1]:1",
        "[febf::1]:1",
        "[::ffff:127.0.0.1]:1",
        "[::ffff:224.0.0.1]:1",
        "[::ffff:0.0.0.0]:1",
        "[::ffff:255.255.255.255]:1",
        "[2001:db8::1]:0",
    };
    for (size_t i = 0; i < sizeof(usable) / sizeof(*usable); i++) {
        const struct wend_address a = parse(usable[i]);
        assert_true(wend_address_is_usable(&a));
    }
    for (size_t i = 0; i < sizeof(not_usable) / sizeof(*not_usable); i++) {
        const struct wend_address a = parse(not_usable[i]);
        assert_false(wend_address_is_usable(&a));
    }
    assert_false(wend_address_is_usable(&(struct wend_address){.port = 1}));
}

static void prefixes_contain(void **state)
{
    (void)state;
    struct wend_prefix p;
    assert_int_equal(wend_prefix_parse("100.64.16.0/20", &p), 0);
    struct wend_address a = parse("100.64.31.255");
    assert_true(wend_prefix_contains(&p, &a));
    a = parse("100.64.32.0");
    assert_false(wend_prefix_contains(&p, &a));
    a = parse("100.64.15.255");
    assert_false(wend_prefix_contains(&p, &a));
    a = parse("6440:1000::");
    assert_false(wend_prefix_contains(&p, &a));
    assert_int_equal(wend_prefix_parse("0.0.0.0/0", &p), 0);
    assert_false(wend_prefix_contains(&p, &a));
    a = parse("255.255.255.255");
    assert_true(wend_prefix_contains(&p, &a));
    assert_int_equal(wend_prefix_parse("fd12::1/128", &p), 0);
    a = parse("fd12::1");
    assert_true(wend_prefix_contains(&p, &a));
    a = parse("fd12::2");
    assert_false(wend_prefix_contains(&p, &a));
    assert_false(wend_prefix_contains(&(struct wend_prefix){0}, &(struct wend_address){0}));
}

static void prefixes_parse_and_format(void **state)
{
    (void)state;
    static const char *const good[] = {"100.64.0.0/20",  "0.0.0.0/0", "1.2.3.4/32",
                                       "fd12:3400::/24", "::/0",      "2001:db8::1/128",
                                       "128.0.0.0/1"};
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        struct wend_prefix p;
        char text[WEND_ADDRESS_TEXT_LEN];
        assert_int_equal(wend_prefix_parse(good[i], &p), 0);
        assert_string_equal(wend_prefix_format(&p, text), good[i]);
    }
    static const char *const bad[] = {
        "100.64.0.0", "100.64.0.0/", "100.64.0.0/33", "/20",          "100.64.1.0/20", "fd12::/129",
        "fd12::1/64", "1.2.3.4/032", "1.2.3.4/32 ",   "1.2.3.4:5/32", "[::]/0",        "",
        "1.2.3.4/-1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct wend_prefix p;
        assert_int_equal(wend_prefix_parse(bad[i], &p), -EINVAL);
    }
}

static void formats_no_address(void **state)
{
    (void)state;
    char text[WEND_ADDRESS_TEXT_LEN];
    assert_string_equal(wend_address_format(&(struct wend_address){0}, text), "none:0");
    assert_string_equal(wend_prefix_format(&(struct wend_prefix){0}, text), "none/0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_what_it_parses),     cmocka_unit_test(refuses_everything_else),
        cmocka_unit_test(agrees_with_the_c_library),  cmocka_unit_test(compares),
        cmocka_unit_test(knows_what_a_peer_may_name), cmocka_unit_test(prefixes_contain),
        cmocka_unit_test(prefixes_parse_and_format),  cmocka_unit_test(formats_no_address),
    };
    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}

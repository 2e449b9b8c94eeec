// SPDX-License-Identifier: MIT
// Addresses to and from the kernel's form, and the clocks.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "io/clock.h"
#include "io/sockaddr.h"

static struct wend_address parse(const char *text)
{
    struct wend_address a;
    assert_int_equal(wend_address_parse(text, 0, &a), 0);
    return a;
}

static void test_both_ways(void **state)
{
    (void)state;
    const char *texts[] = {"192.0.2.1:3478", "0.0.0.0:1", "[2001:db8::1]:65535", "[::]:0"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const struct wend_address a = parse(texts[i]);
        struct sockaddr_storage s;
        const socklen_t len = wend_sockaddr_from(&a, &s);
        const struct wend_address back = wend_sockaddr_to(&s, len);
        assert_memory_equal(&a, &back, sizeof a);
        assert_int_equal(s.ss_family, wend_sockaddr_family(a.family));
    }
}

static void test_bytes_of_ipv4(void **state)
{
    (void)state;
    const struct wend_address a = parse("198.51.100.7:4660");
    struct sockaddr_storage s;
    assert_int_equal(wend_sockaddr_from(&a, &s), sizeof(struct sockaddr_in));
    const struct sockaddr_in *in = (const struct sockaddr_in *)&s;
    assert_int_equal(in->sin_port, htons(0x1234));
    assert_int_equal(in->sin_addr.s_addr, inet_addr("198.51.100.7"));
}

static void test_mapped_is_ipv4(void **state)
{
    (void)state;
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
    assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.2.9", &in6.sin6_addr), 1);
    struct sockaddr_storage s = {0};
    memcpy(&s, &in6, sizeof in6);
    const struct wend_address got = wend_sockaddr_to(&s, sizeof in6);
    const struct wend_address want = parse("192.0.2.9:9");
    assert_memory_equal(&got, &want, sizeof got);
}

static void test_nothing(void **state)
{
    (void)state;
    const struct wend_address none = {0};
    struct sockaddr_storage s;
    assert_int_equal(wend_sockaddr_from(&none, &s), 0);
    assert_int_equal(wend_sockaddr_to(&s, sizeof s).family, WEND_FAMILY_NONE);
    const struct wend_address a = parse("[2001:db8::1]:5");
    const socklen_t len = wend_sockaddr_from(&a, &s);
    assert_int_equal(wend_sockaddr_to(&s, len - 1).family, WEND_FAMILY_NONE);
    s.ss_family = AF_UNIX;
    assert_int_equal(wend_sockaddr_to(&s, sizeof s).family, WEND_FAMILY_NONE);
}

static void test_clocks(void **state)
{
    (void)state;
    const wend_instant before = wend_clock_now();
    assert_true(wend_clock_now() >= before);
    assert_true(wend_clock_unix_ns() > (int64_t)1600000000 * 1000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),      cmocka_unit_test(test_bytes_of_ipv4),
        cmocka_unit_test(test_mapped_is_ipv4), cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "traverse/candidates.h"

static struct wend_overlay overlay;

static struct wend_address parse(const char *text)
{
    struct wend_address a;

    assert_int_equal(wend_address_parse(text, 0, &a), 0);
    return a;
}

static int begin(void **state)
{
    (void)state;
    assert_int_equal(wend_prefix_parse("100.64.16.0/20", &overlay.ipv4), 0);
    assert_int_equal(wend_prefix_parse("fd12:3456:789a::/64", &overlay.ipv6), 0);
    return 0;
}

static void test_unusable(void **state)
{
    static const char *bad[] = {
        "127.0.0.1:9",   "0.0.0.0:9",  "224.0.0.1:9",   "255.255.255.255:9",
        "169.254.1.1:9", "10.0.0.1:0", "[::1]:9",       "[fe80::1]:9",
        "[ff02::1]:9",   "[::]:9",     "100.64.17.1:9", "[fd12:3456:789a::5]:9"};
    static const char *good[] = {"10.0.0.1:9", "100.64.32.1:9", "[2001:db8::1]:9",
                                 "[fd12:3456:789b::5]:9"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct wend_address a = parse(bad[i]);
        if (wend_candidate_is_usable(&a, &overlay))
            fail_msg("%s counts", bad[i]);
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        const struct wend_address a = parse(good[i]);
        if (!wend_candidate_is_usable(&a, &overlay))
            fail_msg("%s does not count", good[i]);
    }
}

static void expect(const struct wend_candidate *c, uint8_t kind, const char *address)
{
    char text[WEND_ADDRESS_TEXT_LEN];

    assert_int_equal(c->kind, kind);
    assert_string_equal(wend_address_format(&c->address, text), address);
}

static void test_gather_behind_nat(void **state)
{
    const struct wend_address interfaces[] = {parse("[fd00::7]:1"), parse("192.168.1.5:1"),
                                              parse("127.0.0.1:1"), parse("[2001:db8::7]:1"),
                                              parse("100.64.16.9:1")};
    const struct wend_whereabouts where = {.interfaces = interfaces,
                                           .interface_count = 5,
                                           .port = 41641,
                                           .observed = parse("203.0.113.9:5555"),
                                           .overlay = &overlay};
    struct wend_candidates c;

    (void)state;
    wend_candidates_gather(&c, &where);
    assert_int_equal(c.count, 4);
    expect(&c.at[0], WEND_CANDIDATE_SERVER_REFLEXIVE, "203.0.113.9:5555");
    expect(&c.at[1], WEND_CANDIDATE_HOST, "192.168.1.5:41641");
    expect(&c.at[2], WEND_CANDIDATE_HOST, "[2001:db8::7]:41641");
    expect(&c.at[3], WEND_CANDIDATE_HOST, "[fd00::7]:41641");
}

static void test_gather_mapped(void **state)
{
    const struct wend_address interfaces[] = {parse("192.168.1.5:1")};
    struct wend_whereabouts where = {.interfaces = interfaces,
                                     .interface_count = 1,
                                     .port = 41641,
                                     .observed = parse("203.0.113.9:5555"),
                                     .mapped = parse("203.0.113.9:41641"),
                                     .overlay = &overlay};
    struct wend_candidates c;

    (void)state;
    wend_candidates_gather(&c, &where);
    assert_int_equal(c.count, 3);
    expect(&c.at[0], WEND_CANDIDATE_SERVER_REFLEXIVE, "203.0.113.9:5555");
    expect(&c.at[1], WEND_CANDIDATE_MAPPED, "203.0.113.9:41641");
    expect(&c.at[2], WEND_CANDIDATE_HOST, "192.168.1.5:41641");
    where.observed = where.mapped; // the server saw us through the mapping
    wend_candidates_gather(&c, &where);
    assert_int_equal(c.count, 2);
    expect(&c.at[0], WEND_CANDIDATE_SERVER_REFLEXIVE, "203.0.113.9:41641");
}

// Without NAT, what the server saw is the host's own address: listed once, as host.
static void test_gather_without_nat(void **state)
{
    const struct wend_address interfaces[] = {parse("203.0.113.9:1")};
    const struct wend_whereabouts where = {.interfaces = interfaces,
                                           .interface_count = 1,
                                           .port = 41641,
                                           .observed = parse("203.0.113.9:41641"),
                                           .overlay = &overlay};
    struct wend_candidates c;

    (void)state;
    wend_candidates_gather(&c, &where);
    assert_int_equal(c.count, 1);
    expect(&c.at[0], WEND_CANDIDATE_HOST, "203.0.113.9:41641");
}

static void test_gather_keeps_the_likeliest(void **state)
{
    struct wend_address interfaces[30];
    struct wend_candidates c;

    (void)state;
    for (uint32_t i = 0; i < 30; i++)
        interfaces[i] = wend_address_ipv4(0x0a000001 + i, 1);
    const struct wend_whereabouts where = {.interfaces = interfaces,
                                           .interface_count = 30,
                                           .port = 5,
                                           .observed = parse("203.0.113.9:5555"),
                                           .overlay = &overlay};
    wend_candidates_gather(&c, &where);
    assert_int_equal(c.count, WEND_CANDIDATES_MAX);
    expect(&c.at[0], WEND_CANDIDATE_SERVER_REFLEXIVE, "203.0.113.9:5555");
    expect(&c.at[15], WEND_CANDIDATE_HOST, "10.0.0.15:5");
}

static void test_read_sorts_out(void **state)
{
    uint8_t memory[512];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    const struct wend_candidate told[] = {
        {WEND_CANDIDATE_HOST, parse("10.0.0.1:5")},
        {WEND_CANDIDATE_HOST, parse("127.0.0.1:5")},
        {WEND_CANDIDATE_HOST, parse("10.0.0.1:5")},
        {WEND_CANDIDATE_SERVER_REFLEXIVE, parse("[2001:db8::1]:7")},
        {WEND_CANDIDATE_HOST, parse("100.64.16.9:7")},
    };
    struct wend_candidates c;

    (void)state;
    wend_attribute_put_candidates(&w, told, 5);
    assert_false(w.failed);
    wend_candidates_read(
        &c, (struct wend_bytes){.at = memory + WEND_ATTRIBUTE_HEADER_LEN, .len = w.len - 4},
        &overlay);
    assert_int_equal(c.count, 2);
    expect(&c.at[0], WEND_CANDIDATE_HOST, "10.0.0.1:5");
    expect(&c.at[1], WEND_CANDIDATE_SERVER_REFLEXIVE, "[2001:db8::1]:7");
    wend_candidates_read(&c, (struct wend_bytes){0}, &overlay);
    assert_int_equal(c.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unusable),
        cmocka_unit_test(test_gather_behind_nat),
        cmocka_unit_test(test_gather_mapped),
        cmocka_unit_test(test_gather_without_nat),
        cmocka_unit_test(test_gather_keeps_the_likeliest),
        cmocka_unit_test(test_read_sorts_out),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}

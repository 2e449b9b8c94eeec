// SPDX-License-Identifier: MIT
// A model in plain words: every class has a sentence, and what is said agrees with the planner.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "io/netcheck_words.h"

static const struct wend_words_outlook asked = {
    .mapping_asked = true, .tcp_works = true, .second_address = true};

static struct wend_nat_model model(enum wend_nat_dependence mapping,
                                   enum wend_nat_dependence filtering,
                                   enum wend_nat_allocation allocation)
{
    return (struct wend_nat_model){.serial = 1,
                                   .mapping = mapping,
                                   .filtering = filtering,
                                   .allocation = allocation,
                                   .delta = allocation == WEND_NAT_SEQUENTIAL ? 1 : 0,
                                   .udp = WEND_NAT_YES,
                                   .translates =
                                       mapping == WEND_NAT_NONE ? WEND_NAT_NO : WEND_NAT_YES,
                                   .paired = WEND_NAT_YES,
                                   .low = {1024, 1024, 1024},
                                   .high = {65535, 65535, 65535},
                                   .public = wend_address_ipv4(0xCB007109, 41641)};
}

static struct wend_nat_model symmetric(enum wend_nat_allocation allocation)
{
    return model(WEND_NAT_ADDRESS_AND_PORT_DEPENDENT, WEND_NAT_ADDRESS_AND_PORT_DEPENDENT,
                 allocation);
}

static struct wend_nat_model cone(enum wend_nat_dependence filtering)
{
    return model(WEND_NAT_ENDPOINT_INDEPENDENT, filtering, WEND_NAT_PRESERVING);
}

static void test_mapping(void **state)
{
    (void)state;
    char text[WEND_WORDS_LEN];
    struct wend_nat_model m = symmetric(WEND_NAT_SEQUENTIAL);
    assert_string_equal(wend_words_mapping(&m, text),
                        "Your NAT gives each destination another port, counted up by 1.");
    m.delta = -2;
    assert_string_equal(wend_words_mapping(&m, text),
                        "Your NAT gives each destination another port, counted down by 2.");
    m.byte_swapped = true;
    assert_non_null(strstr(wend_words_mapping(&m, text), "other byte order."));
    m = symmetric(WEND_NAT_BLOCK);
    m.low.likely = 4096;
    m.high.likely = 8191;
    assert_string_equal(wend_words_mapping(&m, text), "Your NAT gives each destination another "
                                                      "port, at random within about 4096 to 8191.");
    m = model(WEND_NAT_ADDRESS_DEPENDENT, WEND_NAT_UNKNOWN, WEND_NAT_RANDOM);
    assert_string_equal(wend_words_mapping(&m, text),
                        "Your NAT gives each address another port, at random.");
    m = cone(WEND_NAT_ENDPOINT_INDEPENDENT);
    assert_string_equal(
        wend_words_mapping(&m, text),
        "Your NAT gives a socket one port for everybody, the same as inside if it is free.");
    m = model(WEND_NAT_NONE, WEND_NAT_NONE, WEND_NAT_ALLOCATION_UNKNOWN);
    assert_non_null(strstr(wend_words_mapping(&m, text), "There is no NAT"));
    m.udp = WEND_NAT_NO;
    assert_non_null(strstr(wend_words_mapping(&m, text), "UDP is blocked"));
    memset(&m, 0, sizeof m);
    assert_non_null(strstr(wend_words_mapping(&m, text), "could not be found out"));
}

// Every combination has a sentence that ends, and fits.
static void test_every_class_has_words(void **state)
{
    (void)state;
    char text[WEND_WORDS_LEN];
    for (int mapping = 0; mapping <= WEND_NAT_ADDRESS_AND_PORT_DEPENDENT; mapping++)
        for (int filtering = 0; filtering <= WEND_NAT_ADDRESS_AND_PORT_DEPENDENT; filtering++)
            for (int allocation = 0; allocation <= WEND_NAT_RANDOM; allocation++) {
                const struct wend_nat_model m =
                    model((enum wend_nat_dependence)mapping, (enum wend_nat_dependence)filtering,
                          (enum wend_nat_allocation)allocation);
                const char *said = wend_words_mapping(&m, text);
                assert_int_equal(said[strlen(said) - 1], '.');
                assert_true(strlen(wend_words_filtering(&m)) > 10);
                for (size_t i = 0; i < WEND_TYPICAL_PEERS; i++) {
                    const struct wend_words_peer p = wend_words_peer(&m, i);
                    assert_non_null(p.peer);
                    assert_non_null(p.reason);
                }
            }
}

static void expect_reach(const struct wend_nat_model *m, const enum wend_words_reach want[4])
{
    for (size_t i = 0; i < WEND_TYPICAL_PEERS; i++)
        assert_int_equal(wend_words_peer(m, i).reach, want[i]);
}

static void test_reach(void **state)
{
    (void)state;
    static const enum wend_words_reach all[] = {WEND_WORDS_DIRECT, WEND_WORDS_DIRECT,
                                                WEND_WORDS_DIRECT, WEND_WORDS_DIRECT};
    static const enum wend_words_reach home[] = {WEND_WORDS_DIRECT, WEND_WORDS_DIRECT,
                                                 WEND_WORDS_DIRECT, WEND_WORDS_MOSTLY};
    static const enum wend_words_reach hidden[] = {WEND_WORDS_DIRECT, WEND_WORDS_MOSTLY,
                                                   WEND_WORDS_RELAY, WEND_WORDS_RELAY};
    static const enum wend_words_reach counted[] = {WEND_WORDS_DIRECT, WEND_WORDS_DIRECT,
                                                    WEND_WORDS_MOSTLY, WEND_WORDS_RELAY};
    static const enum wend_words_reach none[] = {WEND_WORDS_RELAY, WEND_WORDS_RELAY,
                                                 WEND_WORDS_RELAY, WEND_WORDS_RELAY};
    struct wend_nat_model m = model(WEND_NAT_NONE, WEND_NAT_NONE, WEND_NAT_ALLOCATION_UNKNOWN);
    expect_reach(&m, all);
    m = cone(WEND_NAT_ENDPOINT_INDEPENDENT);
    expect_reach(&m, all);
    m = cone(WEND_NAT_ADDRESS_AND_PORT_DEPENDENT);
    expect_reach(&m, home);
    m = symmetric(WEND_NAT_RANDOM);
    expect_reach(&m, hidden);
    m.mapped = m.public; // a granted port opens everything
    expect_reach(&m, all);
    m = symmetric(WEND_NAT_SEQUENTIAL);
    expect_reach(&m, counted);
    m.udp = WEND_NAT_NO;
    expect_reach(&m, none);
}

static size_t advice(const struct wend_nat_model *m, struct wend_words_outlook o,
                     const char *ret[static WEND_ADVICE_MAX])
{
    return wend_words_advice(m, &o, ret);
}

static void test_advice(void **state)
{
    (void)state;
    const char *said[WEND_ADVICE_MAX];
    struct wend_nat_model m = model(WEND_NAT_NONE, WEND_NAT_NONE, WEND_NAT_ALLOCATION_UNKNOWN);
    struct wend_words_outlook o = asked;
    assert_int_equal(advice(&m, asked, said), 0);
    m = cone(WEND_NAT_ENDPOINT_INDEPENDENT);
    assert_int_equal(advice(&m, asked, said), 0);

    m = symmetric(WEND_NAT_RANDOM);
    assert_int_equal(advice(&m, asked, said), 1);
    assert_non_null(strstr(said[0], "Switch on PCP, NAT-PMP or UPnP"));
    o.port_mapped = true;
    assert_int_equal(advice(&m, o, said), 0);
    m.paired = WEND_NAT_NO;
    assert_int_equal(advice(&m, o, said), 1);
    assert_non_null(strstr(said[0], "another address"));

    m = symmetric(WEND_NAT_SEQUENTIAL);
    m.filtering = WEND_NAT_UNKNOWN;
    o = asked;
    o.second_address = false;
    assert_int_equal(advice(&m, o, said), 2);
    assert_non_null(strstr(said[0], "One server with one address"));
    o.contradiction = true;
    assert_int_equal(advice(&m, o, said), 2);
    assert_non_null(strstr(said[0], "contradict each other"));
    o.lies = true;
    assert_int_equal(advice(&m, o, said), 2);
    assert_non_null(strstr(said[0], "cannot be true"));
}

static void test_advice_where_udp_is_blocked(void **state)
{
    (void)state;
    const char *said[WEND_ADVICE_MAX];
    const struct wend_nat_model m = {.serial = 1, .udp = WEND_NAT_NO};
    struct wend_words_outlook o = asked;
    assert_int_equal(advice(&m, o, said), 1);
    assert_non_null(strstr(said[0], "UDP is blocked and TCP is not"));
    o.tcp_works = false;
    assert_int_equal(advice(&m, o, said), 1);
    assert_string_equal(said[0], "UDP is blocked: let it out at the firewall.");
}

static void test_hairpin(void **state)
{
    (void)state;
    struct wend_nat_model m = cone(WEND_NAT_ADDRESS_DEPENDENT);
    assert_null(wend_words_hairpin(&m));
    m.hairpin = WEND_NAT_YES;
    assert_non_null(strstr(wend_words_hairpin(&m), "reach each other"));
    m.hairpin = WEND_NAT_NO;
    assert_non_null(strstr(wend_words_hairpin(&m), "do not reach"));
    m.translates = WEND_NAT_NO;
    assert_null(wend_words_hairpin(&m));
}

static void test_lifetime(void **state)
{
    (void)state;
    char text[WEND_WORDS_LEN];
    struct wend_lifetime l = {.way = WEND_LIFETIME_HAIRPIN, .lived = WEND_S(300)};
    assert_string_equal(wend_words_lifetime(&l, text),
                        "A silent UDP mapping lives longer than 300 s.");
    l.lived = WEND_S(28);
    l.died = WEND_S(30);
    assert_string_equal(wend_words_lifetime(&l, text),
                        "A silent UDP mapping lives for 28 to 30 s.");
    l.way = WEND_LIFETIME_UNKNOWN;
    assert_string_equal(wend_words_lifetime(&l, text) + strlen(text) - 8, "old one.");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mapping),
        cmocka_unit_test(test_every_class_has_words),
        cmocka_unit_test(test_reach),
        cmocka_unit_test(test_advice),
        cmocka_unit_test(test_advice_where_udp_is_blocked),
        cmocka_unit_test(test_hairpin),
        cmocka_unit_test(test_lifetime),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

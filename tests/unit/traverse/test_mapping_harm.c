// SPDX-License-Identifier: MIT
// The mapping machine against gateways that refuse, lie, and are not there, and against strangers.
#include "gateway.h"

#define OUTSIDE 0xcb007109 // 203.0.113.9

static void is_refused(void **state)
{
    static const struct {
        uint8_t result;
        enum wend_mapping_reason reason;
    } cases[] = {
        {WEND_PCP_NOT_AUTHORIZED, WEND_MAPPING_REFUSED},
        {WEND_PCP_MALFORMED_REQUEST, WEND_MAPPING_REFUSED},
        {WEND_PCP_UNSUPP_OPCODE, WEND_MAPPING_REFUSED},
        {WEND_PCP_UNSUPP_PROTOCOL, WEND_MAPPING_REFUSED},
        {WEND_PCP_NETWORK_FAILURE, WEND_MAPPING_NO_RESOURCES},
        {WEND_PCP_NO_RESOURCES, WEND_MAPPING_NO_RESOURCES},
        {WEND_PCP_USER_EX_QUOTA, WEND_MAPPING_NO_RESOURCES},
        {WEND_PCP_ADDRESS_MISMATCH, WEND_MAPPING_HIDDEN},
        {WEND_PCP_UNSUPP_VERSION, WEND_MAPPING_UNSUPPORTED},
        {200, WEND_MAPPING_REFUSED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static struct scene s;
        scene_init(&s);
        s.g[0].pcp = true;
        s.g[0].result = cases[i].result;
        s.g[0].lifetime_s = 600;
        scene_start(&s);
        const struct wend_mapping_event e = scene_event(&s, WEND_MAPPING_FAILED);
        assert_int_equal(e.reason, cases[i].reason);
        assert_int_equal(e.result, cases[i].result);
        // "the client SHOULD NOT repeat the same request … within the lifetime returned"
        scene_pass(&s, WEND_S(599));
        assert_int_equal(s.sent, 1);
        s.g[0].result = 0;
        scene_pass(&s, WEND_S(2));
        scene_mapped(&s, OUTSIDE, 54321);
    }
}

static void is_refused_by_natpmp(void **state)
{
    (void)state;
    for (uint8_t result = 1; result < 8; result++) {
        static struct scene s;
        const bool passing = result == 3 || result == 4;
        scene_init(&s);
        s.g[0].natpmp = true;
        s.g[0].result = result;
        scene_start(&s);
        scene_failed(&s, passing ? WEND_MAPPING_NO_RESOURCES : WEND_MAPPING_REFUSED);
        s.g[0].result = 0;
        scene_pass(&s, WEND_S(passing ? 29 : 1799));
        scene_quiet(&s);
        scene_pass(&s, WEND_S(2));
        scene_mapped(&s, OUTSIDE, 54321);
    }
}

static void keeps_a_mapping_through_passing_trouble(void **state)
{
    static struct scene s;
    (void)state;
    scene_init(&s);
    s.g[0].pcp = true;
    s.g[0].lifetime_s = 1000;
    scene_start(&s);
    scene_mapped(&s, OUTSIDE, 54321);
    s.g[0].result = WEND_PCP_NO_RESOURCES;
    scene_pass(&s, WEND_S(700));
    scene_quiet(&s);
    s.g[0].result = 0;
    scene_pass(&s, WEND_S(200));
    scene_quiet(&s);
    assert_true(s.m.layers[0].until > s.now + WEND_S(700));
    // Somebody switched it off: that is no passing trouble.
    s.g[0].result = WEND_PCP_NOT_AUTHORIZED;
    scene_pass(&s, WEND_S(700));
    assert_int_equal(scene_event(&s, WEND_MAPPING_LOST).reason, WEND_MAPPING_REFUSED);
    scene_failed(&s, WEND_MAPPING_REFUSED);
}

static void is_granted_nonsense(void **state)
{
    static const uint32_t outsides[] = {0, 0x7f000001, 0xe0000001, 0xffffffff};
    (void)state;
    for (size_t i = 0; i < 10; i++) {
        static struct scene s;
        scene_init(&s);
        s.g[0].pcp = i % 2 == 0;
        s.g[0].natpmp = i % 2 != 0;
        if (i / 2 < 4)
            s.g[0].outside = wend_address_ipv4(outsides[i / 2], 0);
        else
            s.g[0].zero_lifetime = true;
        scene_start(&s);
        scene_failed(&s, WEND_MAPPING_NONSENSE);
        const unsigned sent = s.sent;
        scene_pass(&s, WEND_S(1790));
        assert_int_equal(s.sent, sent);
    }
}

static void takes_absurd_lifetimes_as_a_day(void **state)
{
    static struct scene s;
    (void)state;
    scene_init(&s);
    s.g[0].pcp = true;
    s.g[0].lifetime_s = UINT32_MAX;
    scene_start(&s);
    assert_int_equal(scene_event(&s, WEND_MAPPING_MAPPED).lifetime_s, 86400);
    // And one of a second does not make a flood.
    scene_init(&s);
    s.g[0].pcp = true;
    s.g[0].lifetime_s = 1;
    scene_start(&s);
    scene_pass(&s, WEND_S(60));
    assert_in_range(s.sent, 10, 61);
}

static void hears_that_nobody_listens(void **state)
{
    static struct scene s;
    (void)state;
    scene_init(&s);
    scene_start(&s);
    wend_mapping_unreachable(&s.m, &s.g[0].at, s.now);
    scene_failed(&s, WEND_MAPPING_NO_SERVICE);
    scene_pass(&s, WEND_S(1000));
    assert_int_equal(s.sent, 1);
    // Its daemon starts late and says so.
    s.g[0].pcp = true;
    gateway_restart(&s, &s.g[0]);
    gateway_announce(&s, &s.g[0], true);
    scene_pass(&s, WEND_S(5));
    scene_mapped(&s, OUTSIDE, 54321);
    // While a mapping is held, that port says nothing about it.
    wend_mapping_unreachable(&s.m, &s.g[0].at, s.now);
    scene_quiet(&s);
}

static void drops_strangers(void **state)
{
    static struct scene s;
    (void)state;
    scene_init(&s);
    s.g[0].pcp = true;
    s.g[0].wrong_nonce = true;
    scene_start(&s);
    assert_int_equal(s.m.drops.count[WEND_DROP_NO_SESSION], 1);
    scene_quiet(&s);
    struct wend_pcp answer = s.g[0].last_pcp;
    uint8_t out[WEND_PCP_LEN_MAX];
    answer.is_response = true;
    answer.external = wend_address_ipv4(OUTSIDE, 1);
    const struct wend_bytes bytes = {out, wend_pcp_write(&answer, out, sizeof out)};
    struct wend_address stranger = s.g[0].at;
    stranger.ip[3] = 66;
    scene_hand(&s, &stranger, 40000, bytes);
    stranger = s.g[0].at;
    stranger.port = 5352;
    scene_hand(&s, &stranger, 40000, bytes);
    assert_int_equal(s.m.drops.count[WEND_DROP_WRONG_SOURCE], 2);
    // By the announcements' port nothing is granted.
    scene_hand(&s, &s.g[0].at, WEND_PCP_CLIENT_PORT, bytes);
    assert_int_equal(s.m.drops.count[WEND_DROP_UNKNOWN_TYPE], 1);
    scene_quiet(&s);
    scene_hand(&s, &s.g[0].at, 40000, bytes);
    scene_mapped(&s, OUTSIDE, 1);
}

static void drops_garbage(void **state)
{
    static struct scene s;
    static const uint8_t zeros[1200];
    (void)state;
    scene_init(&s);
    scene_start(&s);
    for (size_t len = 0; len < sizeof zeros; len++)
        scene_hand(&s, &s.g[0].at, 40000, (struct wend_bytes){zeros, len});
    assert_int_equal(s.m.drops.count[WEND_DROP_UNKNOWN_TYPE], 1); // a request for the address
    assert_int_equal(s.m.drops.count[WEND_DROP_MALFORMED], 1199);
    // Requests, as a reflected datagram would be.
    const struct wend_pcp request = {.opcode = WEND_PCP_MAP, .protocol = 17, .internal_port = 1};
    uint8_t out[WEND_PCP_LEN_MAX];
    scene_hand(&s, &s.g[0].at, 40000,
               (struct wend_bytes){out, wend_pcp_write(&request, out, sizeof out)});
    assert_int_equal(s.m.drops.count[WEND_DROP_UNKNOWN_TYPE], 2);
    scene_quiet(&s);
}

static void believes_a_version_only_when_it_asked(void **state)
{
    static struct scene s;
    const uint8_t zero[] = {0, 0, 0, 1, 0, 0, 0, 9};
    const uint8_t one[] = {1, 0x81, 0, 1, 0, 0, 0, 0};
    (void)state;
    scene_init(&s);
    s.g[0].pcp = true;
    scene_start(&s);
    scene_mapped(&s, OUTSIDE, 54321);
    scene_hand(&s, &s.g[0].at, 40000, WEND_BYTES(zero));
    scene_hand(&s, &s.g[0].at, 40000, WEND_BYTES(one));
    assert_int_equal(s.m.drops.count[WEND_DROP_MALFORMED], 2);
    scene_quiet(&s);
    scene_init(&s);
    scene_start(&s);
    scene_hand(&s, &s.g[0].at, 40000, WEND_BYTES(one));
    scene_failed(&s, WEND_MAPPING_UNSUPPORTED);
}

static void explains_nesting(void **state)
{
    static struct scene s;
    (void)state;
    scene_init(&s);
    s.g[0].pcp = true;
    s.g[0].outside = wend_address_ipv4(0x0a000005, 0);
    scene_start(&s);
    (void)scene_event(&s, WEND_MAPPING_OUTER_WANTED);
    wend_mapping_outer(&s.m, &(struct wend_address){0}, s.now);
    scene_failed(&s, WEND_MAPPING_NESTED);
    // A gateway is not behind itself.
    wend_mapping_outer(&s.m, &s.g[0].at, s.now);
    scene_quiet(&s);
    // One that is silent.
    const struct wend_address silent = wend_address_ipv4(0x0a000001, 0);
    wend_mapping_outer(&s.m, &silent, s.now);
    scene_pass(&s, WEND_S(140));
    const struct wend_mapping_event e = scene_event(&s, WEND_MAPPING_FAILED);
    assert_int_equal(e.reason, WEND_MAPPING_NO_ANSWER);
    assert_int_equal(e.layer, 1);
}

static void stops_at_three_layers(void **state)
{
    static struct scene s;
    (void)state;
    scene_init(&s);
    s.gateways = 3;
    for (uint32_t i = 0; i < 3; i++)
        s.g[i] = (struct gateway){.at = wend_address_ipv4(0x0a000001 + (i << 8), 5351),
                                  .pcp = true,
                                  .outside = wend_address_ipv4(0x0a000002 + ((i + 1) << 8), 0)};
    scene_start(&s);
    for (size_t i = 1; i < 3; i++) {
        (void)scene_event(&s, WEND_MAPPING_OUTER_WANTED);
        wend_mapping_outer(&s.m, &s.g[i].at, s.now);
        scene_carry(&s);
    }
    scene_failed(&s, WEND_MAPPING_NESTED);
}

static void knows_what_is_public(void **state)
{
    static const struct {
        const char *text;
        bool is_public;
    } cases[] = {
        {"10.1.2.3", false},    {"172.16.0.1", false},  {"172.32.0.1", true},
        {"192.168.9.9", false}, {"100.64.0.1", false},  {"100.127.255.254", false},
        {"100.128.0.1", true},  {"169.254.1.1", false}, {"192.0.0.2", false},
        {"203.0.113.9", true},  {"0.1.2.3", false},     {"8.8.8.8", true},
        {"fd00::1", false},     {"2001:db8::1", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wend_address a;
        assert_int_equal(wend_address_parse(cases[i].text, 1, &a), 0);
        if (wend_mapping_is_public(&a) != cases[i].is_public)
            fail_msg("%s", cases[i].text);
    }
}

static void judges_epochs(void **state)
{
    static const struct {
        uint32_t before_s, after_s;
        int passed_s;
        bool pcp, natpmp;
    } cases[] = {
        {100, 200, 100, true, true},  {100, 99, 0, true, true},      {100, 98, 0, false, true},
        {100, 97, 0, false, false},   {100, 0, 3600, false, false},  {100, 195, 100, true, true},
        {100, 188, 100, false, true}, {100, 184, 100, false, false}, {100, 208, 100, true, true},
        {100, 300, 100, false, true}, {0, 0, 1, true, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wend_epoch p = {0}, n = {0};
        const wend_instant later = WEND_S(10) + WEND_S(cases[i].passed_s);
        assert_true(wend_epoch_take_pcp(&p, cases[i].before_s, WEND_S(10)));
        assert_true(wend_epoch_take_natpmp(&n, cases[i].before_s, WEND_S(10)));
        if (wend_epoch_take_pcp(&p, cases[i].after_s, later) != cases[i].pcp ||
            wend_epoch_take_natpmp(&n, cases[i].after_s, later) != cases[i].natpmp)
            fail_msg("case %zu", i);
    }
}

static void forgets_old_events(void **state)
{
    static struct scene s;
    (void)state;
    scene_init(&s);
    s.g[0].pcp = true;
    scene_start(&s);
    for (uint16_t i = 1; i <= 20; i++) {
        s.g[0].port = i;
        struct wend_pcp update = s.g[0].last_pcp;
        gateway_answer_pcp(&s, &s.g[0], &update);
    }
    struct wend_mapping_event e = {0};
    size_t count = 0;
    while (wend_mapping_next_event(&s.m, &e))
        count++;
    assert_int_equal(count, WEND_MAPPING_EVENTS);
    assert_int_equal(e.external.port, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_refused),
        cmocka_unit_test(is_refused_by_natpmp),
        cmocka_unit_test(keeps_a_mapping_through_passing_trouble),
        cmocka_unit_test(is_granted_nonsense),
        cmocka_unit_test(takes_absurd_lifetimes_as_a_day),
        cmocka_unit_test(hears_that_nobody_listens),
        cmocka_unit_test(drops_strangers),
        cmocka_unit_test(drops_garbage),
        cmocka_unit_test(believes_a_version_only_when_it_asked),
        cmocka_unit_test(explains_nesting),
        cmocka_unit_test(stops_at_three_layers),
        cmocka_unit_test(knows_what_is_public),
        cmocka_unit_test(judges_epochs),
        cmocka_unit_test(forgets_old_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

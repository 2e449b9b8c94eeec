// SPDX-License-Identifier: MIT
// The mapping machine against made-up gateways: what goes well, on a made-up clock.
#include "gateway.h"

#define OUTSIDE 0xcb007109 // 203.0.113.9
#define CARRIER 0x64400005 // 100.64.0.5

static void asks_for_the_identical_port_by_pcp(void **state)
{
    static struct scene s;
    (void)state;
    scene_init(&s);
    s.g[0].pcp = true;
    scene_start(&s);
    assert_int_equal(s.sent, 1);
    assert_int_equal(s.g[0].last_pcp.lifetime_s, 7200);
    assert_int_equal(s.g[0].last_pcp.external.port, 54321);
    assert_int_equal(s.g[0].last_pcp.client.ip[3], 10);
    assert_string_equal(wend_mapping_protocol_name(s.m.layers[0].protocol), "pcp");
    scene_mapped(&s, OUTSIDE, 54321);
    scene_quiet(&s);
}

static void goes_over_to_natpmp_when_told(void **state)
{
    static struct scene s;
    (void)state;
    scene_init(&s);
    s.g[0].natpmp = true;
    scene_start(&s);
    assert_int_equal(s.sent, 3); // PCP, address, port
    assert_int_equal(s.g[0].last_natpmp.external_port, 54321);
    scene_mapped(&s, OUTSIDE, 54321);
    assert_int_equal(s.m.layers[0].protocol, WEND_LEASE_NATPMP);
}

static void goes_over_to_natpmp_by_itself(void **state)
{
    static struct scene s;
    (void)state;
    scene_init(&s);
    s.g[0].natpmp = s.g[0].drops_versions = true;
    scene_start(&s);
    scene_pass(&s, WEND_MS(2600));
    scene_quiet(&s);
    scene_pass(&s, WEND_MS(700)); // 3 s, give or take a tenth
    scene_mapped(&s, OUTSIDE, 54321);
    const unsigned sent = s.sent;
    scene_pass(&s, WEND_S(250));
    assert_int_equal(s.sent, sent); // no more PCP
}

static void takes_another_port(void **state)
{
    (void)state;
    for (int natpmp = 0; natpmp < 2; natpmp++) {
        static struct scene s;
        scene_init_by(&s, natpmp != 0);
        s.g[0].port = 1024;
        scene_start(&s);
        scene_mapped(&s, OUTSIDE, 1024);
        s.g[0].port = 0;
        scene_pass(&s, WEND_S(4600)); // renewed once, with the port that it has
        scene_quiet(&s);
        assert_int_equal(s.m.layers[0].external.port, 1024);
        assert_true(s.m.layers[0].granted > WEND_S(1000));
    }
}

static void repeats_as_the_rfcs_say(void **state)
{
    static struct scene s;
    (void)state;
    scene_init(&s);
    scene_start(&s); // nobody answers
    scene_pass(&s, WEND_MS(2600));
    assert_int_equal(s.sent, 1);
    scene_pass(&s, WEND_MS(700)); // the second of PCP, the first of NAT-PMP
    assert_int_equal(s.sent, 3);
    scene_pass(&s, WEND_S(70)); // NAT-PMP at 0.25, 0.75, 1.75, 3.75, 7.75, 15.75, 31.75, 63.75 s
    const unsigned of_pcp = s.sent - 3 - 8;
    assert_in_range(of_pcp, 3, 4); // 9, 21, 45 s
    scene_quiet(&s);
    scene_pass(&s, WEND_S(64));
    scene_failed(&s, WEND_MAPPING_NO_ANSWER);
    // PCP goes on, ever more seldom, and an answer is still an answer.
    const unsigned sent = s.sent;
    scene_pass(&s, WEND_S(7200));
    assert_in_range(s.sent - sent, 8, 14);
    s.g[0].pcp = true;
    scene_pass(&s, WEND_S(1200));
    scene_mapped(&s, OUTSIDE, 54321);
}

static void survives_loss(void **state)
{
    (void)state;
    for (int natpmp = 0; natpmp < 2; natpmp++) {
        static struct scene s;
        scene_init_by(&s, natpmp != 0);
        s.g[0].lose = 3;
        scene_start(&s);
        scene_pass(&s, WEND_S(25));
        scene_mapped(&s, OUTSIDE, 54321);
    }
}

static void renews_at_half_of_the_lifetime(void **state)
{
    (void)state;
    for (int natpmp = 0; natpmp < 2; natpmp++) {
        static struct scene s;
        struct gateway *g = scene_init_by(&s, natpmp != 0);
        g->lifetime_s = 1000;
        scene_start(&s);
        scene_mapped(&s, OUTSIDE, 54321);
        scene_pass(&s, WEND_S(499));
        assert_int_equal(g->pcp_maps + g->natpmp_maps, 1);
        scene_pass(&s, WEND_S(127));
        assert_int_equal(g->pcp_maps + g->natpmp_maps, 2);
        scene_pass(&s, WEND_S(86400));
        assert_in_range(g->pcp_maps + g->natpmp_maps, 86400 / 625, 86400 / 500 + 3);
        scene_quiet(&s); // nothing new to tell in a day
    }
}

static void renews_ever_closer_together(void **state)
{
    static struct scene s;
    (void)state;
    scene_init(&s);
    s.g[0].pcp = true;
    s.g[0].lifetime_s = 1000;
    scene_start(&s);
    scene_mapped(&s, OUTSIDE, 54321);
    s.g[0].pcp = false; // silent from now on
    s.sent = 0;
    scene_pass(&s, WEND_S(999));
    // At 1/2, 3/4, 7/8 … and never less than 4 s apart; three epoch checks between them.
    assert_in_range(s.sent, 3 + 6, 3 + 9);
    scene_quiet(&s);
    scene_pass(&s, WEND_S(2));
    assert_int_equal(scene_event(&s, WEND_MAPPING_LOST).reason, WEND_MAPPING_EXPIRED);
    s.g[0].pcp = true;
    scene_pass(&s, WEND_S(4));
    scene_mapped(&s, OUTSIDE, 54321);
}

static void makes_a_lost_mapping_anew(void **state)
{
    (void)state;
    for (int natpmp = 0; natpmp < 2; natpmp++) {
        static struct scene s;
        struct gateway *g = scene_init_by(&s, natpmp != 0);
        g->port = 2000;
        scene_start(&s);
        scene_mapped(&s, OUTSIDE, 2000);
        scene_pass(&s, WEND_S(100));
        gateway_announce(&s, g, natpmp == 0);
        scene_quiet(&s); // its time has gone on as ours
        gateway_restart(&s, g);
        g->port = 0;
        scene_pass(&s, WEND_S(3));
        gateway_announce(&s, g, natpmp == 0);
        assert_int_equal(scene_event(&s, WEND_MAPPING_LOST).reason, WEND_MAPPING_RESTARTED);
        assert_null(wend_mapping_find(&s.m));
        scene_pass(&s, WEND_S(5));       // within 0 to 5 s
        scene_mapped(&s, OUTSIDE, 2000); // what it had granted is asked for
    }
}

static void asks_for_the_epoch(void **state)
{
    (void)state;
    for (int natpmp = 0; natpmp < 2; natpmp++) {
        static struct scene s;
        struct gateway *g = scene_init_by(&s, natpmp != 0);
        scene_start(&s);
        scene_mapped(&s, OUTSIDE, 54321);
        scene_pass(&s, WEND_S(200));
        gateway_restart(&s, g); // and its announcements are not heard
        scene_pass(&s, WEND_S(106));
        assert_int_equal(scene_event(&s, WEND_MAPPING_LOST).reason, WEND_MAPPING_RESTARTED);
        scene_mapped(&s, OUTSIDE, 54321);
        assert_int_equal(g->pcp_announces, natpmp == 0);
    }
}

static void follows_a_new_outside_address(void **state)
{
    static struct scene s;
    (void)state;
    scene_init(&s);
    s.g[0].pcp = true;
    scene_start(&s);
    scene_mapped(&s, OUTSIDE, 54321);
    // RFC 6887 section 14.2: an answer that nobody asked for.
    s.g[0].outside = wend_address_ipv4(OUTSIDE + 1, 0);
    struct wend_pcp update = s.g[0].last_pcp;
    gateway_answer_pcp(&s, &s.g[0], &update);
    scene_mapped(&s, OUTSIDE + 1, 54321);

    scene_init(&s);
    s.g[0].natpmp = true;
    scene_start(&s);
    scene_mapped(&s, OUTSIDE, 54321);
    s.g[0].outside = wend_address_ipv4(OUTSIDE + 1, 0);
    gateway_announce(&s, &s.g[0], false);
    (void)scene_event(&s, WEND_MAPPING_LOST);
    scene_pass(&s, WEND_S(5));
    scene_mapped(&s, OUTSIDE + 1, 54321);
}

static void deletes_at_the_end(void **state)
{
    (void)state;
    for (int natpmp = 0; natpmp < 2; natpmp++) {
        static struct scene s;
        struct gateway *g = scene_init_by(&s, natpmp != 0);
        scene_start(&s);
        scene_mapped(&s, OUTSIDE, 54321);
        g->lose = 1;
        wend_mapping_stop(&s.m, s.now);
        assert_false(wend_mapping_is_idle(&s.m));
        scene_pass(&s, WEND_MS(99));
        assert_int_equal(g->deletions, 0);
        scene_pass(&s, WEND_MS(2));
        assert_int_equal(g->deletions, 1);
        assert_int_equal(natpmp ? g->last_natpmp.external_port : g->last_pcp.external.port, 0);
        assert_true(wend_mapping_is_idle(&s.m));
        assert_int_equal(wend_mapping_deadline(&s.m), WEND_NEVER);
    }
}

static void does_not_wait_for_a_silent_gateway_at_the_end(void **state)
{
    static struct scene s;
    (void)state;
    scene_init(&s);
    s.g[0].pcp = true;
    scene_start(&s);
    s.g[0].pcp = false;
    s.sent = 0;
    wend_mapping_stop(&s.m, s.now);
    scene_pass(&s, WEND_MS(250));
    assert_int_equal(s.sent, 2);
    assert_true(wend_mapping_is_idle(&s.m));
}

static void moves_to_another_network(void **state)
{
    static struct scene s;
    (void)state;
    scene_init(&s);
    s.g[0].pcp = true;
    s.g[1] = s.g[0];
    s.gateways = 2;
    s.g[1].at = wend_address_ipv4(0x0a000001, WEND_PCP_SERVER_PORT);
    s.g[1].outside = wend_address_ipv4(OUTSIDE + 7, 0);
    scene_start(&s);
    scene_mapped(&s, OUTSIDE, 54321);
    const struct wend_address inside = wend_address_ipv4(0x0a000009, 54321);
    wend_mapping_start(&s.m, &s.g[1].at, &inside, s.now);
    scene_carry(&s);
    (void)scene_event(&s, WEND_MAPPING_LOST);
    scene_mapped(&s, OUTSIDE + 7, 54321);
    // The same again: it only looks.
    wend_mapping_start(&s.m, &s.g[1].at, &inside, s.now);
    scene_carry(&s);
    scene_quiet(&s);
    assert_int_equal(s.g[1].pcp_maps, 1);
    assert_int_equal(s.g[1].pcp_announces, 1);
    // And no network at all.
    wend_mapping_start(&s.m, &(struct wend_address){0}, &inside, s.now);
    (void)scene_event(&s, WEND_MAPPING_LOST);
    scene_failed(&s, WEND_MAPPING_NO_GATEWAY);
    assert_int_equal(wend_mapping_deadline(&s.m), WEND_NEVER);
}

static void maps_through_nested_gateways(void **state)
{
    static struct scene s;
    (void)state;
    scene_init(&s);
    s.g[0].pcp = true;
    s.g[0].port = 777;
    s.g[0].outside = wend_address_ipv4(CARRIER, 0);
    s.g[1] = (struct gateway){.at = wend_address_ipv4(0x64400001, WEND_PCP_SERVER_PORT),
                              .natpmp = true,
                              .outside = wend_address_ipv4(OUTSIDE, 0)};
    s.gateways = 2;
    scene_start(&s);
    const struct wend_mapping_event e = scene_event(&s, WEND_MAPPING_OUTER_WANTED);
    assert_int_equal(e.external.port, 777);
    assert_null(wend_mapping_find(&s.m));
    wend_mapping_outer(&s.m, &s.g[1].at, s.now);
    scene_carry(&s);
    scene_mapped(&s, OUTSIDE, 777);
    assert_int_equal(s.g[1].last_natpmp.internal_port, 777);
    // The inner one forgets: what leads to it leads nowhere.
    scene_pass(&s, WEND_S(30));
    gateway_restart(&s, &s.g[0]);
    s.g[0].port = 778;
    scene_pass(&s, WEND_S(3));
    gateway_announce(&s, &s.g[0], true);
    (void)scene_event(&s, WEND_MAPPING_LOST);
    scene_pass(&s, WEND_S(5));
    (void)scene_event(&s, WEND_MAPPING_OUTER_WANTED);
    wend_mapping_outer(&s.m, &s.g[1].at, s.now);
    scene_carry(&s);
    scene_mapped(&s, OUTSIDE, 778);
    wend_mapping_stop(&s.m, s.now);
    scene_pass(&s, WEND_MS(1));
    assert_int_equal(s.g[0].deletions + s.g[1].deletions, 2);
    assert_true(wend_mapping_is_idle(&s.m));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_for_the_identical_port_by_pcp),
        cmocka_unit_test(goes_over_to_natpmp_when_told),
        cmocka_unit_test(goes_over_to_natpmp_by_itself),
        cmocka_unit_test(takes_another_port),
        cmocka_unit_test(repeats_as_the_rfcs_say),
        cmocka_unit_test(survives_loss),
        cmocka_unit_test(renews_at_half_of_the_lifetime),
        cmocka_unit_test(renews_ever_closer_together),
        cmocka_unit_test(makes_a_lost_mapping_anew),
        cmocka_unit_test(asks_for_the_epoch),
        cmocka_unit_test(follows_a_new_outside_address),
        cmocka_unit_test(deletes_at_the_end),
        cmocka_unit_test(does_not_wait_for_a_silent_gateway_at_the_end),
        cmocka_unit_test(moves_to_another_network),
        cmocka_unit_test(maps_through_nested_gateways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

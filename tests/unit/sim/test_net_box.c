// SPDX-License-Identifier: MIT
// NATs and firewalls of the simulated network: RFC 4787's behaviours, each cell.
#include "net_world.h"

#define BEHAVIOURS 3

static struct wend_sim_box nat(enum wend_sim_dependence mapping, enum wend_sim_dependence filtering)
{
    return (struct wend_sim_box){
        .kind = WEND_SIM_BOX_NAT,
        .mapping = mapping,
        .filtering = filtering,
        .allocation = WEND_SIM_PORT_RANDOM,
    };
}

static const enum wend_sim_dependence all[BEHAVIOURS] = {
    WEND_SIM_ENDPOINT_INDEPENDENT,
    WEND_SIM_ADDRESS_DEPENDENT,
    WEND_SIM_ADDRESS_AND_PORT_DEPENDENT,
};

static void check_mapping(enum wend_sim_dependence mapping)
{
    const uint16_t first = port_seen(0, PORT, server_at(STUN));
    assert_int_equal(port_seen(0, PORT, server_at(STUN)), first);
    const bool same_for_port = port_seen(0, PORT, server_at(STUN + 1)) == first;
    const bool same_for_address = port_seen(0, PORT, other_at(STUN)) == first;
    assert_int_equal(same_for_port, mapping != WEND_SIM_ADDRESS_AND_PORT_DEPENDENT);
    assert_int_equal(same_for_address, mapping == WEND_SIM_ENDPOINT_INDEPENDENT);
    assert_int_not_equal(port_seen(0, PORT + 1, server_at(STUN)), first);
    assert_int_equal(port_seen(0, PORT, server_at(STUN)), first);
}

// Who gets in by a mapping that was made by a datagram to server:STUN.
static void check_filtering(enum wend_sim_dependence filtering)
{
    const struct wend_address at = public_of(0, port_seen(0, PORT, server_at(STUN)));
    const struct wend_address from = server_at(STUN);
    say(SERVER, STUN, at);
    expect_at(0, &from);
    assert_address(&world.got.way.local, private_of(0, PORT));
    say(SERVER, STUN + 1, at);
    if (filtering == WEND_SIM_ADDRESS_AND_PORT_DEPENDENT)
        expect_drop(WEND_SIM_DROP_FILTERED);
    else
        expect_at(0, NULL);
    say(OTHER, STUN, at);
    if (filtering == WEND_SIM_ENDPOINT_INDEPENDENT)
        expect_at(0, NULL);
    else
        expect_drop(WEND_SIM_DROP_FILTERED);
    say(SERVER, STUN, public_of(0, (uint16_t)(at.port ^ 1)));
    expect_drop(WEND_SIM_DROP_UNMAPPED);
}

static void test_each_mapping_with_each_filtering(void **state)
{
    (void)state;
    for (int m = 0; m < BEHAVIOURS; m++) {
        for (int f = 0; f < BEHAVIOURS; f++) {
            const struct wend_sim_box box = nat(all[m], all[f]);
            world_open(&box);
            check_mapping(all[m]);
            world_open(&box);
            check_filtering(all[f]);
        }
    }
}

// Both learn their outside address from the server and then send to the other's, twice.
static bool punch(const struct wend_sim_box *box)
{
    world_open(box);
    const struct wend_address a = public_of(0, port_seen(0, PORT, server_at(STUN)));
    const struct wend_address b = public_of(1, port_seen(1, PORT, server_at(STUN)));
    bool through = false;
    for (int i = 0; i < 2; i++) {
        say(0, PORT, b);
        through = hear() || through;
        say(1, PORT, a);
        through = hear() || through;
    }
    return through;
}

static void test_who_can_punch(void **state)
{
    (void)state;
    static const bool opens[BEHAVIOURS][BEHAVIOURS] = {
        {true, true, true},   // endpoint-independent mapping: always
        {true, false, false}, // others: each sends from a port that the other does not know
        {true, false, false},
    };
    for (int m = 0; m < BEHAVIOURS; m++) {
        for (int f = 0; f < BEHAVIOURS; f++) {
            const struct wend_sim_box box = nat(all[m], all[f]);
            assert_int_equal(punch(&box), opens[m][f]);
        }
    }
}

static void test_preserving_keeps_the_port_until_it_is_taken(void **state)
{
    (void)state;
    world_open(&(struct wend_sim_box){.kind = WEND_SIM_BOX_NAT});
    const struct wend_address next = private_of(2, 0);
    const uint32_t neighbour = add_neighbour(1, &next);
    assert_int_equal(port_seen(0, PORT, server_at(STUN)), PORT);
    assert_int_not_equal(port_seen(neighbour, PORT, server_at(STUN)), PORT);
    assert_int_equal(port_seen(neighbour, PORT + 7, server_at(STUN)), PORT + 7);
}

static void test_sequential_steps_and_others_step_in_between(void **state)
{
    (void)state;
    struct wend_sim_box box = nat(WEND_SIM_ADDRESS_AND_PORT_DEPENDENT, all[2]);
    box.allocation = WEND_SIM_PORT_SEQUENTIAL;
    box.port_min = 20000;
    box.port_max = 20999;
    box.port_step = 2;
    world_open(&box);
    uint16_t last = port_seen(0, PORT, server_at(1));
    assert_in_range(last, 20000, 20999);
    for (uint16_t i = 2; i < 700; i++) {
        const uint16_t port = port_seen(0, PORT, server_at(i));
        if (i < 500) // all even ones are taken after half a round, then it passes over them
            assert_int_equal(port, 20000 + (last - 20000 + 2) % 1000);
        last = port;
    }
    box.others_per_second = 10;
    world_open(&box);
    last = port_seen(0, PORT, server_at(1));
    pass(WEND_S(3)); // 29 to 31 of theirs
    const uint16_t after = port_seen(0, PORT, server_at(2));
    assert_in_range((after - last + 1000) % 1000, 60, 64);
}

static void test_random_ports_spread_and_stay_in_range(void **state)
{
    (void)state;
    struct wend_sim_box box = nat(WEND_SIM_ADDRESS_AND_PORT_DEPENDENT, all[0]);
    box.port_min = 30000;
    box.port_max = 30063;
    world_open(&box);
    uint64_t seen = 0;
    for (uint16_t i = 1; i <= 64; i++) {
        const uint16_t port = port_seen(0, PORT, server_at(i));
        assert_in_range(port, 30000, 30063);
        assert_int_equal(seen >> (port - 30000) & 1, 0);
        seen |= UINT64_C(1) << (port - 30000);
    }
    say(0, PORT, server_at(65));
    expect_drop(WEND_SIM_DROP_FULL);
}

static void test_block_belongs_to_an_address(void **state)
{
    (void)state;
    struct wend_sim_box box = nat(WEND_SIM_ADDRESS_AND_PORT_DEPENDENT, all[0]);
    box.allocation = WEND_SIM_PORT_RANDOM_BLOCK;
    box.block_ports = 64;
    world_open(&box);
    const struct wend_address next = private_of(2, 0);
    const uint32_t neighbour = add_neighbour(1, &next);
    const uint32_t mine = (port_seen(0, PORT, server_at(1)) - 1024u) / 64;
    const uint32_t its = (port_seen(neighbour, PORT, server_at(1)) - 1024u) / 64;
    assert_int_not_equal(mine, its);
    for (uint16_t i = 2; i <= 64; i++) {
        assert_int_equal((port_seen(0, PORT, server_at(i)) - 1024u) / 64, mine);
        assert_int_equal((port_seen(neighbour, PORT, server_at(i)) - 1024u) / 64, its);
    }
    say(0, PORT, server_at(65));
    expect_drop(WEND_SIM_DROP_FULL);
}

static void test_mapping_times_out_unless_refreshed_from_inside(void **state)
{
    (void)state;
    struct wend_sim_box box = nat(all[0], all[2]);
    box.udp_timeout = WEND_S(30);
    world_open(&box);
    const uint16_t port = port_seen(0, PORT, server_at(STUN));
    for (int i = 0; i < 5; i++) {
        pass(WEND_S(29));
        assert_int_equal(port_seen(0, PORT, server_at(STUN)), port);
    }
    pass(WEND_S(20));
    say(SERVER, STUN, public_of(0, port));
    expect_at(0, NULL); // it does not count: 20 s since the last one went out
    pass(WEND_S(9));
    say(SERVER, STUN, public_of(0, port));
    expect_at(0, NULL);
    pass(WEND_S(1));
    say(SERVER, STUN, public_of(0, port));
    expect_drop(WEND_SIM_DROP_UNMAPPED);
    assert_int_not_equal(port_seen(0, PORT, server_at(STUN)), port);
}

static void test_inbound_refresh_and_unanswered(void **state)
{
    (void)state;
    struct wend_sim_box box = nat(all[0], all[2]);
    box.udp_timeout = WEND_S(60);
    box.udp_unanswered = WEND_S(10);
    box.inbound_refresh = true;
    world_open(&box);
    const uint16_t port = port_seen(0, PORT, server_at(STUN));
    say(SERVER, STUN, public_of(0, port));
    expect_at(0, NULL);
    for (int i = 0; i < 4; i++) {
        pass(WEND_S(50));
        say(SERVER, STUN, public_of(0, port));
        expect_at(0, NULL);
    }
    // What was never answered lives shorter, though the mapping goes on.
    assert_int_equal(port_seen(0, PORT, other_at(STUN)), port);
    pass(WEND_S(11));
    say(OTHER, STUN, public_of(0, port));
    expect_drop(WEND_SIM_DROP_FILTERED);
    say(SERVER, STUN, public_of(0, port));
    expect_at(0, NULL);
}

static void test_hairpin(void **state)
{
    (void)state;
    struct wend_sim_box box = nat(all[0], all[2]);
    for (int on = 0; on < 2; on++) {
        box.hairpin = on != 0;
        world_open(&box);
        const struct wend_address next = private_of(2, 0);
        const uint32_t neighbour = add_neighbour(1, &next);
        const struct wend_address a = public_of(0, port_seen(0, PORT, server_at(STUN)));
        const struct wend_address b = public_of(0, port_seen(neighbour, PORT, server_at(STUN)));
        say(0, PORT, b);
        expect_drop(on ? WEND_SIM_DROP_FILTERED : WEND_SIM_DROP_HAIRPIN);
        say(neighbour, PORT, a);
        if (!on) {
            expect_drop(WEND_SIM_DROP_HAIRPIN);
            continue;
        }
        expect_at(0, &b); // the external source, RFC 4787 REQ-9a
        say(0, PORT, b);
        expect_at(neighbour, &a);
        // Their own addresses work without the box.
        say(0, PORT, private_of(2, PORT));
        const struct wend_address inside = private_of(0, PORT);
        expect_at(neighbour, &inside);
    }
}

static void test_port_limit_refuses_and_frees(void **state)
{
    (void)state;
    struct wend_sim_box box = nat(all[2], all[2]);
    box.port_limit = 3;
    box.udp_timeout = WEND_S(30);
    world_open(&box);
    for (uint16_t i = 1; i <= 3; i++)
        (void)port_seen(0, PORT, server_at(i));
    say(0, PORT, server_at(4));
    expect_drop(WEND_SIM_DROP_FULL);
    (void)port_seen(0, PORT, server_at(3));
    pass(WEND_S(30));
    (void)port_seen(0, PORT, server_at(4));
}

// Linux masquerade: the peer's packet comes before our first one to it and takes the tuple.
static void test_early_packet_takes_the_tuple(void **state)
{
    (void)state;
    struct wend_sim_box box = {.kind = WEND_SIM_BOX_NAT, .filtering = all[2]};
    for (int quirk = 0; quirk < 2; quirk++) {
        box.early_takes_tuple = quirk != 0;
        world_open(&box);
        assert_int_equal(port_seen(0, PORT, server_at(STUN)), PORT);
        assert_int_equal(port_seen(1, PORT, server_at(STUN)), PORT);
        say(0, PORT, public_of(1, PORT)); // too early
        expect_drop(WEND_SIM_DROP_FILTERED);
        say(1, PORT, public_of(0, PORT));
        if (!quirk) {
            expect_at(0, NULL);
            assert_int_equal(world.got.way.remote.port, PORT);
            continue;
        }
        // Its port has changed for us alone: our filter does not know it.
        expect_drop(WEND_SIM_DROP_FILTERED);
        assert_int_equal(port_seen(1, PORT, server_at(STUN)), PORT);
        assert_int_equal(port_seen(1, PORT, other_at(STUN)), PORT);
        // Everything expires; an early packet the other way, and 30 s later the tuple is free
        // again.
        pass(WEND_S(121));
        say(1, PORT, public_of(0, PORT));
        expect_drop(WEND_SIM_DROP_UNMAPPED);
        pass(WEND_S(31));
        say(0, PORT, public_of(1, PORT));
        const struct wend_address from = public_of(0, PORT);
        expect_at(1, &from);
    }
}

static void test_no_mapping_at_all_takes_the_tuple_too(void **state)
{
    (void)state;
    world_open(&(struct wend_sim_box){
        .kind = WEND_SIM_BOX_NAT, .filtering = all[2], .early_takes_tuple = true});
    say(SERVER, STUN, public_of(0, PORT));
    expect_drop(WEND_SIM_DROP_UNMAPPED);
    const uint16_t moved = port_seen(0, PORT, server_at(STUN));
    assert_int_not_equal(moved, PORT);
    assert_int_equal(port_seen(0, PORT, server_at(STUN)), moved);
    say(SERVER, STUN, public_of(0, moved));
    expect_at(0, NULL);
    assert_int_equal(port_seen(0, PORT, other_at(STUN)), PORT);
}

static void test_two_layers(void **state)
{
    (void)state;
    world_begin(&(struct wend_sim_limits){0});
    const struct wend_sim_box carrier = nat(all[0], all[0]);
    struct wend_sim_box home = nat(all[0], all[2]);
    home.allocation = WEND_SIM_PORT_PRESERVING;
    const struct wend_sim_site outer = {.box = carrier, .public = ip(203, 0, 113, 1, 0)};
    const uint32_t cgn = wend_sim_net_add_site(world.net, &outer);
    for (uint8_t d = 0; d < 2; d++) {
        const struct wend_sim_site inner = {
            .parent = cgn, .box = home, .public = ip(100, 64, 0, (uint8_t)(d + 1), 0)};
        const struct wend_sim_interface i = {.site = wend_sim_net_add_site(world.net, &inner),
                                             .ipv4 = ip(192, 168, 1, 10, 0)};
        (void)wend_sim_net_add_interface(world.net, wend_sim_net_add_host(world.net), &i);
    }
    add_server(1);
    const uint16_t a = port_seen(0, PORT, server_at(STUN));
    const uint16_t b = port_seen(1, PORT, server_at(STUN));
    assert_int_not_equal(a, b);
    say(SERVER, STUN, ip(203, 0, 113, 1, a));
    expect_at(0, NULL);
    say(SERVER, STUN + 1, ip(203, 0, 113, 1, a));
    expect_drop(WEND_SIM_DROP_FILTERED); // by the home, not the carrier
    say(0, PORT, ip(203, 0, 113, 1, b));
    expect_drop(WEND_SIM_DROP_HAIRPIN);
    // Within the carrier's network the homes see each other.
    say(0, PORT, ip(100, 64, 0, 2, PORT));
    expect_drop(WEND_SIM_DROP_FILTERED);
    say(1, PORT, ip(100, 64, 0, 1, PORT));
    const struct wend_address from = ip(100, 64, 0, 2, PORT);
    expect_at(0, &from);
}

static void test_firewall_keeps_addresses(void **state)
{
    (void)state;
    for (int f = 0; f < BEHAVIOURS; f++) {
        world_open(&(struct wend_sim_box){.kind = WEND_SIM_BOX_FIREWALL, .filtering = all[f]});
        say(SERVER, STUN, public_of(0, PORT));
        expect_drop(WEND_SIM_DROP_UNMAPPED);
        say(0, PORT, server_at(STUN));
        const struct wend_address at = public_of(0, PORT);
        expect_at(SERVER, &at);
        say(SERVER, STUN, at);
        expect_at(0, NULL);
        say(OTHER, STUN, at);
        assert_int_equal(hear(), all[f] == WEND_SIM_ENDPOINT_INDEPENDENT);
    }
}

static void test_ipv6_is_filtered_not_translated(void **state)
{
    (void)state;
    struct wend_sim_box box = nat(all[2], all[2]);
    const struct wend_address a = ip6(1, 1, PORT), b = ip6(2, 1, PORT);
    for (int open = 0; open < 2; open++) {
        box.ipv6_open = open != 0;
        world_open(&box);
        say(0, PORT, b);
        if (open)
            expect_at(1, &a);
        else
            expect_drop(WEND_SIM_DROP_UNMAPPED);
        say(1, PORT, a);
        expect_at(0, &b);
        say(0, PORT, b);
        expect_at(1, &a);
    }
}

static void test_blocked_udp(void **state)
{
    (void)state;
    for (int only443 = 0; only443 < 2; only443++) {
        world_open(&(struct wend_sim_box){
            .kind = WEND_SIM_BOX_NAT, .block_udp = only443 == 0, .only_tcp443 = only443 != 0});
        say(0, PORT, server_at(443));
        expect_drop(WEND_SIM_DROP_BLOCKED);
        say(SERVER, STUN, public_of(0, PORT));
        expect_drop(WEND_SIM_DROP_BLOCKED);
    }
}

static void test_reboot_forgets(void **state)
{
    (void)state;
    const struct wend_sim_box box = nat(all[0], all[1]);
    world_open(&box);
    const uint16_t port = port_seen(0, PORT, server_at(STUN));
    wend_sim_net_reboot(world.net, 1, NULL);
    say(SERVER, STUN, public_of(0, port));
    expect_drop(WEND_SIM_DROP_UNMAPPED);
    const uint16_t later = port_seen(0, PORT, server_at(STUN));
    assert_int_not_equal(later, port);
    const struct wend_address moved = ip(203, 0, 113, 77, 0);
    wend_sim_net_reboot(world.net, 1, &moved);
    say(SERVER, STUN, public_of(0, later));
    expect_drop(WEND_SIM_DROP_NO_ROUTE);
    say(0, PORT, server_at(STUN));
    expect_at(SERVER, NULL);
    assert_address(&world.got.way.remote, ip(203, 0, 113, 77, world.got.way.remote.port));
}

static void test_full_tables_refuse_and_recover(void **state)
{
    (void)state;
    world_begin(&(struct wend_sim_limits){.mappings = 8, .sessions = 4});
    struct wend_sim_box box = nat(all[0], all[2]);
    const struct wend_sim_site site = {.box = box, .public = public_of(0, 0)};
    const struct wend_sim_interface i = {.site = wend_sim_net_add_site(world.net, &site),
                                         .ipv4 = private_of(0, 0)};
    (void)wend_sim_net_add_host(world.net);
    (void)wend_sim_net_add_interface(world.net, 0, &i);
    add_server(1);
    for (uint16_t k = 1; k <= 4; k++)
        (void)port_seen(0, PORT, server_at(k));
    say(0, PORT, server_at(5));
    expect_drop(WEND_SIM_DROP_FULL);
    (void)port_seen(0, PORT, server_at(4));
    pass(WEND_S(120));
    for (uint16_t k = 11; k <= 14; k++)
        (void)port_seen(0, PORT, server_at(k));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_mapping_with_each_filtering),
        cmocka_unit_test(test_who_can_punch),
        cmocka_unit_test(test_preserving_keeps_the_port_until_it_is_taken),
        cmocka_unit_test(test_sequential_steps_and_others_step_in_between),
        cmocka_unit_test(test_random_ports_spread_and_stay_in_range),
        cmocka_unit_test(test_block_belongs_to_an_address),
        cmocka_unit_test(test_mapping_times_out_unless_refreshed_from_inside),
        cmocka_unit_test(test_inbound_refresh_and_unanswered),
        cmocka_unit_test(test_hairpin),
        cmocka_unit_test(test_port_limit_refuses_and_frees),
        cmocka_unit_test(test_early_packet_takes_the_tuple),
        cmocka_unit_test(test_no_mapping_at_all_takes_the_tuple_too),
        cmocka_unit_test(test_two_layers),
        cmocka_unit_test(test_firewall_keeps_addresses),
        cmocka_unit_test(test_ipv6_is_filtered_not_translated),
        cmocka_unit_test(test_blocked_udp),
        cmocka_unit_test(test_reboot_forgets),
        cmocka_unit_test(test_full_tables_refuse_and_recover),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
// How the simulated network's NATs assign addresses and ports, in the words of RFC 4787 section 4:
// port preservation and what comes in its place, sequences, parity, overloading, pooling, and what
// happens when ports run out.
#include "net_world.h"

#define EI  WEND_SIM_ENDPOINT_INDEPENDENT
#define AD  WEND_SIM_ADDRESS_DEPENDENT
#define APD WEND_SIM_ADDRESS_AND_PORT_DEPENDENT

static struct wend_sim_box symmetric(enum wend_sim_allocation allocation)
{
    return (struct wend_sim_box){
        .kind = WEND_SIM_BOX_NAT,
        .mapping = APD,
        .filtering = APD,
        .allocation = allocation,
    };
}

static uint32_t add_third(void)
{
    const struct wend_address next = private_of(2, 0);
    return add_neighbour(1, &next);
}

// --- port preservation ---

static void test_second_priority_preserves_for_the_first_destination_only(void **state)
{
    (void)state;
    struct wend_sim_box box = symmetric(WEND_SIM_PORT_SECOND_PRIORITY);
    box.udp_timeout = WEND_S(30);
    world_open(&box);
    assert_int_equal(port_seen(0, PORT, server_at(1)), PORT);
    assert_int_not_equal(port_seen(0, PORT, server_at(2)), PORT);
    assert_int_not_equal(port_seen(0, PORT, other_at(1)), PORT);
    assert_int_equal(port_seen(0, PORT + 1, other_at(1)), PORT + 1); // a fresh socket
    assert_int_equal(port_seen(0, PORT, server_at(1)), PORT);
    // Though nobody has the port any more, the socket is not new to the NAT.
    pass(WEND_S(20));
    (void)port_seen(0, PORT, server_at(2));
    pass(WEND_S(15));
    assert_int_not_equal(port_seen(0, PORT, server_at(3)), PORT);
    pass(WEND_S(31));
    assert_int_equal(port_seen(0, PORT, server_at(4)), PORT);
}

static void test_a_share_of_ports_is_taken(void **state)
{
    (void)state;
    struct wend_sim_box box = {.kind = WEND_SIM_BOX_NAT, .taken_ppm = 10000};
    uint32_t lost = 0;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        world.seed = seed;
        world_open(&box);
        for (uint16_t i = 0; i < 800; i++)
            lost += port_seen(0, (uint16_t)(30000 + i), server_at(1)) != 30000 + i;
    }
    assert_in_range(lost, 15, 75); // 40 of 4,000 are to be expected; chance allows for 6 sigma
}

static void test_a_taken_port_falls_back(void **state)
{
    (void)state;
    struct wend_sim_box box = {.kind = WEND_SIM_BOX_NAT, .taken_port = PORT, .port_min = 50000};
    world_open(&box);
    const uint16_t random = port_seen(0, PORT, server_at(1));
    assert_in_range(random, 50000, 65535);
    assert_int_equal(port_seen(0, PORT + 1, server_at(1)), PORT + 1);
    box = symmetric(WEND_SIM_PORT_PRESERVING);
    box.fallback = WEND_SIM_PORT_SEQUENTIAL;
    box.port_min = 50000;
    box.port_step = -3;
    world_open(&box);
    assert_int_equal(port_seen(0, PORT, server_at(1)), PORT);
    uint16_t last = port_seen(0, PORT, server_at(2));
    for (uint16_t i = 3; i < 40; i++) {
        const uint16_t port = port_seen(0, PORT, server_at(i));
        assert_int_equal(port, 50000 + (last - 50000 + 15536 - 3) % 15536);
        last = port;
    }
    box.fallback = WEND_SIM_PORT_RANDOM_BLOCK;
    world_open(&box);
    uint16_t bounds[2];
    const struct wend_address inside = private_of(0, 0);
    wend_sim_net_ports(world.net, 1, &inside, bounds);
    assert_int_equal(bounds[1] - bounds[0], WEND_SIM_BLOCK_PORTS - 1);
    (void)port_seen(0, PORT, server_at(1));
    assert_in_range(port_seen(0, PORT, server_at(2)), bounds[0], bounds[1]);
}

// --- sequences ---

static void test_every_signed_delta(void **state)
{
    (void)state;
    static const int32_t deltas[] = {1, -1, 2, -2, 4, -7, 13, -256, 1000, -5000};
    struct wend_sim_box box = symmetric(WEND_SIM_PORT_SEQUENTIAL);
    for (size_t d = 0; d < sizeof deltas / sizeof deltas[0]; d++) {
        box.port_step = deltas[d];
        world_open(&box);
        uint16_t last = port_seen(0, PORT, server_at(1));
        for (uint16_t i = 2; i < 30; i++) {
            const uint16_t port = port_seen(0, PORT, server_at(i));
            const int32_t count = 65536 - 1024;
            assert_int_equal(port - 1024, (last - 1024 + deltas[d] + count) % count);
            last = port;
        }
    }
}

static void test_others_at_any_rate_by_chance(void **state)
{
    (void)state;
    static const uint32_t rates[] = {1, 35, 100, 360};
    struct wend_sim_box box = symmetric(WEND_SIM_PORT_SEQUENTIAL);
    box.others_by_chance = true;
    for (size_t r = 0; r < sizeof rates / sizeof rates[0]; r++) {
        box.others_per_second = rates[r];
        world_open(&box);
        uint16_t last = port_seen(0, PORT, server_at(1));
        uint32_t all = 0;
        double squares = 0;
        for (uint16_t i = 0; i < 400; i++) { // a tenth of a second each
            pass(WEND_MS(99));
            world.now += WEND_MS(1);
            const uint16_t port = port_seen(0, PORT, server_at((uint16_t)(2 + i)));
            const uint32_t others = (uint32_t)(port - last + 64512) % 64512 - 1;
            all += others;
            const double off = others - rates[r] / 10.0;
            squares += off * off;
            last = port;
        }
        const double want = rates[r] * 40.0;
        assert_true((all - want) * (all - want) < 36 * want);
        // A Poisson process: the variance of what comes in a time is its mean.
        assert_true(squares / 400 > 0.6 * rates[r] / 10 && squares / 400 < 1.6 * rates[r] / 10);
    }
}

static void test_byte_swapped_counter_steps_by_256_with_carry(void **state)
{
    (void)state;
    struct wend_sim_box box = symmetric(WEND_SIM_PORT_SEQUENTIAL);
    box.byte_swapped = true;
    box.port_min = 1;
    world_open(&box);
    uint32_t last = port_seen(0, PORT, server_at(1)), carries = 0;
    for (uint16_t i = 2; i < 600; i++) {
        const uint32_t port = port_seen(0, PORT, server_at(i));
        uint32_t next = last + 256;
        carries += next > 65535;
        next = next > 65535 ? next - 65536 + 1 : next;
        assert_int_equal(port, next);
        last = port;
    }
    assert_in_range(carries, 2, 3);
}

// --- port parity ---

static void test_parity_is_preserved(void **state)
{
    (void)state;
    static const enum wend_sim_allocation kinds[] = {WEND_SIM_PORT_SEQUENTIAL, WEND_SIM_PORT_RANDOM,
                                                     WEND_SIM_PORT_RANDOM_BLOCK,
                                                     WEND_SIM_PORT_SECOND_PRIORITY};
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        struct wend_sim_box box = symmetric(kinds[k]);
        box.parity = true;
        world_open(&box);
        for (uint16_t i = 0; i < 200; i++) {
            const uint16_t inside = (uint16_t)(PORT + i % 2);
            assert_int_equal(port_seen(0, inside, server_at(1 + i)) % 2, inside % 2);
        }
    }
}

// --- port overloading ---

static void test_overloading_serves_two_endpoints_with_one_port(void **state)
{
    (void)state;
    for (int m = 0; m < 3; m++) {
        world_open(&(struct wend_sim_box){.kind = WEND_SIM_BOX_NAT,
                                          .mapping = (enum wend_sim_dependence)m,
                                          .filtering = APD,
                                          .overload = true});
        const uint32_t neighbour = add_third();
        assert_int_equal(port_seen(0, PORT, server_at(1)), PORT);
        assert_int_equal(port_seen(neighbour, PORT, other_at(1)), PORT);
        // Each gets what its own destination sends.
        say(SERVER, 1, public_of(0, PORT));
        expect_at(0, NULL);
        say(OTHER, 1, public_of(0, PORT));
        expect_at(neighbour, NULL);
        // The same destination: that would not be told apart.
        const uint16_t aside = port_seen(neighbour, PORT, server_at(1));
        assert_int_not_equal(aside, PORT);
        say(SERVER, 1, public_of(0, aside));
        expect_at(neighbour, NULL);
        say(SERVER, 1, public_of(0, PORT));
        expect_at(0, NULL);
        assert_int_equal(port_seen(neighbour, PORT, other_at(1)), PORT);
    }
}

static void test_overloading_by_address(void **state)
{
    (void)state;
    world_open(&(struct wend_sim_box){
        .kind = WEND_SIM_BOX_NAT, .mapping = AD, .filtering = AD, .overload = true});
    const uint32_t neighbour = add_third();
    assert_int_equal(port_seen(0, PORT, server_at(1)), PORT);
    assert_int_not_equal(port_seen(neighbour, PORT, server_at(2)), PORT);
    assert_int_equal(port_seen(neighbour, PORT + 1, other_at(2)), PORT + 1);
}

// --- address pooling ---

static void open_pool(struct wend_sim_box *box, uint8_t pool)
{
    world_begin(&(struct wend_sim_limits){0});
    box->pool = pool;
    const struct wend_sim_site site = {.box = *box, .public = ip(203, 0, 113, 10, 0)};
    const uint32_t at = wend_sim_net_add_site(world.net, &site);
    for (uint32_t d = 0; d < 2; d++) {
        const struct wend_sim_interface i = {.site = at, .ipv4 = private_of(d, 0)};
        const struct wend_sim_interface odd = {.site = at, .ipv4 = ip(192, 168, 1, 31, 0)};
        (void)wend_sim_net_add_interface(world.net, wend_sim_net_add_host(world.net),
                                         d == 0 ? &i : &odd);
    }
    add_server(1);
    add_server(2);
}

static uint8_t address_seen(uint32_t host, uint16_t port, struct wend_address to)
{
    (void)port_seen(host, port, to);
    assert_in_range(world.got.way.remote.ip[3], 10, 13);
    return world.got.way.remote.ip[3];
}

static void test_paired_pooling_gives_a_host_one_address(void **state)
{
    (void)state;
    struct wend_sim_box box = symmetric(WEND_SIM_PORT_RANDOM);
    open_pool(&box, 4);
    const uint8_t first = address_seen(0, PORT, server_at(1));
    const uint8_t second = address_seen(1, PORT, server_at(1));
    assert_int_not_equal(first, second);
    for (uint16_t i = 0; i < 50; i++) {
        assert_int_equal(address_seen(0, PORT + i, other_at(1 + i)), first);
        assert_int_equal(address_seen(1, PORT, other_at(1 + i)), second);
    }
}

static void test_arbitrary_pooling_gives_each_mapping_any(void **state)
{
    (void)state;
    struct wend_sim_box box = symmetric(WEND_SIM_PORT_RANDOM);
    box.pooling = WEND_SIM_POOLING_ARBITRARY;
    open_pool(&box, 4);
    uint32_t seen[4] = {0};
    for (uint16_t i = 0; i < 400; i++)
        seen[address_seen(0, PORT, server_at(1 + i)) - 10]++;
    for (size_t i = 0; i < 4; i++)
        assert_in_range(seen[i], 60, 140);
    // What was mapped stays, answers come back in, and others do not.
    const uint8_t at = address_seen(0, PORT, server_at(1));
    assert_int_equal(address_seen(0, PORT, server_at(1)), at);
    const struct wend_address mapped = world.got.way.remote;
    say(SERVER, 1, mapped);
    expect_at(0, NULL);
    say(SERVER, 1, ip(203, 0, 113, mapped.ip[3] ^ 1, mapped.port)); // 10 with 11, 12 with 13
    expect_drop(WEND_SIM_DROP_UNMAPPED);
}

static void test_an_arbitrary_pool_uses_all_its_ports(void **state)
{
    (void)state;
    struct wend_sim_box box = symmetric(WEND_SIM_PORT_RANDOM);
    box.pooling = WEND_SIM_POOLING_ARBITRARY;
    box.port_min = 2000;
    box.port_max = 2009;
    open_pool(&box, 4);
    for (uint16_t i = 1; i <= 40; i++)
        (void)port_seen(0, PORT, server_at(i));
    say(0, PORT, server_at(41));
    expect_drop(WEND_SIM_DROP_FULL);
}

static void test_hairpin_knows_all_of_the_pool(void **state)
{
    (void)state;
    struct wend_sim_box box = {.kind = WEND_SIM_BOX_NAT, .hairpin = true};
    open_pool(&box, 4);
    (void)port_seen(1, PORT, server_at(1));
    const struct wend_address mapped = world.got.way.remote;
    say(0, PORT, mapped);
    expect_at(1, NULL);
    assert_int_equal(world.got.way.remote.port, PORT);
    assert_in_range(world.got.way.remote.ip[3], 10, 13);
}

// --- exhaustion ---

static void test_a_full_block_refuses_or_throws_the_oldest_out(void **state)
{
    (void)state;
    struct wend_sim_box box = symmetric(WEND_SIM_PORT_RANDOM_BLOCK);
    box.block_ports = 8;
    for (int gives_way = 0; gives_way < 2; gives_way++) {
        box.oldest_gives_way = gives_way != 0;
        world_open(&box);
        const uint32_t neighbour = add_third();
        const uint16_t its = port_seen(neighbour, PORT, server_at(STUN));
        const uint16_t first = port_seen(0, PORT, server_at(1));
        for (uint16_t i = 2; i <= 8; i++)
            (void)port_seen(0, PORT, server_at(i));
        if (!gives_way) {
            say(0, PORT, server_at(9));
            expect_drop(WEND_SIM_DROP_FULL);
            assert_int_equal(port_seen(0, PORT, server_at(1)), first);
            continue;
        }
        assert_int_equal(port_seen(0, PORT, server_at(9)), first);
        say(SERVER, 1, public_of(0, first));
        expect_drop(WEND_SIM_DROP_FILTERED);
        // The neighbour's is older still, but not of this block.
        say(SERVER, STUN, public_of(0, its));
        expect_at(neighbour, NULL);
    }
}

static void test_limits_of_a_host_and_of_the_box(void **state)
{
    (void)state;
    struct wend_sim_box box = symmetric(WEND_SIM_PORT_RANDOM);
    box.host_limit = 4;
    box.port_limit = 6;
    world_open(&box);
    const uint32_t neighbour = add_third();
    for (uint16_t i = 1; i <= 4; i++)
        (void)port_seen(0, PORT, server_at(i));
    say(0, PORT, server_at(5));
    expect_drop(WEND_SIM_DROP_FULL);
    (void)port_seen(neighbour, PORT, server_at(1));
    (void)port_seen(neighbour, PORT, server_at(2));
    say(neighbour, PORT, server_at(3));
    expect_drop(WEND_SIM_DROP_FULL);
    box.oldest_gives_way = true;
    wend_sim_net_set_box(world.net, 1, &box);
    for (uint16_t i = 5; i <= 50; i++) {
        (void)port_seen(0, PORT, server_at(i));
        (void)port_seen(neighbour, PORT, server_at(i));
    }
}

// --- the rest ---

static void test_egress_only_to_chosen_ports(void **state)
{
    (void)state;
    struct wend_sim_box box = {.kind = WEND_SIM_BOX_NAT, .egress_to = {443, STUN}};
    world_open(&box);
    (void)port_seen(0, PORT, server_at(443));
    (void)port_seen(0, PORT, server_at(STUN));
    say(0, PORT, server_at(444));
    expect_drop(WEND_SIM_DROP_BLOCKED);
    say(SERVER, 9, public_of(0, PORT)); // inward it is as before
    expect_at(0, NULL);
    box = (struct wend_sim_box){.kind = WEND_SIM_BOX_NAT, .egress_from = {PORT}};
    world_open(&box);
    (void)port_seen(0, PORT, server_at(444));
    say(0, PORT + 1, server_at(444));
    expect_drop(WEND_SIM_DROP_BLOCKED);
}

static void test_an_unanswered_hole_lives_15_s(void **state)
{
    (void)state;
    struct wend_sim_box box = symmetric(WEND_SIM_PORT_RANDOM);
    box.udp_unanswered = WEND_S(15);
    world_open(&box);
    const uint16_t port = port_seen(0, PORT, server_at(1));
    const uint16_t other = port_seen(0, PORT, server_at(2));
    pass(WEND_S(14));
    say(SERVER, 1, public_of(0, port));
    expect_at(0, NULL);
    pass(WEND_S(2));
    say(SERVER, 2, public_of(0, other));
    expect_drop(WEND_SIM_DROP_UNMAPPED);
    assert_int_equal(port_seen(0, PORT, server_at(1)), port);
}

static void test_port_unreachable_comes_back_to_the_sender(void **state)
{
    (void)state;
    struct wend_sim_box box = symmetric(WEND_SIM_PORT_RANDOM);
    box.icmp_errors = true;
    world_open(&box);
    const struct wend_address at = public_of(1, port_seen(1, PORT, server_at(1)));
    for (uint16_t i = 0; i < 2; i++) { // filtered, and not mapped at all
        const struct wend_address to = public_of(1, (uint16_t)(at.port ^ i));
        say(0, PORT, to);
        assert_true(hear());
        assert_int_equal(world.got.kind, WEND_SIM_UNREACHABLE);
        assert_int_equal(world.got.host, 0);
        assert_address(&world.got.way.local, private_of(0, PORT));
        assert_address(&world.got.way.remote, to);
    }
    assert_int_equal(dropped(WEND_SIM_DROP_FILTERED), 1);
    assert_int_equal(dropped(WEND_SIM_DROP_UNMAPPED), 1);
    say(SERVER, 1, at);
    expect_at(1, NULL);
}

static void test_behaviour_changes_half_way(void **state)
{
    (void)state;
    struct wend_sim_box box = {.kind = WEND_SIM_BOX_NAT, .filtering = APD};
    world_open(&box);
    const uint16_t port = port_seen(0, PORT, server_at(1));
    assert_int_equal(port_seen(0, PORT, other_at(1)), port);
    box = symmetric(WEND_SIM_PORT_RANDOM);
    wend_sim_net_set_box(world.net, 1, &box);
    assert_int_not_equal(port_seen(0, PORT, other_at(1)), port);
    // What was let in before still is.
    say(SERVER, 1, public_of(0, port));
    expect_at(0, NULL);
}

static uint32_t came_through(bool wan)
{
    const struct wend_sim_link bad = {.link = {.loss_ppm = 500000, .jitter = WEND_MS(20)}};
    const struct wend_sim_box box = {.kind = WEND_SIM_BOX_NAT};
    uint32_t came = 0;
    world_begin(&(struct wend_sim_limits){0});
    const struct wend_sim_site site = {
        .box = box, .public = public_of(0, 0), .up = wan ? &bad : NULL};
    const struct wend_sim_interface i = {.site = wend_sim_net_add_site(world.net, &site),
                                         .ipv4 = private_of(0, 0),
                                         .up = wan ? NULL : &bad};
    (void)wend_sim_net_add_interface(world.net, wend_sim_net_add_host(world.net), &i);
    const struct wend_sim_interface at = {.ipv4 = server_at(0)};
    (void)wend_sim_net_add_interface(world.net, wend_sim_net_add_host(world.net), &at);
    for (uint16_t k = 0; k < 100; k++) {
        say(0, (uint16_t)(PORT + k), server_at(1));
        came += hear_within(WEND_MS(20));
    }
    return came;
}

static void test_wan_and_access_lose_apart(void **state)
{
    struct wend_sim_counts c;
    (void)state;
    assert_in_range(came_through(true), 25, 75);
    wend_sim_net_counts(world.net, &c);
    assert_int_equal(c.mappings, 100); // behind the NAT: each one made its hole
    assert_in_range(came_through(false), 25, 75);
    wend_sim_net_counts(world.net, &c);
    assert_int_equal(c.mappings, c.delivered); // before the NAT: what is lost makes none
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_second_priority_preserves_for_the_first_destination_only),
        cmocka_unit_test(test_a_share_of_ports_is_taken),
        cmocka_unit_test(test_a_taken_port_falls_back),
        cmocka_unit_test(test_every_signed_delta),
        cmocka_unit_test(test_others_at_any_rate_by_chance),
        cmocka_unit_test(test_byte_swapped_counter_steps_by_256_with_carry),
        cmocka_unit_test(test_parity_is_preserved),
        cmocka_unit_test(test_overloading_serves_two_endpoints_with_one_port),
        cmocka_unit_test(test_overloading_by_address),
        cmocka_unit_test(test_paired_pooling_gives_a_host_one_address),
        cmocka_unit_test(test_arbitrary_pooling_gives_each_mapping_any),
        cmocka_unit_test(test_an_arbitrary_pool_uses_all_its_ports),
        cmocka_unit_test(test_hairpin_knows_all_of_the_pool),
        cmocka_unit_test(test_a_full_block_refuses_or_throws_the_oldest_out),
        cmocka_unit_test(test_limits_of_a_host_and_of_the_box),
        cmocka_unit_test(test_egress_only_to_chosen_ports),
        cmocka_unit_test(test_an_unanswered_hole_lives_15_s),
        cmocka_unit_test(test_port_unreachable_comes_back_to_the_sender),
        cmocka_unit_test(test_behaviour_changes_half_way),
        cmocka_unit_test(test_wan_and_access_lose_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

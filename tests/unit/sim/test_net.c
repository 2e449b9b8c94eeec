// SPDX-License-Identifier: MIT
// The simulated network: ways, links, pieces, faults, counters, determinism.
#include "net_world.h"

static const struct wend_sim_box no_box;

static void test_delays_add_up_and_bytes_arrive(void **state)
{
    (void)state;
    const struct wend_sim_link access = {.link = {.delay = WEND_MS(5)}};
    world_open_linked(&no_box, &access);
    wend_sim_net_set_core_preset(world.net, WEND_MS(20));
    wend_sim_net_set_core(world.net, 1, 2, WEND_MS(3));
    const struct wend_address b = public_of(1, PORT);
    world.now = WEND_S(1);
    assert_int_equal(say_bytes(0, 7, &b, 333), 0);
    assert_true(hear_within(WEND_S(1)));
    assert_int_equal(world.now, WEND_S(1) + WEND_MS(13));
    assert_int_equal(world.got.sent_at, WEND_S(1));
    assert_int_equal(world.got.interface, 1);
    assert_address(&world.got.way.local, b);
    assert_address(&world.got.way.remote, public_of(0, 7));
    assert_int_equal(world.got.way.bytes.len, 333);
    for (size_t i = 0; i < 333; i++)
        assert_int_equal(world.got.way.bytes.at[i], (uint8_t)(333 + i));
    say(0, 7, server_at(STUN));
    assert_true(hear_within(WEND_S(1)));
    assert_int_equal(world.now, WEND_S(1) + WEND_MS(13 + 25));
    say(SERVER, 7, other_at(STUN)); // both on the internet itself
    assert_true(hear_within(WEND_S(1)));
    assert_int_equal(world.now, WEND_S(1) + WEND_MS(13 + 25 + 20));
}

static void test_send_says_what_it_cannot(void **state)
{
    (void)state;
    const struct wend_sim_link small = {.link = {.mtu_bytes = 1300}};
    world_open(&no_box);
    const struct wend_sim_interface i = {
        .site = 1, .ipv4 = ip(203, 0, 113, 50, 0), .up = &small, .down = &small};
    const uint32_t host = wend_sim_net_add_host(world.net);
    const uint32_t interface = wend_sim_net_add_interface(world.net, host, &i);
    const struct wend_address to4 = server_at(STUN), to6 = ip6(0xdb8, 1, STUN);
    assert_int_equal(say_bytes(host, 1, &to6, 10), -ENETUNREACH);
    assert_int_equal(say_bytes(host, 1, &to4, WEND_DATAGRAM_MAX + 1), -EMSGSIZE);
    struct wend_datagram d = {.local = ip(1, 2, 3, 4, 5), .remote = to4, .bytes = {NULL, 0}};
    assert_int_equal(wend_sim_net_send(world.net, host, &d, 0), -EADDRNOTAVAIL);
    static const uint8_t bytes[1300];
    d = (struct wend_datagram){
        .local = {.port = 1}, .remote = to4, .bytes = {bytes, 1273}, .dont_fragment = true};
    assert_int_equal(wend_sim_net_send(world.net, host, &d, 0), -EMSGSIZE);
    d.bytes.len = 1272;
    assert_int_equal(wend_sim_net_send(world.net, host, &d, 0), 0);
    expect_at(SERVER, NULL);
    wend_sim_net_set_interface_down(world.net, interface, true);
    assert_int_equal(say_bytes(host, 1, &to4, 10), -ENETUNREACH);
    wend_sim_net_set_host_down(world.net, host, true);
    assert_int_equal(say_bytes(host, 1, &to4, 10), -ENETDOWN);
    say(0, 1, ip(9, 9, 9, 9, 9));
    expect_drop(WEND_SIM_DROP_NO_ROUTE);
}

static void test_cells_run_out_and_come_back(void **state)
{
    (void)state;
    const struct wend_sim_link slow = {.link = {.delay = WEND_MS(100)}};
    world_begin(&(struct wend_sim_limits){.cells = 20, .streams = 1});
    const struct wend_sim_interface i = {.ipv4 = public_of(0, 0), .up = &slow, .down = &slow};
    (void)wend_sim_net_add_host(world.net);
    (void)wend_sim_net_add_interface(world.net, 0, &i);
    add_server(1);
    const struct wend_address to = server_at(STUN);
    for (int round = 0; round < 3; round++) {
        for (int k = 0; k < 16; k++)
            assert_int_equal(say_bytes(0, PORT, &to, 10), 0);
        assert_int_equal(say_bytes(0, PORT, &to, 10), -ENOBUFS);
        for (int k = 0; k < 16; k++)
            assert_true(hear_within(WEND_S(1)));
        assert_false(hear());
    }
    assert_int_equal(dropped(WEND_SIM_DROP_CELLS), 3);
}

// Numbers in order through links that jitter, with and without leave to overtake.
static uint32_t count_overtaken(bool overtake)
{
    const struct wend_sim_link access = {
        .link = {.delay = WEND_MS(5), .jitter = WEND_MS(4), .seed = 3}, .overtake = overtake};
    world_open_linked(&no_box, &access);
    wend_sim_net_set_core_preset(world.net, WEND_MS(1));
    uint32_t overtaken = 0;
    size_t last = 0;
    for (size_t k = 1; k <= 500; k++) {
        const struct wend_address b = public_of(1, PORT);
        assert_int_equal(say_bytes(0, PORT, &b, k), 0);
        while (hear_within(WEND_MS(1))) {
            overtaken += world.got.way.bytes.len < last;
            last = world.got.way.bytes.len;
        }
    }
    return overtaken;
}

static void test_order_is_kept_unless_told_otherwise(void **state)
{
    (void)state;
    assert_int_equal(count_overtaken(false), 0);
    assert_true(count_overtaken(true) > 10);
}

static void test_second_copies(void **state)
{
    (void)state;
    const struct wend_sim_link twice = {.link = {.duplicate_ppm = WEND_LINK_PPM_MAX}};
    world_open_linked(&no_box, &twice);
    say(0, PORT, public_of(1, PORT)); // two links: four copies
    for (int k = 0; k < 4; k++) {
        assert_true(hear());
        assert_int_equal(world.got.way.bytes.len, 100);
        assert_int_equal(world.got.way.bytes.at[99], 199);
    }
    assert_false(hear());
    struct wend_sim_counts c;
    wend_sim_net_counts(world.net, &c);
    assert_int_equal(c.duplicated, 3);
    assert_int_equal(c.in_flight, 0);
}

// One datagram with or without dont_fragment; whether it arrives.
static bool crosses(size_t len, bool dont_fragment)
{
    static const uint8_t bytes[WEND_DATAGRAM_MAX];
    const struct wend_datagram d = {.local = {.port = PORT},
                                    .remote = public_of(1, PORT),
                                    .bytes = {bytes, len},
                                    .dont_fragment = dont_fragment};
    wend_sim_net_counts(world.net, &world.before);
    assert_int_equal(wend_sim_net_send(world.net, 0, &d, world.now), 0);
    return hear() && world.got.kind == WEND_SIM_DATAGRAM && world.got.way.bytes.len == len;
}

static void test_longer_than_a_link_takes(void **state)
{
    (void)state;
    struct wend_sim_link small = {.link = {.mtu_bytes = 1400}};
    world_open_linked(&no_box, &small);
    assert_true(crosses(1372, true));
    assert_false(crosses(1373, true));
    assert_int_equal(dropped(WEND_SIM_DROP_MTU), 1);
    assert_true(crosses(1373, false)); // in two pieces
    assert_true(crosses(2048, false));
    struct wend_sim_counts c;
    wend_sim_net_counts(world.net, &c);
    assert_int_equal(c.fragmented, 2);
    small.drop_fragments = true;
    world_open_linked(&no_box, &small);
    assert_true(crosses(1372, false));
    assert_false(crosses(1373, false));
    assert_int_equal(dropped(WEND_SIM_DROP_FRAGMENT), 1);
    small.drop_fragments = false;
    small.link.mtu_report = true;
    world_open_linked(&no_box, &small);
    assert_false(crosses(1373, true));
    assert_int_equal(world.got.kind, WEND_SIM_TOO_BIG);
    assert_int_equal(world.got.host, 0);
    assert_int_equal(world.got.mtu_bytes, 1400);
    assert_address(&world.got.way.remote, public_of(1, PORT));
    assert_address(&world.got.way.local, public_of(0, PORT));
}

static void test_loss_strikes_each_piece(void **state)
{
    (void)state;
    // 30 % a link and a piece, two links: 49 % of whole ones arrive, 24 % of two pieces.
    const struct wend_sim_link lossy = {.link = {.mtu_bytes = 1400, .loss_ppm = 300000}};
    world_open_linked(&no_box, &lossy);
    uint32_t whole = 0, cut = 0;
    for (int k = 0; k < 1000; k++) {
        whole += crosses(1000, false);
        cut += crosses(2000, false);
    }
    assert_in_range(whole, 440, 540);
    assert_in_range(cut, 190, 290);
}

static void test_cuts_and_partitions(void **state)
{
    (void)state;
    world_open(&no_box);
    wend_sim_net_cut(world.net, 1, 2, true);
    say(0, PORT, public_of(1, PORT));
    expect_drop(WEND_SIM_DROP_CUT);
    say(1, PORT, public_of(0, PORT));
    expect_at(0, NULL);
    say(0, PORT, server_at(STUN));
    expect_at(SERVER, NULL);
    wend_sim_net_set_core(world.net, 1, 2, WEND_US(10)); // a delay does not heal
    say(0, PORT, public_of(1, PORT));
    expect_drop(WEND_SIM_DROP_CUT);
    wend_sim_net_cut(world.net, 1, 2, false);
    say(0, PORT, public_of(1, PORT));
    expect_at(1, NULL);
    wend_sim_net_cut(world.net, 1, WEND_SIM_INTERNET, true); // its way to the server
    say(0, PORT, server_at(STUN));
    expect_drop(WEND_SIM_DROP_CUT);
    wend_sim_net_partition(world.net, 1, true, false);
    say(1, PORT, public_of(0, PORT));
    expect_drop(WEND_SIM_DROP_PARTITION);
    say(0, PORT, public_of(1, PORT));
    expect_at(1, NULL);
    wend_sim_net_partition(world.net, 1, false, true);
    say(0, PORT, public_of(1, PORT));
    expect_drop(WEND_SIM_DROP_PARTITION);
    wend_sim_net_partition(world.net, 1, false, false);
    wend_sim_net_set_host_down(world.net, 1, true);
    say(0, PORT, public_of(1, PORT));
    expect_drop(WEND_SIM_DROP_HOST);
}

static void test_two_interfaces(void **state)
{
    (void)state;
    world_open(&(struct wend_sim_box){.kind = WEND_SIM_BOX_NAT});
    // Device 0 has a second one, at the other site.
    const struct wend_sim_interface i = {.site = 2, .ipv4 = ip(192, 168, 1, 99, 0)};
    const uint32_t second = wend_sim_net_add_interface(world.net, 0, &i);
    const struct wend_address by_first = public_of(0, PORT), by_second = public_of(1, PORT);
    say(0, PORT, server_at(STUN));
    expect_at(SERVER, &by_first);
    struct wend_datagram d = {.local = ip(192, 168, 1, 99, PORT), .remote = server_at(STUN)};
    assert_int_equal(wend_sim_net_send(world.net, 0, &d, world.now), 0);
    expect_at(SERVER, &by_second);
    wend_sim_net_set_interface_down(world.net, 0, true);
    say(0, PORT, server_at(STUN));
    expect_at(SERVER, &by_second);
    say(SERVER, STUN, by_first);
    expect_drop(WEND_SIM_DROP_HOST);
    say(SERVER, STUN, by_second);
    expect_at(0, NULL);
    assert_int_equal(world.got.interface, second);
}

static void test_address_change_strikes_what_flies(void **state)
{
    (void)state;
    const struct wend_sim_link access = {.link = {.delay = WEND_MS(50)}};
    world_open_linked(&no_box, &access);
    say(SERVER, STUN, public_of(0, PORT));
    pass(WEND_MS(10));
    const struct wend_address moved = ip(203, 0, 113, 60, 0);
    wend_sim_net_move(world.net, 0, 1, &moved, NULL, world.now);
    pass(WEND_MS(100));
    assert_int_equal(dropped(WEND_SIM_DROP_NO_ROUTE), 1);
    say(SERVER, STUN, ip(203, 0, 113, 60, PORT));
    assert_true(hear_within(WEND_S(1)));
    const struct wend_address to6 = ip6(0xdb8, 1, STUN);
    assert_int_equal(say_bytes(0, PORT, &to6, 1), -ENETUNREACH);
    // To the other site: the way is another one.
    wend_sim_net_cut(world.net, 1, WEND_SIM_INTERNET, true);
    wend_sim_net_move(world.net, 0, 2, &moved, NULL, world.now);
    say(0, PORT, server_at(STUN));
    assert_true(hear_within(WEND_S(1)));
    assert_address(&world.got.way.remote, ip(203, 0, 113, 60, PORT));
}

static void test_links_change_while_it_runs(void **state)
{
    (void)state;
    struct wend_sim_link access = {.link = {.delay = WEND_US(10)}};
    world_open_linked(&no_box, &access);
    access.link.loss_ppm = WEND_LINK_PPM_MAX;
    wend_sim_net_set_site_link(world.net, 1, true, &access);
    say(0, PORT, public_of(1, PORT));
    expect_drop(WEND_SIM_DROP_LOST);
    say(1, PORT, public_of(0, PORT));
    expect_at(0, NULL);
    wend_sim_net_set_site_link(world.net, 1, true, NULL);
    say(0, PORT, public_of(1, PORT));
    expect_at(1, NULL);
    access.link = (struct wend_link_config){.rate_bps = 1000000, .queue_bytes = 300};
    wend_sim_net_set_site_link(world.net, 1, true, &access);
    for (int k = 0; k < 10; k++)
        say(0, PORT, public_of(1, PORT));
    while (hear_within(WEND_MS(10)))
        continue;
    assert_int_equal(dropped(WEND_SIM_DROP_QUEUE), 8);
}

// A little of everything, for ten seconds; the hash of it.
static uint64_t run_mixed(uint64_t seed, struct wend_sim_record *ring, uint32_t count)
{
    const struct wend_sim_link access = {.link = {.delay = WEND_MS(8),
                                                  .jitter = WEND_MS(5),
                                                  .loss_ppm = 50000,
                                                  .duplicate_ppm = 20000,
                                                  .reorder_ppm = 10000,
                                                  .reorder_delay = WEND_MS(4)}};
    world.seed = seed;
    world_open_linked(&(struct wend_sim_box){.kind = WEND_SIM_BOX_NAT,
                                             .mapping = WEND_SIM_ADDRESS_AND_PORT_DEPENDENT,
                                             .allocation = WEND_SIM_PORT_RANDOM},
                      &access);
    wend_sim_net_set_records(world.net, ring, count);
    for (uint16_t k = 0; k < 1000; k++) {
        const struct wend_address to = server_at((uint16_t)(STUN + k % 40));
        (void)say_bytes(k % 2, PORT, &to, 40 + k % 900);
        if (k % 100 == 50)
            wend_sim_net_reboot(world.net, 1 + k / 100 % 2, NULL);
        while (hear_within(WEND_MS(10)))
            if (world.got.host == SERVER) {
                const struct wend_address back = world.got.way.remote;
                (void)say_bytes(SERVER, world.got.way.local.port, &back, 60);
            }
    }
    wend_sim_net_check(world.net);
    return wend_sim_net_hash(world.net);
}

static void test_same_seed_same_hash(void **state)
{
    (void)state;
    static struct wend_sim_record ring[256];
    const uint64_t first = run_mixed(1, NULL, 0);
    assert_int_equal(run_mixed(1, ring, 256), first); // being watched changes nothing
    struct wend_sim_record r;
    wend_instant last = 0;
    uint32_t count = 0;
    for (; wend_sim_net_next_record(world.net, &r); count++) {
        assert_true(r.at >= last && r.kind != WEND_SIM_RECORD_NONE);
        last = r.at;
    }
    assert_int_equal(count, 256);
    struct wend_sim_counts c;
    wend_sim_net_counts(world.net, &c);
    assert_true(c.delivered > 1000 && c.reordered > 5 && c.duplicated > 10);
    assert_int_not_equal(run_mixed(2, NULL, 0), first);
    assert_true(c.dropped[WEND_SIM_DROP_LOST] > 50 && c.dropped[WEND_SIM_DROP_UNMAPPED] > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delays_add_up_and_bytes_arrive),
        cmocka_unit_test(test_send_says_what_it_cannot),
        cmocka_unit_test(test_cells_run_out_and_come_back),
        cmocka_unit_test(test_order_is_kept_unless_told_otherwise),
        cmocka_unit_test(test_second_copies),
        cmocka_unit_test(test_longer_than_a_link_takes),
        cmocka_unit_test(test_loss_strikes_each_piece),
        cmocka_unit_test(test_cuts_and_partitions),
        cmocka_unit_test(test_two_interfaces),
        cmocka_unit_test(test_address_change_strikes_what_flies),
        cmocka_unit_test(test_links_change_while_it_runs),
        cmocka_unit_test(test_same_seed_same_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

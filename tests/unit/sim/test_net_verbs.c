// SPDX-License-Identifier: MIT
// The simulated network under random verbs: invariants hold, a replay has the same hash, and once
// nothing is sent any more it falls silent.
#include "net_world.h"

#define STEPS  600
#define SEEDS  150
#define HOSTS  4
#define STREAM 16

static uint64_t state_of_draws;

static uint32_t pick(uint32_t count)
{
    state_of_draws = state_of_draws * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((state_of_draws >> 33) % count);
}

static struct wend_sim_box pick_box(enum wend_sim_box_kind kind)
{
    return (struct wend_sim_box){
        .kind = kind,
        .mapping = (enum wend_sim_dependence)pick(3),
        .filtering = (enum wend_sim_dependence)pick(3),
        .allocation = (enum wend_sim_allocation)pick(4),
        .port_limit = pick(3) == 0 ? 5 : 0,
        .others_per_second = pick(2) * 50,
        .udp_timeout = WEND_S(1 + pick(30)),
        .udp_unanswered = WEND_MS(500),
        .inbound_refresh = pick(2) == 0,
        .hairpin = pick(2) == 0,
        .early_takes_tuple = pick(2) == 0,
        .ipv6_open = pick(2) == 0,
        .block_udp = pick(10) == 0,
        .only_tcp443 = pick(10) == 0,
    };
}

static struct wend_sim_link pick_link(void)
{
    return (struct wend_sim_link){
        .link = {.delay = WEND_MS(pick(50)),
                 .jitter = WEND_MS(pick(10)),
                 .loss_ppm = pick(3) * 50000,
                 .duplicate_ppm = pick(3) * 50000,
                 .rate_bps = pick(2) * UINT64_C(10000000),
                 .queue_bytes = 20000,
                 .mtu_bytes = pick(2) * 1280,
                 .mtu_report = pick(2) == 0},
        .overtake = pick(2) == 0,
        .drop_fragments = pick(4) == 0,
    };
}

// Sites: 1 carrier, 2 behind it, 3 on the internet; hosts 0 to 2 in 2, 2, 3; host 3 is public.
static void open_world(uint64_t seed)
{
    static const uint32_t parents[] = {0, 1, 0}, homes[] = {2, 2, 3};
    const struct wend_sim_limits limits = {
        .cells = 200, .mappings = 20, .sessions = 30, .streams = STREAM};
    state_of_draws = seed;
    world.seed = seed + 1;
    world_begin(&limits);
    for (uint8_t s = 0; s < 3; s++) {
        const struct wend_sim_link up = pick_link(), down = pick_link();
        const struct wend_sim_site site = {.parent = parents[s],
                                           .box = pick_box(WEND_SIM_BOX_NAT),
                                           .public = ip(203, 0, 113, (uint8_t)(s + 1), 0),
                                           .up = &up,
                                           .down = &down};
        (void)wend_sim_net_add_site(world.net, &site);
    }
    for (uint8_t h = 0; h < 3; h++) {
        const struct wend_sim_interface i = {.site = homes[h],
                                             .ipv4 = ip(192, 168, 1, (uint8_t)(h + 1), 0),
                                             .ipv6 = ip6(homes[h] == 2 ? 2 : 3, h, 0)};
        (void)wend_sim_net_add_interface(world.net, wend_sim_net_add_host(world.net), &i);
    }
    add_server(1);
    wend_sim_net_listen(world.net, 3, 443, true);
}

static struct wend_address pick_target(void)
{
    const uint8_t k = (uint8_t)pick(4);
    switch (pick(5)) {
    case 0: return ip(203, 0, 113, k, (uint16_t)(4000 + pick(3)));
    case 1: return ip(192, 168, 1, k, 4000);
    case 2: return ip6(2, k, 4000);
    case 3: return world.got.way.remote; // whoever spoke last
    default: return server_at((uint16_t)(440 + pick(5)));
    }
}

static void do_fault(uint32_t step)
{
    const uint32_t host = pick(HOSTS);
    const struct wend_address fresh = ip(10, 0, (uint8_t)(step >> 8), (uint8_t)step, 0);
    switch (pick(8)) {
    case 0: wend_sim_net_cut(world.net, 0, 1 + 2 * pick(2), pick(2) == 0); break;
    case 1: wend_sim_net_partition(world.net, host, pick(2) == 0, pick(2) == 0); break;
    case 2: wend_sim_net_set_host_down(world.net, host, pick(4) == 0); break;
    case 3: wend_sim_net_set_interface_down(world.net, host, pick(4) == 0); break;
    case 4:
        if (host != 3)
            wend_sim_net_move(world.net, host, pick(4), &fresh, NULL, world.now);
        break;
    case 5: wend_sim_net_reboot(world.net, 1 + pick(3), pick(2) == 0 ? NULL : &fresh); break;
    case 6: {
        const struct wend_sim_link link = pick_link();
        wend_sim_net_set_site_link(world.net, 1 + pick(3), pick(2) == 0, &link);
        break;
    }
    default: {
        const struct wend_sim_box box = pick_box(WEND_SIM_BOX_NAT);
        wend_sim_net_set_box(world.net, 1 + pick(3), &box);
        break;
    }
    }
}

static void do_datagram(void)
{
    static const uint8_t bytes[WEND_DATAGRAM_MAX];
    const struct wend_datagram d = {.local = {.port = (uint16_t)(4000 + pick(3))},
                                    .remote = pick_target(),
                                    .bytes = {bytes, pick(WEND_DATAGRAM_MAX + 1)},
                                    .dont_fragment = pick(2) == 0,
                                    .ttl = (uint8_t)(pick(4) == 0 ? pick(5) : 0)};
    const uint32_t host = pick(HOSTS), count = pick(50) == 0 ? 200 : 1; // sometimes a flood
    for (uint32_t i = 0; i < count; i++)
        (void)wend_sim_net_send(world.net, host, &d, world.now);
}

static void do_stream(uint32_t step)
{
    static const uint8_t bytes[1500];
    const uint32_t host = pick(HOSTS), number = 1 + pick(STREAM);
    const struct wend_address to = server_at((uint16_t)(443 + pick(2)));
    switch (pick(6)) {
    case 0: (void)wend_sim_net_open_stream(world.net, host, 1000 + step, &to, world.now); break;
    case 1: wend_sim_net_close_stream(world.net, host, number, world.now); break;
    case 2:
        if (pick(5) == 0)
            wend_sim_net_reset_streams(world.net, host, world.now);
        break;
    default: // the last one that said something
        (void)wend_sim_net_send_stream(world.net, world.got.host, world.got.way.stream,
                                       (struct wend_bytes){bytes, pick(1500)}, world.now);
    }
}

static uint32_t came[WEND_SIM_STREAM_CLOSED + 1];

static void note(const struct wend_sim_delivery *d)
{
    assert_true(d->kind != WEND_SIM_NOTHING && d->host < HOSTS);
    came[d->kind]++;
}

static uint64_t run(uint64_t seed)
{
    open_world(seed);
    for (uint32_t step = 0; step < STEPS; step++) {
        const uint32_t what = pick(10);
        if (what == 0)
            do_fault(step);
        else if (what < 4)
            do_stream(step);
        else
            do_datagram();
        for (int k = 0; k < 20 && hear_within(WEND_MS(pick(20))); k++)
            note(&world.got);
        wend_sim_net_check(world.net);
    }
    while (hear_within(WEND_S(100)))
        continue;
    struct wend_sim_counts c;
    wend_sim_net_counts(world.net, &c);
    assert_int_equal(c.in_flight, 0);
    assert_int_equal(wend_sim_net_deadline(world.net), WEND_NEVER);
    return wend_sim_net_hash(world.net);
}

static void test_random_verbs(void **state)
{
    (void)state;
    uint64_t lost[WEND_SIM_DROP_COUNT] = {0};
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        const uint64_t hash = run(seed);
        struct wend_sim_counts c;
        wend_sim_net_counts(world.net, &c);
        for (int why = 0; why < WEND_SIM_DROP_COUNT; why++)
            lost[why] += c.dropped[why];
        if (seed % 10 == 0)
            assert_int_equal(run(seed), hash);
    }
    // Everything that can happen did.
    for (int kind = WEND_SIM_DATAGRAM; kind <= WEND_SIM_STREAM_CLOSED; kind++)
        assert_true(came[kind] > 0);
    for (int why = WEND_SIM_DROP_NO_ROUTE; why < WEND_SIM_DROP_COUNT; why++)
        if (lost[why] == 0)
            fail_msg("nothing was dropped for reason %s",
                     wend_sim_drop_name((enum wend_sim_drop)why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_verbs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

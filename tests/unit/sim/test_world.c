// SPDX-License-Identifier: MIT
// The simulator itself: what it measures with, what it draws, and that its watchmen bark.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "run.h"
#include "scenario_parts.h"
#include "wire/fragment.h"

static struct sim_world world;
static struct sim_scenario scenario;
static const struct sim_options options = {
    .bound = WEND_S(30), .best_bound = WEND_S(310), .check_end = true};

static void make(const char *name, uint64_t seed)
{
    const struct sim_scale as_it_is = {0};

    assert_true(sim_scenario_make(&scenario, name, seed, &as_it_is));
    sim_world_begin(&world, &scenario, &options);
}

static uint64_t play(const char *name, uint64_t seed)
{
    make(name, seed);
    if (!sim_world_play(&world))
        fail_msg("%s %llu: %s", name, (unsigned long long)seed, world.failure);
    sim_world_end(&world);
    return world.trace.hash;
}

// --- what it measures with ---

static void a_packet_is_read_as_it_was_written(void **state)
{
    const struct sim_member *a = &sim_office_get(1, 2)->members[0];
    const struct sim_member *b = &sim_office_get(1, 2)->members[1];
    uint8_t bytes[SIM_PACKET_LEN_MAX];
    struct sim_packet out;

    (void)state;
    for (size_t len = SIM_PACKET_LEN_MIN; len < 400; len++) {
        const bool six = len % 2 == 0;
        const struct sim_packet in = {.flow = 7,
                                      .number = (uint32_t)len,
                                      .sent = WEND_S(5000) + 3,
                                      .dont_fragment = !six,
                                      .from = six ? a->ipv6 : a->ipv4,
                                      .to = six ? b->ipv6 : b->ipv4};
        sim_packet_write(&in, bytes, len);
        assert_true(sim_packet_read((struct wend_bytes){bytes, len}, &out));
        assert_int_equal(out.flow, 7);
        assert_int_equal(out.number, len);
        assert_int_equal(out.sent, in.sent);
        assert_int_equal(out.dont_fragment, in.dont_fragment);
        assert_true(wend_address_same_ip(&out.from, &in.from));
        assert_true(wend_address_same_ip(&out.to, &in.to));
        bytes[len * 5 % (len - 48) + 48] ^= 0x10; // behind addresses and ports
        assert_false(sim_packet_read((struct wend_bytes){bytes, len}, &out));
    }
}

static void fragments_come_together(void **state)
{
    static struct sim_reassembly r;
    const struct sim_member *a = &sim_office_get(1, 2)->members[0];
    const struct sim_member *b = &sim_office_get(1, 2)->members[1];
    static uint8_t bytes[2][SIM_PACKET_LEN_MAX], pieces[2][8][SIM_PACKET_LEN_MAX];
    struct wend_bytes cut[2][8], whole = {0};
    struct sim_packet out;

    (void)state;
    sim_reassembly_init(&r);
    for (uint32_t n = 0; n < 2; n++) {
        const struct sim_packet in = {
            .flow = 7, .number = n, .id = (uint16_t)n, .from = a->ipv4, .to = b->ipv4};
        struct wend_fragment f;
        sim_packet_write(&in, bytes[n], 1400);
        assert_int_equal(wend_fragment_init(&f, (struct wend_bytes){bytes[n], 1400}, 500), 0);
        for (size_t i = 0; i < 3; i++)
            cut[n][i] = (struct wend_bytes){pieces[n][i], wend_fragment_next(&f, pieces[n][i])};
    }
    for (size_t i = 3; i-- > 0;) { // the last first, two packets mixed, each piece twice
        assert_int_equal(sim_reassembly_take(&r, 1, cut[0][i], 0).len, i == 0 ? 1400 : 0);
        whole = sim_reassembly_take(&r, 1, cut[1][i], 0);
        assert_int_equal(whole.len, i == 0 ? 1400 : 0);
        if (i != 0)
            assert_int_equal(sim_reassembly_take(&r, 1, cut[1][i], 0).len, 0);
    }
    assert_memory_equal(whole.at, bytes[1], 1400);
    assert_true(sim_packet_read(whole, &out));
    assert_int_equal(out.number, 1);
    // Two seconds are too long; another host's pieces are no help; what is damaged is shown.
    assert_int_equal(sim_reassembly_take(&r, 1, cut[0][0], WEND_S(1)).len, 0);
    assert_int_equal(sim_reassembly_take(&r, 1, cut[0][1], WEND_S(1)).len, 0);
    assert_int_equal(sim_reassembly_take(&r, 2, cut[0][2], WEND_S(1)).len, 0);
    assert_int_equal(sim_reassembly_take(&r, 1, cut[0][2], WEND_S(4)).len, 0);
    pieces[0][2][8]++;
    assert_true(sim_reassembly_take(&r, 1, cut[0][2], WEND_S(4)).at == cut[0][2].at);
}

static void quantiles_are_within_a_bucket(void **state)
{
    struct sim_delays d = {0};

    (void)state;
    assert_int_equal(sim_delays_part(&d, 0.5), 0);
    for (int i = 1; i <= 1000; i++)
        sim_delays_add(&d, WEND_MS(i));
    assert_int_equal(sim_delays_count(&d), 1000);
    assert_in_range(sim_delays_part(&d, 0.5), WEND_MS(500), WEND_MS(563));
    assert_in_range(sim_delays_part(&d, 0.99), WEND_MS(990), WEND_MS(1115));
    sim_delays_add(&d, WEND_S(100000)); // into the last one
    sim_delays_add(&d, -5);
    assert_int_equal(sim_delays_count(&d), 1002);
}

static void every_number_of_a_record_changes_the_hash(void **state)
{
    static struct sim_trace t;
    const struct sim_record base = {.at = 5, .kind = SIM_TRACE_SEND, .who = 1, .len = 3};
    struct sim_record all[8];
    uint64_t hashes[8];

    (void)state;
    for (size_t i = 0; i < 8; i++)
        all[i] = base;
    all[1].at++;
    all[2].who++;
    all[3].len++;
    all[4].a++;
    all[5].b++;
    all[6].c++;
    all[7].address = wend_address_ipv4(1, 1);
    for (size_t i = 0; i < 8; i++) {
        sim_trace_begin(&t, 1, NULL);
        sim_trace_add(&t, &all[i]);
        hashes[i] = t.hash;
        for (size_t j = 0; j < i; j++)
            assert_true(hashes[i] != hashes[j]);
    }
}

static void memory_taken_again_is_zeroed(void **state)
{
    struct sim_arena a = {0};
    const size_t len = (size_t)20 << 20;

    (void)state;
    uint8_t *at = sim_arena_take(&a, len);
    for (int i = 0; i < 50; i++) {
        memset(at + (size_t)(i * 397 % 5000) * 4096, i + 1, 4097);
        assert_ptr_equal(sim_arena_take(&a, len), at);
        for (size_t j = 0; j < len; j += 64)
            assert_int_equal(at[j], 0);
    }
    memset(at, 1, len);
    assert_ptr_equal(sim_arena_take(&a, len), at);
    for (size_t j = 0; j < len; j++)
        assert_int_equal(at[j], 0);
    sim_arena_close(&a);
}

// --- what it expects ---

static enum sim_best best(const struct sim_place *a, const struct sim_place *b)
{
    sim_scenario_clear(&scenario, "none", 1);
    scenario.places[0] = *a;
    scenario.places[1] = *b;
    return sim_scenario_best(&scenario, 0, 1);
}

static void the_best_way_follows_from_the_nats(void **state)
{
    const struct sim_place open = sim_place_public_host();
    const struct sim_place cone = sim_place_nat(
        WEND_SIM_ENDPOINT_INDEPENDENT, WEND_SIM_ADDRESS_AND_PORT_DEPENDENT, WEND_SIM_PORT_RANDOM);
    const struct sim_place half = sim_place_nat(WEND_SIM_ENDPOINT_INDEPENDENT,
                                                WEND_SIM_ADDRESS_DEPENDENT, WEND_SIM_PORT_RANDOM);
    const struct sim_place strict =
        sim_place_nat(WEND_SIM_ADDRESS_AND_PORT_DEPENDENT, WEND_SIM_ADDRESS_AND_PORT_DEPENDENT,
                      WEND_SIM_PORT_RANDOM);
    struct sim_place walled = cone;

    (void)state;
    walled.box.block_udp = true;
    assert_int_equal(best(&open, &open), SIM_BEST_DIRECT);
    assert_int_equal(best(&cone, &cone), SIM_BEST_DIRECT);
    assert_int_equal(best(&open, &strict), SIM_BEST_DIRECT);
    assert_int_equal(best(&half, &strict), SIM_BEST_DIRECT);
    // A volley opens them, mostly, where models are known: either way is right.
    assert_int_equal(best(&cone, &strict), SIM_BEST_ANY);
    assert_int_equal(best(&strict, &cone), SIM_BEST_ANY);
    assert_int_equal(best(&strict, &strict), SIM_BEST_RELAY);
    assert_int_equal(best(&open, &walled), SIM_BEST_RELAY);
}

// --- worlds ---

static void every_named_scenario_holds_and_repeats(void **state)
{
    (void)state;
    for (size_t i = 1; sim_scenario_name(i) != NULL; i++) {
        const uint64_t hash = play(sim_scenario_name(i), 3);
        assert_true(hash == play(sim_scenario_name(i), 3));
    }
}

static void drawn_worlds_hold_and_repeat(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        const uint64_t hash = play("random", seed);
        assert_true(hash == play("random", seed));
        assert_true(hash != play("random", seed + 1));
    }
}

static void large_worlds_hold(void **state)
{
    const struct sim_scale scale = {.devices = 12, .servers = 3};

    (void)state;
    for (uint64_t seed = 0; seed < 2; seed++) {
        assert_true(sim_scenario_make(&scenario, "random", seed, &scale));
        sim_world_begin(&world, &scenario, &options);
        assert_true(sim_world_play(&world));
        sim_world_end(&world);
        assert_true(world.stats.pairs >= 6);
    }
}

// What is known of the plain scenario beforehand: 20 ms to the server, 10 ms straight.
static void the_plain_world_measures_what_it_should(void **state)
{
    const struct sim_stats *s = &world.stats;

    (void)state;
    (void)play("plain", 1);
    assert_int_equal(s->missing, 0);
    assert_int_equal(s->duplicated, 0);
    assert_int_equal(s->pairs, 1);
    assert_int_equal(s->pairs_direct, 1);
    assert_true(s->first_delivery >= WEND_MS(40) && s->first_delivery <= WEND_MS(125));
    assert_true(s->direct_after > 0 && s->direct_after <= WEND_MS(300));
    assert_true(s->direct > 9 * s->relayed);
}

// --- the watchmen bark ---

// A world in the middle of its life, and a packet of its flow 0.
static size_t stop_in_the_middle(uint8_t *ret, uint32_t number)
{
    make("plain", 1);
    sim_world_run(&world, SIM_BEGIN + WEND_S(5));
    assert_false(sim_world_failed(&world));
    const struct sim_packet p = {.flow = 0,
                                 .number = number,
                                 .sent = world.now,
                                 .from = world.office->members[0].ipv4,
                                 .to = world.office->members[1].ipv4};
    sim_packet_write(&p, ret, 100);
    return 100;
}

static void expect_bark(struct sim_device *at, const uint8_t *bytes, size_t len, const char *word)
{
    sim_world_delivered(&world, at, (struct wend_bytes){bytes, len});
    assert_true(sim_world_failed(&world));
    assert_non_null(strstr(world.failure, word));
    sim_world_end(&world);
}

static void the_wrong_peer_is_noticed(void **state)
{
    uint8_t bytes[200];

    (void)state;
    const size_t len = stop_in_the_middle(bytes, 3);
    expect_bark(&world.devices[0], bytes, len, "flow 0, from 0 to 1");
}

static void a_second_delivery_is_noticed(void **state)
{
    uint8_t bytes[200];

    (void)state;
    const size_t len = stop_in_the_middle(bytes, 3);
    expect_bark(&world.devices[1], bytes, len, "twice");
}

static void what_was_never_sent_is_noticed(void **state)
{
    uint8_t bytes[200];

    (void)state;
    const size_t len = stop_in_the_middle(bytes, 5000);
    expect_bark(&world.devices[1], bytes, len, "which has sent");
}

static void damage_is_noticed(void **state)
{
    uint8_t bytes[200];

    (void)state;
    const size_t len = stop_in_the_middle(bytes, 3);
    bytes[60] ^= 1;
    expect_bark(&world.devices[1], bytes, len, "no packet of a user");
}

static void disorder_is_noticed_where_it_counts(void **state)
{
    uint8_t bytes[200];

    (void)state;
    const size_t len = stop_in_the_middle(bytes, 3);
    world.flows[0].seen[0] &= ~(UINT64_C(1) << 3); // as if it had not come yet
    world.options.order = 1;
    expect_bark(&world.devices[1], bytes, len, "was delivered after");
}

static void a_nuisance_is_noticed(void **state)
{
    static const uint8_t probe[96] = {9};
    const struct wend_datagram out = {.transport = WEND_TRANSPORT_UDP,
                                      .remote = wend_address_ipv4(0x0a000001, 5),
                                      .bytes = WEND_BYTES(probe)};
    uint8_t bytes[200];

    (void)state;
    (void)stop_in_the_middle(bytes, 3);
    for (int i = 0; i < SIM_PROBES_MAX; i++)
        sim_watch_sent(&world, &world.devices[0], &out, false);
    assert_false(sim_world_failed(&world));
    sim_watch_sent(&world, &world.devices[0], &out, false);
    assert_true(sim_world_failed(&world));
    sim_world_end(&world);
}

static void endless_sending_is_noticed(void **state)
{
    static const uint8_t request[96] = {4};
    const struct wend_datagram out = {.transport = WEND_TRANSPORT_UDP,
                                      .remote = wend_address_ipv4(0x0a000001, SIM_PORT),
                                      .bytes = WEND_BYTES(request)};
    uint8_t bytes[200];

    (void)state;
    (void)stop_in_the_middle(bytes, 3);
    for (int i = 0; i < 1000 && !sim_world_failed(&world); i++)
        sim_watch_sent(&world, &world.devices[0], &out, false);
    assert_non_null(strstr(world.failure, "without end"));
    sim_world_end(&world);
}

static int close_world(void **state)
{
    (void)state;
    sim_world_close(&world);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packet_is_read_as_it_was_written),
        cmocka_unit_test(fragments_come_together),
        cmocka_unit_test(quantiles_are_within_a_bucket),
        cmocka_unit_test(every_number_of_a_record_changes_the_hash),
        cmocka_unit_test(memory_taken_again_is_zeroed),
        cmocka_unit_test(the_best_way_follows_from_the_nats),
        cmocka_unit_test(every_named_scenario_holds_and_repeats),
        cmocka_unit_test(drawn_worlds_hold_and_repeat),
        cmocka_unit_test(large_worlds_hold),
        cmocka_unit_test(the_plain_world_measures_what_it_should),
        cmocka_unit_test(the_wrong_peer_is_noticed),
        cmocka_unit_test(a_second_delivery_is_noticed),
        cmocka_unit_test(what_was_never_sent_is_noticed),
        cmocka_unit_test(damage_is_noticed),
        cmocka_unit_test(disorder_is_noticed_where_it_counts),
        cmocka_unit_test(a_nuisance_is_noticed),
        cmocka_unit_test(endless_sending_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, close_world);
}

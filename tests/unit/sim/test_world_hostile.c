// SPDX-License-Identifier: MIT
// Volleys in worlds where servers lie, NATs change, fill up, reboot or complain: who can connect
// does, the others stay with the relay and know why, and nobody is flooded.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "node/contact.h"
#include "node/node_state.h"
#include "run.h"
#include "scenario_parts.h"

#define EI  WEND_SIM_ENDPOINT_INDEPENDENT
#define APD WEND_SIM_ADDRESS_AND_PORT_DEPENDENT

enum { SEEDS = 10 };

static struct sim_world world;
static struct sim_scenario scenario;
static const struct sim_options options = {.bound = WEND_S(30), .best_bound = WEND_S(310)};

static void plan(uint64_t seed, const struct sim_place *a, const struct sim_place *b)
{
    sim_scenario_clear(&scenario, "hostile", seed);
    scenario.discovery = scenario.crowded = true;
    scenario.places[0] = *a;
    scenario.places[1] = *b;
    scenario.length = WEND_S(60);
    sim_scenario_talk(&scenario, 0, 1, WEND_MS(100));
}

static void happens(enum sim_fault_kind kind, uint32_t other, wend_duration at)
{
    sim_scenario_add_fault(&scenario, &(struct sim_fault){.kind = kind, .other = other, .at = at});
}

static void play(wend_duration length)
{
    sim_world_begin(&world, &scenario, &options);
    sim_world_run(&world, SIM_BEGIN + length);
    assert_string_equal(world.failure, "");
    sim_watch_machines(&world);
}

static bool is_direct(void)
{
    return world.devices[0].ways[1] == 2 && world.devices[1].ways[0] == 2;
}

static const struct wend_contact *contact_of(int device)
{
    const struct sim_device *d = &world.devices[device];

    return wend_contact_of(d->node, (uint32_t)d->slots[1 - device]);
}

static uint32_t runs_of_discovery(int device)
{
    return world.devices[device].node->nat.discovery.run;
}

// Nothing runs any more, nothing is held, and packets arrive.
static void assert_settled(void)
{
    for (int i = 0; i < 2; i++) {
        const struct wend_node *n = world.devices[i].node;
        assert_int_equal(n->volleys.limits.running, 0);
        assert_int_equal(n->volleys.limits.sockets, 0);
        assert_true(n->sockets.used <= 1);
        assert_true(contact_of(i)->volley == 0);
    }
    assert_true(world.stats.delivered + 20 > world.stats.sent);
}

static struct sim_place cone(void)
{
    return sim_place_nat(EI, APD, WEND_SIM_PORT_RANDOM);
}

static struct sim_place counting(void)
{
    return sim_place_nat(APD, APD, WEND_SIM_PORT_SEQUENTIAL);
}

static struct sim_place drawing(void)
{
    return sim_place_nat(APD, APD, WEND_SIM_PORT_RANDOM);
}

// --- discovery servers ---

// A server that makes up ports cannot be told from a NAT that does: then there is no way, it seems.
static bool is_way_denied(uint32_t what)
{
    return (what == SIM_LIE_PORT || what == SIM_LIE_DRIFTING) &&
           contact_of(0)->volley_end == WEND_VOLLEY_END_NO_WAY &&
           strstr(contact_of(0)->volley_why, "random ports") != NULL;
}

// Whoever lies, at one address or at both, from the start: two cones meet, for the server in use
// tells each where it sees the other, and plain probes need no more.
static void lies_do_not_keep_cones_apart(void **state)
{
    const struct sim_place a = cone();

    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        for (uint32_t what = 1; what < SIM_LIES_COUNT; what++) {
            for (uint32_t who = 1; who <= 3; who++) {
                plan(seed, &a, &a);
                happens(SIM_FAULT_SERVER_LIES, SIM_LIES(who, what), 0);
                play(WEND_S(60));
                if (!is_direct() && !is_way_denied(what))
                    fail_msg("seed %d, lie %u, at %u", (int)seed, what, who);
                assert_settled();
                sim_world_end(&world);
            }
        }
    }
}

// Nobody who lies makes devices ask or shoot without end; what is found is direct, or there is a
// reason. Afterwards nothing is left.
static void lies_about_counting_nats_end(void **state)
{
    const struct sim_place a = cone(), b = counting();

    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        for (uint32_t what = 1; what < SIM_LIES_COUNT; what++) {
            for (uint32_t who = 1; who <= 3; who++) {
                plan(seed, &a, &b);
                happens(SIM_FAULT_SERVER_LIES, SIM_LIES(who, what), 0);
                play(WEND_S(60));
                for (int i = 0; i < 2; i++)
                    assert_in_range(runs_of_discovery(i), 1, 4);
                assert_true(world.stats.control < 60 * 60);
                sim_world_end(&world);
            }
        }
    }
}

// They are believed for ten minutes.
static void what_liars_made_is_forgotten(void **state)
{
    const struct sim_place a = cone();

    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        plan(seed, &a, &a);
        scenario.length = WEND_S(800);
        happens(SIM_FAULT_SERVER_LIES, SIM_LIES(2, SIM_LIE_DRIFTING), 0);
        happens(SIM_FAULT_SERVER_LIES, SIM_LIES(3, SIM_LIE_NONE), WEND_S(20));
        play(WEND_S(30));
        const bool denied = is_way_denied(SIM_LIE_DRIFTING);
        assert_true(denied || is_direct());
        sim_world_run(&world, SIM_BEGIN + WEND_S(700));
        assert_string_equal(world.failure, "");
        assert_true(is_direct());
        assert_settled();
        sim_world_end(&world);
    }
}

static void silence_half_way_changes_nothing(void **state)
{
    const struct sim_place a = cone(), b = counting();

    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        plan(seed, &a, &b);
        happens(SIM_FAULT_SERVER_LIES, SIM_LIES(3, SIM_LIE_SILENT), WEND_MS(1900));
        play(WEND_S(60));
        assert_settled(); // the volley's own questions are not answered: relay, or luck
        assert_true(is_direct() || contact_of(0)->volley_end == WEND_VOLLEY_END_FAILED);
        sim_world_end(&world);
        plan(seed, &a, &b);
        happens(SIM_FAULT_SERVER_LIES, SIM_LIES(2, SIM_LIE_SILENT), WEND_MS(1900));
        play(WEND_S(60));
        assert_settled();
        assert_true(is_direct()); // one answer is enough
        sim_world_end(&world);
    }
}

// --- NATs ---

// At each of these instants a volley is on its way (they talk from 2 s on).
static const wend_duration instants[] = {WEND_MS(2050), WEND_MS(2100), WEND_MS(2200),
                                         WEND_MS(2500), WEND_MS(3000), WEND_MS(4000)};

enum { INSTANTS = sizeof instants / sizeof instants[0] };

// Ports are foretold, then drawn, and the other way round.
static void a_nat_changes_half_way(void **state)
{
    const struct sim_place a = cone(), one = counting(), two = drawing();

    (void)state;
    for (uint64_t i = 0; i < 2 * INSTANTS; i++) {
        plan(i, &a, i % 2 == 0 ? &one : &two);
        scenario.places[1].later = (i % 2 == 0 ? &two : &one)->box;
        sim_scenario_add_fault(
            &scenario,
            &(struct sim_fault){.kind = SIM_FAULT_NAT_CHANGES, .device = 1, .at = instants[i / 2]});
        play(WEND_S(60));
        assert_settled();
        assert_true(is_direct() || contact_of(0)->volley_end == WEND_VOLLEY_END_FAILED);
        sim_world_end(&world);
    }
}

// No mapping more for a while, from one instant of the volley on: what comes of it ends, and when
// there is room again the devices meet.
static void a_nat_runs_out_of_ports(void **state)
{
    const struct sim_place a = cone(), b = drawing();

    (void)state;
    for (uint64_t i = 0; i < 2 * INSTANTS; i++) {
        plan(i, &a, &b);
        scenario.length = WEND_S(300);
        if (i % 2 == 1) { // so many for each host
            scenario.places[1].box.host_limit = 64;
        } else {
            const struct sim_fault full = {
                .kind = SIM_FAULT_NAT_FULL, .device = 1, .other = 1, .at = instants[i / 2]};
            const struct sim_fault room = {
                .kind = SIM_FAULT_NAT_FULL, .device = 1, .at = WEND_S(10)};
            sim_scenario_add_fault(&scenario, &full);
            sim_scenario_add_fault(&scenario, &room);
        }
        play(WEND_S(10));
        assert_settled();
        assert_true(is_direct() || contact_of(0)->volley_end == WEND_VOLLEY_END_FAILED);
        sim_world_run(&world, SIM_BEGIN + WEND_S(200));
        assert_string_equal(world.failure, "");
        assert_true(is_direct() || i % 2 == 1);
        sim_world_end(&world);
    }
}

static void a_nat_reboots_half_way(void **state)
{
    static const enum sim_fault_kind kinds[] = {SIM_FAULT_REBOOT, SIM_FAULT_MOVE_SITE};
    const struct sim_place a = cone(), one = counting(), two = drawing();

    (void)state;
    for (uint64_t i = 0; i < 4 * INSTANTS; i++) {
        plan(i, &a, i % 2 == 0 ? &one : &two);
        sim_scenario_add_fault(&scenario, &(struct sim_fault){.kind = kinds[i / 2 % 2],
                                                              .device = (uint16_t)(i % 3 == 0),
                                                              .at = instants[i / 4]});
        scenario.length = WEND_S(400);
        play(WEND_S(300));
        for (int k = 0; k < 2; k++)
            assert_int_equal(world.devices[k].node->volleys.limits.running, 0);
        if (!is_direct()) // it was found out anew
            fail_msg("trial %d", (int)i);
        sim_world_end(&world);
    }
}

// Every packet that is let in nowhere is complained about. Devices do not listen for that, as the
// daemon's sockets do not: with and without it the same happens.
static void icmp_errors_change_nothing(void **state)
{
    const struct sim_place a = cone(), b = drawing();
    struct sim_stats quiet;

    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        plan(seed, &a, &b);
        play(WEND_S(20));
        assert_int_equal(world.complaints, 0);
        quiet = world.stats;
        sim_world_end(&world);
        plan(seed, &a, &b);
        scenario.places[0].box.icmp_errors = scenario.places[1].box.icmp_errors = true;
        play(WEND_S(20));
        assert_true(world.complaints > 0);
        assert_int_equal(world.stats.datagrams, quiet.datagrams);
        assert_int_equal(world.stats.direct_after, quiet.direct_after);
        assert_true(is_direct());
        sim_world_end(&world);
    }
}

// --- the watchmen bark ---

static struct sim_device *stop_in_the_middle(void)
{
    const struct sim_place a = cone();

    plan(1, &a, &a);
    play(WEND_S(10));
    return &world.devices[0];
}

static void expect_bark(const char *word)
{
    assert_non_null(strstr(world.failure, word));
    sim_world_end(&world);
}

static void a_socket_that_is_nobodys_is_noticed(void **state)
{
    uint16_t number;

    (void)state;
    struct sim_device *d = stop_in_the_middle();
    assert_int_equal(wend_sockets_open(d->node, WEND_FAMILY_IPV4, 0, 1, &number), 1);
    sim_device_drain(&world, d);
    sim_watch_machines(&world);
    expect_bark("is nobody's");
}

static void a_closed_socket_that_is_used_is_noticed(void **state)
{
    (void)state;
    struct sim_device *d = stop_in_the_middle();
    d->node->contacts[0].socket = 7;
    sim_watch_machines(&world);
    d->node->contacts[0].socket = 0;
    expect_bark("closed, and somebody's");
}

static void a_socket_that_was_not_closed_is_noticed(void **state)
{
    (void)state;
    struct sim_device *d = stop_in_the_middle();
    d->sockets.count++;
    sim_watch_machines(&world);
    d->sockets.count--;
    expect_bark("open sockets");
}

static void a_place_that_is_not_given_back_is_noticed(void **state)
{
    (void)state;
    struct sim_device *d = stop_in_the_middle();
    d->node->volleys.seats[2].contact = 1;
    sim_watch_machines(&world);
    d->node->volleys.seats[2].contact = 0;
    expect_bark("taken for nobody");
    d = stop_in_the_middle();
    d->node->volleys.limits.running = 1;
    sim_watch_machines(&world);
    d->node->volleys.limits.running = 0;
    expect_bark("are counted");
}

static void endless_asking_is_noticed(void **state)
{
    static const uint8_t request[20] = {0, 1};
    const struct wend_datagram out = {.transport = WEND_TRANSPORT_UDP,
                                      .remote = wend_address_ipv4(0xc6336401, SIM_PORT),
                                      .bytes = WEND_BYTES(request)};

    (void)state;
    struct sim_device *d = stop_in_the_middle();
    for (int i = 0; i < 1000 && !sim_world_failed(&world); i++) {
        d->in_second = 0; // not what is tried here
        sim_watch_sent(&world, d, &out, false);
    }
    expect_bark("asks discovery servers without end");
}

// Where nobody is, or nobody has been for long: a volley's datagrams are probes like any.
static void a_volley_at_a_stranger_is_noticed(void **state)
{
    static const uint8_t punch[64] = {9};
    struct wend_datagram out = {.transport = WEND_TRANSPORT_UDP, .bytes = WEND_BYTES(punch)};

    (void)state;
    struct sim_device *d = stop_in_the_middle();
    struct sim_device *peer = &world.devices[1];
    out.remote = sim_place_public(&scenario.places[1], 1, 0);
    for (int i = 0; i < 1000; i++)
        sim_watch_sent(&world, d, &out, false);
    assert_string_equal(world.failure, ""); // there it is
    peer->node->leg.observed = wend_address_ipv4(0x0a000001, 5);
    memset(d->watched, 0, sizeof d->watched);
    d->punches = 0;
    for (int i = 0; i < 1000; i++)
        sim_watch_sent(&world, d, &out, false);
    assert_string_equal(world.failure, ""); // there it was, just now
    peer->seen_since -= WEND_S(3);
    d->punches = 0;
    for (int i = 0; i < 1000 && !sim_world_failed(&world); i++)
        sim_watch_sent(&world, d, &out, false);
    expect_bark("probes in a minute");
}

static void ignorance_is_noticed(void **state)
{
    (void)state;
    (void)stop_in_the_middle();
    for (int i = 0; i < 2; i++) {
        struct wend_contact *c = &world.devices[i].node->contacts[0];
        assert_true(c->used);
        wend_paths_clear(&c->paths);
        c->volley_why = NULL;
    }
    sim_watch_reasons(&world, 0, 1);
    expect_bark("do not know why");
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
        cmocka_unit_test(lies_do_not_keep_cones_apart),
        cmocka_unit_test(lies_about_counting_nats_end),
        cmocka_unit_test(what_liars_made_is_forgotten),
        cmocka_unit_test(silence_half_way_changes_nothing),
        cmocka_unit_test(a_nat_changes_half_way),
        cmocka_unit_test(a_nat_runs_out_of_ports),
        cmocka_unit_test(a_nat_reboots_half_way),
        cmocka_unit_test(icmp_errors_change_nothing),
        cmocka_unit_test(a_socket_that_is_nobodys_is_noticed),
        cmocka_unit_test(a_closed_socket_that_is_used_is_noticed),
        cmocka_unit_test(a_socket_that_was_not_closed_is_noticed),
        cmocka_unit_test(a_place_that_is_not_given_back_is_noticed),
        cmocka_unit_test(endless_asking_is_noticed),
        cmocka_unit_test(a_volley_at_a_stranger_is_noticed),
        cmocka_unit_test(ignorance_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, close_world);
}
